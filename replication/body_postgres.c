/* One query for each turn of the loop, whatever arrived in it: ids gather in a list and leave together as one
 * `= ANY($1)`. Several queries are under way at once. */
#include "replication/body_postgres.h"

#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "replication/postgres_session.h"

/* More ids than this go into the next query; more queries than that wait. */
#define IDS_FOR_EACH_QUERY 500
#define QUERIES_UNDER_WAY 8
#define RETRY_FIRST_MS 20
#define RETRY_LONGEST_MS 250

static const struct postgres_statement statement = {
    "weir_bodies", "SELECT event_id, json FROM event_json WHERE event_id = ANY($1::text[])", 1};

struct request {
    struct request *next;
    uint64_t ticket;
    int64_t give_up_at_ms; /* monotonic; 0 until it was asked for once */
    uint32_t retry_after_ms;
    bool answered;
    uint32_t id_length;
    char id[];
};

struct request_list {
    struct request *first;
    struct request **last;
    size_t count;
};

struct query {
    struct request_list requests;
    struct query *next;
};

struct body_postgres {
    struct postgres_session *session;
    struct body_postgres_callbacks callbacks;
    int64_t retry_for_ms;
    struct event *send_event;  /* runs at the end of a loop turn with new requests */
    struct event *retry_event; /* moves what waits for a retry back to `waiting` */
    struct request_list waiting;
    struct request_list retrying;
    struct query *queries; /* under way, oldest first */
    struct query **queries_last;
    size_t query_count;
    struct buffer array;
    struct body_postgres_counters counters;
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
    list->count++;
}

static struct request *list_take(struct request_list *list)
{
    struct request *request = list->first;
    list->first = request->next;
    if (!list->first)
        list->last = &list->first;
    list->count--;
    return request;
}

