/* Rows come from the source in the order of their tokens, and were noted in that order: the comparison walks along both
 * once. An audit that is asked for while rows are fetched for the same writer waits behind them (engine/catch_up.h),
 * and ends at the position at which it began, so what comes meanwhile is the next one's affair. */
#include "engine/audit.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/json_pool.h"
#include "base/memory.h"
#include "engine/audit_log.h"
#include "engine/log.h"
#include "engine/verdict_log.h"

/* What is kept of one writer at most; of half as much an audit is due at once. */
#define SEEN_MAXIMUM ((size_t)1 << 20)

struct seen {
    int64_t token;
    uint64_t id_hash;
};

struct audited_writer {
    struct audited_writer *next;
    struct audit *audit;
    struct catch_up_owner owner;
    struct slice name; /* its own copy */
    bool begun;        /* `audited` means something; without a stored position */
    int64_t audited;   /* rows up to there are settled */
    int64_t settled;   /* as the owner was told last */
    bool asking;
    int64_t upto;      /* of the audit that goes on */
    struct seen *seen; /* rows above `audited` */
    size_t count;
    size_t capacity;
    size_t next_seen;               /* those before it lie below what the audit has come to */
    bool has_position, has_audited; /* that were stored */
    int64_t stored_audited;
    int64_t logged_upto; /* what was seen up to there, the durable stream tells; INT64_MIN: this run saw all */
    struct seen *logged; /* while that is read */
    size_t logged_count;
    size_t logged_capacity;
};

enum { COUNT_AUDITS, COUNT_CHECKED, COUNT_MISSED, COUNT_AGAIN, COUNT_GIVEN_UP, COUNT_KINDS };

static const struct metric_definition count_metrics[COUNT_KINDS] = {
    {"weir_audits_total", METRIC_COUNTER, "Comparisons of a writer's events with what was seen of them.", NULL},
    {"weir_audit_events_total", METRIC_COUNTER, "Events that were compared with what was seen.", NULL},
    {"weir_audit_missed_total", METRIC_COUNTER,
     "Events that no line of the replication channel told of, found by an audit and judged then.", NULL},
    {"weir_audit_judged_again_total", METRIC_COUNTER,
     "Events from before a restart that no verdict was stored for, and that an audit had judged, perhaps again.", NULL},
    {"weir_audit_given_up_total", METRIC_COUNTER,
     "Events that were not audited, since more came than are kept while no audit could end.", NULL},
};

struct audit {
    struct event_base *base;
    struct audit_settings settings;
    struct audit_callbacks callbacks;
    struct catch_up *catch_up;
    struct audit_log *log; /* NULL unless it must be read */
    bool log_ended;
    struct timeval every;
    struct event *timer;
    struct audited_writer *writers;
    struct audited_writer *last; /* that was looked up */
    struct json_pool pool;
    uint64_t *counts[COUNT_KINDS];
    struct log_gate missed_gate, row_gate, given_up_gate;
};

static void ask(struct audited_writer *writer);

/* Whether the event was noted with that token. */
static bool was_seen(struct audited_writer *writer, int64_t token, struct slice event_id)
{
    uint64_t id_hash = XXH3_64bits(event_id.data, event_id.length);
    while (writer->next_seen < writer->count && writer->seen[writer->next_seen].token < token)
        writer->next_seen++;
    for (size_t index = writer->next_seen; index < writer->count && writer->seen[index].token == token; index++)
        if (writer->seen[index].id_hash == id_hash)
            return true;
    return false;
}

static void check_row(struct audited_writer *writer, int64_t token, struct slice json)
{
    struct audit *audit = writer->audit;
    struct event_row row;
    const char *problem;
    uint64_t suppressed;
    if (!event_row_parse(json, &audit->pool, &row, &problem)) {
        if (log_gate_pass(&audit->row_gate, &suppressed))
            log_warning("a row of `events` could not be read and was passed over by the audit",
                        LOG_STRING("reason", problem), LOG_INTEGER("suppressed", suppressed));
        return;
    }
    if (row.kind != EVENT_ROW_EV)
        return;
    ++*audit->counts[COUNT_CHECKED];
    if (was_seen(writer, token, row.event_id))
        return;
    bool perhaps_passed = token <= writer->logged_upto && !audit->settings.log_is_whole;
    ++*audit->counts[perhaps_passed ? COUNT_AGAIN : COUNT_MISSED];
    if (!perhaps_passed && log_gate_pass(&audit->missed_gate, &suppressed))
        log_warning("an event was never published by its writer: the audit found it, and it is judged now",
                    LOG_TEXT("event_id", row.event_id), LOG_TEXT("writer", writer->name), LOG_INTEGER("token", token),
                    LOG_INTEGER("suppressed", suppressed));
    audit->callbacks.missed(audit->callbacks.context, &row, writer->name, token);
}

