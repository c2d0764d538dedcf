/* The hot path of the engine is judging_event where nothing waits: no copy, no allocation. */
#include "engine/judging.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/event_time.h"
#include "engine/log.h"
#include "filters/chain_sample.h"
#include "filters/judge.h"

/* Rows and bodies that wait may take this much before the lines are stopped. */
#define QUEUE_BYTES_LIMIT (64u << 20)

/* A chain that is in use: the newest one judges, older ones live until the last walk that was parked in them has
 * ended. A question that was asked is thus answered to the module that asked it, and no event is asked about twice. */
struct chain_use {
    struct chain *chain;
    size_t parked;
    struct chain_use *next;
};

struct judging {
    struct observer_settings settings;
    struct observer_callbacks callbacks;
    struct observer_counts *counts;
    struct observer_metrics *metrics;
    struct chain_use *uses; /* the newest first */
    struct judge *judge;
    struct chain_sampler sampler;
    struct event_queue *queue;
    bool stopped; /* flow(true) was said */

    struct writer_progress **writers;
    size_t writer_count;
    struct writer_progress *last_writer; /* that was looked up */
    struct writer_progress **late_writers;
    size_t late_writer_count;

    struct event event;                       /* the one that the judge was given; it may be parked after the walk */
    const struct event_origin *judged_origin; /* of the event that a walk is asked about now; NULL between walks */
    struct event_time time;
    int64_t latest_ms;      /* that modules were told, live */
    struct buffer dry_runs; /* its rows of modules in dry_run, a line each */

    struct log_gate body_gate, missing_gate;
};

struct writer_progress *judging_writer(struct judging *judging, struct slice name)
{
    if (judging->last_writer && slice_equal(judging->last_writer->name, name))
        return judging->last_writer;
    for (size_t index = 0; index < judging->writer_count; index++)
        if (slice_equal(judging->writers[index]->name, name))
            return judging->last_writer = judging->writers[index];
    judging->writers = memory_reallocate(judging->writers, (judging->writer_count + 1) * sizeof *judging->writers);
    return judging->last_writer = judging->writers[judging->writer_count++] = writer_progress_create(name);
}

const struct writer_progress *judging_find_writer(const struct judging *judging, struct slice name)
{
    for (size_t index = 0; index < judging->writer_count; index++)
        if (slice_equal(judging->writers[index]->name, name))
            return judging->writers[index];
    return NULL;
}

static struct writer_progress *find_late_writer(const struct judging *judging, struct slice name)
{
    for (size_t index = 0; index < judging->late_writer_count; index++)
        if (slice_equal(judging->late_writers[index]->name, name))
            return judging->late_writers[index];
    return NULL;
}

static struct writer_progress *late_writer(struct judging *judging, struct slice name)
{
    struct writer_progress *writer = find_late_writer(judging, name);
    if (writer)
        return writer;
    judging->late_writers =
        memory_reallocate(judging->late_writers, (judging->late_writer_count + 1) * sizeof *judging->late_writers);
    writer = judging->late_writers[judging->late_writer_count++] = writer_progress_create(name);
    writer->late = true;
    return writer;
}

static bool needs_body(const struct judging *judging)
{
    return chain_needs_body(judging->uses->chain) || judging->settings.ask_as_synapse;
}

/* Whether it is asked for: modules may read it that can do without. */
static bool uses_body(const struct judging *judging)
{
    return chain_uses_body(judging->uses->chain) || judging->settings.ask_as_synapse;
}

/* ---- verdicts */

static void append_verdict(struct judging *judging, const struct event *event, const struct outcome *outcome,
                           const struct event_origin *origin, struct verdict *verdict)
{
    *verdict = (struct verdict){.event = event,
                                .outcome = outcome,
                                .stream = SLICE("events"),
                                .instance = origin->writer->name,
                                .token = origin->token,
                                .received_ns = origin->received_ns,
                                .dry_runs = buffer_slice(&judging->dry_runs)};
}

