/* What events look like: the skeletons of bodies that were read before, each with its keys and the places of the fields
 * that are kept. Events of one kind from one sort of server differ in their strings and numbers alone, so most bodies
 * have a shape that is known, and are read without being parsed.
 *
 * Nothing is taken on trust: a shape fits a body only if all tokens are the same, all keys of the event and of its
 * `content` are, and every number, true, false and null is one. A body that no shape fits is no fault: it has to be
 * read by other means, and can be learnt. */
#ifndef WEIR_FILTERS_EVENT_SHAPES_H
#define WEIR_FILTERS_EVENT_SHAPES_H

#include "base/json_index.h"

/* Remembered at a time; the oldest of those that share a place goes first. */
#define EVENT_SHAPES_MAXIMUM 1024
/* Bodies with more are not learnt. */
#define EVENT_SHAPE_TOKENS_MAXIMUM 1024
#define EVENT_SHAPE_KEYS_MAXIMUM 128
#define EVENT_SHAPE_VALUES_MAXIMUM 128

struct event_shapes;

/* A field that is kept: where its string begins. */
struct event_capture {
    uint16_t token; /* of the opening quote */
    uint16_t field; /* as event_field_function numbers them */
};

struct event_shape {
    const struct event_capture *captures;
    uint32_t capture_count;
    uint64_t
        others; /* the bits (EVENT_FIELD_BIT) of keys of `content` that hold no string, and no empty object or array */
};

/* Which field a key is: of the event itself or, with `in_content`, of `content`. */
typedef uint32_t event_field_function(void *context, bool in_content, struct slice key);
#define EVENT_FIELD_CONTENT 0x10000u /* the key `content` itself */
#define EVENT_FIELD_NONE 0x10001u    /* not kept */

/* NULL where the processor cannot index (json_index.h). One thread each. */
struct event_shapes *event_shapes_create(void);
void event_shapes_destroy(struct event_shapes *shapes);

/* Indexes `body` and finds its shape; NULL if none fits. The shape and the index live until the next call. */
const struct event_shape *event_shapes_find(struct event_shapes *shapes, struct slice body);
/* The index of the body that was last asked for; NULL if it could not be indexed. */
const struct json_index *event_shapes_index(const struct event_shapes *shapes);

/* Remembers the shape of `body`, which was last asked for in vain and is a valid event. A key that is there twice
 * counts with its last value. */
void event_shapes_learn(struct event_shapes *shapes, struct slice body, event_field_function *field_of, void *context);

#endif
