/* What Redis carries out as one, on its way there: formatted once and kept until it is answered, since it may have to
 * be sent again.
 *
 * It is a MULTI … EXEC. Where two engines share a job (engine/lease.h) it is one EVAL that looks at the fence first:
 * MULTI cannot, since nothing in it sees an answer. A transaction of an engine that lost the job thus does nothing at
 * all, however late it comes; Redis answers `FENCED` and the number that stands there, or `-` if none does. */
#ifndef WEIR_ENGINE_TRANSACTION_H
#define WEIR_ENGINE_TRANSACTION_H

#include <stdint.h>

#include "base/buffer.h"

/* The streams that the engine publishes itself (engine/own_stream.h). */
enum own_stream { OWN_STREAM_VERDICTS, OWN_STREAM_PRESENCE_ROUTES, OWN_STREAM_COUNT };

/* Events that came in together. */
struct transaction_events {
    uint64_t received_ns;
    uint64_t count;
};

/* A field of the hash of positions that the transaction sets or takes away: where its text is in `commands`. */
struct transaction_store {
    uint32_t command; /* between MULTI and EXEC, from 0 */
    bool removes;     /* and has no value */
    size_t field_at, field_length;
    size_t value_at, value_length;
};

/* Of so many arguments one command may be, beside some of its own: what Lua unpacks is bounded. */
#define TRANSACTION_ENTRIES_MAXIMUM 500u

/* An absent key: no fence. The key must stay valid. */
struct transaction_fence {
    struct slice key;
    uint64_t number; /* under which the engine holds the job */
};

struct transaction {
    struct transaction *next;
    struct buffer commands; /* as transaction_text has them, behind room for the head */
    size_t begins;          /* in `commands`; set by transaction_end */
    bool fenced;
    uint32_t argument_count;           /* of the EVAL */
    uint32_t command_count;            /* that the engine asked for */
    uint64_t tokens[OWN_STREAM_COUNT]; /* of our own streams after this transaction; set by transaction_end */
    bool raises_tokens;                /* some of them by this very transaction */
    bool refused;                      /* by Redis, which did nothing of it, when it was sent last */
    bool puts_back;                    /* what Redis has lost: that fields are new is no news */
    struct transaction_events *events; /* that it is about, in the order in which they came */
    size_t run_count;
    size_t run_capacity;
    struct transaction_store *stores;
    size_t store_count;
    size_t store_capacity;
    uint64_t rows; /* verdicts in it */
};

/* Empties `transaction` (zeroed, or used before) and begins it. */
void transaction_begin(struct transaction *transaction, const struct transaction_fence *fence);
void transaction_publish(struct transaction *transaction, struct slice channel, struct slice message);
/* XADD of a row with its token, trimming the stream to about `keep` entries. */
void transaction_store_row(struct transaction *transaction, struct slice key, int64_t keep, uint64_t token,
                           struct slice row);
/* XACK and XDEL of entries of a stream: requests that are settled. At most TRANSACTION_ENTRIES_MAXIMUM of them. */
void transaction_settle_entries(struct transaction *transaction, struct slice key, struct slice group,
                                const struct slice *entries, size_t count);
/* XADD of `count` texts, names and values in turn, trimming the stream to about `keep` entries. At most
 * TRANSACTION_ENTRIES_MAXIMUM texts. */
void transaction_add_entry(struct transaction *transaction, struct slice key, int64_t keep, const struct slice *texts,
                           size_t count);
/* HSET of a number, or of a text, and HDEL. */
void transaction_set_number(struct transaction *transaction, struct slice key, struct slice field, int64_t number);
void transaction_set_text(struct transaction *transaction, struct slice key, struct slice field, struct slice text);
void transaction_remove_field(struct transaction *transaction, struct slice key, struct slice field);
/* What a store says; the slices live until the transaction is changed. An absent value: the field is taken away. */
struct slice transaction_store_field(const struct transaction *transaction, const struct transaction_store *store);
struct slice transaction_store_value(const struct transaction *transaction, const struct transaction_store *store);
/* An event that came in at `received_ns` (monotonic) is settled with this transaction. */
void transaction_add_event(struct transaction *transaction, uint64_t received_ns);
/* `tokens` has one for each of our own streams. */
void transaction_end(struct transaction *transaction, const uint64_t *tokens);
/* What is to be sent, once it has ended. */
struct slice transaction_text(const struct transaction *transaction);
/* Whether the tokens that Redis has stored prove that the transaction was carried out. One that raised no token and
 * ends at those very ones may or may not have been; what it does can be done twice. */
bool transaction_was_carried_out(const struct transaction *transaction, const uint64_t *stored_tokens);
/* Whether the stored tokens are those that this transaction put there, and no other's. */
bool transaction_is_the_last(const struct transaction *transaction, const uint64_t *stored_tokens);
/* How many answers Redis gives to it: one for MULTI, for each command, and for EXEC; or one for the EVAL. */
uint32_t transaction_replies(const struct transaction *transaction);
/* Whether Redis's error means that another engine holds the job: its number is not ours. */
bool transaction_error_is_fence(const char *error);
/* Frees what the transaction holds and itself, and all that follow it. */
void transaction_free_all(struct transaction *transaction);

#endif
