/* A run is a struct of its own, which the thread has until it is done: the engine may end meanwhile, and leaves it to
 * the thread then. */
#include "engine/reload.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"

struct asker {
    TAILQ_ENTRY(asker) link;
    reload_done_function *done;
    void *context;
};
TAILQ_HEAD(askers, asker);

struct run {
    struct reload *reload; /* for the loop only */
    char *path;
    atomic_bool given_up;
    const char *cause;
    uint64_t begun_ns;
    struct service_batch *services;
    struct configuration *loaded;
    struct files_read files;
    struct buffer errors, warnings;
};

enum gauge { GAUGE_LAST_GOOD, GAUGE_LAST_SUCCESS, GAUGE_COUNT };

struct reload {
    struct reload_settings settings;
    struct run *run;       /* under way; or NULL */
    const char *next;      /* the cause of the run after it; NULL: none */
    struct askers askers;  /* of the run under way */
    struct askers waiting; /* of the next */
    struct run *last;
    struct reload_result result;
    struct file_watch *watch;
    bool stopped;
    uint64_t *loads, *refusals, *gauges[GAUGE_COUNT];
    struct latency *seconds, *stall;
};

static const struct metric_definition loads_metric = {"weir_reloads_total", METRIC_COUNTER,
                                                      "Times the configuration was loaded again and taken over.", NULL};
static const struct metric_definition refusals_metric = {
    "weir_reloads_refused_total", METRIC_COUNTER,
    "Times the configuration was read again and refused; the old one went on.", NULL};
static const struct metric_definition gauge_metrics[GAUGE_COUNT] = {
    [GAUGE_LAST_GOOD] = {"weir_reload_last_success_timestamp_seconds", METRIC_GAUGE,
                         "When the configuration in use was loaded, in seconds since 1970.", NULL},
    [GAUGE_LAST_SUCCESS] = {"weir_reload_last_successful", METRIC_GAUGE,
                            "Whether the configuration was taken over when it was last read (1) or refused (0).", NULL},
};

/* ---- chains that are over */

struct ending {
    struct chain *chain;
    struct service_batch *services;
};

static void end_chain(void *job)
{
    struct ending *ending = job;
    chain_destroy(ending->chain);
    service_batch_destroy(ending->services);
    /* A million ids in small pieces: the allocator would keep the room that they took. */
    (void)malloc_trim(0);
}

void reload_end_chain(struct worker *worker, struct chain *chain, struct service_batch *services)
{
    struct ending *ending = memory_allocate_zeroed(1, sizeof *ending);
    *ending = (struct ending){chain, services};
    if (services)
        service_batch_detach(services);
    worker_do(worker, &(struct worker_job){.work = end_chain, .done = free, .left = free, .job = ending});
}

/* ---- a run, in the thread */

static void make(void *job)
{
    struct run *run = job;
    const struct configuration_loading loading = {.path = run->path,
                                                  .purpose = CONFIGURATION_FOR_RUN,
                                                  .services = service_batch_interface(run->services),
                                                  .files = &run->files,
                                                  .given_up = &run->given_up};
    run->loaded = configuration_load_with(&loading, &run->errors, &run->warnings);
}

static void free_run(struct run *run)
{
    if (!run)
        return;
    configuration_destroy(run->loaded);
    service_batch_destroy(run->services);
    files_read_free(&run->files);
    buffer_free(&run->errors);
    buffer_free(&run->warnings);
    free(run->path);
    free(run);
}

static void leave(void *job)
{
    free_run(job);
}

/* ---- its end, on the loop */

static void tell_askers(struct askers *askers, const struct reload_result *result)
{
    struct asker *asker;
    while ((asker = TAILQ_FIRST(askers))) {
        TAILQ_REMOVE(askers, asker, link);
        asker->done(asker->context, result);
        free(asker);
    }
}

