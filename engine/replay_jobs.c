/* A ring of batches under one lock. Its three marks only rise: what was submitted, what was taken by a job, what was
 * given out; a batch is touched without the lock by whom the marks say it belongs to. The lock is taken once or twice
 * for each batch, so that it costs nothing beside the judging. */
#include "engine/replay_jobs.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lane.h"
#include "base/memory.h"
#include "engine/judging.h"

#define BATCHES 128u
#define BATCH_EVENTS 64u
#define BATCH_TEXT ((size_t)24 << 10)

struct batch_event {
    struct event_row row;
    struct slice writer;
    int64_t token;
    bool alone;
};

struct batch {
    struct batch_event *events;
    uint32_t count;
    struct buffer texts; /* what the events' slices point into: it does not grow while there are events */
    struct buffer rows;
    bool done;
};

struct job {
    struct replay_jobs *jobs;
    unsigned lane;
    pthread_t thread;
    struct observer_counts counts;
    struct metrics *registry;
    struct observer_metrics metrics;
    uint64_t *denials; /* by module: of the registry while it lives, then a copy */
    struct judging *judging;
    struct buffer *rows; /* of the batch that is being judged */
};

struct replay_jobs {
    struct replay_jobs_settings settings;
    struct job *jobs;
    struct body_file *bodies;
    struct buffer error;
    pthread_mutex_t lock;
    pthread_cond_t more; /* something to judge, or the end */
    pthread_cond_t done; /* a batch, or the opening of the bodies */
    bool ready;          /* bodies are there, or are known not to be */
    bool failed;
    bool closing;
    struct batch ring[BATCHES];
    uint64_t submitted, taken, given; /* batches */
};

/* ---- one job */

static void on_judged(void *context, const struct verdict *verdict)
{
    struct job *job = context;
    job->jobs->settings.append(job->jobs->settings.context, verdict, job->rows);
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context, (void)stream, (void)writer, (void)token;
}

static struct slice find_body(void *context, struct slice event_id)
{
    return body_file_find(context, event_id);
}

/* In the job's own thread, whose lane the chain is told. */
static void start_judging(struct job *job)
{
    struct observer_settings settings = {.chain = job->jobs->settings.chain, .queue_limit = SIZE_MAX};
    if (job->jobs->bodies)
        settings.bodies = (struct body_source){.context = job->jobs->bodies, .find = find_body};
    struct observer_callbacks callbacks = {.context = job, .judged = on_judged, .position = on_position};
    job->registry = metrics_create();
    observer_metrics_register(&job->metrics, job->registry, NULL);
    job->judging = judging_create(&settings, &callbacks, &job->counts, &job->metrics);
}

static void end_judging(struct job *job)
{
    uint32_t count = chain_module_count(job->jobs->settings.chain);
    if (!job->judging)
        return;
    job->denials = memory_allocate_zeroed(count + 1, sizeof *job->denials);
    for (uint32_t index = 0; index < count; index++)
        job->denials[index] = *observer_metrics_denials(&job->metrics, index);
    judging_destroy(job->judging);
    metrics_destroy(job->registry);
    job->judging = NULL;
}

static void judge_batch(struct job *job, struct batch *batch)
{
    if (!job->judging)
        start_judging(job);
    job->rows = &batch->rows;
    buffer_clear(&batch->rows);
    for (uint32_t index = 0; index < batch->count; index++) {
        const struct batch_event *event = &batch->events[index];
        struct event_origin origin = {.writer = judging_writer(job->judging, event->writer), .token = event->token};
        judging_event(job->judging, &event->row, &origin, event->alone);
    }
}

/* With the lock, which is given up meanwhile: judges the next batch that nobody has taken. */
static void take_batch(struct job *job)
{
    struct replay_jobs *jobs = job->jobs;
    struct batch *batch = &jobs->ring[jobs->taken++ % BATCHES];
    pthread_mutex_unlock(&jobs->lock);
    judge_batch(job, batch);
    pthread_mutex_lock(&jobs->lock);
    batch->done = true;
    pthread_cond_signal(&jobs->done);
}