/* What a module in dry_run would have said is written down at once: it may point into the event, or into the module. */
static void on_dry_run(void *context, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    struct judging *judging = context;
    if (!judging->judged_origin || !arguments->event)
        return;
    struct verdict verdict;
    append_verdict(judging, arguments->event, outcome, judging->judged_origin, &verdict);
    verdict.dry_run = true;
    verdict_append_row(&verdict, &judging->dry_runs);
    buffer_append_char(&judging->dry_runs, '\n');
}

static void publish(struct judging *judging, const struct event *event, const struct outcome *outcome,
                    const struct event_origin *origin, const struct chain_use *use)
{
    uint64_t *const kinds[] = {[OUTCOME_CHANGED] = &judging->counts->changed,
                               [OUTCOME_DENIED] = &judging->counts->denied,
                               [OUTCOME_FAILED] = &judging->counts->failed};
    judging->counts->judged++;
    judging->counts->dry_run += judging->dry_runs.length != 0;
    if (outcome->kind != OUTCOME_PASSED) {
        (*kinds[outcome->kind])++;
        /* The counts by module are those of the newest chain. */
        if (outcome->kind == OUTCOME_DENIED && use == judging->uses)
            (*observer_metrics_denials(judging->metrics, outcome->module_index))++;
    }
    struct verdict verdict;
    append_verdict(judging, event, outcome, origin, &verdict);
    judging->callbacks.judged(judging->callbacks.context, &verdict);
}

static void report_unreadable_body(struct judging *judging, const struct event_row *row, enum event_read_status status)
{
    judging->counts->bodies_unreadable++;
    uint64_t suppressed;
    if (log_gate_pass(&judging->body_gate, &suppressed))
        log_warning("a body could not be read; the event was judged by its stream row alone",
                    LOG_TEXT("event_id", row->event_id), LOG_STRING("reason", event_read_status_text(status)),
                    LOG_INTEGER("suppressed", suppressed));
}

static void report_missing_body(struct judging *judging, const struct event_row *row)
{
    judging->counts->bodies_missing++;
    uint64_t suppressed;
    if (log_gate_pass(&judging->missing_gate, &suppressed))
        log_warning("a body was not found; the event was judged by its stream row alone",
                    LOG_TEXT("event_id", row->event_id), LOG_TEXT("room_id", row->room_id),
                    LOG_INTEGER("suppressed", suppressed));
}

/* What is caught up on counts as of when it was sent, as far as that lies between the events judged before it and the
 * clock: else all that happened in an hour would be a flood. */
static int64_t time_caught_up(struct judging *judging, struct slice body)
{
    int64_t clock = clock_wall_ms();
    int64_t claimed = event_time_of_body(&judging->time, body);
    int64_t now_ms = claimed > judging->latest_ms ? claimed : judging->latest_ms;
    return now_ms <= 1 || now_ms > clock ? clock : now_ms;
}

/* What the modules take for the time at which the event arrived. */
static int64_t time_of(struct judging *judging, struct slice body, const struct event_origin *origin)
{
    bool known = origin->now_ms > 0, wanted = chain_reads_time(judging->uses->chain);
    if (!origin->received_ns) /* a replay */
        return known || !wanted ? event_time_recorded(&judging->time, origin->now_ms)
                                : event_time_of_body(&judging->time, body);
    judging->latest_ms = known ? origin->now_ms : wanted ? time_caught_up(judging, body) : clock_wall_ms();
    return judging->latest_ms;
}

/* One event among many, of which it is measured what the modules take. */
static __attribute__((noinline, cold)) const struct outcome *judge_sampled(struct judging *judging, unsigned ask)
{
    struct chain *chain = judging->uses->chain;
    chain_sample_begin(chain, &judging->sampler);
    const struct outcome *outcome = judge_event(judging->judge, &judging->event, ask);
    chain_sample_end(chain);
    return outcome;
}