static void list_move(struct request_list *to, struct request_list *from)
{
    while (from->first)
        list_append(to, list_take(from));
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void schedule(struct event *event, uint32_t milliseconds)
{
    struct timeval delay = {.tv_sec = milliseconds / 1000, .tv_usec = (suseconds_t)(milliseconds % 1000) * 1000};
    if (!event_pending(event, EV_TIMEOUT, NULL))
        event_add(event, &delay);
}

static void answer(struct body_postgres *bodies, struct request *request, struct slice body)
{
    uint64_t ticket = request->ticket;
    free(request);
    bodies->callbacks.arrived(bodies->callbacks.context, ticket, body);
}

/* One element of a PostgreSQL array literal: quotes and backslashes need an escape. A NUL cannot be in a text of the
 * database; another control character in its place makes an id that is just not found. */
static void append_array_element(struct buffer *array, const struct request *request)
{
    if (array->length > 1)
        buffer_append_char(array, ',');
    buffer_append_char(array, '"');
    for (uint32_t index = 0; index < request->id_length; index++) {
        char byte = request->id[index];
        if (byte == '"' || byte == '\\')
            buffer_append_char(array, '\\');
        buffer_append_char(array, byte ? byte : '\1');
    }
    buffer_append_char(array, '"');
}

/* False if the connection was lost over it. */
static bool send_query(struct body_postgres *bodies)
{
    struct query *query = memory_allocate_zeroed(1, sizeof *query);
    list_init(&query->requests);
    buffer_clear(&bodies->array);
    buffer_append_char(&bodies->array, '{');
    while (bodies->waiting.first && query->requests.count < IDS_FOR_EACH_QUERY) {
        struct request *request = list_take(&bodies->waiting);
        append_array_element(&bodies->array, request);
        list_append(&query->requests, request);
    }
    buffer_append_char(&bodies->array, '}');
    *bodies->queries_last = query;
    bodies->queries_last = &query->next;
    bodies->query_count++;
    bodies->counters.queries++;
    const char *parameter = buffer_string(&bodies->array);
    return postgres_session_add(bodies->session, 0, &parameter) && postgres_session_end_query(bodies->session);
}

static void on_send(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct body_postgres *bodies = argument;
    bool sent = false;
    while (postgres_session_is_ready(bodies->session) && bodies->waiting.first &&
           bodies->query_count < QUERIES_UNDER_WAY) {
        sent = true;
        if (!send_query(bodies))
            return;
    }
    if (sent)
        postgres_session_flush(bodies->session);
}

static void on_retry(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct body_postgres *bodies = argument;
    list_move(&bodies->waiting, &bodies->retrying);
    event_active(bodies->send_event, EV_TIMEOUT, 0);
}

/* Gives every id of the answer to those who asked for it. The ids of one query are few enough for a table of their
 * own; the same id may have been asked for twice. */
static void on_result(void *context, const PGresult *result)
{
    struct body_postgres *bodies = context;
    struct query *query = bodies->queries;
    struct string_table *rows = string_table_create();
    for (int row = 0; row < PQntuples(result); row++)
        string_table_add(rows, slice_of(PQgetvalue(result, row, 0), (size_t)PQgetlength(result, row, 0)),
                         (uint32_t)row);
    int64_t now = now_ms();
    while (query->requests.first) {
        struct request *request = list_take(&query->requests);
        uint32_t row = string_table_find(rows, slice_of(request->id, request->id_length));
        if (row != STRING_TABLE_NONE) {
            bodies->counters.found++;
            answer(bodies, request,
                   slice_of(PQgetvalue(result, (int)row, 1), (size_t)PQgetlength(result, (int)row, 1)));
            continue;
        }
        if (request->give_up_at_ms == 0)
            request->give_up_at_ms = now + bodies->retry_for_ms;
        if (now >= request->give_up_at_ms) {
            bodies->counters.missing++;
            answer(bodies, request, SLICE_ABSENT);
            continue;
        }
        bodies->counters.retried++;
        list_append(&bodies->retrying, request);
        schedule(bodies->retry_event, request->retry_after_ms);
        request->retry_after_ms =
            request->retry_after_ms * 2 > RETRY_LONGEST_MS ? RETRY_LONGEST_MS : request->retry_after_ms * 2;
    }
    string_table_destroy(rows);
}

static void finish_query(struct body_postgres *bodies)
{
    struct query *query = bodies->queries;
    bodies->queries = query->next;
    if (!bodies->queries)
        bodies->queries_last = &bodies->queries;
    bodies->query_count--;
    free(query);
}

static void on_query_ended(void *context)
{
    struct body_postgres *bodies = context;
    finish_query(bodies);
    event_active(bodies->send_event, EV_TIMEOUT, 0);
}

/* What was under way on a lost connection goes back to the front of the queue, in order; it is asked for again on the
 * next. */
static void on_state(void *context, const char *reason)
{
    struct body_postgres *bodies = context;
    struct request_list all;
    list_init(&all);
    while (bodies->queries) {
        list_move(&all, &bodies->queries->requests);
        finish_query(bodies);
    }
    list_move(&all, &bodies->waiting);
    list_move(&bodies->waiting, &all);
    bodies->callbacks.state(bodies->callbacks.context, reason);
    if (!reason)
        event_active(bodies->send_event, EV_TIMEOUT, 0);
}

struct body_postgres *body_postgres_create(struct event_base *base, const struct body_postgres_settings *settings,
                                           const struct body_postgres_callbacks *callbacks)
{
    struct body_postgres *bodies = memory_allocate_zeroed(1, sizeof *bodies);
    bodies->callbacks = *callbacks;
    bodies->retry_for_ms = settings->retry_for_ms;
    bodies->queries_last = &bodies->queries;
    list_init(&bodies->waiting);
    list_init(&bodies->retrying);
    bodies->send_event = event_new(base, -1, 0, on_send, bodies);
    bodies->retry_event = event_new(base, -1, 0, on_retry, bodies);
    bodies->session = postgres_session_create(
        base,
        &(struct postgres_session_settings){
            .keywords = settings->keywords, .values = settings->values, .statements = &statement, .statement_count = 1},
        &(struct postgres_session_callbacks){
            .context = bodies, .state = on_state, .result = on_result, .ended = on_query_ended});
    return bodies;
}

void body_postgres_destroy(struct body_postgres *bodies)
{
    if (!bodies)
        return;
    postgres_session_destroy(bodies->session);
    while (bodies->queries) {
        list_move(&bodies->waiting, &bodies->queries->requests);
        finish_query(bodies);
    }
    list_move(&bodies->waiting, &bodies->retrying);
    while (bodies->waiting.first)
        free(list_take(&bodies->waiting));
    event_free(bodies->send_event);
    event_free(bodies->retry_event);
    buffer_free(&bodies->array);
    free(bodies);
}

static void request_body(void *context, uint64_t ticket, struct slice event_id)
{
    struct body_postgres *bodies = context;
    struct request *request = memory_allocate(sizeof *request + event_id.length);
    *request =
        (struct request){.ticket = ticket, .retry_after_ms = RETRY_FIRST_MS, .id_length = (uint32_t)event_id.length};
    memcpy(request->id, event_id.data, event_id.length);
    list_append(&bodies->waiting, request);
    if (postgres_session_is_ready(bodies->session))
        event_active(bodies->send_event, EV_TIMEOUT, 0);
}

struct body_source body_postgres_source(struct body_postgres *bodies)
{
    return (struct body_source){.context = bodies, .request = request_body};
}

bool body_postgres_is_ready(const struct body_postgres *bodies)
{
    return postgres_session_is_ready(bodies->session);
}

struct body_postgres_counters body_postgres_counters(const struct body_postgres *bodies)
{
    struct body_postgres_counters counters = bodies->counters;
    counters.reconnects = postgres_session_connects(bodies->session);
    return counters;
}