static void log_lines(const struct buffer *lines, bool error)
{
    struct slice rest = buffer_slice(lines);
    while (rest.length) {
        const char *end = memchr(rest.data, '\n', rest.length);
        struct slice line = slice_of(rest.data, end ? (size_t)(end - rest.data) : rest.length);
        if (error)
            log_error("the configuration is wrong", LOG_TEXT("at", line));
        else
            log_warning("the configuration is doubtful", LOG_TEXT("at", line));
        rest = slice_of(rest.data + line.length + (end != NULL), rest.length - line.length - (end != NULL));
    }
}

/* A chain without services that the loop has is ended by the thread, too. */
static void throw_away(struct reload *reload, struct run *run)
{
    if (run->loaded && run->loaded->chain) {
        reload_end_chain(reload->settings.worker, run->loaded->chain, run->services);
        run->loaded->chain = NULL;
        run->services = NULL;
    }
}

static bool use(struct reload *reload, struct run *run)
{
    uint64_t from_ns = clock_now_ns();
    uint32_t modules = run->loaded ? chain_module_count(run->loaded->chain) : 0;
    struct buffer refusal = {0};
    log_lines(&run->warnings, false);
    if (!run->loaded) {
        log_lines(&run->errors, true);
    } else if (reload->settings.use(reload->settings.context, run->loaded, run->services, &refusal, &run->warnings)) {
        run->services = NULL;
        reload->result.modules = modules;
        reload->result.stall = (double)(clock_now_ns() - from_ns) / 1e9;
        latency_record(reload->stall, clock_now_ns() - from_ns);
        return true;
    } else {
        buffer_append_format(&run->errors, "%s\n", buffer_string(&refusal));
    }
    buffer_free(&refusal);
    return false;
}

static void take_result(struct reload *reload, struct run *run)
{
    struct reload_result *result = &reload->result;
    *result = (struct reload_result){.cause = run->cause, .modules = result->modules};
    result->loaded = use(reload, run);
    result->seconds = (double)(clock_now_ns() - run->begun_ns) / 1e9;
    result->at = (int64_t)time(NULL);
    result->errors = buffer_slice(&run->errors);
    result->warnings = buffer_slice(&run->warnings);
    ++*(result->loaded ? reload->loads : reload->refusals);
    *reload->gauges[GAUGE_LAST_SUCCESS] = result->loaded;
    if (result->loaded) {
        *reload->gauges[GAUGE_LAST_GOOD] = (uint64_t)result->at;
        latency_record(reload->seconds, clock_now_ns() - run->begun_ns);
        log_info("the configuration was loaded again", LOG_STRING("cause", run->cause),
                 LOG_INTEGER("modules", result->modules), LOG_NUMBER("seconds", result->seconds),
                 LOG_NUMBER("stall_ms", result->stall * 1e3), LOG_INTEGER("patterns_kept", run->loaded->patterns_found),
                 LOG_INTEGER("patterns_compiled", run->loaded->patterns_written));
    } else {
        log_error("the configuration was not loaded; the old one goes on", LOG_STRING("cause", run->cause),
                  LOG_NUMBER("seconds", result->seconds));
    }
}

static void begin(struct reload *reload);

static void on_made(void *job)
{
    struct run *run = job;
    struct reload *reload = run->reload;
    bool watch = run->loaded ? run->loaded->watch : file_watch_is_on(reload->watch);
    if (reload->stopped) {
        free_run(run);
        reload->run = NULL;
        return;
    }
    free_run(reload->last);
    reload->last = run;
    reload->run = NULL;
    take_result(reload, run);
    throw_away(reload, run);
    configuration_destroy(run->loaded);
    run->loaded = NULL;
    file_watch_set(reload->watch, watch, &run->files);
    tell_askers(&reload->askers, &reload->result);
    if (reload->next)
        begin(reload);
    else
        reload->settings.busy(reload->settings.context, false);
}

/* ---- beginning */

