/* Each query is closed by a sync of its own. The pause between two attempts grows until a query was answered, not until
 * a connection stands: a statement that may not read its table fails on every new one. */
#include "replication/postgres_session.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"

#define RECONNECT_FIRST_MS 200
#define RECONNECT_LONGEST_MS 5000

enum session_state { STATE_DOWN, STATE_CONNECTING, STATE_PREPARING, STATE_READY };

struct postgres_session {
    struct event_base *base;
    struct postgres_session_callbacks callbacks;
    char **keywords;
    char **values;
    const struct postgres_statement *statements;
    size_t statement_count;
    const char *setup;
    uint32_t connect_timeout_ms;
    PGconn *connection;
    enum session_state state;
    struct event *socket_event;
    struct event *connect_event; /* the next attempt */
    struct event *connect_timeout_event;
    uint32_t reconnect_ms;
    uint64_t connects;
};

static void schedule(struct event *event, uint32_t milliseconds)
{
    struct timeval delay = {.tv_sec = milliseconds / 1000, .tv_usec = (suseconds_t)(milliseconds % 1000) * 1000};
    if (!event_pending(event, EV_TIMEOUT, NULL))
        event_add(event, &delay);
}

static void on_socket(evutil_socket_t socket, short what, void *argument);

static void watch_socket(struct postgres_session *session, short what)
{
    if (session->socket_event)
        event_free(session->socket_event);
    session->socket_event =
        event_new(session->base, PQsocket(session->connection), what | EV_PERSIST, on_socket, session);
    event_add(session->socket_event, NULL);
}

static void drop_connection(struct postgres_session *session)
{
    if (session->socket_event)
        event_free(session->socket_event);
    session->socket_event = NULL;
    if (session->connection)
        PQfinish(session->connection);
    session->connection = NULL;
    session->state = STATE_DOWN;
    event_del(session->connect_timeout_event);
}

void postgres_session_give_up(struct postgres_session *session, const char *reason)
{
    drop_connection(session);
    schedule(session->connect_event, session->reconnect_ms);
    session->reconnect_ms =
        session->reconnect_ms * 2 > RECONNECT_LONGEST_MS ? RECONNECT_LONGEST_MS : session->reconnect_ms * 2;
    session->callbacks.state(session->callbacks.context, reason);
}

/* Loses the connection for libpq's words, on one line: its line breaks and indents become single spaces. */
static void lose_for(struct postgres_session *session, const char *message)
{
    struct buffer line = {0};
    for (; *message; message++) {
        bool space = *message == '\n' || *message == '\t' || *message == ' ';
        if (!space)
            buffer_append_char(&line, *message);
        else if (line.length && line.data[line.length - 1] != ' ' && message[1])
            buffer_append_char(&line, ' ');
    }
    postgres_session_give_up(session, line.length ? buffer_string(&line) : "the connection was closed");
    buffer_free(&line);
}

static void lose_with_message(struct postgres_session *session)
{
    lose_for(session, session->connection ? PQerrorMessage(session->connection) : "out of memory");
}

/* One result of the pipeline. */
static void take_result(struct postgres_session *session, const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
        if (session->state == STATE_READY)
            session->callbacks.result(session->callbacks.context, result);
        return;
    case PGRES_COMMAND_OK:
        return;
    case PGRES_PIPELINE_SYNC:
        if (session->state == STATE_PREPARING) {
            session->state = STATE_READY;
            event_del(session->connect_timeout_event);
            session->callbacks.state(session->callbacks.context, NULL);
        } else {
            session->reconnect_ms = RECONNECT_FIRST_MS;
            session->callbacks.ended(session->callbacks.context);
        }
        return;
    default:
        /* An error of the statement itself (no such table, no right to read it): asking again at once would fail in
         * the same way, so it counts as a lost connection with its growing pauses. */
        lose_for(session, PQresultErrorMessage(result));
    }
}

static void read_results(struct postgres_session *session)
{
    if (!PQconsumeInput(session->connection)) {
        lose_with_message(session);
        return;
    }
    int nothing = 0; /* a NULL ends each command's results; two in a row: the pipeline is empty */
    while (nothing < 2 && !PQisBusy(session->connection)) {
        PGresult *result = PQgetResult(session->connection);
        if (!result) {
            nothing++;
            continue;
        }
        nothing = 0;
        take_result(session, result);
        PQclear(result);
        if (!session->connection)
            return;
    }
    if (PQstatus(session->connection) == CONNECTION_BAD)
        lose_with_message(session);
}

