/* A page is one query of three statements, each with a newer snapshot than the one before: how far the database is,
 * which matters for a read replica alone; the rows; and, where the range was cut, the next token. The tokens of
 * `events` and of `ex_outlier_stream` come from one sequence, so a token never has two rows and a page may end behind
 * any of them.
 *
 * A page is chosen first, by the index on the tokens, and each of its rows is then looked up in the other tables: it
 * costs the same wherever it lies and however large they are. Left to its statistics PostgreSQL reads some of them
 * whole for each page, so the session forbids every other plan, and keeps the one.
 *
 * A range is searched WINDOW_TOKENS at a time. The rows of the other writers have to be passed over, and a writer may
 * have written none for millions of tokens: a search through all of them would run into the timeout each time. */
#include "replication/rows_postgres.h"

#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "replication/postgres_session.h"
#include "replication/replica_lag.h"

#define LAG_RETRY_MS 50
#define WINDOW_TOKENS 500000

enum statement { STATEMENT_STATE, STATEMENT_ROWS, STATEMENT_NEXT, STATEMENT_COUNT };

/* The columns are those that every schema from Synapse 1.67 on has. */
static const struct postgres_statement statements[STATEMENT_COUNT] = {
    [STATEMENT_STATE] =
        {"weir_state",
         "SELECT pg_is_in_recovery(), greatest((SELECT max(stream_ordering) FROM events),"
         " (SELECT max(event_stream_ordering) FROM ex_outlier_stream),"
         " (SELECT max(stream_id) FROM stream_positions WHERE stream_name = 'events')),"
         " (SELECT stream_id FROM stream_positions WHERE stream_name = 'events' AND instance_name = $1::text)",
         1},
    [STATEMENT_ROWS] =
        {"weir_rows",
         "SELECT page.token, page.event_id, page.room_id, page.type, state.state_key, redaction.redacts,"
         " relation.relates_to_id, member.membership, rejection.reason IS NOT NULL, page.outlier FROM ("
         "(SELECT event.stream_ordering AS token, event.event_id, event.room_id, event.type, event.outlier OR"
         " event.event_id IN (SELECT event_id FROM ex_outlier_stream WHERE event_stream_ordering > $1::bigint)"
         " AS outlier FROM events AS event"
         " WHERE event.stream_ordering > $1::bigint AND event.stream_ordering <= $2::bigint"
         " AND event.instance_name = $3::text ORDER BY event.stream_ordering LIMIT $4::bigint) UNION ALL "
         "(SELECT late.event_stream_ordering, event.event_id, event.room_id, event.type, event.outlier"
         " FROM ex_outlier_stream AS late JOIN events AS event ON event.event_id = late.event_id"
         " WHERE late.event_stream_ordering > $1::bigint AND late.event_stream_ordering <= $2::bigint"
         " AND late.instance_name = $3::text ORDER BY late.event_stream_ordering LIMIT $4::bigint)"
         " ORDER BY token LIMIT $4::bigint) AS page"
         " LEFT JOIN redactions AS redaction"
         " ON redaction.event_id = CASE page.type WHEN 'm.room.redaction' THEN page.event_id END"
         " LEFT JOIN state_events AS state ON state.event_id = page.event_id"
         " LEFT JOIN event_relations AS relation ON relation.event_id = page.event_id"
         " LEFT JOIN room_memberships AS member"
         " ON member.event_id = CASE page.type WHEN 'm.room.member' THEN page.event_id END"
         " LEFT JOIN rejections AS rejection ON rejection.event_id = page.event_id"
         " ORDER BY page.token",
         4},
    [STATEMENT_NEXT] =
        {"weir_next",
         "SELECT least((SELECT min(stream_ordering) FROM events WHERE stream_ordering > $1::bigint),"
         " (SELECT min(event_stream_ordering) FROM ex_outlier_stream WHERE event_stream_ordering > $1::bigint))",
         1},
};

/* Settings that this server does not know yet are left out. */
static const char setup[] =
    "SELECT set_config(name, wanted.value, false) FROM pg_settings JOIN (VALUES"
    " ('default_transaction_read_only', 'on'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan'),"
    " ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off')"
    ") AS wanted(setting, value) ON name = wanted.setting";

