/* The running engine, for the files that make it up: engine.c (its life), engine_follow.c (Synapse's replication),
 * engine_followed.c (rooms that modules follow), engine_lease.c (whether it works or waits), engine_pages.c,
 * engine_api.c, engine_admin.c, engine_admin_socket.c, engine_status.c and engine_console.c (HTTP), engine_reload.c and
 * engine_shutdown.c. Nobody else includes this. */
#ifndef WEIR_ENGINE_ENGINE_PARTS_H
#define WEIR_ENGINE_ENGINE_PARTS_H

#include <event2/event.h>

#include "engine/admin_socket.h"
#include "engine/antispam_area.h"
#include "engine/audit.h"
#include "engine/backtest_area.h"
#include "engine/bodies.h"
#include "engine/callback_area.h"
#include "engine/catch_up.h"
#include "engine/configuration.h"
#include "engine/console_area.h"
#include "engine/engine.h"
#include "engine/engine_policy.h"
#include "engine/explain_area.h"
#include "engine/http_server.h"
#include "engine/lease.h"
#include "engine/metrics.h"
#include "engine/module_keeper.h"
#include "engine/observer.h"
#include "engine/outbox.h"
#include "engine/presence_router.h"
#include "engine/questions.h"
#include "engine/reload.h"
#include "engine/reload_area.h"
#include "engine/requests.h"
#include "engine/service.h"
#include "engine/service_manager.h"
#include "engine/shared_rate.h"
#include "engine/state_keeper.h"
#include "engine/verdict_area.h"
#include "engine/verdict_feed.h"
#include "replication/rows_http.h"
#include "replication/rows_postgres.h"

/* A chain that was in use, and in which events may still wait. */
struct retired_chain {
    struct chain *chain;
    struct service_batch *services;
};

struct engine {
    struct engine_options options;
    struct event_base *base;
    struct configuration *configuration;
    struct metrics *metrics;
    struct services *services;
    struct shared_rate *shared_rate;
    struct service_batch *chain_services; /* of the configuration's chain */
    struct files_read files;              /* of the first configuration, until they are watched */
    struct worker *worker;
    struct reload *reload; /* NULL until the engine has started */
    struct retired_chain *retired;
    size_t retired_count;
    struct bodies *bodies;
    struct observer *observer;
    struct catch_up *catch_up;
    struct catch_up_owner catch_up_owner;
    struct rows_postgres *rows_postgres; /* NULL without a database */
    uint64_t *unconfirmed;               /* answers of a replica that lagged: its metric */
    struct rows_http *rows_http;         /* NULL without an instance_map */
    struct audit *audit;                 /* NULL unless it is configured */
    uint64_t fetching_since_ns;          /* when the first of the ranges now being fetched was asked for; 0: none is */
    uint64_t fetched_before;             /* rows fetched until then */
    bool caught_up;                      /* what was missed before the start is there */
    struct engine_followed *followed;    /* NULL without a database */
    struct presence_router *presence;
    struct outbox *outbox;
    struct state_keeper *state;              /* NULL without a state_dir */
    struct module_keeper *module_keeper;     /* NULL without a state_dir */
    uint64_t least_tokens[OWN_STREAM_COUNT]; /* of our own streams, given out before this engine started over */
    struct lease *lease;                     /* NULL without a role */
    struct questions *questions;
    uint64_t *unrecorded;      /* their refusals without a row: its metric */
    struct requests *requests; /* NULL until the outbox is loaded, or if none are taken from Redis */
    struct redis_link *subscriber;
    struct http_server *http;
    struct http_server *admin; /* these four: NULL and unused without an admin socket */
    struct admin_socket *admin_socket;
    uint64_t *admin_refused;
    struct log_gate admin_gate;
    struct callback_area *callback_area; /* these two: unless requests.http is set, NULL */
    struct antispam_area *antispam_area;
    struct reload_area *reload_area; /* of the administration, as the next */
    struct explain_area explain_area;
    struct explain_lookup *explain_lookup;
    struct backtest_area *backtest_area;
    struct verdict_area *verdict_area;
    struct verdict_feed *feed;         /* likewise */
    bool feed_wanted;                  /* somebody listens to it */
    struct console_area *console_area; /* NULL unless the console is on */
    struct engine_policy *policy;      /* NULL unless policy_server is enabled */
    struct service_manager *manager;   /* NULL unless one started the engine */
    struct event *signals[3];
    struct event *replicate_timer;
    struct event *shutdown_timer;
    struct buffer own_channel; /* <server_name>/weir */
    struct slice main_channel; /* <server_name> */
    uint64_t received_ns;      /* when the messages that are being handed on were read; 0 between reads */
    bool subscribed;
    bool replicate_sent;   /* since the last subscription */
    bool replicate_seldom; /* the last REPLICATE was answered */
    bool positions_seen;   /* some writer has answered since the last subscription */
    bool observer_stop;
    bool outbox_stop;
    bool stopping;
    uint64_t stop_by_ns;
    uint64_t started_ns;
    int64_t started_ms; /* likewise of the process, since 1970 */
    int exit_code;
    bool start_over;    /* another engine does the job, or Redis fell back: the loop ends, everything is made anew */
    bool started_over;  /* it did so before */
    uint64_t takeovers; /* times this process took the job, also before it started over */
    uint64_t *lease_metrics[3];
};

