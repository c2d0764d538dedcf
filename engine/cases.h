/* An administrator's own tests of a configuration: events and questions, and what the chain is expected to say of each.
 * For `weir test`; written as docs/testing-rules.md has it.
 *
 * A file of cases belongs to whoever read it. What is wrong in it is told like what is wrong in a configuration, with
 * line and column. */
#ifndef WEIR_ENGINE_CASES_H
#define WEIR_ENGINE_CASES_H

#include "engine/configuration.h"
#include "engine/yaml_document.h"

#define CASES_REPEAT_MAXIMUM 1000000u

enum case_verdict {
    CASE_ANY, /* whatever came of it */
    CASE_PASS,
    CASE_DENY,
    CASE_CHANGE,
    CASE_FAIL, /* a module failed, and the callback with it */
};
extern const char *const case_verdict_texts[]; /* "any", "pass", …; NULL-terminated */

/* What is expected of the repetitions `from` to `to` of a case; texts lie in the file's document. */
struct case_expectation {
    uint32_t from;
    uint32_t to;
    struct yaml_mark mark;
    enum case_verdict verdict;
    const char *module;  /* that decided: its label or its name; NULL: it does not matter, and so on */
    const char *rule;    /* as the verdict has it */
    const char *code;    /* likewise */
    const char *reason;  /* a part of it */
    const char *dry_run; /* a module in dry_run that would have decided */
    json_t *changed;     /* members that the replaced event, or the edited argument, has; or NULL */
    json_t *value;       /* the chain's value, tagged as in requests; or NULL */
};

struct test_case {
    const char *name;
    struct yaml_mark mark;
    enum callback callback; /* CALLBACK_UNKNOWN: an event that is observed */
    json_t *event;          /* whole; NULL: the callback has none */
    json_t *arguments;      /* of `callback`; NULL without */
    json_t *services;       /* answers by URL; or NULL */
    uint32_t repeat;        /* how often it is asked, at least once; `{n}` in its texts is then the number */
    int64_t every_ms;       /* between two repetitions */
    int64_t at_ms;          /* since the beginning, or since the case before */
    bool at_given;
    bool at_relative; /* to the case before */
    bool continues;   /* goes on with the state and the time of the case before */
    struct case_expectation *expectations;
    size_t expectation_count;
};

struct case_file {
    char *path;
    struct yaml_document *document;
    struct test_case *cases;
    size_t count;
};

/* NULL if anything is wrong; `errors` then holds a line for each error, "file:line:column: key: sentence". Events get
 * senders and rooms of `server_name` where the file names none. */
struct case_file *case_file_read(const char *path, const char *server_name, struct buffer *errors);
/* The same with the text at hand. */
struct case_file *case_file_read_text(const char *path, struct slice text, const char *server_name,
                                      struct buffer *errors);
void case_file_destroy(struct case_file *file);

struct cases_summary {
    uint32_t cases;
    uint32_t failed;
};

struct case_services;

struct cases_settings {
    struct configuration *configuration; /* never asked before */
    struct case_services *services;      /* of its modules */
    bool tap;                            /* the lines of the Test Anything Protocol, without its plan */
    bool explain;                        /* what each module said, below each case that failed */
};

/* Runs the cases of a file, and appends a line for each that failed, with `tap` for each. The summary counts on. Each
 * group of cases is asked in a process of its own, so that the caller must have no threads. False, with a line in
 * `errors`, if one cannot be made, or a module ends it. */
bool cases_run(const struct cases_settings *settings, const struct case_file *file, struct cases_summary *summary,
               struct buffer *output, struct buffer *errors);

#endif
