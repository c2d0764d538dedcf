/* The requests are written once, before anything is measured, and an answer is looked at only as far as its length: the
 * clients share the machine with what they measure. */
#include "bench/http_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "bench/figure.h"
#include "bench/processes.h"
#include "engine/clock.h"

#define ANSWER_MAXIMUM 4096
#define PATIENCE_SECONDS 10
#define CONTENT_LENGTH "Content-Length:"

struct load_client {
    int socket;
    size_t length; /* of what came of an answer */
    char answer[ANSWER_MAXIMUM];
};

struct http_load {
    struct load_client *clients;
    size_t client_count;
    struct buffer texts;
    size_t *starts; /* of the requests in `texts`, and where the last one ends */
    size_t request_count;
    size_t next;
    int poller;
};

static int connect_to(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t started = clock_now_ns();
    int on = 1;
    for (;;) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (client < 0)
            bench_fail("no socket");
        if (connect(client, (struct sockaddr *)&address, sizeof address) == 0) {
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return client;
        }
        close(client);
        if (bench_seconds_since(started) > PATIENCE_SECONDS)
            bench_fail("cannot connect to port %d", port);
        bench_pause(10 * 1000000);
    }
}

static void write_requests(struct http_load *load, const char *path, const char *secret, const struct corpus *corpus)
{
    load->request_count = corpus->event_count;
    load->starts = memory_allocate_zeroed(corpus->event_count + 1, sizeof *load->starts);
    for (size_t index = 0; index < corpus->event_count; index++) {
        struct slice body = corpus->events[index].body;
        load->starts[index] = load->texts.length;
        buffer_append_format(&load->texts,
                             "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: "
                             "application/json\r\nUser-Agent: Synapse/1.140\r\n%s%s%s" CONTENT_LENGTH
                             " %zu\r\n\r\n{\"args\":{\"event\":",
                             path, secret ? "Authorization: Bearer " : "", secret ? secret : "", secret ? "\r\n" : "",
                             body.length + strlen("{\"args\":{\"event\":}}"));
        buffer_append_slice(&load->texts, body);
        buffer_append_string(&load->texts, "}}");
    }
    load->starts[corpus->event_count] = load->texts.length;
}

struct http_load *http_load_open(int port, const char *path, const char *secret, size_t connections,
                                 const struct corpus *corpus)
{
    struct http_load *load = memory_allocate_zeroed(1, sizeof *load);
    load->clients = memory_allocate_zeroed(connections, sizeof *load->clients);
    load->client_count = connections;
    load->poller = epoll_create1(EPOLL_CLOEXEC);
    write_requests(load, path, secret, corpus);
    for (size_t index = 0; index < connections; index++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &load->clients[index]};
        load->clients[index].socket = connect_to(port);
        if (epoll_ctl(load->poller, EPOLL_CTL_ADD, load->clients[index].socket, &wanted) != 0)
            bench_fail("no poller");
    }
    return load;
}

void http_load_close(struct http_load *load)
{
    for (size_t index = 0; index < load->client_count; index++)
        close(load->clients[index].socket);
    close(load->poller);
    buffer_free(&load->texts);
    free(load->starts);
    free(load->clients);
    free(load);
}

static void ask(struct http_load *load, struct load_client *client)
{
    size_t index = load->next++ % load->request_count;
    const char *text = load->texts.data + load->starts[index];
    size_t length = load->starts[index + 1] - load->starts[index];
    client->length = 0;
    while (length) {
        ssize_t count = send(client->socket, text, length, MSG_NOSIGNAL);
        if (count <= 0)
            bench_fail("cannot ask over HTTP");
        text += count;
        length -= (size_t)count;
    }
}

/* Whether the answer is there. */
static bool hear(struct load_client *client)
{
    ssize_t count =
        recv(client->socket, client->answer + client->length, ANSWER_MAXIMUM - 1 - client->length, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0)
        bench_fail("no answer over HTTP");
    client->length += (size_t)count;
    client->answer[client->length] = '\0';
    const char *body = strstr(client->answer, "\r\n\r\n");
    const char *announced = body ? strstr(client->answer, CONTENT_LENGTH) : NULL;
    if (!body)
        return false;
    if (strncmp(client->answer, "HTTP/1.1 200 ", 13) != 0 || !announced)
        bench_fail("an answer over HTTP: %.200s", client->answer);
    size_t wanted = strtoul(announced + strlen(CONTENT_LENGTH), NULL, 10);
    return client->length - (size_t)(body + 4 - client->answer) >= wanted;
}

double http_load_run(struct http_load *load, size_t requests)
{
    struct epoll_event ready[64];
    size_t sent = 0, answered = 0;
    uint64_t started = clock_now_ns();
    for (; sent < load->client_count && sent < requests; sent++)
        ask(load, &load->clients[sent]);
    while (answered < requests) {
        int count = epoll_wait(load->poller, ready, sizeof ready / sizeof *ready, PATIENCE_SECONDS * 1000);
        if (count <= 0)
            bench_fail("no answer over HTTP for %d s", PATIENCE_SECONDS);
        for (int index = 0; index < count; index++) {
            if (!hear(ready[index].data.ptr))
                continue;
            answered++;
            if (sent < requests) {
                sent++;
                ask(load, ready[index].data.ptr);
            }
        }
    }
    return bench_seconds_since(started);
}

static void answer_constant(struct evhttp_request *request, void *body)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "application/json");
    evbuffer_add(evhttp_request_get_output_buffer(request), body, strlen(body));
    evhttp_send_reply(request, 200, "OK", NULL);
}

pid_t http_load_bare_server(int port, const char *body)
{
    pid_t process = fork();
    if (process < 0)
        bench_fail("cannot start a process");
    if (process)
        return process;
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);
    if (evhttp_bind_socket(http, "127.0.0.1", (uint16_t)port) != 0)
        _exit(1);
    evhttp_set_gencb(http, answer_constant, (void *)body);
    event_base_dispatch(base);
    _exit(0);
}
