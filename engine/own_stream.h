/* The streams that the engine itself publishes on `<server_name>/weir`, in Synapse's line grammar (design: section 5):
 * where each of them is, and its lines as part of a transaction. */
#ifndef WEIR_ENGINE_OWN_STREAM_H
#define WEIR_ENGINE_OWN_STREAM_H

#include "base/buffer.h"
#include "engine/transaction.h"

/* The form of what an engine keeps on Redis: the hash of positions and the rows of its durable stream. It stands in the
 * hash, in the field `<instance> format weir`, and is raised by a change that an older version would misread; a hash
 * without it is of form 1. */
#define STORED_FORMAT 1
#define STORED_FORMAT_NAME "format"

struct own_stream_definition {
    const char *name; /* on the wire and in the hash of positions */
    bool durable;     /* its rows also go into the stream key <server_name>/weir/<name> */
};

extern const struct own_stream_definition own_stream_definitions[OWN_STREAM_COUNT];

struct own_streams {
    const char *instance_name;
    uint64_t tokens[OWN_STREAM_COUNT];    /* given out */
    uint64_t announced[OWN_STREAM_COUNT]; /* of the last row or POSITION that was put into a transaction */
    bool store_all;                       /* the next transaction stores every token, raised or not */
    bool format_stored;                   /* the hash says of which form it is */
    struct buffer keys[OWN_STREAM_COUNT];
    struct buffer fields[OWN_STREAM_COUNT]; /* in the hash of positions */
    struct buffer format_field;
    struct buffer channel;
    struct buffer positions_key;
    struct buffer line;
    size_t row_begins; /* in `line` */
};

/* `instance_name` must stay valid. */
void own_streams_open(struct own_streams *streams, const char *server_name, const char *instance_name);
void own_streams_close(struct own_streams *streams);

/* Takes the stream's next token. */
void own_streams_raise(struct own_streams *streams, enum own_stream stream, struct transaction *transaction);
/* Begins the row of the stream's current token; the caller appends its JSON to what is returned. `more`: the next row
 * shares the token. */
struct buffer *own_streams_begin_row(struct own_streams *streams, enum own_stream stream, bool more);
/* Publishes the row that was begun, and stores it if the stream is durable, which then keeps about `keep` rows. */
void own_streams_end_row(struct own_streams *streams, enum own_stream stream, struct transaction *transaction,
                         int64_t keep);
/* POSITION of each stream, for whoever sent REPLICATE. */
void own_streams_announce(struct own_streams *streams, struct transaction *transaction);
/* POSITION of each stream that went on without a row, and the tokens that the transaction raises, and once the form,
 * into the hash of positions: to be called once, before transaction_end. */
void own_streams_seal(struct own_streams *streams, struct transaction *transaction);
/* Takes a token from the hash of positions; false if `name` is none of our streams. */
bool own_streams_restore(struct own_streams *streams, struct slice name, int64_t token);

#endif