/* Judges one event by the newest chain; `body` may be absent. WALK_ENDED: the verdict was published. */
static enum walk_state judge(struct judging *judging, const struct event_row *row, struct slice body,
                             const struct event_origin *origin)
{
    struct event *event = &judging->event;
    *event = (struct event){.event_id = row->event_id,
                            .room_id = row->room_id,
                            .type = row->type,
                            .state_key = row->state_key,
                            .redacts = row->redacts,
                            .relates_to = row->relates_to,
                            .membership = row->membership};
    if (slice_present(body)) {
        enum event_read_status status = judge_read(judging->judge, body, event);
        if (status != EVENT_READ_OK)
            report_unreadable_body(judging, row, status);
    } else if (needs_body(judging)) {
        report_missing_body(judging, row);
    }
    const char *reason;
    unsigned ask = judging->settings.ask_as_synapse ? judge_as_synapse(judging->judge, event, &reason) : JUDGE_BOTH;
    judge_set_time(judging->judge, time_of(judging, body, origin), false);
    buffer_clear(&judging->dry_runs);
    judging->judged_origin = origin;
    const struct outcome *outcome =
        chain_sampler_is_due(&judging->sampler) ? judge_sampled(judging, ask) : judge_event(judging->judge, event, ask);
    judging->judged_origin = NULL;
    if (outcome)
        publish(judging, event, outcome, origin, judging->uses);
    return outcome ? WALK_ENDED : WALK_PENDING;
}

/* ---- waiting */

static void update_flow(struct judging *judging)
{
    size_t limit = judging->settings.queue_limit;
    size_t count = event_queue_count(judging->queue);
    size_t bytes = event_queue_bytes(judging->queue);
    bool stop = judging->stopped ? count > limit / 2 || bytes > QUEUE_BYTES_LIMIT / 2
                                 : count >= limit || bytes >= QUEUE_BYTES_LIMIT;
    if (stop != judging->stopped) {
        judging->stopped = stop;
        if (judging->callbacks.flow)
            judging->callbacks.flow(judging->callbacks.context, stop);
    }
}

/* Tells what an event or a token's end did to the writer's progress. */
static void tell_progress(struct judging *judging, const struct writer_progress *writer, bool moved)
{
    struct slice name = writer->name;
    if (writer->late)
        return;
    if (moved)
        judging->callbacks.position(judging->callbacks.context, STREAM_events, name, writer->position);
    if (judging->callbacks.ahead && writer_progress_is_ahead(writer))
        judging->callbacks.ahead(judging->callbacks.context, STREAM_events, name);
}

static void exchange_buffers(struct buffer *left, struct buffer *right)
{
    struct buffer kept = *left;
    *left = *right;
    *right = kept;
}

/* The judgement that has just become pending waits in `entry`. */
static void park(struct judging *judging, struct queued_event *entry)
{
    entry->judgement = judge_park(judging->judge);
    entry->use = judging->uses;
    entry->use->parked++;
    exchange_buffers(&entry->dry_runs, &judging->dry_runs);
    /* The judgement has its own copy of the body. */
    event_queue_account(judging->queue, entry, entry->text.length + judgement_event(entry->judgement)->body.length);
    buffer_free(&entry->body);
    event_queue_park(judging->queue, entry, judgement_ticket(entry->judgement));
}

/* Asks for the entry's body unless it was asked for or need not be; true if it is waited for. */
static bool ask_for_body(struct judging *judging, struct queued_event *entry)
{
    const struct body_source *bodies = &judging->settings.bodies;
    if (!bodies->request || entry->body_asked || !uses_body(judging))
        return false;
    entry->body_asked = true;
    entry->state = QUEUED_ASKED;
    bodies->request(bodies->context, entry->ticket, entry->row.event_id);
    return true;
}

