/* Presence on its way through the routers: rows of Synapse's `presence` stream are gathered into batches, the chain is
 * asked who gets what (get_users_for_states), and its answer becomes rows of our stream `presence_routes`.
 *
 * It does no I/O. Its owner hands in rows as the observer hands them on, says when a turn of the loop is over, and
 * takes the routes and the positions that are done with. */
#ifndef WEIR_ENGINE_PRESENCE_ROUTER_H
#define WEIR_ENGINE_PRESENCE_ROUTER_H

#include "engine/metrics.h"
#include "filters/chain.h"
#include "replication/position.h"

struct presence_router;

struct presence_router_callbacks {
    void *context;
    /* `[destination_user_id, [state, …]]`, the states as objects with Synapse's field names. Lives until the call
     * returns. */
    void (*route)(void *context, struct slice row);
    /* All rows of `writer` up to `token` are routed. */
    void (*position)(void *context, enum stream stream, struct slice writer, int64_t token);
};

struct presence_router_counts {
    uint64_t updates;  /* rows read */
    uint64_t bad_rows; /* rows that could not be read */
    uint64_t batches;  /* questions to the chain */
    uint64_t routes;   /* rows of presence_routes */
    uint64_t unrouted; /* batches that no router wanted anything of */
    uint64_t failures; /* batches of which the chain made no answer */
};

/* `metrics` gets the router's families and must outlive it. */
struct presence_router *presence_router_create(const struct chain *chain,
                                               const struct presence_router_callbacks *callbacks,
                                               struct metrics *metrics);
void presence_router_destroy(struct presence_router *router);

/* Whether any module of the chain routes presence: otherwise nobody need read the rows at all. */
bool presence_router_wanted(const struct chain *chain);

/* The time of the rows that follow, in milliseconds since 1970, for who has them from a recording; 0: the clock's. */
void presence_router_set_time(struct presence_router *router, int64_t now_ms);
/* Rows of one token of `presence`; without rows: the writer's position moved on. They are routed by
 * presence_router_flush, or before if the batch grows past its bound. */
void presence_router_rows(struct presence_router *router, const struct position_rows *rows);
/* Routes what was gathered. */
void presence_router_flush(struct presence_router *router);
/* Another chain takes over; what was gathered is still routed by the old one, which may then be destroyed. */
void presence_router_use_chain(struct presence_router *router, const struct chain *chain);

struct presence_router_counts presence_router_counts(const struct presence_router *router);

/* Reads a row of `presence`: an array of the stream's seven fields. The texts are slices of the JSON document. Null in
 * the place of a number or a boolean counts as 0 or false. False with a sentence in `*problem` if it is no such row. */
bool presence_row_read(yyjson_val *row, struct presence_state *state, const char **problem);

/* Rows that are asked about at once. */
#define PRESENCE_BATCH_MAXIMUM 256

#endif