/* The second job reads the bodies first; the others wait for them. */
static void open_bodies(struct replay_jobs *jobs)
{
    struct buffer error = {0};
    struct body_file *bodies = body_file_open(jobs->settings.bodies_path, &error);
    pthread_mutex_lock(&jobs->lock);
    jobs->bodies = bodies;
    jobs->error = error;
    jobs->failed = !bodies;
    jobs->ready = true;
    pthread_cond_broadcast(&jobs->more);
    pthread_cond_signal(&jobs->done);
    pthread_mutex_unlock(&jobs->lock);
}

static void *run_job(void *context)
{
    struct job *job = context;
    struct replay_jobs *jobs = job->jobs;
    lane_number = job->lane;
    if (job->lane == 1 && jobs->settings.bodies_path)
        open_bodies(jobs);
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        bool waiting = jobs->ready && !jobs->failed && jobs->taken < jobs->submitted;
        if (waiting)
            take_batch(job);
        else if (jobs->closing)
            break;
        else
            pthread_cond_wait(&jobs->more, &jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
    end_judging(job);
    return NULL;
}

/* ---- the thread that reads */

/* With the lock, which is given up meanwhile: gives out what is finished and next in order. */
static void give_out(struct replay_jobs *jobs)
{
    while (jobs->given < jobs->submitted && jobs->ring[jobs->given % BATCHES].done) {
        struct batch *batch = &jobs->ring[jobs->given % BATCHES];
        pthread_mutex_unlock(&jobs->lock);
        if (batch->rows.length)
            jobs->settings.output(jobs->settings.context, buffer_slice(&batch->rows));
        batch->done = false;
        batch->count = 0;
        buffer_clear(&batch->texts);
        pthread_mutex_lock(&jobs->lock);
        jobs->given++;
    }
}

/* With the lock: until no more than `most` batches are under way. */
static void wait_until_under(struct replay_jobs *jobs, uint64_t most)
{
    for (give_out(jobs); jobs->submitted - jobs->given > most && !jobs->failed; give_out(jobs)) {
        if (jobs->ready && jobs->taken < jobs->submitted)
            take_batch(&jobs->jobs[0]);
        else if (!jobs->ring[jobs->given % BATCHES].done)
            pthread_cond_wait(&jobs->done, &jobs->lock);
    }
}

static bool submit(struct replay_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    if (jobs->failed)
        jobs->ring[jobs->submitted % BATCHES].count = 0;
    else
        jobs->submitted++;
    pthread_cond_signal(&jobs->more);
    wait_until_under(jobs, BATCHES - 1);
    bool good = !jobs->failed;
    pthread_mutex_unlock(&jobs->lock);
    return good;
}

static struct slice copy(struct buffer *texts, struct slice text)
{
    if (!slice_present(text))
        return text;
    struct slice copied = slice_of(texts->data + texts->length, text.length);
    buffer_append_slice(texts, text);
    return copied;
}

bool replay_jobs_event(struct replay_jobs *jobs, const struct event_row *row, struct slice writer, int64_t token,
                       bool alone)
{
    struct batch *batch = &jobs->ring[jobs->submitted % BATCHES];
    size_t length = row->event_id.length + row->room_id.length + row->type.length + row->state_key.length +
                    row->redacts.length + row->relates_to.length + row->membership.length + writer.length;
    if (batch->count && (batch->count == BATCH_EVENTS || batch->texts.capacity - batch->texts.length < length)) {
        if (!submit(jobs))
            return false;
        batch = &jobs->ring[jobs->submitted % BATCHES];
    }
    if (batch->count == 0) {
        if (!batch->events)
            batch->events = memory_allocate_zeroed(BATCH_EVENTS, sizeof *batch->events);
        buffer_clear(&batch->texts);
        (void)buffer_reserve(&batch->texts, length < BATCH_TEXT ? BATCH_TEXT : length);
    }
    struct batch_event *event = &batch->events[batch->count++];
    struct buffer *texts = &batch->texts;
    event->row = *row;
    event->row.event_id = copy(texts, row->event_id);
    event->row.room_id = copy(texts, row->room_id);
    event->row.type = copy(texts, row->type);
    event->row.state_key = copy(texts, row->state_key);
    event->row.redacts = copy(texts, row->redacts);
    event->row.relates_to = copy(texts, row->relates_to);
    event->row.membership = copy(texts, row->membership);
    event->writer = copy(texts, writer);
    event->token = token;
    event->alone = alone;
    return true;
}

/* ---- life */

static void join(struct replay_jobs *jobs)
{
    if (jobs->closing)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->closing = true;
    jobs->taken = jobs->submitted;
    pthread_cond_broadcast(&jobs->more);
    pthread_mutex_unlock(&jobs->lock);
    for (unsigned index = 1; index < jobs->settings.jobs; index++)
        pthread_join(jobs->jobs[index].thread, NULL);
    end_judging(&jobs->jobs[0]);
}

bool replay_jobs_finish(struct replay_jobs *jobs, bool judge, struct buffer *error)
{
    if (judge && jobs->ring[jobs->submitted % BATCHES].count)
        submit(jobs);
    pthread_mutex_lock(&jobs->lock);
    /* Bodies that cannot be read are told even if there was nothing to judge. */
    while (!jobs->ready)
        pthread_cond_wait(&jobs->done, &jobs->lock);
    if (judge)
        wait_until_under(jobs, 0);
    pthread_mutex_unlock(&jobs->lock);
    join(jobs);
    if (jobs->failed)
        buffer_append_slice(error, buffer_slice(&jobs->error));
    return !jobs->failed;
}

bool replay_jobs_bodies_cut_short(const struct replay_jobs *jobs)
{
    return jobs->bodies && body_file_cut_short(jobs->bodies);
}

void replay_jobs_add_counts(const struct replay_jobs *jobs, struct observer_counts *counts, uint64_t *denials,
                            uint32_t room)
{
    uint32_t modules = chain_module_count(jobs->settings.chain);
    for (unsigned index = 0; index < jobs->settings.jobs; index++) {
        const struct job *job = &jobs->jobs[index];
        counts->judged += job->counts.judged;
        counts->denied += job->counts.denied;
        counts->changed += job->counts.changed;
        counts->failed += job->counts.failed;
        counts->bodies_missing += job->counts.bodies_missing;
        counts->bodies_unreadable += job->counts.bodies_unreadable;
        for (uint32_t module = 0; job->denials && module < modules && module < room; module++)
            denials[module] += job->denials[module];
    }
}

struct replay_jobs *replay_jobs_create(const struct replay_jobs_settings *settings)
{
    struct replay_jobs *jobs = memory_allocate_zeroed(1, sizeof *jobs);
    jobs->settings = *settings;
    jobs->ready = settings->bodies_path == NULL;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->more, NULL);
    pthread_cond_init(&jobs->done, NULL);
    jobs->jobs = memory_allocate_zeroed(settings->jobs, sizeof *jobs->jobs);
    for (unsigned index = 0; index < settings->jobs; index++) {
        jobs->jobs[index].jobs = jobs;
        jobs->jobs[index].lane = index;
    }
    for (unsigned index = 1; index < jobs->settings.jobs; index++)
        if (pthread_create(&jobs->jobs[index].thread, NULL, run_job, &jobs->jobs[index]) != 0)
            jobs->settings.jobs = index; /* as many as the system allows */
    if (jobs->settings.jobs == 1 && settings->bodies_path)
        open_bodies(jobs);
    return jobs;
}

void replay_jobs_destroy(struct replay_jobs *jobs)
{
    if (!jobs)
        return;
    join(jobs);
    for (unsigned index = 0; index < jobs->settings.jobs; index++)
        free(jobs->jobs[index].denials);
    for (unsigned index = 0; index < BATCHES; index++) {
        free(jobs->ring[index].events);
        buffer_free(&jobs->ring[index].texts);
        buffer_free(&jobs->ring[index].rows);
    }
    body_file_close(jobs->bodies);
    buffer_free(&jobs->error);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->more);
    pthread_cond_destroy(&jobs->done);
    free(jobs->jobs);
    free(jobs);
}
