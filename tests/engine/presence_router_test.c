/* Rows of presence into batches, batches into routes; the observer hands on presence only when it is told to. */
#include "engine/presence_router.h"

#include <stdio.h>

#include "engine/observer.h"
#include "tests/engine/router_fixture.h"

static struct chain *chain;
static struct metrics *metrics;
static struct presence_router *router;
static struct buffer seen; /* rows of routes, "writer=token", a line each */

static void on_route(void *context, struct slice row)
{
    (void)context;
    buffer_append_slice(&seen, row);
    buffer_append_char(&seen, '\n');
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context;
    cr_assert_eq(stream, STREAM_presence);
    buffer_append_format(&seen, "%.*s=%lld\n", (int)writer.length, writer.data, (long long)token);
}

static const struct presence_router_callbacks callbacks = {.route = on_route, .position = on_position};

static void use(const char *config)
{
    router_fixture_asked = 0;
    buffer_clear(&seen);
    metrics = metrics_create();
    chain = router_fixture_chain(config, NULL, NULL);
    router = presence_router_create(chain, &callbacks, metrics);
}

static void set_up(void)
{
    use("{\"to\": [\"@w:x\"]}");
}

static void tear_down(void)
{
    presence_router_destroy(router);
    chain_destroy(chain);
    metrics_destroy(metrics);
    buffer_free(&seen);
}

static void hand_in(const char *writer, int64_t token, const char *const *rows)
{
    struct slice slices[16];
    uint32_t count = 0;
    while (rows && rows[count]) {
        slices[count] = slice_from_string(rows[count]);
        count++;
    }
    struct position_rows due = {STREAM_presence, slice_from_string(writer), token, slices, count};
    presence_router_rows(router, &due);
}
#define ROWS(writer, token, ...) hand_in(writer, token, (const char *const[]){__VA_ARGS__, NULL})

static void expect_seen(const char *wanted)
{
    cr_expect_str_eq(buffer_string(&seen), wanted);
    buffer_clear(&seen);
}

#define ONLINE(user) "[\"" user "\",\"online\",5,6,7,null,true]"
#define STATE(user)                                                                                                    \
    "{\"user_id\":\"" user                                                                                             \
    "\",\"state\":\"online\",\"last_active_ts\":5,\"last_federation_update_ts\":6,\"last_user_sync_ts\":7,"            \
    "\"status_msg\":null,\"currently_active\":true}"

TestSuite(presence_router, .init = set_up, .fini = tear_down);

Test(presence_router, rows_of_one_turn_are_asked_about_at_once)
{
    ROWS("p1", 4, ONLINE("@a:x"));
    ROWS("p1", 6, ONLINE("@b:x"), ONLINE("@c:x"));
    expect_seen("");
    presence_router_flush(router);
    expect_seen("[\"@w:x\",[" STATE("@a:x") "," STATE("@b:x") "," STATE("@c:x") "]]\np1=6\n");
    cr_expect_eq(router_fixture_asked, 1);
    presence_router_flush(router);
    expect_seen("");
    struct presence_router_counts counts = presence_router_counts(router);
    cr_expect_eq(counts.updates, 3);
    cr_expect_eq(counts.batches, 1);
    cr_expect_eq(counts.routes, 1);
}

Test(presence_router, fields_are_read_by_name_and_written_as_synapse_names_them)
{
    ROWS("p1", 1, "[\"@a:x\",\"unavailable\",1795424358828,-2,null,\"caf\\u00e9 \\ud83d\\ude00\\n\",false]");
    presence_router_flush(router);
    expect_seen("[\"@w:x\",[{\"user_id\":\"@a:x\",\"state\":\"unavailable\",\"last_active_ts\":1795424358828,"
                "\"last_federation_update_ts\":-2,\"last_user_sync_ts\":0,"
                "\"status_msg\":\"caf\\u00e9 \\ud83d\\ude00\\n\",\"currently_active\":false}]]\np1=1\n");
}

Test(presence_router, two_states_of_one_user_are_asked_about_one_after_the_other)
{
    ROWS("p1", 1, ONLINE("@a:x"));
    ROWS("p1", 2, "[\"@a:x\",\"offline\",0,0,0,null,false]");
    expect_seen("[\"@w:x\",[" STATE("@a:x") "]]\np1=1\n");
    presence_router_flush(router);
    cr_expect_not_null(strstr(buffer_string(&seen), "\"offline\""));
    cr_expect_eq(router_fixture_asked, 2);
}

Test(presence_router, writers_do_not_share_a_batch)
{
    ROWS("p1", 9, ONLINE("@a:x"));
    ROWS("p2", 3, ONLINE("@b:x"));
    expect_seen("[\"@w:x\",[" STATE("@a:x") "]]\np1=9\n");
    presence_router_flush(router);
    expect_seen("[\"@w:x\",[" STATE("@b:x") "]]\np2=3\n");
}

Test(presence_router, a_position_without_rows_is_passed_on)
{
    hand_in("p1", 12, NULL);
    presence_router_flush(router);
    expect_seen("p1=12\n");
    cr_expect_eq(router_fixture_asked, 0);
}

