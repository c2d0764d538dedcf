/* A request that failed goes on behind the last row that came, at the next source, and after all of them with growing
 * pauses. The book of the writer stays closed meanwhile and holds what comes (replication/position.h), so nothing is
 * lost by waiting. */
#include "engine/catch_up.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/retry_pause.h"

#define RETRY_FIRST_MS 500
#define RETRY_LONGEST_MS 30000

enum { COUNT_REQUESTS, COUNT_FAILURES, COUNT_ROWS, COUNT_KINDS };

static const struct metric_definition count_metrics[COUNT_KINDS] = {
    {"weir_catch_up_requests_total", METRIC_COUNTER, "Requests for rows that were missed, by the source asked.",
     "source"},
    {"weir_catch_up_failures_total", METRIC_COUNTER, "Requests for missed rows that failed, by the source asked.",
     "source"},
    {"weir_catch_up_rows_total", METRIC_COUNTER, "Rows fetched because they may have been missed, by their source.",
     "source"},
};
static const struct metric_definition waiting_metric = {
    "weir_catch_up_waiting", METRIC_GAUGE, "Ranges of rows that are being fetched now, or wait to be asked for again.",
    NULL};

struct source {
    struct catch_up *catch_up;
    const char *name;
    struct row_source source;
    bool down; /* the log knows that it cannot be asked */
};

enum task_state { TASK_WAITS, TASK_ASKED, TASK_PAUSES };

/* A request of an owner, until its answer has ended. */
struct task {
    struct task *next;
    uint64_t ticket;
    enum task_state state;
    struct row_request request; /* `from` moves with the rows that came; `writer` is its own copy */
    const struct catch_up_owner *owner;
    uint32_t source;   /* that is asked, or to be asked next */
    uint32_t attempts; /* rounds in which every source failed */
    uint64_t again_at_ns;
};

struct catch_up {
    struct source sources[CATCH_UP_SOURCES_MAXIMUM];
    uint32_t created; /* sources whose callbacks were given out */
    uint32_t count;
    struct task *tasks; /* in the order of asking */
    size_t waiting;
    uint64_t last_ticket;
    bool paused;
    struct event *turn;
    uint64_t *counts[COUNT_KINDS]; /* by source */
    uint64_t *waiting_count;
    struct log_gate failure_gate;
};

static bool serves(const struct catch_up *catch_up, uint32_t source, enum stream stream, struct slice writer)
{
    const struct row_source *rows = &catch_up->sources[source].source;
    return rows->serves(rows->context, stream, writer);
}

/* The first source from `source` on that serves the writer; `count` if there is none. */
static uint32_t next_source(const struct catch_up *catch_up, uint32_t source, const struct row_request *request)
{
    while (source < catch_up->count && !serves(catch_up, source, request->stream, request->writer))
        source++;
    return source;
}

static struct task *find_task(const struct catch_up *catch_up, uint64_t ticket)
{
    struct task *task = catch_up->tasks;
    while (task && task->ticket != ticket)
        task = task->next;
    return task;
}

static void want_turn(struct catch_up *catch_up)
{
    event_active(catch_up->turn, EV_TIMEOUT, 0);
}

/* Whether a request about the same writer and stream was made before and has not ended. */
static bool is_behind_another(const struct catch_up *catch_up, const struct task *task)
{
    for (const struct task *other = catch_up->tasks; other != task; other = other->next)
        if (other->request.stream == task->request.stream && slice_equal(other->request.writer, task->request.writer))
            return true;
    return false;
}

/* Asks what may be asked now, and comes back when the first pause ends. */
static void on_turn(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct catch_up *catch_up = argument;
    uint64_t now = clock_now_ns(), earliest = UINT64_MAX;
    if (catch_up->paused)
        return;
    for (struct task *task = catch_up->tasks; task; task = task->next) {
        if (task->state == TASK_PAUSES && now < task->again_at_ns) {
            earliest = task->again_at_ns < earliest ? task->again_at_ns : earliest;
            continue;
        }
        if (task->state == TASK_ASKED || is_behind_another(catch_up, task))
            continue;
        task->state = TASK_ASKED;
        catch_up->counts[COUNT_REQUESTS][task->source]++;
        const struct row_source *source = &catch_up->sources[task->source].source;
        source->request(source->context, task->ticket, &task->request);
    }
    if (earliest == UINT64_MAX)
        return;
    uint64_t microseconds = (earliest - now) / 1000 + 1;
    struct timeval delay = {.tv_sec = (time_t)(microseconds / 1000000),
                            .tv_usec = (suseconds_t)(microseconds % 1000000)};
    event_add(catch_up->turn, &delay);
}

static void end_task(struct catch_up *catch_up, struct task *task, int64_t reached, bool limited)
{
    struct task **place = &catch_up->tasks;
    while (*place != task)
        place = &(*place)->next;
    *place = task->next;
    catch_up->waiting--;
    task->owner->ended(task->owner->context, task->request.stream, task->request.writer, reached, limited);
    free((char *)(uintptr_t)task->request.writer.data);
    free(task);
    want_turn(catch_up);
}

static void on_rows(void *context, uint64_t ticket, const struct position_rows *rows)
{
    const struct source *source = context;
    struct catch_up *catch_up = source->catch_up;
    struct task *task = find_task(catch_up, ticket);
    if (!task || task->state != TASK_ASKED || rows->token <= task->request.from)
        return;
    task->request.from = rows->token;
    catch_up->counts[COUNT_ROWS][source - catch_up->sources] += rows->count;
    task->owner->rows(task->owner->context, rows);
}

