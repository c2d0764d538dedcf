/* One query for each turn of the loop, whatever arrived in it: ids gather in a list and leave together as one
 * `= ANY($1)`. Several queries are under way at once, each closed by a sync of its own, so that an error in one does
 * not take the others with it. */
#include "replication/body_postgres.h"

#include <libpq-fe.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"

/* More ids than this go into the next query; more queries than that wait. */
#define IDS_FOR_EACH_QUERY 500
#define QUERIES_UNDER_WAY 8
#define RETRY_FIRST_MS 20
#define RETRY_LONGEST_MS 250
#define RECONNECT_FIRST_MS 200
#define RECONNECT_LONGEST_MS 5000

#define STATEMENT_NAME "weir_bodies"
#define STATEMENT_TEXT "SELECT event_id, json FROM event_json WHERE event_id = ANY($1::text[])"

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

enum connection_state { STATE_DOWN, STATE_CONNECTING, STATE_PREPARING, STATE_READY };

struct body_postgres {
    struct event_base *base;
    struct body_postgres_callbacks callbacks;
    char **keywords;
    char **values;
    int64_t retry_for_ms;
    PGconn *connection;
    enum connection_state state;
    struct event *socket_event;
    struct event *send_event;  /* runs at the end of a loop turn with new requests */
    struct event *retry_event; /* moves what waits for a retry back to `waiting` */
    struct event *reconnect_event;
    uint32_t reconnect_ms;
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

static void on_socket(evutil_socket_t socket, short what, void *argument);

static void watch_socket(struct body_postgres *bodies, short what)
{
    if (bodies->socket_event)
        event_free(bodies->socket_event);
    bodies->socket_event = event_new(bodies->base, PQsocket(bodies->connection), what | EV_PERSIST, on_socket, bodies);
    event_add(bodies->socket_event, NULL);
}

static void drop_connection(struct body_postgres *bodies)
{
    if (bodies->socket_event)
        event_free(bodies->socket_event);
    bodies->socket_event = NULL;
    if (bodies->connection)
        PQfinish(bodies->connection);
    bodies->connection = NULL;
    bodies->state = STATE_DOWN;
}

/* What was under way goes back to the front of the queue, in order; it is asked for again on the next connection. */
static void lose_connection(struct body_postgres *bodies, const char *reason)
{
    struct request_list all;
    list_init(&all);
    while (bodies->queries) {
        struct query *query = bodies->queries;
        bodies->queries = query->next;
        list_move(&all, &query->requests);
        free(query);
    }
    bodies->queries_last = &bodies->queries;
    bodies->query_count = 0;
    list_move(&all, &bodies->waiting);
    list_move(&bodies->waiting, &all);
    bodies->callbacks.state(bodies->callbacks.context, reason);
    drop_connection(bodies);
    schedule(bodies->reconnect_event, bodies->reconnect_ms);
    bodies->reconnect_ms =
        bodies->reconnect_ms * 2 > RECONNECT_LONGEST_MS ? RECONNECT_LONGEST_MS : bodies->reconnect_ms * 2;
}

/* libpq's words on one line: its line breaks and indents become single spaces. */
static void append_message(struct buffer *line, const char *message)
{
    for (; *message; message++) {
        bool space = *message == '\n' || *message == '\t' || *message == ' ';
        if (!space)
            buffer_append_char(line, *message);
        else if (line->length && line->data[line->length - 1] != ' ' && message[1])
            buffer_append_char(line, ' ');
    }
}

static void lose_with_message(struct body_postgres *bodies)
{
    struct buffer reason = {0};
    append_message(&reason, bodies->connection ? PQerrorMessage(bodies->connection) : "out of memory");
    lose_connection(bodies, reason.length ? buffer_string(&reason) : "the connection was closed");
    buffer_free(&reason);
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
    return PQsendQueryPrepared(bodies->connection, STATEMENT_NAME, 1, &parameter, NULL, NULL, 0) == 1 &&
           PQpipelineSync(bodies->connection) == 1;
}

static void flush(struct body_postgres *bodies)
{
    int left = PQflush(bodies->connection);
    if (left < 0)
        lose_with_message(bodies);
    else
        watch_socket(bodies, left > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void on_send(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct body_postgres *bodies = argument;
    bool sent = false;
    while (bodies->state == STATE_READY && bodies->waiting.first && bodies->query_count < QUERIES_UNDER_WAY) {
        sent = true;
        if (!send_query(bodies)) {
            lose_with_message(bodies);
            return;
        }
    }
    if (sent)
        flush(bodies);
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
static void deliver(struct body_postgres *bodies, struct query *query, const PGresult *result)
{
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

/* One result of the pipeline. False if the connection is of no more use. */
static bool take_result(struct body_postgres *bodies, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
        if (bodies->queries)
            deliver(bodies, bodies->queries, result);
        return true;
    case PGRES_COMMAND_OK:
        return true;
    case PGRES_PIPELINE_SYNC:
        if (bodies->state == STATE_PREPARING) {
            bodies->state = STATE_READY;
            bodies->reconnect_ms = RECONNECT_FIRST_MS;
            bodies->callbacks.state(bodies->callbacks.context, NULL);
        } else if (bodies->queries) {
            finish_query(bodies);
        }
        event_active(bodies->send_event, EV_TIMEOUT, 0);
        return true;
    default: {
        /* An error of the statement itself (no such table, no right to read it): asking again at once would fail in
         * the same way, so it counts as a lost connection with its growing pauses. */
        struct buffer reason = {0};
        append_message(&reason, PQresultErrorMessage(result));
        lose_connection(bodies, buffer_string(&reason));
        buffer_free(&reason);
        return false;
    }
    }
}

static void read_results(struct body_postgres *bodies)
{
    if (!PQconsumeInput(bodies->connection)) {
        lose_with_message(bodies);
        return;
    }
    int nothing = 0; /* a NULL ends each command's results; two in a row: the pipeline is empty */
    while (nothing < 2 && !PQisBusy(bodies->connection)) {
        PGresult *result = PQgetResult(bodies->connection);
        if (!result) {
            nothing++;
            continue;
        }
        nothing = 0;
        bool usable = take_result(bodies, result);
        PQclear(result);
        if (!usable)
            return;
    }
    if (PQstatus(bodies->connection) == CONNECTION_BAD)
        lose_with_message(bodies);
}

static void start_session(struct body_postgres *bodies)
{
    bodies->state = STATE_PREPARING;
    if (PQsetnonblocking(bodies->connection, 1) != 0 || PQenterPipelineMode(bodies->connection) != 1 ||
        PQsendPrepare(bodies->connection, STATEMENT_NAME, STATEMENT_TEXT, 1, NULL) != 1 ||
        PQpipelineSync(bodies->connection) != 1)
        lose_with_message(bodies);
    else
        flush(bodies);
}

static void continue_connecting(struct body_postgres *bodies)
{
    switch (PQconnectPoll(bodies->connection)) {
    case PGRES_POLLING_READING:
        watch_socket(bodies, EV_READ);
        break;
    case PGRES_POLLING_WRITING:
        watch_socket(bodies, EV_WRITE);
        break;
    case PGRES_POLLING_OK:
        start_session(bodies);
        break;
    default:
        lose_with_message(bodies);
    }
}

static void on_socket(evutil_socket_t socket, short what, void *argument)
{
    (void)socket;
    struct body_postgres *bodies = argument;
    if (bodies->state == STATE_CONNECTING) {
        continue_connecting(bodies);
        return;
    }
    if (what & EV_READ)
        read_results(bodies);
    if (bodies->connection && what & EV_WRITE)
        flush(bodies);
}

static void on_connect(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct body_postgres *bodies = argument;
    bodies->counters.reconnects++;
    bodies->connection =
        PQconnectStartParams((const char *const *)bodies->keywords, (const char *const *)bodies->values, 0);
    bodies->state = STATE_CONNECTING;
    if (!bodies->connection || PQstatus(bodies->connection) == CONNECTION_BAD)
        lose_with_message(bodies);
    else
        watch_socket(bodies, EV_WRITE);
}

static char **copy_texts(const char *const *texts)
{
    size_t count = 0;
    while (texts[count])
        count++;
    char **copy = memory_allocate_zeroed(count + 1, sizeof *copy);
    for (size_t index = 0; index < count; index++)
        copy[index] = memory_copy_text(texts[index], strlen(texts[index]));
    return copy;
}

static void free_texts(char **texts)
{
    for (char **text = texts; *text; text++)
        free(*text);
    free(texts);
}

struct body_postgres *body_postgres_create(struct event_base *base, const struct body_postgres_settings *settings,
                                           const struct body_postgres_callbacks *callbacks)
{
    struct body_postgres *bodies = memory_allocate_zeroed(1, sizeof *bodies);
    bodies->base = base;
    bodies->callbacks = *callbacks;
    bodies->keywords = copy_texts(settings->keywords);
    bodies->values = copy_texts(settings->values);
    bodies->retry_for_ms = settings->retry_for_ms;
    bodies->reconnect_ms = RECONNECT_FIRST_MS;
    bodies->queries_last = &bodies->queries;
    list_init(&bodies->waiting);
    list_init(&bodies->retrying);
    bodies->send_event = event_new(base, -1, 0, on_send, bodies);
    bodies->retry_event = event_new(base, -1, 0, on_retry, bodies);
    bodies->reconnect_event = event_new(base, -1, 0, on_connect, bodies);
    event_active(bodies->reconnect_event, EV_TIMEOUT, 0);
    return bodies;
}

void body_postgres_destroy(struct body_postgres *bodies)
{
    if (!bodies)
        return;
    drop_connection(bodies);
    while (bodies->queries) {
        list_move(&bodies->waiting, &bodies->queries->requests);
        finish_query(bodies);
    }
    list_move(&bodies->waiting, &bodies->retrying);
    while (bodies->waiting.first)
        free(list_take(&bodies->waiting));
    event_free(bodies->send_event);
    event_free(bodies->retry_event);
    event_free(bodies->reconnect_event);
    buffer_free(&bodies->array);
    free_texts(bodies->keywords);
    free_texts(bodies->values);
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
    if (bodies->state == STATE_READY)
        event_active(bodies->send_event, EV_TIMEOUT, 0);
}

struct body_source body_postgres_source(struct body_postgres *bodies)
{
    return (struct body_source){.context = bodies, .request = request_body};
}

bool body_postgres_is_ready(const struct body_postgres *bodies)
{
    return bodies->state == STATE_READY;
}

struct body_postgres_counters body_postgres_counters(const struct body_postgres *bodies)
{
    return bodies->counters;
}
