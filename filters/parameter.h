/* A module's parameters as a table: one row gives name, type, place in the module's own configuration struct, default,
 * range and the sentence that documents it. Decoding, checking, `weir modules` and the reference pages all read it. */
#ifndef WEIR_FILTERS_PARAMETER_H
#define WEIR_FILTERS_PARAMETER_H

#include <jansson.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"
#include "filters/duration.h"

enum parameter_type {
    PARAMETER_BOOLEAN,   /* bool */
    PARAMETER_INTEGER,   /* int64_t, in [minimum, maximum] */
    PARAMETER_DURATION,  /* int64_t: milliseconds, in [minimum, maximum]; a text such as "10m", or a whole number of
                            milliseconds */
    PARAMETER_RATE,      /* struct rate, zeroed where none was given: `count` in [minimum, maximum], a period of at most
                            a week; a text such as "10/m" */
    PARAMETER_TEXT,      /* char * or NULL */
    PARAMETER_CHOICE,    /* int: the index in `choices` */
    PARAMETER_CODE,      /* char *: one of Synapse's error codes */
    PARAMETER_TEXT_LIST, /* struct text_list; a single text is taken as a list of one, null as an empty one */
    PARAMETER_LINES_FILE,  /* struct text_list: the lines of the file named; `#` comments and blank lines left out */
    PARAMETER_LINES_FILES, /* struct text_files: the lines of each; a single text is taken as a list of one */
    PARAMETER_TEXT_MAP,    /* struct text_map; null is taken as an empty one */
    PARAMETER_MAP,         /* json_t * or NULL: a map of anything, which the module reads itself */
    PARAMETER_MAP_LIST,    /* struct map_list: each map decoded by a table of its own; null is taken as an empty list */
    PARAMETER_FIELDS,  /* the struct at `offset`, filled by a table of its own; a text or a list is taken as its first
                          key, which must take such. Its fallback is "[]" */
    PARAMETER_NUMBER,  /* double, in [minimum, maximum] */
    PARAMETER_CHOICES, /* unsigned: a list of texts, bit i for `choices[i]`, of at most 32; a single text is taken as a
                          list of one, null as an empty one */
};

/* Texts with where they come from, so that an error in the 700th line of a file can say so. */
struct text_list {
    char **items;
    uint32_t *lines; /* line in `path`, counted from 1; NULL for a list in the configuration itself */
    size_t count;
    char *path;  /* as written in the configuration; NULL for a list in the configuration itself */
    char *block; /* of a file: its content, which holds the items; NULL if each is allocated by itself */
};

/* One list for each file. */
struct text_files {
    struct text_list *lists;
    size_t count;
};

/* Texts by name, in the order of the configuration. */
struct text_map {
    char **names;
    char **values;
    size_t count;
};

/* What a list of maps was decoded into: `count` structs of the parameter's `map_size`. */
struct map_list {
    void *items;
    size_t count;
};

/* Frees the items and leaves an empty list: for a module that has copied what it needs of a long one. */
void text_list_free(struct text_list *list);
void text_files_free(struct text_files *files);

struct parameter {
    const char *name;
    enum parameter_type type;
    size_t offset;        /* of the member in the configuration struct */
    const char *fallback; /* the default as people write it: "false", "M_FORBIDDEN", "[]", "body formatted_body",
                             "name=text other=text"; NULL = none (texts: NULL, lists: empty) */
    int64_t minimum;      /* PARAMETER_INTEGER, PARAMETER_NUMBER, PARAMETER_DURATION, PARAMETER_RATE */
    int64_t maximum;
    const char *const *choices;     /* PARAMETER_CHOICE, PARAMETER_CHOICES, NULL-terminated */
    const struct parameter *fields; /* PARAMETER_MAP_LIST: the keys of each map; PARAMETER_FIELDS: of the map */
    size_t field_count;
    size_t map_size;  /* PARAMETER_MAP_LIST: of the struct that `fields` fills */
    bool text_items;  /* PARAMETER_MAP_LIST: a text is taken as a map with its first key alone, and one that is no list
                         as a list of one */
    const char *text; /* one sentence for people */
};

struct module_services;
struct pattern_store;

/* What decoding and module creation need from outside; filters/ itself does no I/O. */
struct module_host {
    void *context;
    /* An error of the configuration. `path` says where in the module's `config`: "users[3]", "syntax", or "" for the
     * whole. `message` is a sentence for people. All errors are reported, not only the first. */
    void (*report)(void *context, const char *path, const char *message);
    /* The same for what is legal but probably not meant; NULL: nobody listens. */
    void (*warn)(void *context, const char *path, const char *message);
    /* Puts the content of the file `name` (relative to the configuration file) into `content`; false with a reason in
     * `error` if it cannot be read. */
    bool (*read_file)(void *context, const char *name, struct buffer *content, struct buffer *error);
    /* Puts the path of the file `name` (relative to the configuration file), with a `/` in it, into `path`; false with
     * a reason in `error` where files are left out. For what no text can be read from: a plug-in. */
    bool (*resolve_path)(void *context, const char *name, struct buffer *path, struct buffer *error);
    /* How modules ask somebody outside; NULL where nobody can be asked. Outlives the module. */
    const struct module_services *services;
    /* Where compiled pattern sets are kept (filters/pattern_set.h); NULL: nowhere. Only while the module is made. */
    const struct pattern_store *patterns;
    /* Where a module's own words go, for scripts that log; NULL: nowhere. `level` is debug, info, warning or error. The
     * function may be kept. */
    void (*log)(const char *level, const char *module, struct slice message);
};

void module_host_report(const struct module_host *host, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void module_host_warn(const struct module_host *host, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reports every name in `values` (an object or NULL) that the table does not know, with the nearest one it does; false
 * if there was any. */
bool parameters_check_names(const struct parameter *table, size_t count, const json_t *values,
                            const struct module_host *host);

/* Fills `configuration` (zeroed, as large as the table's offsets need) from `values` (an object; NULL = all defaults),
 * passing over unknown names. Reports wrong types and values out of range; false if there was any. What was decoded
 * must be freed with parameters_free in both cases. */
bool parameters_decode(const struct parameter *table, size_t count, const json_t *values, void *configuration,
                       const struct module_host *host);
void parameters_free(const struct parameter *table, size_t count, void *configuration);

/* The longest period of a PARAMETER_RATE. */
#define PARAMETER_PERIOD_MAXIMUM_MS ((int64_t)7 * 86400 * 1000)

/* Type and default in words, for `weir modules`: "list of texts", "one of literal, glob, regex". */
void parameter_describe_type(const struct parameter *parameter, struct buffer *output);

/* The candidate nearest to `word` (edit distance of at most 2, or a third of its length), or NULL: for "did you mean".
 * `candidates` is NULL-terminated. */
const char *nearest_word(const char *word, const char *const *candidates);

#endif