static struct slice find_body(const struct judging *judging, const struct event_row *row)
{
    const struct body_source *bodies = &judging->settings.bodies;
    return bodies->find && uses_body(judging) ? bodies->find(bodies->context, row->event_id) : SLICE_ABSENT;
}

/* The entry's event was judged; the next of its room. */
static struct queued_event *leave(struct judging *judging, struct queued_event *entry)
{
    struct writer_progress *writer = entry->origin.writer;
    bool moved = writer_progress_waited(writer, entry);
    struct queued_event *next = event_queue_remove(judging->queue, entry);
    tell_progress(judging, writer, moved);
    return next;
}

/* Judges what is ready, from the first entry of a room on. */
static void judge_room(struct judging *judging, struct queued_event *entry)
{
    while (entry && entry->state == QUEUED_READY) {
        /* A chain that needs no body may have been followed by one that does. */
        if (ask_for_body(judging, entry))
            return;
        struct slice body = entry->has_body ? buffer_slice(&entry->body) : find_body(judging, &entry->row);
        if (judge(judging, &entry->row, body, &entry->origin) == WALK_PENDING)
            park(judging, entry);
        else
            entry = leave(judging, entry);
    }
}

static struct queued_event *enqueue(struct judging *judging, const struct event_row *row,
                                    const struct event_origin *origin, bool alone)
{
    struct queued_event *entry = event_queue_append(judging->queue, row);
    entry->origin = *origin;
    entry->alone = alone;
    writer_progress_wait(origin->writer, entry);
    return entry;
}

void judging_event(struct judging *judging, const struct event_row *row, const struct event_origin *origin, bool alone)
{
    if (writer_progress_was_judged(origin->writer, origin->token, row->event_id)) {
        judging->counts->judged_before++;
        writer_progress_judged(origin->writer, origin->token);
        return;
    }
    bool later = (judging->settings.bodies.request && uses_body(judging)) ||
                 event_queue_room_waits(judging->queue, row->room_id);
    if (later) {
        ask_for_body(judging, enqueue(judging, row, origin, alone));
        update_flow(judging);
    } else if (judge(judging, row, find_body(judging, row), origin) == WALK_ENDED) {
        writer_progress_judged(origin->writer, origin->token);
    } else {
        park(judging, enqueue(judging, row, origin, alone));
        update_flow(judging);
    }
}

void judging_late_event(struct judging *judging, const struct event_row *row, struct slice writer, int64_t token)
{
    struct event_origin origin = {.writer = late_writer(judging, writer),
                                  .token = token,
                                  .received_ns = clock_now_ns(),
                                  .now_ms = clock_wall_ms()};
    judging_event(judging, row, &origin, false);
}

bool judging_late_waiting(const struct judging *judging, struct slice writer)
{
    const struct writer_progress *late = find_late_writer(judging, writer);
    return late && late->first;
}

void judging_token_ends(struct judging *judging, struct writer_progress *writer, int64_t token)
{
    tell_progress(judging, writer, writer_progress_token_ends(writer, token));
}

void judging_body_arrived(struct judging *judging, uint64_t ticket, struct slice body)
{
    struct queued_event *entry = event_queue_find(judging->queue, ticket);
    if (!entry || entry->state != QUEUED_ASKED)
        return;
    entry->state = QUEUED_READY;
    if (slice_present(body)) {
        entry->has_body = true;
        buffer_append_slice(&entry->body, body);
        event_queue_account(judging->queue, entry, entry->text.length + body.length);
    }
    if (event_queue_is_first(entry))
        judge_room(judging, entry);
    update_flow(judging);
}

/* ---- services */

/* Old chains without a parked walk go. */
static void release_chains(struct judging *judging)
{
    struct chain_use **place = &judging->uses->next;
    while (*place) {
        struct chain_use *use = *place;
        if (use->parked) {
            place = &use->next;
            continue;
        }
        *place = use->next;
        chain_on_dry_run(use->chain, NULL, NULL);
        if (judging->callbacks.chain_unused)
            judging->callbacks.chain_unused(judging->callbacks.context, use->chain);
        free(use);
    }
}

