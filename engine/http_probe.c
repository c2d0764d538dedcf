/* HTTP/1.0, so that the answer is all that comes until the connection closes. */
#include "engine/http_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "engine/clock.h"
#include "engine/http_server.h"

#define ANSWER_MAXIMUM (16u << 20)
#define PIECE 65536u
#define HOST_SIZE 256

struct connection {
    int descriptor;
    SSL_CTX *context;
    SSL *session; /* NULL: plain */
    uint64_t end_ns;
    bool late;
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
};

/* Literal addresses alone are listened on but for names of this machine. */
static bool find_address(const struct http_probe *probe, union address *address, socklen_t *length)
{
    char host[HOST_SIZE];
    uint16_t port;
    memset(address, 0, sizeof *address);
    if (probe->socket_path) {
        address->path.sun_family = AF_UNIX;
        *length = sizeof address->path;
        return snprintf(address->path.sun_path, sizeof address->path.sun_path, "%s", probe->socket_path) <
               (int)sizeof address->path.sun_path;
    }
    if (!http_listen_parse(probe->listen, host, sizeof host, &port) || port == 0)
        return false;
    if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        if (IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr))
            address->v6.sin6_addr = in6addr_loopback;
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        *length = sizeof address->v6;
        return true;
    }
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) != 1 || address->v4.sin_addr.s_addr == htonl(INADDR_ANY))
        address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons(port);
    *length = sizeof address->v4;
    return true;
}

/* Whether the descriptor can be used before the time is up. */
static bool wait_for(struct connection *connection, short what)
{
    struct pollfd descriptor = {.fd = connection->descriptor, .events = what};
    uint64_t now = clock_now_ns();
    if (now < connection->end_ns && poll(&descriptor, 1, (int)((connection->end_ns - now) / 1000000u) + 1) > 0)
        return true;
    connection->late = true;
    return false;
}

static bool open_connection(struct connection *connection, const struct http_probe *probe, struct buffer *problem)
{
    union address address;
    socklen_t length;
    int error = 0;
    socklen_t error_size = sizeof error;
    if (!find_address(probe, &address, &length)) {
        buffer_append_string(problem, "its address cannot be told from the configuration");
        return false;
    }
    connection->descriptor = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->descriptor < 0 ||
        (connect(connection->descriptor, &address.any, length) != 0 && errno != EINPROGRESS && errno != EINTR)) {
        buffer_append_string(problem, strerror(errno));
        return false;
    }
    if (!wait_for(connection, POLLOUT) ||
        getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0 || error != 0) {
        buffer_append_string(problem, error ? strerror(error) : "no connection in time");
        return false;
    }
    return true;
}

/* What OpenSSL asks to wait for; false if the session has failed. */
static bool session_waits(struct connection *connection, int result)
{
    switch (SSL_get_error(connection->session, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(connection, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(connection, POLLOUT);
    default:
        ERR_clear_error();
        return false;
    }
}

static bool open_session(struct connection *connection, struct buffer *problem)
{
    connection->context = SSL_CTX_new(TLS_client_method());
    connection->session = connection->context ? SSL_new(connection->context) : NULL;
    bool opened = connection->session && SSL_set_fd(connection->session, connection->descriptor) == 1;
    for (int result = 0; opened && (result = SSL_connect(connection->session)) != 1;)
        opened = session_waits(connection, result);
    if (!opened)
        buffer_append_string(problem, "no TLS session can be made with it");
    return opened;
}

static bool send_all(struct connection *connection, struct slice text)
{
    while (text.length) {
        ssize_t sent;
        if (connection->session) {
            sent = SSL_write(connection->session, text.data, (int)text.length);
            if (sent <= 0 && session_waits(connection, (int)sent))
                continue;
        } else {
            sent = send(connection->descriptor, text.data, text.length, MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN && wait_for(connection, POLLOUT))
                continue;
        }
        if (sent <= 0)
            return false;
        text = slice_of(text.data + sent, text.length - (size_t)sent);
    }
    return true;
}

static void read_all(struct connection *connection, struct buffer *answer)
{
    while (answer->length < ANSWER_MAXIMUM) {
        char *room = buffer_reserve(answer, PIECE);
        ssize_t count;
        if (connection->session) {
            count = SSL_read(connection->session, room, PIECE);
            if (count <= 0 && session_waits(connection, (int)count))
                continue;
        } else {
            count = recv(connection->descriptor, room, PIECE, 0);
            if (count < 0 && errno == EAGAIN && wait_for(connection, POLLIN))
                continue;
        }
        if (count <= 0)
            return;
        answer->length += (size_t)count;
    }
}

static int take_answer(struct buffer *answer, struct buffer *body, struct buffer *problem)
{
    int status = 0;
    const char *text = buffer_string(answer);
    const char *end = memmem(text, answer->length, "\r\n\r\n", 4);
    if (!end || strncmp(text, "HTTP/1.", 7) != 0 || (status = atoi(text + 9)) < 100) {
        buffer_append_string(problem, "what answers there does not speak HTTP");
        return 0;
    }
    buffer_append(body, end + 4, answer->length - (size_t)(end + 4 - text));
    return status;
}

static int exchange(struct connection *connection, const struct http_probe *probe, const char *path,
                    struct buffer *body, struct buffer *problem)
{
    struct buffer request = {0}, answer = {0};
    int status = 0;
    buffer_append_format(&request, "GET %s HTTP/1.0\r\nHost: weir\r\nConnection: close\r\n", path);
    if (probe->secret)
        buffer_append_format(&request, "Authorization: Bearer %s\r\n", probe->secret);
    buffer_append_string(&request, "\r\n");
    if (send_all(connection, buffer_slice(&request)))
        read_all(connection, &answer);
    if (connection->late || answer.length == 0)
        buffer_append_string(problem, connection->late ? "no answer in time" : "the connection was closed");
    else
        status = take_answer(&answer, body, problem);
    buffer_free(&request);
    buffer_free(&answer);
    return status;
}

int http_probe_get(const struct http_probe *probe, const char *path, struct buffer *body, struct buffer *problem)
{
    struct connection connection = {.descriptor = -1,
                                    .end_ns = clock_now_ns() + (uint64_t)probe->timeout_ms * 1000000u};
    int status = 0;
    buffer_clear(body);
    buffer_clear(problem);
    if (open_connection(&connection, probe, problem) && (!probe->tls || open_session(&connection, problem)))
        status = exchange(&connection, probe, path, body, problem);
    SSL_free(connection.session);
    SSL_CTX_free(connection.context);
    if (connection.descriptor >= 0)
        close(connection.descriptor);
    return status;
}
