/* One request and its answer.
 *
 * evhttp owns a request while its connection lives. When the client hangs up before the answer, evhttp lets go of the
 * request and frees the connection: then the request is ours to free. When the server itself is freed, evhttp frees
 * both. An exchange whose client is gone and whose handler did not ask to be told is an orphan, which waits for its
 * answer only to be freed. */
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/http_server_parts.h"

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t index = 0; index < sizeof reasons / sizeof reasons[0]; index++)
        if (reasons[index].status == status)
            return reasons[index].reason;
    return "Status";
}

struct http_exchange *http_exchange_begin(struct http_connection *connection, struct evhttp_request *request)
{
    struct http_exchange *exchange = memory_allocate_zeroed(1, sizeof *exchange);
    exchange->server = connection->server;
    exchange->connection = connection;
    exchange->request = request;
    exchange->head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    connection->exchange = exchange;
    connection->client->open++;
    http_connection_enter(connection, HTTP_WAITING);
    return exchange;
}

/* The connection has nothing to do with it any more. */
static void detach(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    connection->client->open--;
    connection->exchange = NULL;
    exchange->connection = NULL;
    exchange->request = NULL;
    if (exchange->server->asked == exchange)
        exchange->server->asked = NULL;
}

/* It was not answered by its handler, and cannot be any more. */
static void end_unanswered(struct http_exchange *exchange)
{
    void (*gone)(void *context) = exchange->gone;
    void *context = exchange->gone_context;
    if (!gone) {
        TAILQ_INSERT_TAIL(&exchange->server->orphans, exchange, of_server);
        return;
    }
    free(exchange);
    gone(context);
}

void http_exchange_lose(struct http_exchange *exchange)
{
    struct evhttp_request *request = exchange->request;
    detach(exchange);
    if (!evhttp_request_get_connection(request))
        evhttp_request_free(request);
    end_unanswered(exchange);
}

void http_exchange_on_gone(struct http_exchange *exchange, void (*gone)(void *context), void *context)
{
    exchange->gone = gone;
    exchange->gone_context = context;
}

void http_exchange_header(struct http_exchange *exchange, const char *name, const char *value)
{
    if (exchange->request)
        evhttp_add_header(evhttp_request_get_output_headers(exchange->request), name, value);
}

/* The answer is on its way to the client. */
static void on_written(struct evhttp_request *request, void *context)
{
    (void)request;
    struct http_connection *connection = context;
    bool more = evbuffer_get_length(bufferevent_get_input(connection->stream)) > 0;
    http_connection_enter(connection, more ? HTTP_READING : HTTP_IDLE);
    connection->begun = more;
}

/* The exchange has nothing to do with its connection afterwards. */
static void send_answer(struct http_exchange *exchange, int status, const char *content_type, struct slice body)
{
    struct http_connection *connection = exchange->connection;
    struct http_server *server = exchange->server;
    struct evhttp_request *request = exchange->request;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", content_type ? content_type : "application/json");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    if (server->stopping || server->full)
        evhttp_add_header(headers, "Connection", "close");
    if (exchange->head) {
        char length[24];
        snprintf(length, sizeof length, "%zu", body.length);
        evhttp_add_header(headers, "Content-Length", length);
    } else {
        evbuffer_add(evhttp_request_get_output_buffer(request), body.data, body.length);
    }
    detach(exchange);
    http_connection_unpark(connection);
    http_connection_enter(connection, HTTP_WRITING);
    evhttp_request_set_on_complete_cb(request, on_written, connection);
    evhttp_send_reply(request, status, reason_of(status), NULL);
}

void http_exchange_answer(struct http_exchange *exchange, int status, const char *content_type, struct slice body)
{
    if (exchange->connection)
        send_answer(exchange, status, content_type, body);
    else if (exchange->server)
        TAILQ_REMOVE(&exchange->server->orphans, exchange, of_server);
    free(exchange);
}

void http_exchange_refuse(struct http_exchange *exchange, int status, const char *errcode, const char *sentence)
{
    struct buffer body = {0};
    struct web_response refusal = {.body = &body};
    web_response_refuse(&refusal, status, errcode, sentence);
    http_exchange_answer(exchange, status, refusal.content_type, buffer_slice(&body));
    buffer_free(&body);
}

void http_exchanges_stop(struct http_server *server)
{
    const struct slice body = SLICE("{\"errcode\":\"M_UNKNOWN\",\"error\":\"this server is shutting down\"}\n");
    struct http_connection *connection;
    struct http_exchange *exchange;
    server->stopping = true;
    while ((connection = TAILQ_FIRST(&server->phases[HTTP_WAITING]))) {
        exchange = connection->exchange;
        send_answer(exchange, 503, NULL, body);
        end_unanswered(exchange);
    }
    while ((exchange = TAILQ_FIRST(&server->orphans))) {
        TAILQ_REMOVE(&server->orphans, exchange, of_server);
        exchange->server = NULL;
    }
}