static void on_rows(void *context, const struct position_rows *rows)
{
    struct audited_writer *writer = context;
    bool due = rows->token > writer->audited && rows->token <= writer->upto;
    for (uint32_t index = 0; index < rows->count && due; index++)
        check_row(writer, rows->token, rows->rows[index]);
}

/* Rows up to `token` are settled: what was noted of them goes. */
static void settle(struct audited_writer *writer, int64_t token)
{
    size_t settled = 0;
    if (token <= writer->audited)
        return;
    while (settled < writer->count && writer->seen[settled].token <= token)
        settled++;
    if (settled < writer->count)
        memmove(writer->seen, writer->seen + settled, (writer->count - settled) * sizeof *writer->seen);
    writer->count -= settled;
    writer->next_seen = 0;
    writer->audited = token;
}

/* What was found may still wait for its verdict; then the next turn tells. */
static void tell_settled(struct audited_writer *writer)
{
    const struct audit_callbacks *callbacks = &writer->audit->callbacks;
    if (writer->settled == writer->audited || callbacks->waits(callbacks->context, writer->name))
        return;
    writer->settled = writer->audited;
    callbacks->settled(callbacks->context, writer->name, writer->audited);
}

static void on_ended(void *context, enum stream stream, struct slice name, int64_t reached, bool limited)
{
    (void)stream, (void)name;
    struct audited_writer *writer = context;
    writer->asking = false;
    settle(writer, limited && reached < writer->upto ? reached : writer->upto);
    if (writer->audited < writer->upto) {
        ask(writer);
        return;
    }
    ++*writer->audit->counts[COUNT_AUDITS];
    tell_settled(writer);
}

static void ask(struct audited_writer *writer)
{
    struct row_request request = {
        .stream = STREAM_events, .writer = writer->name, .from = writer->audited, .upto = writer->upto};
    writer->asking = catch_up_ask(writer->audit->catch_up, &request, &writer->owner);
}

static void begin(struct audited_writer *writer)
{
    const struct audit_callbacks *callbacks = &writer->audit->callbacks;
    int64_t position;
    if (!writer->asking && !writer->audit->log)
        tell_settled(writer);
    if (writer->asking || writer->audit->log || !callbacks->position(callbacks->context, writer->name, &position) ||
        position <= writer->audited)
        return;
    writer->upto = position;
    ask(writer);
}

static void on_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct audit *audit = argument;
    if (audit->log_ended) {
        audit_log_destroy(audit->log);
        audit->log = NULL;
        audit->log_ended = false;
    }
    for (struct audited_writer *writer = audit->writers; writer; writer = writer->next)
        begin(writer);
    event_add(audit->timer, &audit->every);
}

static struct audited_writer *find(struct audit *audit, struct slice name)
{
    if (audit->last && slice_equal(audit->last->name, name))
        return audit->last;
    struct audited_writer *writer = audit->writers;
    while (writer && !slice_equal(writer->name, name))
        writer = writer->next;
    if (writer)
        audit->last = writer;
    return writer;
}

static struct audited_writer *find_or_add(struct audit *audit, struct slice name)
{
    struct audited_writer *writer = find(audit, name);
    if (writer)
        return writer;
    writer = memory_allocate_zeroed(1, sizeof *writer);
    writer->audit = audit;
    writer->owner = (struct catch_up_owner){.context = writer, .rows = on_rows, .ended = on_ended};
    writer->name = slice_of(memory_copy_text(name.data, name.length), name.length);
    writer->logged_upto = writer->settled = INT64_MIN;
    writer->next = audit->writers;
    return audit->writers = writer;
}

void audit_begin_at(struct audit *audit, struct slice name, int64_t token)
{
    struct audited_writer *writer = find(audit, name);
    if (writer && (writer->begun || writer->has_position))
        return;
    writer = find_or_add(audit, name);
    writer->audited = token;
    writer->begun = true;
    tell_settled(writer);
}

static struct seen *append(struct seen **list, size_t *count, size_t *capacity)
{
    if (*count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 1024;
        *list = memory_reallocate(*list, *capacity * sizeof **list);
    }
    return &(*list)[(*count)++];
}

static void give_up_half(struct audited_writer *writer)
{
    struct audit *audit = writer->audit;
    size_t before = writer->count;
    settle(writer, writer->seen[SEEN_MAXIMUM / 2].token);
    *audit->counts[COUNT_GIVEN_UP] += before - writer->count;
    uint64_t suppressed;
    if (log_gate_pass(&audit->given_up_gate, &suppressed))
        log_warning("more events came than are kept for an audit; the oldest are not audited",
                    LOG_TEXT("writer", writer->name), LOG_INTEGER("events", before - writer->count),
                    LOG_INTEGER("suppressed", suppressed));
}

void audit_seen(struct audit *audit, struct slice name, int64_t token, struct slice event_id)
{
    struct audited_writer *writer = find(audit, name);
    if (!writer) {
        audit_begin_at(audit, name, token - 1);
        writer = find(audit, name);
    }
    if (writer->count == SEEN_MAXIMUM / 2)
        begin(writer);
    else if (writer->count == SEEN_MAXIMUM)
        give_up_half(writer);
    *append(&writer->seen, &writer->count, &writer->capacity) =
        (struct seen){token, XXH3_64bits(event_id.data, event_id.length)};
}

