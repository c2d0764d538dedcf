/* What GET /v1/log asks for (docs/admin-api.md), read from the query of its URL. */
#ifndef WEIR_ENGINE_VERDICT_QUERY_H
#define WEIR_ENGINE_VERDICT_QUERY_H

#include "engine/verdict_filter.h"

#define VERDICT_QUERY_LIMIT_MAXIMUM 1000u
#define VERDICT_QUERY_LIMIT_DEFAULT 100u

/* Of an entry of a stream of Redis: milliseconds since 1970, and a number among those of one millisecond. */
struct stream_id {
    uint64_t ms, number;
};
#define STREAM_ID_LEAST ((struct stream_id){0, 0})
#define STREAM_ID_GREATEST ((struct stream_id){UINT64_MAX, UINT64_MAX})
/* With its last zero. */
#define STREAM_ID_SIZE 42

/* "1795700000000-3"; false if it is none. */
bool stream_id_parse(struct slice text, struct stream_id *id);
void stream_id_write(struct stream_id id, char text[STREAM_ID_SIZE]);
/* Moves to the one before; false if there is none. */
bool stream_id_step_back(struct stream_id *id);
/* Whether `left` is before `right`. */
bool stream_id_before(struct stream_id left, struct stream_id right);

struct verdict_query {
    struct verdict_filter filter;
    struct stream_id oldest, newest; /* entries from here to there, both among them; none if they are crossed */
    uint32_t limit;
};

/* Reads into a zeroed struct; `now_ms` is what durations are counted back from. False with a sentence for the client in
 * `problem`. It is to be freed in any case. */
bool verdict_query_parse(struct verdict_query *query, struct slice text, int64_t now_ms, struct buffer *problem);
void verdict_query_free(struct verdict_query *query);

#endif
