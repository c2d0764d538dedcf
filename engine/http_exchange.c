/* One request and its answer.
 *
 * evhttp owns a request while its connection lives. When the client hangs up before the answer, evhttp lets go of the
 * request and frees the connection: then the request is ours to free. When the server itself is freed, evhttp frees
 * both. An exchange whose client is gone and whose handler did not ask to be told is an orphan, which waits for its
 * answer only to be freed.
 *
 * The answers of one turn of the loop are written together at its end. Each write wakes the client, if it sleeps, on
 * its own processor; a client with many connections sleeps again before the next answer is ready unless they come in a
 * row. */
#include <event2/buffer.h>
#include <event2/http.h>
/* after http.h, whose types it takes */
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "engine/http_server_parts.h"

/* A connection keeps room for answers up to this size. */
#define ANSWER_KEPT_MAXIMUM 4096u

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
        {304, "Not Modified"},
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
        {417, "Expectation Failed"},
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

static struct http_exchange *take_spare(struct http_server *server)
{
    struct http_exchange *spare = TAILQ_FIRST(&server->spares);
    if (!spare)
        return memory_allocate(sizeof *spare);
    TAILQ_REMOVE(&server->spares, spare, of_server);
    return spare;
}

/* As many are kept as were open at once, which is bounded by the connections. */
static void give_back(struct http_exchange *exchange)
{
    if (exchange->server)
        TAILQ_INSERT_HEAD(&exchange->server->spares, exchange, of_server);
    else
        free(exchange);
}

static void discard(struct http_exchanges *exchanges)
{
    struct http_exchange *exchange;
    while ((exchange = TAILQ_FIRST(exchanges))) {
        TAILQ_REMOVE(exchanges, exchange, of_server);
        free(exchange);
    }
}

/* What evhttp goes by, which has only these forms of the header. */
static void read_keeping(struct http_exchange *exchange, const char *wish)
{
    bool old = exchange->request->major < 1 || exchange->request->minor < 1;
    exchange->keeps = old && wish && strncasecmp(wish, "keep-alive", 10) == 0;
    exchange->closes = (old && !exchange->keeps) || (wish && strcasecmp(wish, "close") == 0) ||
                       (exchange->request->flags & EVHTTP_PROXY_REQUEST);
}