static void begin(struct reload *reload)
{
    struct run *run = memory_allocate_zeroed(1, sizeof *run);
    run->reload = reload;
    run->path = memory_copy_text(reload->settings.path, strlen(reload->settings.path));
    run->cause = reload->next;
    run->begun_ns = clock_now_ns();
    run->services = service_batch_create(reload->settings.rates);
    reload->next = NULL;
    reload->run = run;
    TAILQ_CONCAT(&reload->askers, &reload->waiting, link);
    file_watch_pause(reload->watch);
    reload->settings.busy(reload->settings.context, true);
    log_info("loads the configuration again; the old one goes on until then", LOG_STRING("cause", run->cause));
    worker_do(reload->settings.worker, &(struct worker_job){.work = make, .done = on_made, .left = leave, .job = run});
}

void reload_request(struct reload *reload, const char *cause, reload_done_function *done, void *context)
{
    if (reload->stopped) {
        if (done)
            done(context, NULL);
        return;
    }
    if (done) {
        struct asker *asker = memory_allocate_zeroed(1, sizeof *asker);
        asker->done = done;
        asker->context = context;
        TAILQ_INSERT_TAIL(&reload->waiting, asker, link);
    }
    if (!reload->next)
        reload->next = cause;
    if (!reload->run)
        begin(reload);
}

static void forget_among(struct askers *askers, const void *context)
{
    for (struct asker *asker = TAILQ_FIRST(askers), *next; asker; asker = next) {
        next = TAILQ_NEXT(asker, link);
        if (asker->context != context)
            continue;
        TAILQ_REMOVE(askers, asker, link);
        free(asker);
    }
}

void reload_forget(struct reload *reload, const void *context)
{
    forget_among(&reload->askers, context);
    forget_among(&reload->waiting, context);
}

static void on_changed(void *context, const char *path)
{
    log_info("a file of the configuration has changed", LOG_STRING("path", path));
    reload_request(context, "a changed file", NULL, NULL);
}

void reload_watch(struct reload *reload, bool watch, struct files_read *files)
{
    file_watch_set(reload->watch, watch, files);
}

bool reload_is_busy(const struct reload *reload)
{
    return reload->run != NULL;
}

uint64_t reload_count(const struct reload *reload)
{
    return *reload->loads;
}

uint64_t reload_refused_count(const struct reload *reload)
{
    return *reload->refusals;
}

const struct reload_result *reload_last(const struct reload *reload)
{
    return reload->last ? &reload->result : NULL;
}

/* ---- life */

struct reload *reload_create(const struct reload_settings *settings)
{
    struct reload *reload = memory_allocate_zeroed(1, sizeof *reload);
    reload->settings = *settings;
    reload->result.modules = settings->modules;
    TAILQ_INIT(&reload->askers);
    TAILQ_INIT(&reload->waiting);
    reload->watch = file_watch_create(settings->base, on_changed, reload);
    reload->loads = metrics_register(settings->metrics, &loads_metric, 1, NULL, NULL);
    reload->refusals = metrics_register(settings->metrics, &refusals_metric, 1, NULL, NULL);
    for (size_t index = 0; index < GAUGE_COUNT; index++)
        reload->gauges[index] = metrics_register(settings->metrics, &gauge_metrics[index], 1, NULL, NULL);
    reload->seconds = metrics_register_latency(settings->metrics, "weir_reload_seconds",
                                               "How long it took to load the configuration again, in a thread.");
    reload->stall = metrics_register_latency(settings->metrics, "weir_reload_stall_seconds",
                                             "How long events waited while a new configuration took over.");
    *reload->gauges[GAUGE_LAST_GOOD] = (uint64_t)time(NULL);
    *reload->gauges[GAUGE_LAST_SUCCESS] = 1;
    return reload;
}

void reload_stop(struct reload *reload)
{
    if (!reload || reload->stopped)
        return;
    reload->stopped = true;
    reload->next = NULL;
    if (reload->run)
        atomic_store(&reload->run->given_up, true);
    file_watch_destroy(reload->watch);
    reload->watch = NULL;
    tell_askers(&reload->askers, NULL);
    tell_askers(&reload->waiting, NULL);
}

void reload_destroy(struct reload *reload)
{
    if (!reload)
        return;
    reload_stop(reload);
    free_run(reload->last);
    free(reload);
}