/* The next source at once; after the last one a pause, and the first again. */
static void fail_task(struct catch_up *catch_up, struct task *task, const char *failure)
{
    uint32_t next = next_source(catch_up, task->source + 1, &task->request);
    uint32_t pause = 0;
    catch_up->counts[COUNT_FAILURES][task->source]++;
    if (next == catch_up->count) {
        next = next_source(catch_up, 0, &task->request);
        pause = retry_pause_ms(RETRY_FIRST_MS, RETRY_LONGEST_MS, task->attempts++);
    }
    uint64_t suppressed;
    if (log_gate_pass(&catch_up->failure_gate, &suppressed))
        log_warning("rows that were missed could not be fetched; asks again",
                    LOG_STRING("stream", stream_definitions[task->request.stream].name),
                    LOG_TEXT("writer", task->request.writer), LOG_STRING("from", catch_up->sources[task->source].name),
                    LOG_STRING("reason", failure), LOG_INTEGER("after", task->request.from),
                    LOG_INTEGER("up_to", task->request.upto), LOG_STRING("next", catch_up->sources[next].name),
                    LOG_INTEGER("retry_in_ms", pause), LOG_INTEGER("suppressed", suppressed));
    task->source = next;
    task->state = TASK_PAUSES;
    task->again_at_ns = clock_now_ns() + pause * UINT64_C(1000000);
    want_turn(catch_up);
}

static void on_ended(void *context, uint64_t ticket, const struct row_answer *answer)
{
    const struct source *source = context;
    struct catch_up *catch_up = source->catch_up;
    struct task *task = find_task(catch_up, ticket);
    if (!task || task->state != TASK_ASKED)
        return;
    const char *failure = answer->failure;
    bool again = task->request.stream == STREAM_events ||
                 next_source(catch_up, task->source + 1, &task->request) < catch_up->count;
    if (failure && again)
        fail_task(catch_up, task, failure);
    else if (failure)
        end_task(catch_up, task, task->request.upto, false);
    else
        end_task(catch_up, task, answer->reached, answer->limited);
}

static void on_state(void *context, const char *reason)
{
    struct source *source = context;
    bool known = source->down && reason;
    source->down = reason != NULL;
    if (known)
        log_debug("rows that were missed cannot be fetched from here still", LOG_STRING("from", source->name),
                  LOG_STRING("reason", reason));
    else if (reason)
        log_warning("rows that were missed cannot be fetched from here now", LOG_STRING("from", source->name),
                    LOG_STRING("reason", reason));
    else
        log_info("rows that were missed can be fetched", LOG_STRING("from", source->name));
}

struct row_source_callbacks catch_up_callbacks(struct catch_up *catch_up, const char *name)
{
    struct source *source = &catch_up->sources[catch_up->created++];
    source->catch_up = catch_up;
    source->name = name;
    return (struct row_source_callbacks){.context = source, .rows = on_rows, .ended = on_ended, .state = on_state};
}

void catch_up_add(struct catch_up *catch_up, struct row_source source)
{
    catch_up->sources[catch_up->count++].source = source;
}

bool catch_up_serves(const struct catch_up *catch_up, enum stream stream, struct slice writer)
{
    struct row_request request = {.stream = stream, .writer = writer};
    return next_source(catch_up, 0, &request) < catch_up->count;
}

bool catch_up_ask(struct catch_up *catch_up, const struct row_request *request, const struct catch_up_owner *owner)
{
    uint32_t source = next_source(catch_up, 0, request);
    if (source == catch_up->count)
        return false;
    struct task *task = memory_allocate_zeroed(1, sizeof *task);
    *task = (struct task){
        .ticket = ++catch_up->last_ticket, .state = TASK_WAITS, .request = *request, .owner = owner, .source = source};
    task->request.writer =
        slice_of(memory_copy_text(request->writer.data, request->writer.length), request->writer.length);
    struct task **place = &catch_up->tasks;
    while (*place)
        place = &(*place)->next;
    *place = task;
    catch_up->waiting++;
    want_turn(catch_up);
    return true;
}

void catch_up_pause(struct catch_up *catch_up, bool paused)
{
    catch_up->paused = paused;
    if (!paused)
        want_turn(catch_up);
}

size_t catch_up_waiting(const struct catch_up *catch_up)
{
    return catch_up->waiting;
}

static const char *source_label(const void *context, size_t index)
{
    const struct catch_up *catch_up = context;
    return index < catch_up->count ? catch_up->sources[index].name : NULL;
}

static void collect(void *context)
{
    struct catch_up *catch_up = context;
    *catch_up->waiting_count = catch_up->waiting;
}

struct catch_up *catch_up_create(struct event_base *base, struct metrics *metrics)
{
    struct catch_up *catch_up = memory_allocate_zeroed(1, sizeof *catch_up);
    catch_up->turn = event_new(base, -1, 0, on_turn, catch_up);
    for (size_t kind = 0; kind < COUNT_KINDS; kind++)
        catch_up->counts[kind] =
            metrics_register(metrics, &count_metrics[kind], CATCH_UP_SOURCES_MAXIMUM, source_label, catch_up);
    catch_up->waiting_count = metrics_register(metrics, &waiting_metric, 1, NULL, NULL);
    metrics_on_collect(metrics, collect, catch_up);
    return catch_up;
}

void catch_up_destroy(struct catch_up *catch_up)
{
    if (!catch_up)
        return;
    while (catch_up->tasks) {
        struct task *task = catch_up->tasks;
        catch_up->tasks = task->next;
        free((char *)(uintptr_t)task->request.writer.data);
        free(task);
    }
    event_free(catch_up->turn);
    free(catch_up);
}
