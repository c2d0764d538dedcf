/* One MULTI … EXEC on its way to Redis, formatted once and kept until it is answered, since it may have to be sent
 * again. */
#ifndef WEIR_ENGINE_TRANSACTION_H
#define WEIR_ENGINE_TRANSACTION_H

#include <stdint.h>

#include "base/buffer.h"

struct transaction {
    struct transaction *next;
    struct buffer commands;
    uint32_t command_count; /* between MULTI and EXEC */
    uint64_t token;         /* of our own stream after this transaction; set by transaction_end */
    uint64_t *received_ns;  /* of each event that it is about */
    size_t event_count;
    size_t event_capacity;
    uint64_t rows; /* verdicts in it */
};

/* Empties `transaction` (zeroed, or used before) and begins it. */
void transaction_begin(struct transaction *transaction);
void transaction_publish(struct transaction *transaction, struct slice channel, struct slice message);
/* XADD of a row with its token, trimming the stream to about `keep` entries. */
void transaction_store_row(struct transaction *transaction, struct slice key, int64_t keep, uint64_t token,
                           struct slice row);
/* HSET of a number. */
void transaction_set_number(struct transaction *transaction, struct slice key, struct slice field, int64_t number);
/* An event that came in at `received_ns` (monotonic) is settled with this transaction. */
void transaction_add_event(struct transaction *transaction, uint64_t received_ns);
void transaction_end(struct transaction *transaction, uint64_t token);
/* How many answers Redis gives to it: one for MULTI, for each command, and for EXEC. */
uint32_t transaction_replies(const struct transaction *transaction);
/* Frees what the transaction holds and itself, and all that follow it. */
void transaction_free_all(struct transaction *transaction);

#endif
