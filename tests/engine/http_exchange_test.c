/* Answers that come later, or find nobody: the server and its clients in one loop. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/http_server.h"

struct world {
    struct event_base *base;
    struct http_server *server;
    struct http_exchange *held[8]; /* of /later, in the order in which they came */
    size_t held_count;
    size_t gone_count;
    bool deaf; /* nobody asks to be told that a client is gone */
    char body[64];
};

static const struct http_route no_routes[] = {{NULL, NULL, NULL}};

static const char *methods_of(void *context, struct slice path)
{
    (void)context;
    return slice_starts_with(path, SLICE("/area/")) ? "POST" : NULL;
}

static void on_gone(void *context)
{
    struct world *world = context;
    world->gone_count++;
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    struct world *world = context;
    cr_expect(slice_equal(request->method, SLICE("POST")));
    cr_expect(slice_equal(request->client, SLICE("127.0.0.1")), "%s", request->client.data);
    if (slice_equal(request->path, SLICE("/area/stream"))) {
        http_exchange_on_gone(exchange, on_gone, world);
        if (http_exchange_stream(exchange, "text/event-stream", SLICE("first;")))
            world->held[world->held_count++] = exchange;
        return;
    }
    if (slice_equal(request->path, SLICE("/area/later"))) {
        world->held[world->held_count++] = exchange;
        if (!world->deaf)
            http_exchange_on_gone(exchange, on_gone, world);
        return;
    }
    snprintf(world->body, sizeof world->body, "%.*s?%.*s %zu", (int)request->path.length, request->path.data,
             (int)request->query.length, request->query.data, request->body.length);
    http_exchange_header(exchange, "X-Test", "yes");
    http_exchange_answer(exchange, 200, "text/plain", slice_from_string(world->body));
}

static void world_open_with(struct world *world, struct http_server_settings settings)
{
    struct buffer error = {0};
    *world = (struct world){.base = event_base_new()};
    settings.listen = "127.0.0.1:0";
    settings.routes = no_routes;
    world->server = http_server_create(world->base, &settings, &error);
    cr_assert_not_null(world->server, "%s", buffer_string(&error));
    struct http_area area = {methods_of, handle, world, .body_maximum = 100, .closed = true};
    http_server_add_area(world->server, &area);
    buffer_free(&error);
}

static void world_open(struct world *world)
{
    world_open_with(world, (struct http_server_settings){0});
}

static void world_close(struct world *world)
{
    http_server_destroy(world->server);
    event_base_free(world->base);
}