/* Stops or resumes reading, as the observer, the outbox and a stop demand. */
void engine_apply_flow(struct engine *engine);

/* Subscribes to the replication channel and asks every writer for its position, now and when the connection was lost.
 * To be called when the stored positions are known: not before may rows come. */
void engine_follow_start(struct engine *engine);
void engine_follow_stop(struct engine *engine);

/* Fetches what the observer missed, from the sources that the configuration names; before the observer is started. */
void engine_catch_up_start(struct engine *engine);
void engine_catch_up_stop(struct engine *engine);
/* observer_callbacks.fetch */
bool engine_on_fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto);

/* Reads the state of the rooms that modules follow; once the observer is there, and until it goes. */
void engine_followed_start(struct engine *engine);
void engine_followed_stop(struct engine *engine);

/* What of the command line is not for an engine that waits: before anything is made of it. */
void engine_lease_prepare(struct engine *engine);
/* Starts the outbox, and with it everything else: at once without a role, else when the lease is ours. */
void engine_lease_start(struct engine *engine);
void engine_lease_stop(struct engine *engine);
/* Ends the loop once the lease is given back. */
void engine_lease_leave(struct engine *engine);
/* outbox_callbacks.fenced */
void engine_on_fenced(void *context);
/* Why this engine is not ready, or NULL: for one that waits, to take over. */
const char *engine_lease_missing(const struct engine *engine);
bool engine_waits(const struct engine *engine);

/* Opens the HTTP listener; false (logged) if it cannot. */
bool engine_pages_start(struct engine *engine);
/* Takes the secret and the certificate from a configuration that was read again. */
void engine_pages_reload(struct engine *engine, struct configuration *loaded);
void engine_pages_stop(struct engine *engine);
/* What the engine lacks to do its job, or to take it over, in words; NULL: nothing. */
const char *engine_missing_part(const struct engine *engine);
/* What /readyz says: the same, or that it is ready. */
const char *engine_readiness(const struct engine *engine);

/* Where the engine and its parts stand, as JSON (engine/engine_status.c). */
struct http_area engine_status_http(struct engine *engine);
/* Appends the entry of one module of the chain, as it stands in the status. */
void engine_append_module(const struct engine *engine, uint32_t index, struct buffer *json);

/* Switching a module's dry_run until the next reload (engine/engine_dry_run.c). */
struct http_area engine_dry_run_http(struct engine *engine);
/* Before the chain is given up: says which modules had been switched. */
void engine_dry_run_warn_lost(const struct engine *engine, struct buffer *warnings);

/* The administration API, for whichever listener may have it: its areas are added to a server between start and stop,
 * and freed when no server has them any more. */
void engine_admin_start(struct engine *engine);
void engine_admin_add_areas(struct engine *engine, struct http_server *server);
void engine_admin_stop(struct engine *engine);
void engine_admin_free(struct engine *engine);
/* Serves it on the admin socket, if there is one. False (logged) if the engine shall not start without it. */
bool engine_admin_socket_start(struct engine *engine);
void engine_admin_socket_stop(struct engine *engine);

/* Adds the console's page to the listener, if it is on. */
void engine_console_start(struct engine *engine);
/* http.secret is another one than before. */
void engine_console_secret_changed(struct engine *engine);
/* After the listener. */
void engine_console_free(struct engine *engine);

/* Adds the HTTP API to the listener, if it is configured. */
void engine_api_start(struct engine *engine);
/* Answers what waits, before the listener goes; the rest after it. */
void engine_api_stop(struct engine *engine);
void engine_api_free(struct engine *engine);

/* After the configuration is there, and before the HTTP listener. */
void engine_reload_start(struct engine *engine);
/* When nothing uses a chain any more but the configuration. */
void engine_reload_stop(struct engine *engine);
/* observer_callbacks.chain_unused */
void engine_on_chain_unused(void *context, struct chain *chain);

/* event_callback_fn of SIGHUP, and of SIGTERM and SIGINT, with the engine as argument. */
void engine_on_reload_signal(evutil_socket_t number, short what, void *argument);
void engine_on_stop_signal(evutil_socket_t number, short what, void *argument);
/* Everything that was handed to the outbox is answered: the end of a stop. */
void engine_on_drained(void *context);
void engine_shutdown_stop(struct engine *engine);
/* What was done, for the log's last line. */
void engine_log_summary(struct engine *engine);

#endif
