/* Where we are in every stream of every writer, and what follows from each RDATA and POSITION (replication.md 6.3).
 *
 * A tracker keeps a book for each (stream, writer): the last token handed on, whether the writer has told its position
 * on this connection, and the rows of a batch that is not complete. It does no I/O: rows that are due go to
 * `hand_on`, ranges that are missing to `fetch`, whose answer comes back through position_fetched /
 * position_fetch_done. */
#ifndef WEIR_REPLICATION_POSITION_H
#define WEIR_REPLICATION_POSITION_H

#include <stdint.h>

#include "base/slice.h"
#include "replication/command.h"
#include "replication/stream.h"

struct position_tracker;

/* The rows of one token of one writer. Slices live until the callback returns. */
struct position_rows {
    enum stream stream;
    struct slice writer;
    int64_t token;
    const struct slice *rows; /* JSON texts */
    uint32_t count;
};

struct position_callbacks {
    void *context;
    void (*hand_on)(void *context, const struct position_rows *rows);
    /* Rows of `writer` in (from, upto] may be missing. Returns false if there is nobody to ask: the book then opens
     * where it stands and does not ask for this range again. What is missing stays missing (to log and count it is the
     * caller's), but rows that were announced before they were published, as Synapse up to 1.95 does, are still taken
     * when they come. Otherwise the tracker holds that writer closed until position_fetch_done; the answer may come
     * inside this call. */
    bool (*fetch)(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto);
    /* A stream whose tokens can go back was reset from `from` to `upto`: its writer restarted. May be NULL. */
    void (*reset)(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto);
};

/* What became of an RDATA; the caller counts. */
enum position_row_status {
    POSITION_ROW_HANDED_ON,
    POSITION_ROW_PENDING,   /* of a batch that goes on */
    POSITION_ROW_DUPLICATE, /* at or below our token */
    POSITION_ROW_CLOSED,    /* the writer has not told its position on this connection; its POSITION brings it back */
    POSITION_ROW_OWN,       /* our own echo */
    POSITION_ROW_OVERFLOW,  /* a batch or a set of held rows grew past its bound; dropped, and the writer closed: the
                               next POSITION fetches it */
};

/* `own_instance` is our name on the wire. `keep` is a bit set (1 << stream) of the streams whose rows are handed on;
 * of the others only the positions are kept. */
struct position_tracker *position_tracker_create(const struct position_callbacks *callbacks, const char *own_instance,
                                                 uint64_t keep);
/* Begins or ends to hand on the rows of a stream; of a batch that is arriving just then, those that are still to come.
 */
void position_keep(struct position_tracker *tracker, enum stream stream, bool keep);
void position_tracker_destroy(struct position_tracker *tracker);

/* A position known from before (stored, or the start of a test). A stream with any such position is no first start. */
void position_restore(struct position_tracker *tracker, enum stream stream, struct slice writer, int64_t token);

/* Every writer of `stream` that no position is known of begins behind `token`, now and later: its POSITION fetches what
 * lies between. A stream with such a start is no first start. */
void position_start(struct position_tracker *tracker, enum stream stream, int64_t token);

/* An RDATA. The row of a kept stream must have been read by the caller already: one that cannot be parsed must not come
 * here (replication.md 6.3). On a first start a row of a writer that never told its position is handed on and opens its
 * book: it was published after we listened, and no POSITION will bring it back. */
enum position_row_status position_row(struct position_tracker *tracker, enum stream stream,
                                      const struct command *command);

/* A POSITION. */
void position_announced(struct position_tracker *tracker, enum stream stream, const struct command *command);

/* The subscription was lost: every book closes, pending rows go. */
void position_disconnected(struct position_tracker *tracker);

/* One token's rows of an answer to `fetch`; handed on unless we have them. */
void position_fetched(struct position_tracker *tracker, const struct position_rows *rows);

/* The end of an answer. `reached` is the position that the answer names; `limited`: there is more, `fetch` is called
 * again. `failed`: the request brought nothing; the book stays closed, and its POSITION or position_retry asks again.
 */
void position_fetch_done(struct position_tracker *tracker, enum stream stream, struct slice writer, int64_t reached,
                         bool limited, bool failed);

/* Asks again for what a failed answer or a row too many left out; false if that writer misses nothing that may be asked
 * for now. */
bool position_retry(struct position_tracker *tracker, enum stream stream, struct slice writer);

/* The last token handed on; false if nothing is known of that writer. */
bool position_get(const struct position_tracker *tracker, enum stream stream, struct slice writer, int64_t *token);

/* Whether the writer has told its position on this connection, so that its rows are acted upon as they come. */
bool position_is_open(const struct position_tracker *tracker, enum stream stream, struct slice writer);

/* Calls `visit` for each book. */
void position_each(const struct position_tracker *tracker,
                   void (*visit)(void *context, enum stream stream, struct slice writer, int64_t token, bool open),
                   void *context);

/* Where a writer's book stands, for people. */
struct position_standing {
    enum stream stream;
    struct slice writer; /* lives as long as the tracker */
    bool known;          /* `token` means something */
    int64_t token;       /* the last one handed on */
    int64_t newest;      /* the highest that is known of; `token` unless rows are missing or wait */
    bool announced;      /* the writer has told its position on this connection */
    bool open;           /* rows are acted upon as they come; false and announced: rows are missing, and are fetched */
};
/* Calls `visit` for each book of a stream whose rows are handed on; `standing` lives until it returns. */
void position_each_standing(const struct position_tracker *tracker,
                            void (*visit)(void *context, const struct position_standing *standing), void *context);

#endif
