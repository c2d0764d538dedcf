/* Two lines of work (engine/work_line.h) side by side: the file of bodies, which is read and indexed; and the
 * recording, which is read, sorted out, put in order and, once the bodies are there, judged by each side and counted. A
 * recording and its bodies are done with before the next ones are opened. */
#include "engine/backtest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "engine/backtest_side.h"
#include "engine/clock.h"
#include "engine/postgres_parameters.h"
#include "engine/work_line.h"
#include "replication/database_events.h"

#define PIECES 48u

struct backtest {
    const struct backtest_settings *settings;
    struct backtest_report *report;
    struct backtest_side *sides[BACKTEST_SIDES];
    struct backtest_sample *sample;
    struct backtest_recording *recording; /* NULL: from the database */
    struct database_events *database;
    struct body_index *bodies;
    struct backtest_batch batches[PIECES];
    uint32_t body_blocks[PIECES];
    struct backtest_batch *filled; /* by the database */

    pthread_mutex_t error_lock;
    struct buffer *error;
    atomic_bool failed; /* nothing more is read; what was read is judged unless the bodies are what failed */
    atomic_bool bodies_failed;

    /* For the progress: bytes, or places in the stream. */
    uint64_t total;
    uint64_t done_before;      /* of files that are done with */
    atomic_uint_fast64_t done; /* of the recording that is being read */
    atomic_uint_fast64_t bodies_done;
    atomic_uint_fast64_t events;
};

/* The first failure is the one that is told. */
static void fail(struct backtest *backtest, const struct buffer *reason)
{
    pthread_mutex_lock(&backtest->error_lock);
    if (!atomic_exchange(&backtest->failed, true) && backtest->error->length == 0)
        buffer_append_slice(backtest->error, buffer_slice(reason));
    pthread_mutex_unlock(&backtest->error_lock);
}

/* ---- the bodies */

static bool read_bodies(void *context, void *piece)
{
    struct backtest *backtest = context;
    struct buffer reason = {0};
    uint64_t done, size;
    enum line_status status = body_index_read(backtest->bodies, piece, &reason);
    if (status == LINE_FAILED) {
        atomic_store(&backtest->bodies_failed, true);
        fail(backtest, &reason);
    }
    buffer_free(&reason);
    body_index_progress(backtest->bodies, &done, &size);
    atomic_store(&backtest->bodies_done, done);
    return status == LINE_OK && !atomic_load(&backtest->failed);
}

static void index_bodies(void *context, void *piece)
{
    const struct backtest *backtest = context;
    body_index_add(backtest->bodies, *(const uint32_t *)piece);
}

/* ---- the recording */

static bool read_recording(void *context, void *piece)
{
    struct backtest *backtest = context;
    struct buffer reason = {0};
    uint64_t done, size;
    if (atomic_load(&backtest->failed))
        return false;
    enum line_status status = backtest_recording_read(backtest->recording, piece, &reason);
    if (status == LINE_FAILED)
        fail(backtest, &reason);
    buffer_free(&reason);
    backtest_recording_progress(backtest->recording, &done, &size);
    atomic_store(&backtest->done, done);
    return status == LINE_OK;
}

static void scan(void *context, void *piece)
{
    const struct backtest *backtest = context;
    backtest_recording_scan(backtest->recording, piece);
}

static void order(void *context, void *piece)
{
    struct backtest *backtest = context;
    struct backtest_batch *batch = piece;
    if (batch->refusal.length)
        fail(backtest, &batch->refusal);
    else
        backtest_recording_order(backtest->recording, batch);
}

/* ---- the database */

static bool is_followed(void *context, struct slice room_id)
{
    const struct backtest *backtest = context;
    bool followed = false;
    for (unsigned side = 0; side < BACKTEST_SIDES; side++)
        followed = followed || (backtest->sides[side] && backtest_side_follows(backtest->sides[side], room_id));
    return followed;
}

static struct backtest_event *add_event(struct backtest_batch *batch, const struct database_event *event)
{
    struct backtest_event *added = backtest_batch_add_event(batch);
    added->row = backtest_batch_copy_row(batch, &event->row);
    added->token = event->token;
    added->recorded_ms = event->received_ms;
    added->body = arena_copy(&batch->texts, event->body);
    return added;
}

static void take_event(void *context, const struct database_event *event)
{
    const struct backtest *backtest = context;
    const struct configuration *configuration = backtest->settings->configurations[BACKTEST_NEW];
    struct observer_counts *observed = &backtest->report->recording.observed;
    bool rejected = event->row.rejected && !configuration->observe_rejected;
    bool outlier = event->row.outlier && !configuration->observe_outliers;
    if (is_followed(context, event->row.room_id))
        add_event(backtest->filled, event)->state = true;
    observed->rejected += rejected;
    observed->outliers += !rejected && outlier;
    if (rejected || outlier)
        return;
    struct backtest_event *added = add_event(backtest->filled, event);
    added->writer = arena_copy(&backtest->filled->texts, event->writer);
    added->alone = true;
}

