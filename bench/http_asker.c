/* An answer is whole when its headers have come and as many bytes behind them as they announce. */
#include "bench/http_asker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "bench/figure.h"

#define ANSWER_MAXIMUM 8192
#define CONTENT_LENGTH "Content-Length:"

struct http_asker {
    int socket;
    struct buffer request;
    char answer[ANSWER_MAXIMUM];
};

static struct sockaddr_in local_address(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int http_asker_free_port(void)
{
    struct sockaddr_in address = local_address(0);
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        bench_fail("no free port");
    close(listener);
    return ntohs(address.sin_port);
}

struct http_asker *http_asker_open(int port)
{
    struct http_asker *asker = memory_allocate_zeroed(1, sizeof *asker);
    struct sockaddr_in address = local_address(port);
    int at_once = 1;
    asker->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (asker->socket < 0 || connect(asker->socket, (struct sockaddr *)&address, sizeof address) != 0)
        bench_fail("cannot connect to port %d", port);
    setsockopt(asker->socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    return asker;
}

static void read_answer(struct http_asker *asker)
{
    size_t length = 0, wanted = SIZE_MAX;
    while (length < wanted) {
        ssize_t count = recv(asker->socket, asker->answer + length, ANSWER_MAXIMUM - 1 - length, 0);
        if (count <= 0)
            bench_fail("no answer over HTTP");
        length += (size_t)count;
        asker->answer[length] = '\0';
        const char *body = strstr(asker->answer, "\r\n\r\n");
        const char *announced = strcasestr(asker->answer, CONTENT_LENGTH);
        if (body && announced)
            wanted = (size_t)(body + 4 - asker->answer) + strtoul(announced + strlen(CONTENT_LENGTH), NULL, 10);
    }
    if (strncmp(asker->answer, "HTTP/1.1 200 ", 13) != 0)
        bench_fail("an answer over HTTP: %.60s", asker->answer);
}

void http_asker_ask(struct http_asker *asker, struct slice event)
{
    struct buffer *request = &asker->request;
    buffer_clear(request);
    buffer_append_format(request,
                         "POST /v1/callbacks/check_event_for_spam HTTP/1.1\r\nHost: localhost\r\n" CONTENT_LENGTH
                         " %zu\r\n\r\n{\"args\":{\"event\":",
                         event.length + strlen("{\"args\":{\"event\":}}"));
    buffer_append_slice(request, event);
    buffer_append_string(request, "}}");
    for (size_t sent = 0; sent < request->length;) {
        ssize_t count = send(asker->socket, request->data + sent, request->length - sent, MSG_NOSIGNAL);
        if (count <= 0)
            bench_fail("cannot ask over HTTP");
        sent += (size_t)count;
    }
    read_answer(asker);
}

void http_asker_close(struct http_asker *asker)
{
    close(asker->socket);
    buffer_free(&asker->request);
    free(asker);
}