Test(presence_router, unreadable_rows_are_counted_and_the_others_routed)
{
    static const char good[] = ONLINE("@z:x");
    ROWS("p1", 1, "[\"@a:x\"]", "no json", "[7,\"online\",5,6,7,null,true]",
         "[\"@a:x\",\"online\",\"5\",6,7,null,true]", "[\"@a:x\",\"online\",5.5,6,7,null,true]",
         "[\"@a:x\",\"online\",9223372036854775808,6,7,null,true]", "[\"@a:x\",\"online\",5,6,7,null,\"yes\"]",
         "[\"@a:x\",\"online\",5,6,7,8,true]", good);
    presence_router_flush(router);
    expect_seen("[\"@w:x\",[" STATE("@z:x") "]]\np1=1\n");
    cr_expect_eq(presence_router_counts(router).bad_rows, 8);
}

Test(presence_router, a_batch_is_bounded)
{
    char row[96];
    for (int user = 0; user < 1000; user++) {
        snprintf(row, sizeof row, "[\"@u%d:x\",\"online\",5,6,7,null,true]", user);
        ROWS("p1", user + 1, row);
    }
    presence_router_flush(router);
    struct presence_router_counts counts = presence_router_counts(router);
    cr_expect_eq(counts.updates, 1000);
    cr_expect_geq(counts.batches, 1000 / PRESENCE_BATCH_MAXIMUM + 1);
    cr_expect_eq(counts.routes, counts.batches);
    size_t states = 0;
    for (const char *at = buffer_string(&seen); (at = strstr(at, "\"user_id\"")); at++)
        states++;
    cr_expect_eq(states, 1000);
}

Test(presence_router, a_failing_router_routes_nothing_and_the_position_goes_on)
{
    tear_down();
    use("{\"to\": [\"@w:x\"], \"broken\": [\"@a:x\"]}");
    ROWS("p1", 1, ONLINE("@a:x"));
    presence_router_flush(router);
    expect_seen("p1=1\n");
    cr_expect_eq(presence_router_counts(router).unrouted, 1);
}

Test(presence_router, another_chain_takes_over_between_two_batches)
{
    ROWS("p1", 1, ONLINE("@a:x"));
    struct chain *next = router_fixture_chain("{\"to\": [\"@v:x\"]}", NULL, NULL);
    presence_router_use_chain(router, next);
    expect_seen("[\"@w:x\",[" STATE("@a:x") "]]\np1=1\n");
    chain_destroy(chain);
    chain = next;
    ROWS("p1", 2, ONLINE("@a:x"));
    presence_router_flush(router);
    expect_seen("[\"@v:x\",[" STATE("@a:x") "]]\np1=2\n");
}

Test(presence_router, a_chain_without_routers_wants_no_presence)
{
    struct chain *without = router_fixture_chain(NULL, "keywords", "{\"patterns\": [\"x\"]}");
    cr_expect(presence_router_wanted(chain));
    cr_expect_not(presence_router_wanted(without));
    chain_destroy(without);
}

/* Through the observer. */

static void on_rows(void *context, const struct position_rows *rows)
{
    (void)context;
    presence_router_rows(router, rows);
}

static void on_judged(void *context, const struct verdict *verdict)
{
    (void)context, (void)verdict;
}

static void line(struct observer *observer, const char *text)
{
    observer_line(observer, slice_from_string(text), 0);
}

Test(presence_router, the_observer_hands_on_presence_when_it_is_asked_to)
{
    struct metrics *observer_metrics = metrics_create();
    struct observer_callbacks observer_callbacks = {.judged = on_judged, .position = on_position, .rows = on_rows};
    struct observer *observer = observer_create(
        &(struct observer_settings){.chain = chain, .instance_name = "weir1", .queue_limit = 8, .live = true},
        &observer_callbacks, observer_metrics);
    line(observer, "POSITION presence p1 3 3");
    line(observer, "RDATA presence p1 4 " ONLINE("@a:x"));
    presence_router_flush(router);
    expect_seen("");
    observer_keep(observer, STREAM_presence, true);
    line(observer, "RDATA presence p1 batch " ONLINE("@a:x"));
    line(observer, "RDATA presence p1 5 " ONLINE("@b:x"));
    line(observer, "RDATA presence p1 5 " ONLINE("@late:x"));
    line(observer, "RDATA typing t1 5 [\"!r:x\",[]]");
    line(observer, "POSITION presence p1 5 8");
    presence_router_flush(router);
    expect_seen("[\"@w:x\",[" STATE("@a:x") "," STATE("@b:x") "]]\np1=8\n");
    line(observer, "RDATA presence p1 batch " ONLINE("@a:x"));
    observer_keep(observer, STREAM_presence, false);
    line(observer, "RDATA presence p1 9 " ONLINE("@b:x"));
    presence_router_flush(router);
    expect_seen("");
    observer_destroy(observer);
    metrics_destroy(observer_metrics);
}
