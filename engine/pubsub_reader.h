/* What a subscribed connection sends (RESP2), read where it lies: pub/sub messages as slices of the bytes that came
 * from the socket. Nothing is copied and no object is made.
 *
 * The caller reads into the room that it is given, says how much came, and takes the items until there are no more. */
#ifndef WEIR_ENGINE_PUBSUB_READER_H
#define WEIR_ENGINE_PUBSUB_READER_H

#include <stdbool.h>

#include "base/slice.h"

struct pubsub_reader;

enum pubsub_kind {
    PUBSUB_MORE,       /* no whole item is there: read on */
    PUBSUB_BROKEN,     /* `text` says why; the reader is of no more use */
    PUBSUB_MESSAGE,    /* `text` was published on `channel` */
    PUBSUB_SUBSCRIBED, /* the subscription to `channel` is confirmed */
    PUBSUB_ANSWER,     /* `text` is no pub/sub message; "PONG" also for a subscriber's pong */
    PUBSUB_ERROR,      /* likewise, an error */
};

/* Slices live until pubsub_reader_room is called. */
struct pubsub_item {
    enum pubsub_kind kind;
    struct slice channel;
    struct slice text;
};

struct pubsub_reader *pubsub_reader_create(void);
void pubsub_reader_destroy(struct pubsub_reader *reader);

/* Where the next bytes go: `*size` of them at most, never none. */
char *pubsub_reader_room(struct pubsub_reader *reader, size_t *size);
/* So many bytes were put there. */
void pubsub_reader_filled(struct pubsub_reader *reader, size_t count);
/* The next item. Whole answers of no interest, as the confirmation of an UNSUBSCRIBE, are passed over. */
struct pubsub_item pubsub_reader_next(struct pubsub_reader *reader);

/* Longest line of text (`+`, `-`) that is taken. */
#define PUBSUB_LINE_MAXIMUM (64u << 10)

#endif
