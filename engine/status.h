/* The status of an engine as JSON (docs/admin-api.md, GET /v1/status): the values that its parts tell, and how they are
 * written. Whoever fills them in knows the parts: engine/engine_status.c. */
#ifndef WEIR_ENGINE_STATUS_H
#define WEIR_ENGINE_STATUS_H

#include "engine/latency.h"
#include "engine/observer.h"
#include "engine/outbox.h"
#include "engine/process_figures.h"
#include "engine/questions.h"
#include "engine/reload.h"

/* All texts are the owner's, and live until they are written; NULL is null. Times are milliseconds since 1970. */
struct status {
    const char *server_name, *instance;
    int64_t now, started;
    const char *missing; /* NULL: ready */
    const char *role;
    bool works;

    const char *path;
    uint64_t reloads, refused_reloads;
    bool reloading;
    const struct reload_result *last_reload; /* NULL: there was none */

    struct slice redis;
    bool redis_connected, redis_subscribed;
    struct outbox_counts outbox;

    const char *bodies; /* NULL: there are none */
    bool bodies_ready;

    uint64_t ranges;        /* being fetched */
    int64_t fetching_since; /* 0: nothing is */

    struct observer_counts events;
    const struct latency *latency;

    bool requests_redis, requests_http;
    struct questions_counts requests;
    const struct latency *requests_latency;

    struct process_figures process;
    int64_t backtest; /* when the report was written; 0: there is none */
};
/* Appends the members before `chain`, without braces; the first one has no comma before it. */
void status_append_engine(const struct status *status, struct buffer *json);
/* Appends `,"backtest":…`. */
void status_append_backtest(const struct status *status, struct buffer *json);

/* A module of the chain. */
struct status_module {
    const struct chain *chain;
    uint32_t index;
    const char *label;
    const char *path; /* of the file that it stands in */
    uint32_t line;
    bool dry_run_configured;
    uint64_t denied_events;
};
void status_append_module(const struct status_module *module, struct buffer *json);

/* A writer; `now_ns` is the monotonic time. */
void status_append_writer(const struct writer_standing *standing, uint64_t now_ns, struct buffer *json);
/* How long what is known of a writer has been waiting, in seconds; 0: nothing waits. Below 0: nobody knows, since the
 * writer is not heard. */
double status_writer_lag(const struct writer_standing *standing, uint64_t now_ns);

#endif
