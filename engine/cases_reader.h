/* What the files that read cases share; everyone else sees engine/cases.h. */
#ifndef WEIR_ENGINE_CASES_READER_H
#define WEIR_ENGINE_CASES_READER_H

#include "engine/cases.h"
#include "engine/configuration_reader.h"

/* A case while it is read. */
struct case_reading {
    struct configuration_reader *reader;
    const struct yaml_node *item;     /* a map */
    const struct yaml_node *defaults; /* a map, or NULL */
    const char *key;                  /* "cases[2]" */
    const char *server_name;
    struct test_case *test;
};

/* Reports what is wrong with `path` below the item ("expect.rule"), at its node. */
void case_error(struct case_reading *reading, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the word that is unknown, and the nearest of `names`. */
void case_unknown(struct case_reading *reading, const char *path, struct yaml_mark mark, const char *what,
                  const char *word, const char *const *names);
/* A key's value; NULL without one. */
const struct yaml_node *case_find(const struct case_reading *reading, const char *key);
/* Its text; NULL, and reported if there is another value, without one. */
const char *case_text(struct case_reading *reading, const char *key);

/* Makes the event from `event` and the short forms (cases_event.c): a new reference, or NULL if there is none of
 * either. */
json_t *case_read_event(struct case_reading *reading);

/* Reads `expect` into the case, whose `repeat` is known (cases_expect.c). */
void case_read_expectations(struct case_reading *reading);

#endif
