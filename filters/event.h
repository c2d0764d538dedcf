/* An event as the modules see it: the fields of its stream row, and those of its body that some module asked for.
 *
 * The parser is hidden behind this header. A chain declares the keys of `content` that its modules read in a
 * `field_table`; the reader keeps slices of what was declared and passes over the rest. All slices of an event live
 * until the reader reads the next one and as long as the body and the row do. */
#ifndef WEIR_FILTERS_EVENT_H
#define WEIR_FILTERS_EVENT_H

#include <stdint.h>

#include "base/slice.h"

/* Bodies above this are refused unread; Matrix allows 65,536 bytes, Synapse's stored form of it little more. */
#define EVENT_BODY_MAXIMUM (16u << 20)

/* The keys of `content` that are read, each with a slot number. */
struct field_table;

struct field_table *field_table_create(void);
void field_table_destroy(struct field_table *table);

/* The slot of `content.<key>`, declared if it is new. Slots count up from 0 in the order of declaration. */
uint32_t field_table_declare(struct field_table *table, struct slice key);
uint32_t field_table_count(const struct field_table *table);
/* The key that was declared for a slot; lives as long as the table. */
struct slice field_table_key(const struct field_table *table, uint32_t slot);

struct event {
    /* From the stream row; absent where the row has null. In a request everything comes from the body. */
    struct slice event_id;
    struct slice room_id;
    struct slice type;
    struct slice state_key;
    struct slice redacts;
    struct slice relates_to;
    struct slice membership;
    /* From the body only. */
    struct slice sender;
    bool has_body;
    struct slice body;                   /* its JSON text, as it was read; for modules that pass it on */
    const struct slice *content_strings; /* by slot: the string value of that key, absent if it is no string */
    uint64_t content_others;             /* for event_content_other */
    uint64_t *looked_into;               /* for event_content.c: which look into the body was this event's; 0: none yet.
                                            NULL: nobody keeps it */
};

/* What a field of the event itself takes of the numbers of fields, before those of `content`. */
#define EVENT_HEADER_FIELDS 6u
/* The bit of a field's number; fields beyond share the last one. */
#define EVENT_FIELD_BIT(field) (1ull << ((field) < 63 ? (field) : 63))

/* The string value of a declared key of `content`; absent without a body, without the key, or if it is no string. */
static inline struct slice event_content_string(const struct event *event, uint32_t slot)
{
    return event->has_body ? event->content_strings[slot] : SLICE_ABSENT;
}

/* Whether a declared key of `content` may hold something that is no string: a number, true, false, null, or an object
 * or an array with anything in it. False is certain: such a value need not be looked for. */
static inline bool event_content_other(const struct event *event, uint32_t slot)
{
    return event->has_body && event->content_others & EVENT_FIELD_BIT(EVENT_HEADER_FIELDS + slot);
}

/* The part of `sender` after its first `:`; absent without a sender or a colon. */
static inline struct slice event_sender_server(const struct event *event)
{
    if (!event->sender.data)
        return SLICE_ABSENT;
    const char *colon = memchr(event->sender.data, ':', event->sender.length);
    if (!colon)
        return SLICE_ABSENT;
    return slice_of(colon + 1, event->sender.length - (size_t)(colon + 1 - event->sender.data));
}

enum event_read_status {
    EVENT_READ_OK,
    EVENT_READ_NOT_JSON,  /* not one JSON value as RFC 8259 has it, or nested above a thousand levels */
    EVENT_READ_NOT_EVENT, /* JSON, but no object, or `content` is there and is none */
    EVENT_READ_TOO_LARGE, /* above EVENT_BODY_MAXIMUM */
};

/* Words for a log line, e.g. "the body is not valid JSON". */
const char *event_read_status_text(enum event_read_status status);

/* Reads bodies one after another, reusing its memory: no allocation once it has seen the largest. One thread each.
 * The field table must not change afterwards and must outlive the reader. */
struct event_reader;

struct event_reader *event_reader_create(const struct field_table *fields);
void event_reader_destroy(struct event_reader *reader);
/* Lets the reader know shapes of events (event_shapes.h), which it learns as it reads; they must have been learnt with
 * the same fields. Borrowed; NULL: none. */
struct event_shapes;
void event_reader_use_shapes(struct event_reader *reader, struct event_shapes *shapes);
/* The strings of content that lie in `body` lie in `copy`, which has the same bytes, from now on. */
void event_reader_move(struct event_reader *reader, struct slice body, struct slice copy);

/* Reads `body` (the event's JSON, without its event_id from room version 3 on), which must live as long as the event,
 * into `event`: sets what comes from the body, and those fields of the row that are still absent. A key that is there
 * twice counts with its last value, as Python's json takes it. On failure `event` keeps what the row said and has no
 * body; it can still be judged by modules that need none. */
enum event_read_status event_reader_read(struct event_reader *reader, struct slice body, struct event *event);

#endif
