/* Answers that go on: server-sent events.
 *
 * They are written through evhttp, which knows how to take a stream of chunks apart from the end of a request; only
 * their head is ours. evhttp's own callback for what was written before would end the request, so that the head goes
 * out with a first chunk, whose writing takes that callback away. */
#include <event2/buffer.h>
#include <event2/http.h>
/* after http.h, whose types it takes */
#include <event2/http_struct.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "engine/http_server_parts.h"

/* Of what a client does not take, the system keeps no more than this: the owner shall notice. */
#define SEND_BUFFER_BYTES (64 << 10)

static bool is_old(const struct evhttp_request *request)
{
    return request->major < 1 || request->minor < 1;
}

void http_exchange_send(struct http_exchange *exchange, struct slice text)
{
    struct evbuffer *chunk = evbuffer_new();
    if (!chunk || evbuffer_add(chunk, text.data, text.length) != 0) {
        log_error("out of memory for an HTTP answer");
        abort();
    }
    evhttp_send_reply_chunk(exchange->request, chunk);
    evbuffer_free(chunk);
}

bool http_exchange_stream(struct http_exchange *exchange, const char *content_type, struct slice first)
{
    struct http_connection *connection = exchange->connection;
    struct evhttp_request *request = exchange->request;
    struct buffer head = {0};
    int kept = SEND_BUFFER_BYTES;
    if (exchange->head) {
        http_exchange_answer(exchange, 200, content_type, SLICE(""));
        return false;
    }
    request->chunked = !is_old(request);
    if (request->chunked)
        http_exchange_header(exchange, "Transfer-Encoding", "chunked");
    http_exchange_header(exchange, "Connection", "close");
    http_answer_begin(exchange->server, &head, 200, content_type);
    http_answer_headers(request, &head);
    evbuffer_add(bufferevent_get_output(connection->stream), head.data, head.length);
    buffer_free(&head);
    setsockopt(connection->socket, SOL_SOCKET, SO_SNDBUF, &kept, sizeof kept);
    http_connection_enter(connection, HTTP_STREAMING);
    http_exchange_send(exchange, first);
    return true;
}

size_t http_exchange_unsent(const struct http_exchange *exchange)
{
    return evbuffer_get_length(bufferevent_get_output(exchange->connection->stream));
}

void http_exchange_cut(struct http_exchange *exchange)
{
    http_connection_drop(exchange->connection);
}
