/* What a module's callback hands back: one tagged union for every kind of value that Synapse's callbacks know
 * (callbacks.md, section 0). Texts point into the module's own memory and live as long as the module. */
#ifndef WEIR_FILTERS_RESULT_H
#define WEIR_FILTERS_RESULT_H

#include <jansson.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

enum result_kind {
    RESULT_NONE,     /* Python's None, or a function that fell off its end */
    RESULT_BOOLEAN,  /* exactly True or False */
    RESULT_NOT_SPAM, /* the constant NOT_SPAM */
    RESULT_CODE,     /* a member of Codes, perhaps with fields for the error body */
    RESULT_TEXT,     /* any other string */
    RESULT_DECISION, /* of check_event_allowed: (allowed, replacement or None) */
    RESULT_RAISED,   /* the module failed: an exception in Synapse */
};

struct result {
    enum result_kind kind;
    bool boolean;         /* RESULT_BOOLEAN; RESULT_DECISION: false refuses */
    struct slice text;    /* RESULT_CODE: the errcode; RESULT_TEXT: the text; RESULT_RAISED: what happened */
    const json_t *object; /* RESULT_CODE: its fields, or NULL; RESULT_DECISION: the replacement, or NULL */
    struct slice rule;    /* which rule of the module hit, for people; absent if it has only one */
    struct slice reason;  /* why, for the verdict row; absent if the rule says it all */
};

/* The value as JSON, tagged as on the wire (design: `"NOT_SPAM"`, `{"code":…,"fields":{…}}`, …). */
void result_append_json(const struct result *result, struct buffer *output);

/* Whether `code` is a member of Synapse's Codes enumeration (synapse/api/errors.py). */
bool result_code_known(struct slice code);

#endif
