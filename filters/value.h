/* The values that go between Synapse and its modules: what a callback is asked about, and what it hands back. One
 * tagged union for every kind that Synapse's callbacks know (callbacks.md, section 0).
 *
 * A value is small and owns nothing: texts and items live in the module, in the event, or in the arena of the question.
 * JSON objects are borrowed likewise (value_own_json gives one to an arena). */
#ifndef WEIR_FILTERS_VALUE_H
#define WEIR_FILTERS_VALUE_H

#include <jansson.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "filters/presence_state.h"

enum value_kind {
    VALUE_NONE,      /* Python's None, or a function that fell off its end */
    VALUE_BOOLEAN,   /* exactly True or False: `boolean` */
    VALUE_INTEGER,   /* `integer` */
    VALUE_FLOAT,     /* `number` */
    VALUE_TEXT,      /* any string: `text` */
    VALUE_NOT_SPAM,  /* the constant NOT_SPAM */
    VALUE_CODE,      /* a member of Codes: `text`; with fields for the error body, the pair (code, dict): `object` */
    VALUE_BEHAVIOUR, /* a RegistrationBehaviour: `text` is ALLOW, SHADOW_BAN or DENY */
    VALUE_TUPLE,     /* `items`, `count` */
    VALUE_LIST,      /* likewise */
    VALUE_SET,       /* likewise, no two of them equal */
    VALUE_DICT,      /* likewise, key and value in turn, in Python's order of insertion; `count` pairs */
    VALUE_JSON,      /* any JSON value as an argument or inside of an answer: `object` */
    VALUE_EVENT,     /* a dict that is the event asked about with the members of `object` replaced or added */
    VALUE_STATE,     /* a user's presence: `state` */
    VALUE_CALLABLE,  /* a function */
    VALUE_LIMIT,     /* a MediaUploadLimit: `limit` */
    VALUE_OVERRIDE,  /* a RatelimitOverride: `override` */
    VALUE_OBJECT,    /* anything foreign, truthy: `text` is its type's name */
    VALUE_RAISED,    /* the module failed: `raised` */
    /* What only Weir's own modules say; the callback's rule turns the first two into what Synapse's own would be. */
    VALUE_PASS,    /* whatever lets the next module speak */
    VALUE_REFUSE,  /* whatever refuses, with the code `text` (absent: M_FORBIDDEN) and fields `object` (or NULL) */
    VALUE_PENDING, /* the answer comes later: `ticket` */
};
#define VALUE_KINDS (VALUE_PENDING + 1)

/* Which exception: all that Synapse tells apart. */
enum raised_kind {
    RAISED_OTHER,         /* any other exception */
    RAISED_SYNAPSE_ERROR, /* SynapseError or a subclass: status, errcode and text are the module's */
    RAISED_MODULE_FAILED, /* ModuleFailedException */
    RAISED_CANCELLED,     /* the caller went away */
    RAISED_KEY_ERROR,     /* KeyError, which is_user_expired's surroundings take for a missing token */
};

#define RAISED_KINDS (RAISED_KEY_ERROR + 1)
/* The name of the exception's class: "SynapseError". */
const char *raised_kind_text(enum raised_kind kind);

struct raised {
    enum raised_kind kind;
    int status;           /* RAISED_SYNAPSE_ERROR: the HTTP status */
    struct slice errcode; /* likewise */
    struct slice text;    /* for people; RAISED_SYNAPSE_ERROR: for the client */
    const json_t *fields; /* RAISED_SYNAPSE_ERROR: further members of the error body, or NULL */
};

struct value {
    enum value_kind kind;
    uint32_t count;
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct slice text;
        const struct value *items;
        const struct raised *raised;
        const struct presence_state *state;
        struct {
            int64_t max_bytes;
            int64_t time_period_ms;
        } limit;
        struct {
            double per_second;
            int64_t burst_count;
        } override;
        uint64_t ticket;
    };
    json_t *object;
};