struct http_exchange *http_exchange_begin(struct http_connection *connection, struct evhttp_request *request,
                                          const char *wish)
{
    struct http_exchange *exchange = take_spare(connection->server);
    *exchange = (struct http_exchange){.server = connection->server,
                                       .connection = connection,
                                       .request = request,
                                       .head = request->type == EVHTTP_REQ_HEAD};
    read_keeping(exchange, wish);
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
    give_back(exchange);
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

/* All of the answer was taken by the socket. */
static void on_written(struct evhttp_request *request, void *context)
{
    (void)request;
    struct http_connection *connection = context;
    bool more = evbuffer_get_length(bufferevent_get_input(connection->stream)) > 0;
    http_connection_unpark(connection);
    http_connection_enter(connection, more ? HTTP_READING : HTTP_IDLE);
    connection->begun = more;
}

static void append_header(struct buffer *answer, const char *name, const char *value)
{
    buffer_append_string(answer, name);
    buffer_append(answer, ": ", 2);
    buffer_append_string(answer, value);
    buffer_append(answer, "\r\n", 2);
}

void http_answer_begin(struct http_server *server, struct buffer *answer, int status, const char *content_type)
{
    buffer_append_string(answer, "HTTP/1.1 ");
    buffer_append_integer(answer, status);
    buffer_append_char(answer, ' ');
    buffer_append_string(answer, reason_of(status));
    buffer_append_string(answer, "\r\n");
    append_header(answer, "Content-Type", content_type ? content_type : "application/json");
    buffer_append_slice(answer, http_connections_date(server));
    buffer_append_string(answer, "X-Content-Type-Options: nosniff\r\n");
}

void http_answer_length(struct buffer *answer, size_t length)
{
    buffer_append_string(answer, "Content-Length: ");
    buffer_append_integer(answer, (int64_t)length);
    buffer_append_string(answer, "\r\n");
}

void http_answer_headers(struct evhttp_request *request, struct buffer *answer)
{
    const struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    bool cached = false;
    for (const struct evkeyval *header = TAILQ_FIRST(headers); header; header = TAILQ_NEXT(header, next)) {
        append_header(answer, header->key, header->value);
        cached = cached || strcasecmp(header->key, "Cache-Control") == 0;
    }
    buffer_append_string(answer, cached ? "\r\n" : "Cache-Control: no-store\r\n\r\n");
}

static void write_answer(const struct http_exchange *exchange, int status, const char *content_type, struct slice body)
{
    struct buffer *answer = &exchange->connection->answer;
    buffer_clear(answer);
    http_answer_begin(exchange->server, answer, status, content_type);
    http_answer_length(answer, body.length);
    http_answer_headers(exchange->request, answer);
    if (!exchange->head && status != 304)
        buffer_append_slice(answer, body);
}

/* The exchange has nothing to do with its connection afterwards. */
static void send_answer(struct http_exchange *exchange, int status, const char *content_type, struct slice body)
{
    struct http_connection *connection = exchange->connection;
    struct http_server *server = exchange->server;
    struct evhttp_request *request = exchange->request;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    if (server->stopping || server->full || exchange->closes)
        evhttp_add_header(headers, "Connection", "close");
    else if (exchange->keeps)
        evhttp_add_header(headers, "Connection", "keep-alive");
    write_answer(exchange, status, content_type, body);
    detach(exchange);
    evhttp_request_set_on_complete_cb(request, on_written, connection);
    request->chunked = 0; /* as the body of the request came; evhttp would end the answer in that way */
    connection->answered = request;
    http_connection_enter(connection, HTTP_ANSWERED);
    event_active(server->flush, EV_WRITE, 1);
}

/* evhttp would ask to be told when the socket can be written to, and write when the loop comes round again: four calls
 * of the system. The socket nearly always takes the answer now. What it does not take goes the way of all streams. */
static void write_out(struct http_connection *connection)
{
    struct slice answer = buffer_slice(&connection->answer);
    struct evhttp_request *request = connection->answered;
    struct evbuffer *output = bufferevent_get_output(connection->stream);
    if (!connection->server->tls && evbuffer_get_length(output) == 0) { /* "100 Continue" may still be there */
        ssize_t count = send(connection->socket, answer.data, answer.length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            answer = slice_of(answer.data + count, answer.length - (size_t)count);
    }
    if (answer.length) {
        evbuffer_add(output, answer.data, answer.length);
        http_connection_park(connection);
        bufferevent_enable(connection->stream, EV_WRITE);
    }
    if (connection->answer.capacity > ANSWER_KEPT_MAXIMUM)
        buffer_free(&connection->answer);
    connection->answered = NULL;
    http_connection_enter(connection, HTTP_WRITING);
    evhttp_send_reply_end(request); /* which may free the connection */
}

void http_exchanges_flush(struct http_server *server)
{
    struct http_connection *connection;
    while ((connection = TAILQ_FIRST(&server->phases[HTTP_ANSWERED])))
        write_out(connection);
}

void http_exchange_answer(struct http_exchange *exchange, int status, const char *content_type, struct slice body)
{
    if (exchange->connection)
        send_answer(exchange, status, content_type, body);
    else if (exchange->server)
        TAILQ_REMOVE(&exchange->server->orphans, exchange, of_server);
    give_back(exchange);
}

void http_exchange_refuse(struct http_exchange *exchange, int status, const char *errcode, const char *sentence)
{
    struct buffer body = {0};
    struct web_response refusal = {.body = &body};
    web_response_refuse(&refusal, status, errcode, sentence);
    http_exchange_answer(exchange, status, refusal.content_type, buffer_slice(&body));
    buffer_free(&body);
}

/* The exchange has nothing to do with its connection afterwards. */
static void end_stream(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    struct evhttp_request *request = exchange->request;
    detach(exchange);
    evhttp_request_set_on_complete_cb(request, on_written, connection);
    http_connection_enter(connection, HTTP_ENDING);
    evhttp_send_reply_end(request); /* which may free the connection */
}

void http_exchange_end(struct http_exchange *exchange)
{
    end_stream(exchange);
    give_back(exchange);
}

/* The one that has been in the phase for longest; NULL: none. `gone` of another one may have answered it in the
 * meantime, so that each is looked for anew. */
static struct http_exchange *first_in(const struct http_server *server, enum http_phase phase)
{
    const struct http_connection *connection = TAILQ_FIRST(&server->phases[phase]);
    struct http_exchange *exchange = connection ? connection->exchange : NULL;
    return exchange && exchange->connection && exchange->request ? exchange : NULL;
}

void http_exchanges_stop(struct http_server *server)
{
    const struct slice body = SLICE("{\"errcode\":\"M_UNKNOWN\",\"error\":\"this server is shutting down\"}\n");
    struct http_exchange *exchange;
    server->stopping = true;
    while ((exchange = first_in(server, HTTP_WAITING))) {
        send_answer(exchange, 503, NULL, body);
        end_unanswered(exchange);
    }
    http_exchanges_flush(server);
    while ((exchange = first_in(server, HTTP_STREAMING))) {
        end_stream(exchange);
        end_unanswered(exchange);
    }
    while ((exchange = TAILQ_FIRST(&server->orphans))) {
        TAILQ_REMOVE(&server->orphans, exchange, of_server);
        exchange->server = NULL;
    }
    discard(&server->spares);
}
