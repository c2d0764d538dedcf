/* Verdicts as they come, for whoever listens over HTTP: GET /v1/verdicts (docs/admin-api.md), as server-sent events.
 *
 * Four times a second each listener gets the rows that fit its filter, few enough for people to read, and how many
 * there were beside them. What it costs is bounded by that, not by how many verdicts there are: a row is taken by a
 * listener that still has room for it, and only counted by others. Where few rows fit a filter, each is looked through
 * for a text that it must have. While nobody listens no row comes here at all. */
#ifndef WEIR_ENGINE_VERDICT_FEED_H
#define WEIR_ENGINE_VERDICT_FEED_H

#include "engine/http_server.h"

#define VERDICT_FEED_PATH "/v1/verdicts"
#define VERDICT_FEED_LISTENERS_MAXIMUM 20u
#define VERDICT_FEED_ROWS_MAXIMUM 50u /* of one listener, in VERDICT_FEED_INTERVAL_MS */
#define VERDICT_FEED_INTERVAL_MS 250

struct verdict_feed;

/* What the engine did since it began. */
struct verdict_feed_counts {
    uint64_t judged;
    uint64_t denied;
};

struct verdict_feed_settings {
    struct event_base *base;
    struct metrics *metrics;
    /* Whether rows are wanted from now on: somebody listens. */
    void (*wanted)(void *context, bool wanted);
    struct verdict_feed_counts (*counts)(void *context);
    /* Whether a session of the console goes on: a listener that came with it stops when it does not. */
    bool (*session_is_open)(void *context, uint64_t session);
    void *context;
};

struct verdict_feed *verdict_feed_create(const struct verdict_feed_settings *settings);
/* After the servers that its area was added to. */
void verdict_feed_destroy(struct verdict_feed *feed);
/* The area may be added to several servers. */
struct http_area verdict_feed_http(struct verdict_feed *feed);

/* A row of `verdicts`, in one line, and its token. To be called while rows are wanted. */
void verdict_feed_row(struct verdict_feed *feed, struct slice row, uint64_t token);
/* Ends all listeners; they may come again. */
void verdict_feed_end_all(struct verdict_feed *feed);
/* The same, and nobody is let in any more: the engine stops. */
void verdict_feed_stop(struct verdict_feed *feed);

#endif