static void let_go(struct queued_event *entry)
{
    judgement_free(entry->judgement);
    entry->judgement = NULL;
    entry->use->parked--;
}

void judging_answered(struct judging *judging, uint64_t ticket, const struct service_answer *answer)
{
    struct queued_event *entry = event_queue_find_parked(judging->queue, ticket);
    if (!entry)
        return;
    event_queue_unpark(judging->queue, entry);
    exchange_buffers(&entry->dry_runs, &judging->dry_runs);
    judging->judged_origin = &entry->origin;
    const struct outcome *outcome = judgement_resume(entry->judgement, answer);
    judging->judged_origin = NULL;
    if (!outcome) {
        exchange_buffers(&entry->dry_runs, &judging->dry_runs);
        event_queue_park(judging->queue, entry, judgement_ticket(entry->judgement));
        return;
    }
    publish(judging, judgement_event(entry->judgement), outcome, &entry->origin, entry->use);
    let_go(entry);
    judge_room(judging, leave(judging, entry));
    release_chains(judging);
    update_flow(judging);
}

void judging_give_up(struct judging *judging, const char *reason)
{
    struct service_answer nobody = {.error = slice_from_string(reason)};
    struct queued_event *entry;
    while ((entry = event_queue_first_parked(judging->queue)))
        judging_answered(judging, entry->service_ticket, &nobody);
}

/* ---- life */

static void begin_use(struct judging *judging, struct chain *chain)
{
    struct chain_use *use = memory_allocate_zeroed(1, sizeof *use);
    use->chain = chain;
    use->next = judging->uses;
    judging->uses = use;
    judging->judge = judge_create(chain);
    if (judging->settings.live)
        chain_sampler_start(&judging->sampler);
    chain_on_dry_run(chain, on_dry_run, judging);
    observer_metrics_use_chain(judging->metrics, chain);
}

void judging_use_chain(struct judging *judging, struct chain *chain)
{
    judge_destroy(judging->judge);
    begin_use(judging, chain);
    release_chains(judging);
}

void judging_ask_as_synapse(struct judging *judging, bool as_synapse)
{
    judging->settings.ask_as_synapse = as_synapse;
}

struct judging *judging_create(const struct observer_settings *settings, const struct observer_callbacks *callbacks,
                               struct observer_counts *counts, struct observer_metrics *metrics)
{
    struct judging *judging = memory_allocate_zeroed(1, sizeof *judging);
    judging->settings = *settings;
    judging->callbacks = *callbacks;
    judging->counts = counts;
    judging->metrics = metrics;
    judging->queue = event_queue_create();
    begin_use(judging, settings->chain);
    return judging;
}

void judging_destroy(struct judging *judging)
{
    if (!judging)
        return;
    struct queued_event *entry;
    while ((entry = event_queue_first_parked(judging->queue))) {
        event_queue_unpark(judging->queue, entry);
        let_go(entry);
    }
    judge_destroy(judging->judge);
    release_chains(judging);
    chain_on_dry_run(judging->uses->chain, NULL, NULL);
    free(judging->uses);
    event_queue_destroy(judging->queue);
    for (size_t index = 0; index < judging->writer_count; index++)
        writer_progress_destroy(judging->writers[index]);
    free(judging->writers);
    for (size_t index = 0; index < judging->late_writer_count; index++)
        writer_progress_destroy(judging->late_writers[index]);
    free(judging->late_writers);
    buffer_free(&judging->dry_runs);
    event_time_free(&judging->time);
    free(judging);
}

size_t judging_waiting(const struct judging *judging)
{
    return event_queue_count(judging->queue);
}

size_t judging_parked(const struct judging *judging)
{
    return event_queue_parked_count(judging->queue);
}