enum column {
    COLUMN_TOKEN,
    COLUMN_EVENT_ID,
    COLUMN_MEMBERSHIP = 7,
    COLUMN_REJECTED,
    COLUMN_OUTLIER,
};

struct request {
    struct request *next;
    uint64_t ticket;
    int64_t from;
    int64_t upto;
    int64_t reached;         /* of the answer */
    bool limited;            /* likewise */
    bool lags;               /* the database is a replica that has not come so far */
    enum statement expected; /* whose rows come next */
    struct replica_wait wait;
    uint32_t writer_length;
    char writer[]; /* NUL-terminated */
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
    uint64_t unconfirmed;
    struct replica_memory replica;
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
    rows->replica = (struct replica_memory){0}; /* the next connection may lead to another server */
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

static int64_t read_token(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? INT64_MIN : strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static void take_state(struct rows_postgres *rows, struct request *request, const PGresult *result)
{
    struct replica_state state = {is_true(result, 0, 0), read_token(result, 0, 1), read_token(result, 0, 2)};
    enum replica_verdict verdict =
        replica_judge(&rows->replica, &state, &request->wait, slice_of(request->writer, request->writer_length),
                      request->upto, now_ms(), rows->retry_for_ms);
    request->lags = verdict == REPLICA_IS_BEHIND;
    if (verdict == REPLICA_GIVEN_UP)
        rows->unconfirmed++;
}

static void take_rows(struct rows_postgres *rows, struct request *request, const PGresult *result)
{
    int count = PQntuples(result);
    for (int row = 0; row < count; row++)
        hand_over_row(rows, request, result, row);
    request->limited = count >= rows->page;
    request->reached = request->limited ? read_token(result, count - 1, COLUMN_TOKEN) : request->upto;
}

/* Nothing is between the end of the window and the next token of any writer. */
static void take_next(struct request *request, const PGresult *result)
{
    int64_t next = read_token(result, 0, 0);
    if (request->limited || next == INT64_MIN || next > request->upto)
        return;
    request->limited = true;
    request->reached = next - 1;
}

static void on_result(void *context, const PGresult *result)
{
    struct rows_postgres *rows = context;
    struct request *request = rows->asked.first;
    enum statement statement = request->expected++;
    if (statement == STATEMENT_STATE)
        take_state(rows, request, result);
    else if (!request->lags && statement == STATEMENT_ROWS)
        take_rows(rows, request, result);
    else if (!request->lags)
        take_next(request, result);
}

static void on_query_ended(void *context)
{
    struct rows_postgres *rows = context;
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

static bool send_query(struct rows_postgres *rows, struct request *request)
{
    bool cut = request->upto > request->from && (uint64_t)request->upto - (uint64_t)request->from > WINDOW_TOKENS;
    char from[24], end[24], page[24];
    snprintf(from, sizeof from, "%lld", (long long)request->from);
    snprintf(end, sizeof end, "%lld", (long long)(cut ? request->from + WINDOW_TOKENS : request->upto));
    snprintf(page, sizeof page, "%lld", (long long)rows->page);
    request->expected = STATEMENT_STATE;
    return postgres_session_add(rows->session, STATEMENT_STATE, (const char *const[]){request->writer}) &&
           postgres_session_add(rows->session, STATEMENT_ROWS,
                                (const char *const[]){from, end, request->writer, page}) &&
           (!cut || postgres_session_add(rows->session, STATEMENT_NEXT, (const char *const[]){end})) &&
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
    /* A name that cannot be a text of the database would cost the session, and with it everybody's requests. */
    return stream == STREAM_events && utf8_valid(writer) && !memchr(writer.data, '\0', writer.length);
}

static void request_rows(void *context, uint64_t ticket, const struct row_request *wanted)
{
    struct rows_postgres *rows = context;
    struct request *request = memory_allocate(sizeof *request + wanted->writer.length + 1);
    *request = (struct request){
        .ticket = ticket, .from = wanted->from, .upto = wanted->upto, .writer_length = (uint32_t)wanted->writer.length};
    memcpy(request->writer, wanted->writer.data, wanted->writer.length);
    request->writer[wanted->writer.length] = '\0';
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

uint64_t rows_postgres_unconfirmed(const struct rows_postgres *rows)
{
    return rows->unconfirmed;
}
