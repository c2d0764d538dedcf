/* Which events beyond a writer's position were judged already, as an earlier run stored it: where a service is slow,
 * events of other rooms are judged and published ahead of the position, and must not be judged twice after a restart.
 *
 * The record says it the short way round, as what is left out, since few events wait and many may have passed them:
 *
 *     [upto, left out, …]
 *
 * Of the writer's events up to the token `upto`, all were judged but those left out: a number stands for all events
 * of that token, a pair [token, "event id"] for one of several. They are in the order of their tokens. */
#ifndef WEIR_ENGINE_JUDGED_AHEAD_H
#define WEIR_ENGINE_JUDGED_AHEAD_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

struct left_out {
    int64_t token;
    struct slice event_id; /* owned; absent: every event of the token */
};

/* A zeroed struct knows of nothing. */
struct judged_ahead {
    bool known;
    int64_t upto;
    struct left_out *left_out;
    size_t count;
    size_t next; /* those before it are below every token that was asked about */
};

/* Records above this are refused unread. */
#define JUDGED_AHEAD_MAXIMUM (64u << 20)

/* Reads a record into `ahead` (zeroed). False with a sentence in `*problem`; `ahead` is then empty. */
bool judged_ahead_read(struct judged_ahead *ahead, struct slice text, const char **problem);
void judged_ahead_free(struct judged_ahead *ahead);

/* Whether that event was judged. Tokens must not fall from call to call. */
bool judged_ahead_has(struct judged_ahead *ahead, int64_t token, struct slice event_id);

/* Appends ",<left out>" to a record that is being written. `event_id` absent: every event of the token. */
void judged_ahead_append(struct buffer *record, int64_t token, struct slice event_id);
/* The same for all that `ahead` leaves out above `token`. */
void judged_ahead_append_above(const struct judged_ahead *ahead, int64_t token, struct buffer *record);

#endif
