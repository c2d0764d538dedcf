/* What needs no server: whom the source serves, and that each request ends once and never from within. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "replication/curl_library.h"
#include "replication/rows_http.h"

struct asker {
    struct row_source source;
    struct row_request again; /* made from within the first end; no writer: none */
    struct buffer log;
    bool asking;
};

static void on_rows(void *context, uint64_t ticket, const struct position_rows *rows)
{
    (void)context, (void)ticket, (void)rows;
    cr_assert(false, "nobody answers in these tests");
}

static void ask(struct asker *asker, uint64_t ticket, const struct row_request *request)
{
    asker->asking = true;
    asker->source.request(asker->source.context, ticket, request);
    asker->asking = false;
}

static void on_ended(void *context, uint64_t ticket, const struct row_answer *answer)
{
    struct asker *asker = context;
    cr_assert_not(asker->asking);
    cr_assert_not_null(answer->failure);
    buffer_append_format(&asker->log, "%llu: %s\n", (unsigned long long)ticket, answer->failure);
    if (!asker->again.writer.data)
        return;
    struct row_request request = asker->again;
    asker->again.writer = SLICE_ABSENT;
    ask(asker, ticket + 100, &request);
}

/* A port of the loopback at which nobody listens while the socket is held. */
static uint16_t silent_port(int *held)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *held = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(*held, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(getsockname(*held, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

static struct rows_http *start(struct event_base *base, struct asker *asker, uint16_t port)
{
    struct rows_http_writer writers[] = {{.name = "p1", .host = "127.0.0.1", .port = port},
                                         {.name = "master", .unix_path = "/nowhere/main.sock"}};
    struct rows_http_settings settings = {.writers = writers, .writer_count = 2, .timeout_ms = 5000, .verify = true};
    struct row_source_callbacks callbacks = {.context = asker, .rows = on_rows, .ended = on_ended};
    struct buffer error = {0};
    cr_assert(curl_library_load(&error), "%s", buffer_string(&error));
    struct rows_http *rows = rows_http_create(base, &settings, &callbacks);
    memset(writers, 0, sizeof writers);
    asker->source = rows_http_source(rows);
    return rows;
}

Test(rows_http, each_request_ends_once_and_not_from_within)
{
    struct event_base *base = event_base_new();
    int held;
    struct asker asker = {.again = {STREAM_events, SLICE("nobody"), 3, 4}};
    struct rows_http *rows = start(base, &asker, silent_port(&held));
    cr_expect(asker.source.serves(rows, STREAM_events, SLICE("p1")));
    cr_expect(asker.source.serves(rows, STREAM_caches, SLICE("master")));
    cr_expect_not(asker.source.serves(rows, STREAM_events, SLICE("p")));
    cr_expect_not(asker.source.serves(rows, STREAM_events, SLICE("")));

    char name[] = "nobody";
    struct row_request request = {STREAM_events, slice_from_string(name), 1, 2};
    ask(&asker, 1, &request);
    ask(&asker, 2, &request);
    memset(name, 'x', sizeof name - 1); /* the request was copied */
    ask(&asker, 3, &(struct row_request){STREAM_events, SLICE("p1"), 1, 2});
    ask(&asker, 4, &(struct row_request){STREAM_events, SLICE("master"), 1, 2});
    event_base_dispatch(base); /* returns: nothing is waited for */

    const char *log = buffer_string(&asker.log);
    uint32_t lines = 0;
    for (const char *line = log; (line = strchr(line, '\n')); line++)
        lines++;
    cr_expect_eq(lines, 5, "%s", log);
    static const char *const words[] = {
        "1: the writer has no address", "2: the writer has no address",
        "3: the writer `p1` at 127.0.0.1:", "4: the writer `master` at /nowhere/main.sock cannot be reached", "\n10"};
    for (size_t index = 0; index < sizeof words / sizeof *words; index++)
        cr_expect(strstr(log, words[index]), "%s is not in %s", words[index], log);
    rows_http_destroy(rows);
    buffer_free(&asker.log);
    event_base_free(base);
    close(held);
}

Test(rows_http, a_destroyed_source_says_nothing)
{
    struct event_base *base = event_base_new();
    int held;
    struct asker asker = {0};
    uint16_t port = silent_port(&held);
    cr_assert_eq(listen(held, 1), 0); /* it takes the connection and never answers */
    struct rows_http *rows = start(base, &asker, port);
    ask(&asker, 1, &(struct row_request){STREAM_events, SLICE("p1"), 1, 2});
    ask(&asker, 2, &(struct row_request){STREAM_events, SLICE("master"), 1, 2});
    event_base_loop(base, EVLOOP_ONCE); /* the first is connecting */
    buffer_clear(&asker.log);
    ask(&asker, 3, &(struct row_request){STREAM_events, SLICE("nobody"), 1, 2});
    rows_http_destroy(rows);
    event_base_dispatch(base);
    cr_expect_eq(asker.log.length, 0);
    buffer_free(&asker.log);
    event_base_free(base);
    close(held);
}
