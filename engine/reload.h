/* Loading the configuration again while the engine works: the new one and its chain are made in a thread, and handed
 * over on the event loop when they are whole. What is broken is refused and changes nothing.
 *
 * Requests that come while one is being made are answered by one more run after it, all of them by the same: what they
 * ask for may be newer than what that one has read. */
#ifndef WEIR_ENGINE_RELOAD_H
#define WEIR_ENGINE_RELOAD_H

#include "engine/configuration.h"
#include "engine/file_watch.h"
#include "engine/metrics.h"
#include "engine/service.h"
#include "engine/worker.h"

struct reload;

/* What a run came to. */
struct reload_result {
    const char *cause; /* "SIGHUP" */
    bool loaded;
    uint32_t modules; /* of the chain in use now */
    double seconds;   /* from the begin of the run to the change */
    double stall;     /* of it, what the event loop was held up; 0 unless loaded */
    int64_t at;       /* seconds since 1970 */
    struct slice errors,
        warnings; /* lines "file:line:column: key: sentence"; what needs a restart is a sentence alone */
};

/* `result` is NULL if the engine stops before there is one. */
typedef void reload_done_function(void *context, const struct reload_result *result);

struct reload_settings {
    struct event_base *base;
    struct worker *worker;
    const char *path; /* of the configuration; must stay valid, as all of this */
    uint32_t modules; /* of the chain in use */
    struct metrics *metrics;
    const struct shared_rates *rates; /* for the chains' modules */
    /* Takes over what it wants of `loaded`: its chain (configuration_take_chain) and `services` are then the engine's.
     * False, logged, with a sentence in `refusal`, and nothing is taken, if it cannot be used. What is doubtful is
     * added to `warnings`, a line each. */
    bool (*use)(void *context, struct configuration *loaded, struct service_batch *services, struct buffer *refusal,
                struct buffer *warnings);
    /* Told that a run begins, and that the last has ended; not when the engine stops meanwhile. */
    void (*busy)(void *context, bool busy);
    void *context;
};

struct reload *reload_create(const struct reload_settings *settings);
/* `cause` is a text for people that stays valid. `done` may be NULL. */
void reload_request(struct reload *reload, const char *cause, reload_done_function *done, void *context);
/* Whoever asked with this context is not there any more. */
void reload_forget(struct reload *reload, const void *context);
/* Which files are watched, until the next run tells: `files` is emptied. */
void reload_watch(struct reload *reload, bool watch, struct files_read *files);

bool reload_is_busy(const struct reload *reload);
/* How many runs have used, or refused, what they made. */
uint64_t reload_count(const struct reload *reload);
uint64_t reload_refused_count(const struct reload *reload);
/* The last run, or NULL; valid until the next one ends. */
const struct reload_result *reload_last(const struct reload *reload);

/* Ends a chain that is not in use any more, with its services, in the worker's thread. On the event loop. */
void reload_end_chain(struct worker *worker, struct chain *chain, struct service_batch *services);

/* Nothing is begun or used any more; who waits is told. */
void reload_stop(struct reload *reload);
/* After the worker. */
void reload_destroy(struct reload *reload);

#endif