/* ---- what an earlier run judged */

void audit_restore(struct audit *audit, struct slice name, int64_t position)
{
    struct audited_writer *writer = find_or_add(audit, name);
    writer->audited = position;
    writer->has_position = true;
}

void audit_restore_audited(struct audit *audit, struct slice name, int64_t audited)
{
    struct audited_writer *writer = find_or_add(audit, name);
    writer->stored_audited = audited;
    writer->has_audited = true;
}

static void take_logged(void *context, enum stream stream, struct slice name, int64_t token, struct slice event_id)
{
    struct audit *audit = context;
    struct audited_writer *writer = stream == STREAM_events ? find(audit, name) : NULL;
    if (!writer || token > writer->logged_upto || token <= writer->audited || !slice_present(event_id) ||
        writer->logged_count == SEEN_MAXIMUM)
        return;
    *append(&writer->logged, &writer->logged_count, &writer->logged_capacity) =
        (struct seen){token, XXH3_64bits(event_id.data, event_id.length)};
}

static size_t logged_total(const struct audit *audit)
{
    size_t total = 0;
    for (const struct audited_writer *writer = audit->writers; writer; writer = writer->next)
        total += writer->logged_count;
    return total;
}

static bool on_log_row(void *context, struct slice row)
{
    struct audit *audit = context;
    size_t before = logged_total(audit);
    verdict_log_read_row(row, take_logged, audit);
    return logged_total(audit) > before;
}

static int compare_tokens(const void *left, const void *right)
{
    int64_t one = ((const struct seen *)left)->token, other = ((const struct seen *)right)->token;
    return (one > other) - (one < other);
}

/* What this run has seen meanwhile lies behind all that was logged. */
static void use_logged(struct audited_writer *writer)
{
    size_t total = writer->logged_count + writer->count;
    qsort(writer->logged, writer->logged_count, sizeof *writer->logged, compare_tokens);
    if (total > writer->logged_capacity) {
        writer->logged = memory_reallocate(writer->logged, total * sizeof *writer->logged);
        writer->logged_capacity = total;
    }
    if (writer->count)
        memcpy(writer->logged + writer->logged_count, writer->seen, writer->count * sizeof *writer->seen);
    free(writer->seen);
    writer->seen = writer->logged;
    writer->count = total;
    writer->capacity = writer->logged_capacity;
    writer->logged = NULL;
}

static void on_log_ended(void *context, bool whole)
{
    struct audit *audit = context;
    for (struct audited_writer *writer = audit->writers; writer; writer = writer->next) {
        bool known = whole && writer->logged_count < SEEN_MAXIMUM;
        if (known && writer->logged_count)
            use_logged(writer);
        else if (!known && writer->logged_upto > writer->audited)
            settle(writer, writer->logged_upto);
    }
    audit->log_ended = true;
}

void audit_start(struct audit *audit)
{
    bool read = false;
    for (struct audited_writer *writer = audit->writers; writer; writer = writer->next) {
        if (!writer->has_position)
            continue;
        if (!writer->has_audited || writer->stored_audited >= writer->audited) {
            tell_settled(writer);
            continue;
        }
        writer->logged_upto = writer->audited;
        writer->audited = writer->stored_audited;
        read = true;
    }
    struct audit_log_callbacks callbacks = {.context = audit, .row = on_log_row, .ended = on_log_ended};
    if (read)
        audit->log = audit_log_create(audit->base, audit->settings.address, audit->settings.server_name, &callbacks);
    event_add(audit->timer, &audit->every);
}

struct audit *audit_create(struct event_base *base, const struct audit_settings *settings, struct catch_up *catch_up,
                           const struct audit_callbacks *callbacks, struct metrics *metrics)
{
    struct audit *audit = memory_allocate_zeroed(1, sizeof *audit);
    audit->base = base;
    audit->settings = *settings;
    audit->callbacks = *callbacks;
    audit->catch_up = catch_up;
    audit->every = (struct timeval){.tv_sec = settings->every_ms / 1000, .tv_usec = settings->every_ms % 1000 * 1000};
    audit->timer = event_new(base, -1, 0, on_timer, audit);
    for (size_t kind = 0; kind < COUNT_KINDS; kind++)
        audit->counts[kind] = metrics_register(metrics, &count_metrics[kind], 1, NULL, NULL);
    return audit;
}

void audit_destroy(struct audit *audit)
{
    if (!audit)
        return;
    while (audit->writers) {
        struct audited_writer *writer = audit->writers;
        audit->writers = writer->next;
        free((char *)(uintptr_t)writer->name.data);
        free(writer->seen);
        free(writer->logged);
        free(writer);
    }
    audit_log_destroy(audit->log);
    event_free(audit->timer);
    json_pool_free(&audit->pool);
    free(audit);
}
