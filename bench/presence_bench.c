/* From rows of the presence stream to rows of presence_routes: 10,000 users and 100 routes with 300 of them each, so
 * that a state goes to three users. Against yyjson alone reading the same rows.
 *
 * Rows are handed in as the observer does, each under a token of its own, and routed in batches as large as the router
 * lets them grow. What comes out is counted and thrown away. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json_pool.h"
#include "base/memory.h"
#include "bench/figure.h"
#include "engine/presence_router.h"

#define USERS 10000u
#define ROUTES 100u
#define USERS_OF_A_ROUTE 300u
#define ROUNDS 4
#define RUNS 15

struct work {
    struct slice rows[USERS];
    struct presence_router *router;
    struct json_pool pool;
    uint64_t routes; /* rows of presence_routes of one pass */
    uint64_t bytes;
    uint64_t checksum; /* keeps the compiler from leaving work out */
    int64_t token;
};

static void parse_alone(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < USERS; index++) {
        yyjson_doc *document = json_pool_read(&work->pool, work->rows[index], YYJSON_READ_NOFLAG);
        work->checksum += yyjson_doc_get_val_count(document);
    }
}

static void route(void *context)
{
    struct work *work = context;
    work->routes = work->bytes = 0;
    for (size_t index = 0; index < USERS; index++) {
        struct position_rows rows = {STREAM_presence, SLICE("presence1"), ++work->token, &work->rows[index], 1};
        presence_router_rows(work->router, &rows);
    }
    presence_router_flush(work->router);
}

static void on_route(void *context, struct slice row)
{
    struct work *work = context;
    work->routes++;
    work->bytes += row.length;
    work->checksum += (unsigned char)row.data[row.length / 2];
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    struct work *work = context;
    (void)stream, (void)writer;
    work->checksum += (uint64_t)token;
}

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    bench_fail("%s: %s", path, message);
}

static struct chain *make_chain(void)
{
    static const struct module_host host = {.report = on_report};
    const struct module_definition *definition = module_find("presence_router");
    if (!definition)
        bench_fail("there is no presence router");
    json_t *routes = json_array();
    char user[32];
    for (unsigned route = 0; route < ROUTES; route++) {
        json_t *from = json_array();
        for (unsigned index = 0; index < USERS_OF_A_ROUTE; index++) {
            snprintf(user, sizeof user, "@u%05u:bench.example", (route * 100 + index * 33) % USERS);
            json_array_append_new(from, json_string(user));
        }
        snprintf(user, sizeof user, "@watcher%03u:bench.example", route);
        json_array_append_new(routes, json_pack("{s:s, s:o}", "to", user, "from", from));
    }
    json_t *config = json_pack("{s:o}", "routes", routes);
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "bench.example"});
    if (!chain_append(chain, definition, config, NULL, &host) || !chain_seal(chain, NULL, NULL))
        bench_fail("the chain could not be built");
    json_decref(config);
    return chain;
}

static void make_rows(struct work *work)
{
    static const char *const states[] = {"online", "unavailable", "offline"};
    char text[160];
    for (unsigned user = 0; user < USERS; user++) {
        int length = snprintf(text, sizeof text, "[\"@u%05u:bench.example\",\"%s\",%llu,%llu,%llu,%s,%s]", user,
                              states[user % 3], 1795424358800ull + user, 1795424358900ull + user,
                              user % 5 ? 1795424358700ull + user : 0, user % 4 ? "null" : "\"out to lunch\"",
                              user % 3 ? "false" : "true");
        work->rows[user] = slice_of(memory_copy_text(text, (size_t)length), (size_t)length);
    }
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 2)
        bench_fail("usage: presence_bench JSON");
    struct work work = {0};
    struct metrics *metrics = metrics_create();
    struct chain *chain = make_chain();
    struct presence_router_callbacks callbacks = {.context = &work, .route = on_route, .position = on_position};
    work.router = presence_router_create(chain, &callbacks, metrics);
    make_rows(&work);
    struct figure rate = {.name = "presence_routes_per_second",
                          .reference = "time of yyjson alone for the same rows of presence",
                          .unit = "routes/s"};
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair seconds = figure_measure(route, parse_alone, &work, ROUNDS);
        if (run > 0)
            figure_add(&rate, seconds.ours / seconds.reference, (double)work.routes * ROUNDS / seconds.ours);
    }
    struct presence_router_counts counts = presence_router_counts(work.router);
    if (counts.bad_rows || counts.failures || !work.routes)
        bench_fail("presence was not routed");
    fprintf(stderr, "bench: %u updates of presence make %llu routes of %llu bytes\n", USERS,
            (unsigned long long)work.routes, (unsigned long long)work.bytes);
    figure_report(&rate, arguments[1]);
    for (unsigned user = 0; user < USERS; user++)
        free((char *)(uintptr_t)work.rows[user].data);
    presence_router_destroy(work.router);
    chain_destroy(chain);
    metrics_destroy(metrics);
    json_pool_free(&work.pool);
    return 0;
}
