/* The hash `<server_name>/weir/positions` as the outbox fills and reads it (design: section 5). Its fields:
 *
 *     <engine instance> <stream> <writer>         the last token up to which every row is settled
 *     <engine instance> events.ahead <writer>     which events beyond it were judged (engine/judged_ahead.h); only
 * there while there are any
 *
 *     <engine instance> events.audited <writer>   the last token up to which an audit found nothing more; only with
 * audits
 *
 *     <engine instance> format weir               the form of all this (engine/own_stream.h)
 *
 * They are written in the transaction that publishes the verdicts they speak of. The record is asked for once for each
 * transaction, not for each event, since it may name as many events as may wait. */
#ifndef WEIR_ENGINE_STORED_POSITIONS_H
#define WEIR_ENGINE_STORED_POSITIONS_H

#include "engine/outbox.h"
#include "engine/transaction.h"

struct stored_position {
    enum stream stream;
    struct slice writer; /* its own copy */
    int64_t token;
    bool has_token;
    bool dirty;
    bool ahead_dirty;
    bool ahead_stored; /* the field of what was judged ahead is there */
    int64_t audited;
    bool has_audited;
    bool audited_dirty;
};

/* A zeroed struct is empty. */
struct stored_positions {
    struct stored_position *positions;
    size_t count;
    size_t last; /* looked for: writers send in bursts */
    struct buffer field, record;
};

void stored_positions_free(struct stored_positions *positions);

/* To be stored with the next transaction: a position, or a new record of what was judged ahead. */
void stored_positions_set(struct stored_positions *positions, enum stream stream, struct slice writer, int64_t token);
void stored_positions_set_ahead(struct stored_positions *positions, enum stream stream, struct slice writer);
void stored_positions_set_audited(struct stored_positions *positions, enum stream stream, struct slice writer,
                                  int64_t token);
/* All that is known is to be stored again, since Redis has lost it. */
void stored_positions_set_all(struct stored_positions *positions);
/* Adds what is to be stored to the transaction; records come from callbacks->append_ahead. */
void stored_positions_seal(struct stored_positions *positions, const char *instance_name, struct slice key,
                           struct transaction *transaction, const struct outbox_callbacks *callbacks);

/* Takes a field of this instance from an earlier run; `name` is its second word, `writer` its third. Fields that are
 * none of ours, or cannot be read, are passed over. */
void stored_positions_restore(struct stored_positions *positions, struct slice name, struct slice writer,
                              struct slice value, const struct outbox_callbacks *callbacks);

#endif