static int connect_to(struct world *world)
{
    char host[64];
    uint16_t port;
    cr_assert(http_listen_parse(http_server_address(world->server), host, sizeof host, &port));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static void say(int client, const char *text)
{
    cr_assert_eq(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void turn(struct world *world)
{
    event_base_loop(world->base, EVLOOP_NONBLOCK);
    usleep(1000);
}

/* What the client gets until `until` is in it, or the connection ends, or 5 s have passed. */
static const char *hear(struct world *world, int client, const char *until)
{
    static char text[8192];
    size_t length = 0;
    uint64_t end = clock_now_ns() + UINT64_C(5000000000);
    text[0] = '\0';
    while (clock_now_ns() < end && !(until && strstr(text, until))) {
        turn(world);
        ssize_t count = recv(client, text + length, sizeof text - 1 - length, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN))
            break;
        length += count > 0 ? (size_t)count : 0;
        text[length] = '\0';
    }
    return text;
}

static void wait_for(struct world *world, const size_t *count, size_t wanted)
{
    uint64_t end = clock_now_ns() + UINT64_C(5000000000);
    while (*count < wanted && clock_now_ns() < end)
        turn(world);
    cr_assert_eq(*count, wanted);
}

#define LATER "POST /area/later HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
#define STREAM "POST /area/stream HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
#define OLD_STREAM "POST /area/stream HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"
#define NOW "POST //area///now?a//b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"

Test(http_exchange, is_answered_at_once_or_later)
{
    struct world world;
    world_open(&world);
    int client = connect_to(&world);
    say(client, LATER);
    wait_for(&world, &world.held_count, 1);
    cr_expect_eq(http_server_busy(world.server), 1);
    http_exchange_header(world.held[0], "X-Late", "yes");
    http_exchange_answer(world.held[0], 403, NULL, SLICE("{\"late\":1}"));
    const char *answer = hear(&world, client, "{\"late\":1}");
    cr_expect_not_null(strstr(answer, "HTTP/1.1 403 Forbidden\r\n"), "%s", answer);
    cr_expect_not_null(strstr(answer, "Content-Type: application/json\r\n"), "%s", answer);
    cr_expect_not_null(strstr(answer, "X-Late: yes\r\n"), "%s", answer);
    cr_expect_null(strstr(answer, "Connection: close"), "%s", answer);
    say(client, NOW);
    answer = hear(&world, client, "/area/now?a//b 3");
    cr_expect_not_null(strstr(answer, "HTTP/1.1 200 OK\r\n"), "%s", answer);
    cr_expect_not_null(strstr(answer, "X-Test: yes\r\n"), "%s", answer);
    cr_expect_eq(world.gone_count, 0);
    close(client);
    world_close(&world);
}

/* The second request comes while the first one waits, and must neither be lost nor disturb it. */
Test(http_exchange, may_have_others_behind_it)
{
    struct world world;
    world_open(&world);
    int client = connect_to(&world);
    say(client, LATER NOW LATER);
    wait_for(&world, &world.held_count, 1);
    say(client, NOW);
    for (int index = 0; index < 10; index++)
        turn(&world);
    cr_expect_eq(world.held_count, 1);
    http_exchange_refuse(world.held[0], 429, "M_LIMIT_EXCEEDED", "slow");
    const char *answer = hear(&world, client, "/area/now?a//b 3");
    cr_expect_not_null(strstr(answer, "HTTP/1.1 429 Too Many Requests\r\n"), "%s", answer);
    cr_expect_not_null(strstr(answer, "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"slow\"}"), "%s", answer);
    wait_for(&world, &world.held_count, 2);
    http_exchange_answer(world.held[1], 200, NULL, SLICE("{}"));
    answer = hear(&world, client, "/area/now?a//b 3");
    cr_expect_not_null(strstr(answer, "{}HTTP/1.1 200 OK\r\n"), "%s", answer);
    close(client);
    world_close(&world);
}

Test(http_exchange, is_gone_once_with_its_client)
{
    struct world world;
    world_open(&world);
    int clients[3];
    for (size_t index = 0; index < 3; index++) {
        clients[index] = connect_to(&world);
        say(clients[index], LATER);
        wait_for(&world, &world.held_count, index + 1);
    }
    close(clients[1]);
    wait_for(&world, &world.gone_count, 1);
    struct linger reset = {.l_onoff = 1};
    setsockopt(clients[2], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(clients[2]);
    wait_for(&world, &world.gone_count, 2);
    cr_expect_eq(http_server_busy(world.server), 1);
    http_exchange_answer(world.held[0], 200, NULL, SLICE("{}"));
    cr_expect_not_null(strstr(hear(&world, clients[0], "\r\n\r\n{}"), "200 OK"));
    close(clients[0]);
    for (int index = 0; index < 10; index++)
        turn(&world);
    world_close(&world);
    cr_expect_eq(world.gone_count, 2);
}

/* Nobody was told; ASan tells whether the exchange is still there. */
Test(http_exchange, is_answered_in_vain)
{
    struct world world;
    world_open(&world);
    world.deaf = true;
    for (size_t index = 0; index < 2; index++) {
        int client = connect_to(&world);
        say(client, LATER);
        wait_for(&world, &world.held_count, index + 1);
        close(client);
        while (http_server_busy(world.server))
            turn(&world);
    }
    http_exchange_header(world.held[0], "X-Late", "yes");
    http_exchange_answer(world.held[0], 200, NULL, SLICE("{}"));
    world_close(&world);
    http_exchange_refuse(world.held[1], 503, "M_UNKNOWN", "late");
}

Test(http_exchange, ends_with_the_server)
{
    struct world world;
    world_open(&world);
    int client = connect_to(&world), deaf = connect_to(&world);
    say(client, LATER);
    wait_for(&world, &world.held_count, 1);
    world.deaf = true;
    say(deaf, LATER);
    wait_for(&world, &world.held_count, 2);
    world_close(&world);
    cr_expect_eq(world.gone_count, 1);
    http_exchange_answer(world.held[1], 200, NULL, SLICE("{}"));
    close(client);
    close(deaf);
}

Test(http_exchange, a_stop_closes_each_connection_with_its_answer)
{
    struct world world;
    world_open(&world);
    int waiting = connect_to(&world), idle = connect_to(&world);
    say(waiting, LATER);
    wait_for(&world, &world.held_count, 1);
    say(idle, NOW);
    hear(&world, idle, "b 3");
    http_server_stop(world.server);
    cr_expect_eq(http_server_busy(world.server), 1);
    http_exchange_answer(world.held[0], 200, NULL, SLICE("{}"));
    const char *answer = hear(&world, waiting, NULL);
    cr_expect_not_null(strstr(answer, "Connection: close\r\n"), "%s", answer);
    cr_expect_eq(http_server_busy(world.server), 0);
    say(idle, NOW);
    answer = hear(&world, idle, NULL);
    cr_expect_not_null(strstr(answer, "Connection: close\r\n"), "%s", answer);
    cr_expect_not_null(strstr(answer, "b 3"), "%s", answer);
    close(waiting);
    close(idle);
    world_close(&world);
}

Test(http_exchange, of_a_closed_area_needs_the_secret)
{
    static const struct {
        const char *header;
        const char *status;
        const char *part;
    } cases[] = {
        {"", "401 Unauthorized", "M_MISSING_TOKEN"},
        {"Authorization: Basic open sesame\r\n", "401 Unauthorized", "WWW-Authenticate: Bearer\r\n"},
        {"Authorization: Bearer open\r\n", "401 Unauthorized", "M_UNKNOWN_TOKEN"},
        {"Authorization: Bearer open sesame!\r\n", "401 Unauthorized", "M_UNKNOWN_TOKEN"},
        {"authorization: bearer  open sesame\r\n", "200 OK", "/area/x? 0"},
    };
    struct world world;
    world_open_with(&world, (struct http_server_settings){.secret = "open sesame"});
    int client = connect_to(&world);
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        char request[256];
        snprintf(request, sizeof request, "POST /area/x HTTP/1.1\r\nHost: h\r\n%s\r\n", cases[index].header);
        say(client, request);
        const char *answer = hear(&world, client, index < 4 ? "}\n" : "/area/x? 0");
        cr_expect_not_null(strstr(answer, cases[index].status), "%s%s", request, answer);
        cr_expect_not_null(strstr(answer, cases[index].part), "%s%s", request, answer);
    }
    http_server_use_secret(world.server, NULL);
    say(client, NOW);
    cr_expect_not_null(strstr(hear(&world, client, "b 3"), "200 OK"));
    close(client);
    world_close(&world);
}

Test(http_exchange, beyond_the_limits_is_refused)
{
    static const struct {
        const char *request;
        const char *status;
        const char *part;
    } cases[] = {
        {"GET /area/x HTTP/1.1\r\nHost: h\r\n\r\n", "405 Method Not Allowed", "Allow: POST\r\n"},
        {"POST /elsewhere HTTP/1.1\r\nHost: h\r\n\r\n", "404 Not Found", "M_UNRECOGNIZED"},
        {"POST /area/x HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n"
         "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "413 Content Too Large", "M_TOO_LARGE"},
        {"POST * HTTP/1.1\r\nHost: h\r\n\r\n", "400 Bad Request", "M_UNRECOGNIZED"},
        /* These evhttp refuses itself, and closes the connection. */
        {"POST /area/x HTTP/1.1\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n", NULL, NULL},
        {"POST /area/x HTTP/1.1\r\nExpect: nothing\r\nContent-Length: 1\r\n\r\n", "417 Expectation Failed",
         "Connection: close\r\n\r\n{\"errcode\":\"M_UNRECOGNIZED\""},
        {"TRACE /area/x HTTP/1.1\r\n\r\n", "501 Not Implemented", "M_UNRECOGNIZED"},
        {"nonsense of some length\r\n", "400 Bad Request", "Connection: close\r\n\r\n{\"errcode\":\"M_UNRECOGNIZED\""},
        {"POST /area/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n", "413 Content Too Large",
         "Connection: close\r\n\r\n{\"errcode\":\"M_TOO_LARGE\""},
    };
    struct world world;
    world_open(&world);
    int client = connect_to(&world);
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        if (index > 3) {
            close(client);
            client = connect_to(&world);
        }
        if (!cases[index].status) { /* the rest of the body is waited for */
            say(client, cases[index].request);
            turn(&world);
            continue;
        }
        say(client, cases[index].request);
        const char *answer = hear(&world, client, "}\n");
        cr_expect_not_null(strstr(answer, cases[index].status), "%s", answer);
        cr_expect_not_null(strstr(answer, cases[index].part), "%s", answer);
    }
    close(client);
    world_close(&world);
}

Test(http_exchange, beyond_what_one_client_may_have_open_is_refused)
{
    struct world world;
    world_open_with(&world, (struct http_server_settings){.open_per_client = 3});
    int clients[4];
    for (size_t index = 0; index < 4; index++)
        clients[index] = connect_to(&world);
    for (size_t index = 0; index < 3; index++) {
        say(clients[index], LATER);
        wait_for(&world, &world.held_count, index + 1);
    }
    say(clients[3], LATER);
    const char *answer = hear(&world, clients[3], "}\n");
    cr_expect_not_null(strstr(answer, "429 Too Many Requests"), "%s", answer);
    cr_expect_not_null(strstr(answer, "M_LIMIT_EXCEEDED"), "%s", answer);
    http_exchange_answer(world.held[0], 200, NULL, SLICE("{}"));
    say(clients[3], LATER);
    wait_for(&world, &world.held_count, 4);
    for (size_t index = 0; index < 4; index++)
        close(clients[index]);
    wait_for(&world, &world.gone_count, 3);
    world_close(&world);
}

/* More than the socket takes at once, so that the rest goes the slow way; and the client hangs up in the middle. */
Test(http_exchange, may_have_a_large_answer)
{
    const size_t size = 20u << 20;
    char *body = malloc(size);
    memset(body, 'x', size);
    for (int hangs_up = 0; hangs_up < 2; hangs_up++) {
        struct world world;
        world_open(&world);
        int client = connect_to(&world);
        say(client, LATER NOW);
        wait_for(&world, &world.held_count, 1);
        http_exchange_answer(world.held[0], 200, "text/plain", slice_of(body, size));
        size_t count = 0;
        bool more = true;
        while (more && !(hangs_up && count > size / 2)) {
            static char text[1 << 20];
            event_base_loop(world.base, EVLOOP_NONBLOCK);
            ssize_t got = recv(client, text, sizeof text - 1, MSG_DONTWAIT);
            count += got > 0 ? (size_t)got : 0;
            text[got > 0 ? got : 0] = '\0';
            more = got > 0 ? !strstr(text, "b 3") : errno == EAGAIN;
        }
        cr_expect_gt(count, hangs_up ? size / 2 : size);
        cr_expect_eq(http_server_busy(world.server), hangs_up ? 1 : 0);
        close(client);
        for (int index = 0; index < 20; index++)
            turn(&world);
        cr_expect_eq(http_server_busy(world.server), 0);
        cr_expect_eq(world.gone_count, 0);
        world_close(&world);
    }
    free(body);
}

Test(http_exchange, may_go_on)
{
    struct world world;
    world_open(&world);
    int client = connect_to(&world);
    say(client, NOW);
    hear(&world, client, "b 3"); /* evhttp remembers that it has answered something */
    say(client, STREAM);
    const char *answer = hear(&world, client, "first;");
    cr_expect_not_null(strstr(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "%s", answer);
    cr_expect_not_null(strstr(answer, "\r\nTransfer-Encoding: chunked\r\n"), "%s", answer);
    cr_expect_not_null(strstr(answer, "\r\nCache-Control: no-store\r\n\r\n6\r\nfirst;"), "%s", answer);
    cr_expect_eq(http_server_busy(world.server), 0, "nobody waits for its end");
    for (int index = 0; index < 5; index++)
        turn(&world);
    http_exchange_send(world.held[0], SLICE("second;"));
    answer = hear(&world, client, "second;");
    cr_expect_not_null(strstr(answer, "7\r\nsecond;"), "%s", answer);
    http_exchange_end(world.held[0]);
    answer = hear(&world, client, NULL);
    cr_expect_str_eq(strstr(answer, "0\r\n") ? strstr(answer, "0\r\n") : answer, "0\r\n\r\n");
    cr_expect_eq(world.gone_count, 0);
    close(client);
    world_close(&world);
}

Test(http_exchange, goes_on_without_chunks_for_who_does_not_know_them)
{
    struct world world;
    world_open(&world);
    int client = connect_to(&world);
    say(client, OLD_STREAM);
    wait_for(&world, &world.held_count, 1);
    http_exchange_send(world.held[0], SLICE("second;"));
    http_exchange_end(world.held[0]);
    const char *answer = hear(&world, client, NULL);
    cr_expect_null(strstr(answer, "chunked"), "%s", answer);
    cr_expect_not_null(strstr(answer, "\r\n\r\nfirst;second;"), "%s", answer);
    close(client);
    world_close(&world);
}

Test(http_exchange, that_goes_on_ends_with_its_client_and_with_the_server)
{
    struct world world;
    world_open(&world);
    int client = connect_to(&world), cut = connect_to(&world), last = connect_to(&world), old = connect_to(&world);
    say(client, STREAM);
    wait_for(&world, &world.held_count, 1);
    close(client);
    wait_for(&world, &world.gone_count, 1);
    say(cut, STREAM);
    wait_for(&world, &world.held_count, 2);
    http_exchange_cut(world.held[1]);
    cr_expect_eq(world.gone_count, 2);
    say(last, STREAM);
    say(old, OLD_STREAM);
    wait_for(&world, &world.held_count, 4);
    http_server_stop(world.server);
    world_close(&world);
    cr_expect_eq(world.gone_count, 4);
    close(cut);
    close(last);
    close(old);
}
