/* A page is one query of two statements: how far the database itself is, which matters for a read replica alone, and
 * the rows. The tokens of `events` and of `ex_outlier_stream` come from one sequence, so a token never has two rows and
 * a page may end behind any of them. */
#include "replication/rows_postgres.h"

#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "replication/postgres_session.h"

#define LAG_RETRY_MS 100

enum { STATEMENT_LAG, STATEMENT_ROWS, STATEMENT_COUNT };

/* The columns are those that every schema from Synapse 1.67 on has. */
static const struct postgres_statement statements[STATEMENT_COUNT] = {
    [STATEMENT_LAG] = {"weir_lag",
                       "SELECT pg_is_in_recovery() AND coalesce(max(stream_ordering), 0) < $1::bigint FROM events", 1},
    [STATEMENT_ROWS] =
        {"weir_rows",
         "SELECT token, event_id, rows.room_id, rows.type, se.state_key, redacts, relates_to_id, membership,"
         " rejections.reason IS NOT NULL, rows.outlier FROM ("
         "(SELECT stream_ordering AS token, event_id, room_id, type, outlier OR event_id IN"
         " (SELECT event_id FROM ex_outlier_stream WHERE event_stream_ordering > $1::bigint) AS outlier FROM events"
         " WHERE stream_ordering > $1::bigint AND stream_ordering <= $2::bigint AND instance_name = $3::text"
         " ORDER BY stream_ordering LIMIT $4::bigint) UNION ALL "
         "(SELECT event_stream_ordering, event_id, room_id, type, outlier FROM ex_outlier_stream AS late"
         " JOIN events USING (event_id)"
         " WHERE event_stream_ordering > $1::bigint AND event_stream_ordering <= $2::bigint"
         " AND late.instance_name = $3::text ORDER BY event_stream_ordering LIMIT $4::bigint)"
         ") AS rows"
         " LEFT JOIN redactions USING (event_id)"
         " LEFT JOIN state_events AS se USING (event_id)"
         " LEFT JOIN event_relations USING (event_id)"
         " LEFT JOIN room_memberships USING (event_id)"
         " LEFT JOIN rejections USING (event_id)"
         " ORDER BY token LIMIT $4::bigint",
         4},
};

/* A plan made without the numbers may read the whole table for a page of it. */
static const char setup[] = "SELECT set_config('plan_cache_mode', 'force_custom_plan', false), "
                            "set_config('jit', 'off', false), "
                            "set_config('default_transaction_read_only', 'on', false)";

enum column {
    COLUMN_TOKEN,
    COLUMN_EVENT_ID,
    COLUMN_MEMBERSHIP = 7,
    COLUMN_REJECTED,
    COLUMN_OUTLIER,
    COLUMN_COUNT,
};

struct request {
    struct request *next;
    uint64_t ticket;
    int64_t from;
    int64_t upto;
    int64_t reached;       /* of the answer */
    bool limited;          /* likewise */
    bool lags;             /* the database is a replica that has not come so far */
    int64_t give_up_at_ms; /* monotonic: then it is believed; 0 until it lagged */
    uint32_t writer_length;
    char writer[];
};

struct request_list {
    struct request *first;
    struct request **last;
};

struct rows_postgres {
    struct row_source_callbacks callbacks;
    struct postgres_session *session;
    int64_t page;
    int64_t retry_for_ms;
    struct timeval timeout;
    struct request_list waiting; /* for the session */
    struct request_list asked;   /* in the order of their answers */
    struct request_list lagging; /* asked again after a pause */
    struct event *send_event;
    struct event *lag_event;
    struct event *timeout_event; /* of the oldest request that was asked */
    struct buffer text;
};

static void list_init(struct request_list *list)
{
    *list = (struct request_list){.last = &list->first};
}

static void list_append(struct request_list *list, struct request *request)
{
    request->next = NULL;
    *list->last = request;
    list->last = &request->next;
}

