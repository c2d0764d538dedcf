/* Whatever a client may send, into the listener as it is: evhttp, our limits and areas that answer at once or later.
 * The first byte says how: whether there is a secret, whether the rest comes in two parts, whether answers come later,
 * and whether the client hangs up before them. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/http_server.h"
#include "engine/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WITH_SECRET = 1, IN_TWO_PARTS = 2, LATER = 4, HANGS_UP = 8, DEAF = 16 };
#define HELD_MAXIMUM 16u
#define TURNS 6

static struct event_base *base;
static struct http_server *server;
static struct sockaddr_in address = {.sin_family = AF_INET};
static uint8_t how;
static struct http_exchange *held[HELD_MAXIMUM];
static size_t held_count;

static const char *methods_of(void *context, struct slice path)
{
    (void)context;
    return slice_starts_with(path, SLICE("/a")) ? "GET POST" : NULL;
}

static void on_gone(void *context)
{
    struct http_exchange **place = context;
    if (!*place)
        abort();
    *place = NULL;
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    (void)context;
    if (!request->path.length || request->path.data[0] != '/' ||
        memmem(request->path.data, request->path.length, "//", 2))
        abort();
    if (!(how & LATER) || held_count == HELD_MAXIMUM) {
        http_exchange_answer(exchange, 200, NULL, request->body);
        return;
    }
    held[held_count] = exchange;
    if (!(how & DEAF))
        http_exchange_on_gone(exchange, on_gone, &held[held_count]);
    held_count++;
}

static void handle_route(void *context, struct http_response *response)
{
    (void)context;
    buffer_append_string(response->body, "ok\n");
}

static void start(void)
{
    static const struct http_route routes[] = {{"GET", "/healthz", handle_route}, {NULL, NULL, NULL}};
    struct http_server_settings settings = {.listen = "127.0.0.1:0", .routes = routes};
    struct http_area area = {methods_of, handle, NULL, .body_maximum = 1000, .closed = true};
    struct buffer error = {0};
    char host[64];
    uint16_t port;
    log_threshold = LOG_ERROR + 1;
    base = event_base_new();
    server = http_server_create(base, &settings, &error);
    if (!server || !http_listen_parse(http_server_address(server), host, sizeof host, &port))
        abort();
    http_server_add_area(server, &area);
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void turn(void)
{
    for (int count = 0; count < TURNS; count++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void answer_held(void)
{
    for (size_t index = 0; index < held_count; index++)
        if (held[index])
            http_exchange_answer(held[index], 403, NULL, SLICE("{}"));
    held_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (!server)
        start();
    how = data[0];
    http_server_use_secret(server, how & WITH_SECRET ? "secret" : NULL);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    /* No port waits for stray packets afterwards: there are not that many. */
    setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    if (connect(client, (struct sockaddr *)&address, sizeof address) != 0) {
        close(client);
        return 0;
    }
    size_t first = how & IN_TWO_PARTS ? size / 2 : size - 1;
    send(client, data + 1, first, MSG_NOSIGNAL | MSG_DONTWAIT);
    turn();
    if (size - 1 > first)
        send(client, data + 1 + first, size - 1 - first, MSG_NOSIGNAL | MSG_DONTWAIT);
    turn();
    if (how & HANGS_UP) {
        close(client);
        turn();
    }
    /* What waits behind an answer is held in its turn. */
    for (int round = 0; round < 3; round++) {
        answer_held();
        turn();
    }
    if (!(how & HANGS_UP))
        close(client);
    turn();
    answer_held();
    if (http_server_busy(server))
        abort();
    return 0;
}