static bool read_database(void *context, void *piece)
{
    struct backtest *backtest = context;
    struct buffer reason = {0};
    uint64_t done, size;
    backtest->filled = piece;
    backtest_batch_clear(piece);
    bool more = database_events_next(backtest->database, take_event, backtest, &reason);
    if (reason.length)
        fail(backtest, &reason);
    buffer_free(&reason);
    database_events_progress(backtest->database, &done, &size);
    atomic_store(&backtest->done, done);
    return more;
}

/* ---- judging */

static void judge_by(struct backtest *backtest, unsigned side, struct backtest_batch *batch)
{
    if (!atomic_load(&backtest->bodies_failed))
        backtest_side_judge(backtest->sides[side], batch);
}

static void judge_new(void *context, void *piece)
{
    judge_by(context, BACKTEST_NEW, piece);
}

static void judge_old(void *context, void *piece)
{
    judge_by(context, BACKTEST_OLD, piece);
}

static void count(void *context, void *piece)
{
    struct backtest *backtest = context;
    const struct backtest_batch *batch = piece;
    if (atomic_load(&backtest->bodies_failed))
        return;
    backtest_tally_add(backtest->report->tally, batch, backtest->bodies);
    backtest_sample_add(backtest->sample, batch, backtest->bodies);
    atomic_store(&backtest->events, backtest->report->tally->events);
}

static void between(void *context)
{
    struct backtest *backtest = context;
    if (!backtest->settings->progress)
        return;
    uint64_t done = backtest->done_before + atomic_load(&backtest->done) + atomic_load(&backtest->bodies_done);
    struct backtest_progress progress = {.share = backtest->total ? (double)done / (double)backtest->total : 0,
                                         .events = atomic_load(&backtest->events)};
    backtest->settings->progress(backtest->settings->context, &progress);
}

static uint32_t add_stage(struct work_line *line, void (*run)(void *context, void *piece), uint32_t needs, bool ordered,
                          bool held)
{
    line->stages[line->stage_count] = (struct work_stage){.run = run, .needs = needs, .ordered = ordered, .held = held};
    return 1u << line->stage_count++;
}

/* The line on which batches are made, judged and counted. */
static struct work_line batch_line(struct backtest *backtest)
{
    static void (*const judges[BACKTEST_SIDES])(void *context, void *piece) = {judge_new, judge_old};
    struct work_line line = {
        .context = backtest, .read = backtest->recording ? read_recording : read_database, .piece_count = PIECES};
    for (uint32_t index = 0; index < PIECES; index++)
        line.pieces[index] = &backtest->batches[index];
    uint32_t made = 0, judged = 0;
    if (backtest->recording) {
        made = add_stage(&line, scan, made, false, false);
        made = add_stage(&line, order, made, true, false);
    }
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        if (!backtest->sides[side])
            continue;
        bool ordered = backtest_side_ordered(backtest->sides[side], &backtest->report->ordered_by[side]);
        judged |= add_stage(&line, judges[side], made, ordered, true);
    }
    add_stage(&line, count, judged, true, true);
    return line;
}

/* One recording with its bodies, or all of the database. */
static void run_lines(struct backtest *backtest, bool new_bodies)
{
    struct work_line lines[2];
    uint32_t line_count = 0;
    if (new_bodies) {
        struct work_line line = {.context = backtest, .read = read_bodies, .piece_count = PIECES};
        for (uint32_t index = 0; index < PIECES; index++)
            line.pieces[index] = &backtest->body_blocks[index];
        add_stage(&line, index_bodies, 0, false, false);
        lines[line_count++] = line;
    }
    lines[line_count++] = batch_line(backtest);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++)
        if (backtest->sides[side])
            backtest_side_use_bodies(backtest->sides[side], backtest->bodies);
    work_lines_run(lines, line_count, backtest->settings->jobs, between, backtest);
}

/* ---- life */

static void close_bodies(struct backtest *backtest)
{
    if (backtest->bodies) {
        backtest->report->bad_bodies += body_index_bad_lines(backtest->bodies);
        backtest->report->bodies_cut_short += body_index_cut_short(backtest->bodies);
    }
    body_index_close(backtest->bodies);
    backtest->bodies = NULL;
}