static struct request *list_take(struct request_list *list)
{
    struct request *request = list->first;
    list->first = request->next;
    if (!list->first)
        list->last = &list->first;
    return request;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void end_request(struct rows_postgres *rows, struct request *request, const struct row_answer *answer)
{
    uint64_t ticket = request->ticket;
    free(request);
    rows->callbacks.ended(rows->callbacks.context, ticket, answer);
}

static void restart_timeout(struct rows_postgres *rows)
{
    event_del(rows->timeout_event);
    if (rows->asked.first)
        event_add(rows->timeout_event, &rows->timeout);
}

/* The session was lost, or an attempt to make it: all that waits fails, so that another source can be asked. */
static void on_session_state(void *context, const char *reason)
{
    struct rows_postgres *rows = context;
    rows->callbacks.state(rows->callbacks.context, reason);
    if (!reason) {
        event_active(rows->send_event, EV_TIMEOUT, 0);
        return;
    }
    struct request_list all;
    list_init(&all);
    struct request_list *const lists[] = {&rows->asked, &rows->lagging, &rows->waiting};
    for (size_t index = 0; index < sizeof lists / sizeof *lists; index++)
        while (lists[index]->first)
            list_append(&all, list_take(lists[index]));
    restart_timeout(rows);
    struct row_answer failed = {.failure = reason};
    while (all.first)
        end_request(rows, list_take(&all), &failed);
}

static void append_text(struct buffer *text, const PGresult *result, int row, int column)
{
    struct slice value = PQgetisnull(result, row, column)
                             ? SLICE_ABSENT
                             : slice_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
    buffer_append_json_string(text, value);
    buffer_append_char(text, ',');
}

static bool is_true(const PGresult *result, int row, int column)
{
    return *PQgetvalue(result, row, column) == 't';
}

static void hand_over_row(struct rows_postgres *rows, const struct request *request, const PGresult *result, int row)
{
    struct buffer *text = &rows->text;
    buffer_clear(text);
    buffer_append_string(text, "[\"ev\",[");
    for (int column = COLUMN_EVENT_ID; column <= COLUMN_MEMBERSHIP; column++)
        append_text(text, result, row, column);
    buffer_append_string(text, is_true(result, row, COLUMN_REJECTED) ? "true," : "false,");
    buffer_append_string(text, is_true(result, row, COLUMN_OUTLIER) ? "true]]" : "false]]");
    struct slice json = buffer_slice(text);
    struct position_rows due = {.stream = STREAM_events,
                                .writer = slice_of(request->writer, request->writer_length),
                                .token = strtoll(PQgetvalue(result, row, COLUMN_TOKEN), NULL, 10),
                                .rows = &json,
                                .count = 1};
    rows->callbacks.rows(rows->callbacks.context, request->ticket, &due);
}

static void on_result(void *context, const PGresult *result)
{
    struct rows_postgres *rows = context;
    struct request *request = rows->asked.first;
    if (!request)
        return;
    int count = PQntuples(result);
    if (PQnfields(result) != COLUMN_COUNT) {
        request->lags = count > 0 && is_true(result, 0, 0);
        return;
    }
    if (request->lags) {
        request->give_up_at_ms = request->give_up_at_ms ? request->give_up_at_ms : now_ms() + rows->retry_for_ms;
        if (now_ms() < request->give_up_at_ms)
            return;
        request->lags = false;
    }
    for (int row = 0; row < count; row++)
        hand_over_row(rows, request, result, row);
    request->limited = count >= rows->page;
    request->reached =
        request->limited ? strtoll(PQgetvalue(result, count - 1, COLUMN_TOKEN), NULL, 10) : request->upto;
}

static void on_query_ended(void *context)
{
    struct rows_postgres *rows = context;
    if (!rows->asked.first)
        return;
    struct request *request = list_take(&rows->asked);
    restart_timeout(rows);
    if (request->lags) {
        struct timeval pause = {.tv_usec = LAG_RETRY_MS * 1000};
        list_append(&rows->lagging, request);
        event_add(rows->lag_event, &pause);
        return;
    }
    struct row_answer answer = {.reached = request->reached, .limited = request->limited};
    end_request(rows, request, &answer);
}

static bool send_query(struct rows_postgres *rows, const struct request *request)
{
    char from[24], upto[24], page[24], writer[256];
    snprintf(from, sizeof from, "%lld", (long long)request->from);
    snprintf(upto, sizeof upto, "%lld", (long long)request->upto);
    snprintf(page, sizeof page, "%lld", (long long)rows->page);
    snprintf(writer, sizeof writer, "%.*s", (int)request->writer_length, request->writer);
    return postgres_session_add(rows->session, STATEMENT_LAG, (const char *const[]){upto}) &&
           postgres_session_add(rows->session, STATEMENT_ROWS, (const char *const[]){from, upto, writer, page}) &&
           postgres_session_end_query(rows->session);
}

static void on_send(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct rows_postgres *rows = argument;
    bool sent = false;
    while (postgres_session_is_ready(rows->session) && rows->waiting.first) {
        struct request *request = list_take(&rows->waiting);
        list_append(&rows->asked, request);
        sent = true;
        if (!send_query(rows, request))
            return;
    }
    if (sent && postgres_session_flush(rows->session) && !event_pending(rows->timeout_event, EV_TIMEOUT, NULL))
        restart_timeout(rows);
}

static void on_lag(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct rows_postgres *rows = argument;
    while (rows->lagging.first)
        list_append(&rows->waiting, list_take(&rows->lagging));
    on_send(-1, 0, rows);
}

static void on_timeout(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct rows_postgres *rows = argument;
    postgres_session_give_up(rows->session, "the database did not answer in time");
}

static bool serves(void *context, enum stream stream, struct slice writer)
{
    (void)context;
    return stream == STREAM_events && writer.length < 256 && !memchr(writer.data, '\0', writer.length);
}

static void request_rows(void *context, uint64_t ticket, const struct row_request *wanted)
{
    struct rows_postgres *rows = context;
    struct request *request = memory_allocate(sizeof *request + wanted->writer.length);
    *request = (struct request){
        .ticket = ticket, .from = wanted->from, .upto = wanted->upto, .writer_length = (uint32_t)wanted->writer.length};
    memcpy(request->writer, wanted->writer.data, wanted->writer.length);
    list_append(&rows->waiting, request);
    event_active(rows->send_event, EV_TIMEOUT, 0);
}

struct rows_postgres *rows_postgres_create(struct event_base *base, const struct rows_postgres_settings *settings,
                                           const struct row_source_callbacks *callbacks)
{
    struct rows_postgres *rows = memory_allocate_zeroed(1, sizeof *rows);
    rows->callbacks = *callbacks;
    rows->page = settings->page;
    rows->retry_for_ms = settings->retry_for_ms;
    rows->timeout =
        (struct timeval){.tv_sec = settings->timeout_ms / 1000, .tv_usec = settings->timeout_ms % 1000 * 1000};
    list_init(&rows->waiting);
    list_init(&rows->asked);
    list_init(&rows->lagging);
    rows->send_event = event_new(base, -1, 0, on_send, rows);
    rows->lag_event = event_new(base, -1, 0, on_lag, rows);
    rows->timeout_event = event_new(base, -1, 0, on_timeout, rows);
    struct postgres_session_settings session_settings = {.keywords = settings->keywords,
                                                         .values = settings->values,
                                                         .statements = statements,
                                                         .statement_count = STATEMENT_COUNT,
                                                         .setup = setup,
                                                         .connect_timeout_ms = (uint32_t)settings->timeout_ms};
    struct postgres_session_callbacks session_callbacks = {
        .context = rows, .state = on_session_state, .result = on_result, .ended = on_query_ended};
    rows->session = postgres_session_create(base, &session_settings, &session_callbacks);
    return rows;
}

void rows_postgres_destroy(struct rows_postgres *rows)
{
    if (!rows)
        return;
    postgres_session_destroy(rows->session);
    struct request_list *const lists[] = {&rows->asked, &rows->lagging, &rows->waiting};
    for (size_t index = 0; index < sizeof lists / sizeof *lists; index++)
        while (lists[index]->first)
            free(list_take(lists[index]));
    event_free(rows->send_event);
    event_free(rows->lag_event);
    event_free(rows->timeout_event);
    buffer_free(&rows->text);
    free(rows);
}

struct row_source rows_postgres_source(struct rows_postgres *rows)
{
    return (struct row_source){.context = rows, .serves = serves, .request = request_rows};
}
