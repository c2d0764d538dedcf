/* Puts one question of a case to a chain, as a running engine would: what it remembers, it remembers. */
#ifndef WEIR_ENGINE_CASES_ASK_H
#define WEIR_ENGINE_CASES_ASK_H

#include "engine/cases.h"
#include "engine/cases_services.h"
#include "engine/explain_trace.h"

struct case_question {
    const struct test_case *test;
    uint32_t case_number; /* for the event's id */
    uint32_t repetition;  /* from 1 */
    int64_t now_ms;
};

/* What came of it; lives until the call that shows it returns. */
struct case_answer {
    const struct configuration *configuration;
    const struct outcome *outcome;
    const json_t *asked;   /* the event with its id and time, or NULL */
    const json_t *edited;  /* the argument that modules may edit; or NULL */
    const char *unnamed;   /* the URL of a service that was asked and of which the case says nothing; or NULL */
    struct slice dry_runs; /* the labels and names of modules in dry_run that would have decided, each in a line */
    struct slice said;     /* what each module said, a line each */
};
typedef void case_answer_function(void *context, const struct case_answer *answer);

/* A chain that is asked, with what goes on from question to question. */
struct case_asker;
struct case_asker *case_asker_create(struct configuration *configuration, struct case_services *services);
/* Before the configuration is. */
void case_asker_destroy(struct case_asker *asker);

/* False with a sentence in `error` if there is nothing that could be asked: the event cannot be read. */
bool case_ask(struct case_asker *asker, const struct case_question *question, case_answer_function *show, void *context,
              struct buffer *error);

#endif
