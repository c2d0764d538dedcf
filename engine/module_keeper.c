/* What loop and thread share is in `errand`: the loop fills it in and starts the thread, and looks now and then whether
 * it has ended. An errand whose disk hangs beyond the patience of a stop is left behind with its thread, which the end
 * of the process ends. */
#include "engine/module_keeper.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/module_state.h"
#include "engine/state_file.h"
#include "filters/chain_state.h"

/* How often the loop looks whether the thread is done. */
#define LOOK_MS 100

struct errand {
    struct buffer path, snapshot;
    int error; /* 0: written */
    const char *step;
    bool done; /* atomic */
};

struct module_keeper_counts {
    uint64_t writes;
    uint64_t failures;
    uint64_t bytes;      /* of the last file */
    uint64_t longest_us; /* that the loop was held up by a module, ever */
};

struct module_keeper {
    struct module_keeper_settings settings;
    struct event *timer;
    struct chain_state_saving saving;
    const struct chain *chain; /* that is being copied; NULL: none is */
    struct errand *errand;     /* NULL unless something is copied or written */
    bool writing;
    pthread_t thread;
    uint64_t started_ns;
    bool failing; /* the last write failed, and it was said */
    struct module_keeper_counts counts;
};

static void wait_for(struct module_keeper *keeper, int64_t delay_ms)
{
    struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};
    event_add(keeper->timer, &delay);
}

static void free_errand(struct module_keeper *keeper)
{
    if (keeper->errand) {
        buffer_free(&keeper->errand->path);
        buffer_free(&keeper->errand->snapshot);
        free(keeper->errand);
    }
    keeper->errand = NULL;
    keeper->chain = NULL;
    keeper->writing = false;
}

/* ---- the thread */

static void *run_errand(void *argument)
{
    struct errand *errand = argument;
    chain_state_save_end(&errand->snapshot);
    errand->error = state_file_replace(buffer_string(&errand->path), buffer_slice(&errand->snapshot), &errand->step);
    __atomic_store_n(&errand->done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* Signals are for the loop. */
static bool start_thread(struct module_keeper *keeper)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&keeper->thread, NULL, run_errand, keeper->errand);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    keeper->writing = error == 0;
    return keeper->writing;
}

/* ---- the loop */

static void take_result(struct module_keeper *keeper)
{
    struct errand *errand = keeper->errand;
    keeper->counts.bytes = errand->snapshot.length;
    if (errand->error) {
        keeper->counts.failures++;
        if (!keeper->failing)
            log_warning("what modules remember cannot be written; an engine that is killed would lose it",
                        LOG_STRING("path", buffer_string(&errand->path)), LOG_STRING("failed_to", errand->step),
                        LOG_STRING("reason", strerror(errand->error)));
    } else {
        keeper->counts.writes++;
        if (keeper->failing)
            log_info("what modules remember can be written again");
        log_debug("what modules remember was written", LOG_INTEGER("bytes", errand->snapshot.length),
                  LOG_INTEGER("milliseconds", (clock_now_ns() - keeper->started_ns) / 1000000));
    }
    keeper->failing = errand->error != 0;
    free_errand(keeper);
}

static void begin(struct module_keeper *keeper)
{
    const struct configuration *configuration = keeper->settings.configuration;
    keeper->errand = memory_allocate_zeroed(1, sizeof *keeper->errand);
    module_state_append_path(configuration, &keeper->errand->path);
    keeper->chain = configuration->chain;
    keeper->started_ns = clock_now_ns();
    chain_state_save_begin(&keeper->saving, &keeper->errand->snapshot);
}

/* One module more; false if there is none. */
static bool copy_next(struct module_keeper *keeper)
{
    uint64_t started_ns = clock_now_ns();
    bool more = chain_state_save_next(keeper->chain, &keeper->saving, &keeper->errand->snapshot);
    uint64_t took_us = (clock_now_ns() - started_ns) / 1000;
    if (took_us > keeper->counts.longest_us)
        keeper->counts.longest_us = took_us;
    return more;
}

static void on_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct module_keeper *keeper = context;
    const struct configuration *configuration = keeper->settings.configuration;
    int64_t pause_ms = configuration->state_interval_ms;
    if (keeper->writing && !__atomic_load_n(&keeper->errand->done, __ATOMIC_ACQUIRE)) {
        wait_for(keeper, LOOK_MS);
        return;
    }
    if (keeper->writing) {
        pthread_join(keeper->thread, NULL);
        take_result(keeper);
        wait_for(keeper, pause_ms);
        return;
    }
    /* A chain that was replaced meanwhile is not looked at any more. */
    if (keeper->errand && keeper->chain != configuration->chain)
        free_errand(keeper);
    if (!keeper->errand &&
        (!chain_state_any(configuration->chain) || !keeper->settings.works(keeper->settings.context))) {
        wait_for(keeper, pause_ms);
        return;
    }
    if (!keeper->errand)
        begin(keeper);
    if (copy_next(keeper)) {
        wait_for(keeper, 0);
    } else if (start_thread(keeper)) {
        wait_for(keeper, LOOK_MS);
    } else {
        free_errand(keeper);
        wait_for(keeper, pause_ms);
    }
}

/* The other counts are whole numbers, and seconds are not. */
static void append_longest(const void *context, struct buffer *output)
{
    static const struct metric_definition longest = {
        "weir_module_state_copy_longest_seconds", METRIC_GAUGE,
        "For how long the copying of one module's state has held up the event loop at most.", NULL};
    const struct module_keeper *keeper = context;
    metrics_append_family(output, &longest);
    metrics_append_sample(output, &longest, NULL, (double)keeper->counts.longest_us / 1e6);
}

struct module_keeper *module_keeper_open(struct event_base *base, const struct module_keeper_settings *settings,
                                         struct metrics *metrics)
{
    static const struct metric_member members[] = {
        METRIC_MEMBER(struct module_keeper_counts, writes, "weir_module_state_writes_total", METRIC_COUNTER,
                      "Times what modules remember was written while the engine ran."),
        METRIC_MEMBER(struct module_keeper_counts, failures, "weir_module_state_failures_total", METRIC_COUNTER,
                      "Times what modules remember could not be written."),
        METRIC_MEMBER(struct module_keeper_counts, bytes, "weir_module_state_bytes", METRIC_GAUGE,
                      "Size of the file that was written last."),
    };
    const struct configuration *configuration = settings->configuration;
    if (!configuration->state_dir || !configuration->state_interval_ms)
        return NULL;
    struct module_keeper *keeper = memory_allocate_zeroed(1, sizeof *keeper);
    keeper->settings = *settings;
    keeper->timer = event_new(base, -1, 0, on_timer, keeper);
    metrics_register_members(metrics, members, sizeof members / sizeof *members, &keeper->counts);
    metrics_on_render(metrics, append_longest, keeper);
    wait_for(keeper, configuration->state_interval_ms);
    return keeper;
}

bool module_keeper_close(struct module_keeper *keeper, int64_t patience_ms)
{
    if (!keeper)
        return true;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += patience_ms / 1000 + 1;
    bool idle = !keeper->writing || pthread_timedjoin_np(keeper->thread, NULL, &until) == 0;
    if (idle) {
        free_errand(keeper);
    } else {
        log_warning("the disk of what modules remember does not answer; stops without waiting for it");
        pthread_detach(keeper->thread);
    }
    event_free(keeper->timer);
    free(keeper);
    return idle;
}