/* One module's answer, and for people what made it say so. */
struct result {
    struct value value;
    struct slice rule;   /* which rule of the module hit; absent if it has only one */
    struct slice reason; /* why, for the verdict row; absent if the rule says it all */
    /* The part of one of the event's texts that made it say so, for `weir explain`; or absent. */
    struct slice evidence;
    bool rule_is_regex; /* `rule` is an expression in Perl's syntax that is found in `evidence` */
    uint32_t actions; /* of an answer that refuses: bits of ACTION_BIT (filters/action.h), beside the configuration's */
    uint64_t tags;    /* of modules with `sets_tags`: the bits of module_tag that what is asked about has from now on */
};

static inline struct value value_boolean(bool boolean)
{
    return (struct value){.kind = VALUE_BOOLEAN, .boolean = boolean};
}
static inline struct value value_integer(int64_t integer)
{
    return (struct value){.kind = VALUE_INTEGER, .integer = integer};
}
static inline struct value value_text(struct slice text)
{
    return (struct value){.kind = VALUE_TEXT, .text = text};
}
static inline struct value value_code(struct slice code)
{
    return (struct value){.kind = VALUE_CODE, .text = code};
}
static inline struct value value_json(const json_t *object)
{
    return (struct value){.kind = VALUE_JSON, .object = (json_t *)(uintptr_t)object};
}
/* A built-in module's refusal. */
static inline struct value value_refuse(struct slice code)
{
    return (struct value){.kind = VALUE_REFUSE, .text = code};
}
/* `items` (`count` of them) must outlive the value; for VALUE_DICT `count` pairs. */
static inline struct value value_container(enum value_kind kind, const struct value *items, uint32_t count)
{
    return (struct value){.kind = kind, .count = count, .items = items};
}
/* (allowed, None) and (True, event with these members), what check_event_allowed answers. */
struct value value_pair(struct arena *arena, bool allowed, json_t *replaced);
/* A failure with a sentence for people, copied into the arena. */
struct value value_raise(struct arena *arena, enum raised_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Raises SynapseError(status, text, errcode). */
struct value value_raise_error(struct arena *arena, int status, struct slice errcode, struct slice text);

/* Hands a reference to the arena, which drops it when it is reset. Returns `object`. */
json_t *value_own_json(struct arena *arena, json_t *object);

/* Python's truth: false for None, False, 0, 0.0, "" and empty containers; true for all else, codes and NOT_SPAM too. */
bool value_truthy(const struct value *value);
/* Exactly True or exactly False. */
bool value_is(const struct value *value, bool boolean);
/* Python's `==` within one kind; sets regardless of order. */
bool value_equal(const struct value *left, const struct value *right);
/* The item stored with the text `key` of a VALUE_DICT, or NULL. */
const struct value *value_dict_find(const struct value *dict, struct slice key);
/* Whether the value is a Python dict: VALUE_DICT, VALUE_EVENT, or VALUE_JSON of an object. */
bool value_is_dict(const struct value *value);

/* The value as JSON, tagged as in the oracle vectors (chain-vectors.md), except that NOT_SPAM is the plain
 * `"NOT_SPAM"` and a raised error is `{"raise":{"type":…,"code":…,"errcode":…,"msg":…}}`. One line, ASCII. */
void value_append_json(const struct value *value, struct buffer *output);

/* Reads such a value, and plain JSON beside it: null, booleans, numbers, "NOT_SPAM", any other text, arrays (a list).
 * Everything is copied into the arena. False with a sentence in `*problem` for an unknown tag or a wrong shape, or for
 * nesting above VALUE_DEPTH_MAXIMUM. */
#define VALUE_DEPTH_MAXIMUM 32
bool value_read_json(const json_t *json, struct arena *arena, struct value *value, const char **problem);

/* JSON as Python's json would read it, without tags: null is None, an object a dict, an array a list. False for nesting
 * above VALUE_DEPTH_MAXIMUM. */
bool value_read_plain(const json_t *json, struct arena *arena, struct value *value);

/* The value as plain JSON, without tags: a new reference, or NULL for what has no such form (failures, functions,
 * foreign things) and for nesting above VALUE_DEPTH_MAXIMUM. */
json_t *value_to_json(const struct value *value);

/* Whether `code` is a member of Synapse's Codes enumeration (synapse/api/errors.py). */
bool value_code_known(struct slice code);

#endif