static void run_recordings(struct backtest *backtest)
{
    const struct backtest_settings *settings = backtest->settings;
    for (size_t index = 0; index < settings->recording_count && !atomic_load(&backtest->failed); index++) {
        bool new_bodies = index < settings->body_count;
        struct buffer reason = {0};
        bool good = backtest_recording_open(backtest->recording, settings->recordings[index], &reason);
        if (good && new_bodies) {
            close_bodies(backtest);
            backtest->bodies = body_index_open(settings->bodies[index], &reason);
            good = backtest->bodies != NULL;
        }
        if (good)
            run_lines(backtest, new_bodies);
        else
            fail(backtest, &reason);
        buffer_free(&reason);
        backtest->done_before += atomic_exchange(&backtest->done, 0) + atomic_exchange(&backtest->bodies_done, 0);
    }
    close_bodies(backtest);
    backtest->report->recording = backtest_recording_counts(backtest->recording);
}

static void run_database(struct backtest *backtest)
{
    const struct backtest_settings *settings = backtest->settings;
    struct postgres_parameters parameters = postgres_parameters(&settings->configurations[BACKTEST_NEW]->postgres);
    struct buffer reason = {0};
    uint64_t done;
    backtest->database = database_events_open(parameters.keywords, parameters.values, settings->since_ms, &reason);
    if (backtest->database) {
        database_events_progress(backtest->database, &done, &backtest->total);
        run_lines(backtest, false);
    } else {
        fail(backtest, &reason);
    }
    buffer_free(&reason);
    database_events_close(backtest->database);
}

static uint64_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
}

static void open_recording(struct backtest *backtest)
{
    const struct backtest_settings *settings = backtest->settings;
    const struct configuration *configuration = settings->configurations[BACKTEST_NEW];
    struct backtest_recording_settings recording_settings = {.followed = is_followed,
                                                             .context = backtest,
                                                             .server_name = configuration->server_name,
                                                             .instance_name = configuration->instance_name,
                                                             .judge_rejected = configuration->observe_rejected,
                                                             .judge_outliers = configuration->observe_outliers};
    backtest->recording = backtest_recording_create(&recording_settings);
    for (size_t index = 0; index < settings->recording_count; index++)
        backtest->total += size_of(settings->recordings[index]);
    for (size_t index = 0; index < settings->body_count; index++)
        backtest->total += size_of(settings->bodies[index]);
}

/* Behind the judging, when nobody else uses the chains. */
static void measure_costs(struct backtest *backtest)
{
    struct backtest_report *report = backtest->report;
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        if (!backtest->settings->configurations[side])
            continue;
        struct chain *chain = backtest->settings->configurations[side]->chain;
        report->costs[side] = memory_allocate_zeroed(chain_module_count(chain) + 1, sizeof *report->costs[side]);
        backtest_sample_measure(backtest->sample, chain, report->costs[side]);
    }
    report->sampled = backtest_sample_count(backtest->sample);
}

bool backtest_run(const struct backtest_settings *settings, struct backtest_report *report, struct buffer *error)
{
    uint64_t started = clock_now_ns();
    struct backtest *backtest = memory_allocate_zeroed(1, sizeof *backtest);
    const struct configuration *old = settings->configurations[BACKTEST_OLD];
    *report = (struct backtest_report){.settings = settings};
    report->tally = backtest_tally_create(settings->configurations[BACKTEST_NEW]->chain, old ? old->chain : NULL);
    backtest->settings = settings;
    backtest->report = report;
    backtest->error = error;
    backtest->sample = backtest_sample_create();
    pthread_mutex_init(&backtest->error_lock, NULL);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        const struct configuration *configuration = settings->configurations[side];
        if (configuration)
            backtest->sides[side] = backtest_side_create(configuration->chain, side, configuration->observe_as_synapse);
    }
    if (settings->recording_count) {
        open_recording(backtest);
        run_recordings(backtest);
    } else {
        run_database(backtest);
    }
    report->bodies_failed = atomic_load(&backtest->bodies_failed);
    report->seconds = (double)(clock_now_ns() - started) / 1e9;
    backtest_recording_destroy(backtest->recording);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        if (backtest->sides[side])
            report->counts[side] = backtest_side_counts(backtest->sides[side]);
        backtest_side_destroy(backtest->sides[side]);
    }
    measure_costs(backtest);
    bool good = !atomic_load(&backtest->failed);
    backtest_sample_destroy(backtest->sample);
    for (uint32_t index = 0; index < PIECES; index++)
        backtest_batch_free(&backtest->batches[index]);
    pthread_mutex_destroy(&backtest->error_lock);
    free(backtest);
    return good;
}

void backtest_report_free(struct backtest_report *report)
{
    backtest_tally_destroy(report->tally);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++)
        free(report->costs[side]);
}