bool postgres_session_flush(struct postgres_session *session)
{
    int left = PQflush(session->connection);
    if (left < 0) {
        lose_with_message(session);
        return false;
    }
    watch_socket(session, left > 0 ? EV_READ | EV_WRITE : EV_READ);
    return true;
}

static bool prepare_statements(struct postgres_session *session)
{
    if (session->setup && PQsendQueryParams(session->connection, session->setup, 0, NULL, NULL, NULL, NULL, 0) != 1)
        return false;
    for (size_t index = 0; index < session->statement_count; index++) {
        const struct postgres_statement *statement = &session->statements[index];
        if (PQsendPrepare(session->connection, statement->name, statement->text, statement->parameter_count, NULL) != 1)
            return false;
    }
    return PQpipelineSync(session->connection) == 1;
}

static void start_session(struct postgres_session *session)
{
    session->state = STATE_PREPARING;
    if (PQsetnonblocking(session->connection, 1) != 0 || PQenterPipelineMode(session->connection) != 1 ||
        !prepare_statements(session))
        lose_with_message(session);
    else
        postgres_session_flush(session);
}

static void continue_connecting(struct postgres_session *session)
{
    switch (PQconnectPoll(session->connection)) {
    case PGRES_POLLING_READING:
        watch_socket(session, EV_READ);
        break;
    case PGRES_POLLING_WRITING:
        watch_socket(session, EV_WRITE);
        break;
    case PGRES_POLLING_OK:
        start_session(session);
        break;
    default:
        lose_with_message(session);
    }
}

static void on_socket(evutil_socket_t socket, short what, void *argument)
{
    (void)socket;
    struct postgres_session *session = argument;
    if (session->state == STATE_CONNECTING) {
        continue_connecting(session);
        return;
    }
    if (what & EV_READ)
        read_results(session);
    if (session->connection && what & EV_WRITE)
        postgres_session_flush(session);
}

static void on_connect(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct postgres_session *session = argument;
    session->connects++;
    session->connection =
        PQconnectStartParams((const char *const *)session->keywords, (const char *const *)session->values, 0);
    session->state = STATE_CONNECTING;
    if (!session->connection || PQstatus(session->connection) == CONNECTION_BAD) {
        lose_with_message(session);
        return;
    }
    watch_socket(session, EV_WRITE);
    if (session->connect_timeout_ms)
        schedule(session->connect_timeout_event, session->connect_timeout_ms);
}

static void on_connect_timeout(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    postgres_session_give_up(argument, "the database did not answer in time");
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

struct postgres_session *postgres_session_create(struct event_base *base,
                                                 const struct postgres_session_settings *settings,
                                                 const struct postgres_session_callbacks *callbacks)
{
    struct postgres_session *session = memory_allocate_zeroed(1, sizeof *session);
    session->base = base;
    session->callbacks = *callbacks;
    session->keywords = copy_texts(settings->keywords);
    session->values = copy_texts(settings->values);
    session->statements = settings->statements;
    session->statement_count = settings->statement_count;
    session->setup = settings->setup;
    session->connect_timeout_ms = settings->connect_timeout_ms;
    session->reconnect_ms = RECONNECT_FIRST_MS;
    session->connect_event = event_new(base, -1, 0, on_connect, session);
    session->connect_timeout_event = event_new(base, -1, 0, on_connect_timeout, session);
    event_active(session->connect_event, EV_TIMEOUT, 0);
    return session;
}

void postgres_session_destroy(struct postgres_session *session)
{
    if (!session)
        return;
    drop_connection(session);
    event_free(session->connect_event);
    event_free(session->connect_timeout_event);
    free_texts(session->keywords);
    free_texts(session->values);
    free(session);
}

bool postgres_session_is_ready(const struct postgres_session *session)
{
    return session->state == STATE_READY;
}

uint64_t postgres_session_connects(const struct postgres_session *session)
{
    return session->connects;
}

bool postgres_session_add(struct postgres_session *session, size_t statement, const char *const *parameters)
{
    if (PQsendQueryPrepared(session->connection, session->statements[statement].name,
                            session->statements[statement].parameter_count, parameters, NULL, NULL, 0) == 1)
        return true;
    lose_with_message(session);
    return false;
}

bool postgres_session_end_query(struct postgres_session *session)
{
    if (PQpipelineSync(session->connection) == 1)
        return true;
    lose_with_message(session);
    return false;
}
