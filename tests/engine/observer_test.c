/* The observer without servers: bodies that come later and out of order, and what its owner is told. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/clock.h"
#include "engine/log.h"
#include "engine/observer.h"

static struct {
    struct buffer log; /* "judged $1 body", "position w 5", "stop", "go" */
    struct slice asked[64];
    uint64_t tickets[64];
    unsigned asked_count;
} seen;

static void on_judged(void *context, const struct verdict *verdict)
{
    (void)context;
    buffer_append_format(&seen.log, "%.*s%s;", (int)verdict->event->event_id.length, verdict->event->event_id.data,
                         verdict->event->has_body ? "+" : "-");
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context;
    cr_assert_eq(stream, STREAM_events);
    buffer_append_format(&seen.log, "%.*s=%lld;", (int)writer.length, writer.data, (long long)token);
}

static void on_flow(void *context, bool stop)
{
    (void)context;
    buffer_append_string(&seen.log, stop ? "stop;" : "go;");
}

static void request(void *context, uint64_t ticket, struct slice event_id)
{
    (void)context;
    cr_assert_lt(seen.asked_count, 64u);
    seen.asked[seen.asked_count] = event_id;
    seen.tickets[seen.asked_count++] = ticket;
}

static struct chain *chain;
static struct metrics *metrics;
static struct observer *observer;

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    cr_assert_fail("%s: %s", path, message);
}

static void set_up(void)
{
    static const struct module_host host = {.report = on_report};
    chain = chain_create(&(struct chain_settings){0});
    json_t *config = json_pack("{s:[s]}", "patterns", "spam");
    cr_assert(chain_append(chain, module_find("keywords"), config, NULL, &host));
    json_decref(config);
    chain_seal(chain, NULL, NULL);
    metrics = metrics_create();
    struct observer_settings settings = {
        .chain = chain, .instance_name = "weir1", .bodies = {.request = request}, .queue_limit = 4, .live = true};
    struct observer_callbacks callbacks = {.judged = on_judged, .position = on_position, .flow = on_flow};
    observer = observer_create(&settings, &callbacks, metrics);
    log_threshold = LOG_ERROR;
}

static void tear_down(void)
{
    observer_destroy(observer);
    metrics_destroy(metrics);
    chain_destroy(chain);
    buffer_free(&seen.log);
}

TestSuite(observer, .init = set_up, .fini = tear_down);

static uint64_t received_ns = 1; /* 0: in a replay */

static void line(const char *text)
{
    observer_line(observer, slice_from_string(text), received_ns);
}

static void row(const char *writer, const char *token, const char *event_id)
{
    char text[256];
    snprintf(text, sizeof text, "RDATA events %s %s [\"ev\",[\"%s\",\"!r\",\"m.x\",null,null,null,null,false,false]]",
             writer, token, event_id);
    line(text);
}

static void answer(unsigned number, bool found)
{
    observer_body_arrived(observer, seen.tickets[number], found ? SLICE("{\"content\":{}}") : SLICE_ABSENT);
}

static void expect_log(const char *wanted)
{
    cr_expect_str_eq(buffer_string(&seen.log), wanted);
    buffer_clear(&seen.log);
}

Test(observer, verdicts_keep_the_order_of_the_rows)
{
    row("w", "1", "$1");
    row("w", "batch", "$2");
    row("w", "3", "$3");
    cr_assert_eq(seen.asked_count, 3u);
    answer(2, true);
    answer(1, false);
    expect_log("");
    answer(0, true);
    expect_log("$1+;w=1;$2-;$3+;w=3;");
    answer(0, true);
    expect_log("");
    cr_expect_eq(observer_counts(observer).bodies_missing, 1u);
}

Test(observer, a_position_waits_for_the_events_before_it)
{
    row("w", "1", "$1");
    line("POSITION events w 1 9");
    line("RDATA events w 10 [\"state\",[\"!r\",\"m.room.topic\",\"\",\"$1\"]]");
    expect_log("");
    answer(0, true);
    expect_log("$1+;w=10;");
    line("POSITION events w 10 12");
    expect_log("w=12;");
}

Test(observer, says_stop_and_go)
{
    for (int number = 1; number <= 6; number++) {
        char token[16];
        snprintf(token, sizeof token, "%d", number);
        row("w", token, "$x");
    }
    expect_log("stop;");
    for (unsigned number = 0; number < 6; number++)
        answer(number, true);
    expect_log("$x+;w=1;$x+;w=2;$x+;w=3;$x+;w=4;go;$x+;w=5;$x+;w=6;");
}

Test(observer, our_own_lines_are_echoes)
{
    row("weir1", "5", "$1");
    line("POSITION events weir1 7 7");
    cr_expect_eq(seen.asked_count, 0u);
    expect_log("");
}

Test(observer, a_gap_after_a_restart_is_counted_once)
{
    observer_restore(observer, STREAM_events, SLICE("w"), 5);
    line("POSITION events w 9 9");
    cr_expect_eq(observer_counts(observer).missed_ranges, 1u);
    line("POSITION events w 9 9");
    line("POSITION events w 9 11");
    line("POSITION events w 11 12");
    cr_expect_eq(observer_counts(observer).missed_ranges, 1u);
    cr_expect_eq(observer_counts(observer).unexplained, 0u);
    row("w", "5", "$old");
    row("w", "13", "$new");
    cr_expect_eq(observer_counts(observer).duplicates, 1u);
    cr_expect_eq(seen.asked_count, 1u);
}

Test(observer, rows_announced_before_they_are_published_are_judged)
{
    line("POSITION events w 5 5");
    row("w", "6", "$6");
    line("POSITION events w 9 9"); /* somebody's REPLICATE was answered ahead of the rows 8 and 9 */
    row("w", "8", "$8");
    row("w", "9", "$9");
    cr_expect_eq(seen.asked_count, 3u);
    cr_expect_eq(observer_counts(observer).unexplained, 1u);
    cr_expect_eq(observer_counts(observer).missed_ranges, 0u);
    line("POSITION events w 9 9");
    cr_expect_eq(observer_counts(observer).unexplained, 1u);
}

/* ---- rows that were missed */

static bool on_fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    (void)context, (void)stream;
    buffer_append_format(&seen.log, "fetch %.*s %lld-%lld;", (int)writer.length, writer.data, (long long)from,
                         (long long)upto);
    return true;
}

static void set_up_fetch(void)
{
    set_up();
    observer_destroy(observer);
    struct observer_settings settings = {.chain = chain, .instance_name = "weir1", .queue_limit = 4, .live = true};
    struct observer_callbacks callbacks = {.judged = on_judged, .position = on_position, .fetch = on_fetch};
    metrics_destroy(metrics);
    metrics = metrics_create();
    observer = observer_create(&settings, &callbacks, metrics);
}

TestSuite(observer_fetch, .init = set_up_fetch, .fini = tear_down);

static void fetched(int64_t token, const char *event_id)
{
    char text[128];
    snprintf(text, sizeof text, "[\"ev\",[\"%s\",\"!r\",\"m.x\",null,null,null,null,false,false]]", event_id);
    struct slice json = slice_from_string(text);
    struct position_rows rows = {STREAM_events, SLICE("w"), token, &json, 1};
    observer_fetched(observer, &rows);
}

Test(observer_fetch, what_was_missed_comes_before_what_came_meanwhile)
{
    observer_restore(observer, STREAM_events, SLICE("w"), 10);
    line("POSITION events w 15 15");
    expect_log("fetch w 10-15;");
    row("w", "17", "$17");
    fetched(12, "$12");
    fetched(12, "$12");
    observer_fetch_done(observer, STREAM_events, SLICE("w"), 12, true);
    expect_log("$12-;w=12;fetch w 12-15;");
    fetched(14, "$14");
    observer_fetch_done(observer, STREAM_events, SLICE("w"), 15, false);
    expect_log("$14-;w=14;$17-;w=17;w=17;");
    cr_expect_eq(observer_counts(observer).missed_ranges, 0u);
    cr_expect_eq(observer_counts(observer).fetched, 3u);
}

Test(observer_fetch, a_fetch_that_brings_nothing_moves_the_position)
{
    line("POSITION events w 10 10");
    line("POSITION events w 12 14");
    expect_log("w=10;fetch w 10-14;");
    observer_fetch_done(observer, STREAM_events, SLICE("w"), 14, false);
    expect_log("w=14;");
}

Test(observer_fetch, a_late_event_moves_no_position)
{
    struct event_row late = {
        .kind = EVENT_ROW_EV, .event_id = SLICE("$late"), .room_id = SLICE("!r"), .type = SLICE("t")};
    row("w", "20", "$20");
    observer_late_event(observer, &late, SLICE("w"), 15);
    expect_log("$20-;w=20;$late-;");
    cr_expect_not(observer_late_waiting(observer, SLICE("w")));
}

/* ---- what modules are told of the time */

static int64_t told[8];
static unsigned told_count;

static void *create_watch(const struct module_setup *setup)
{
    (void)setup;
    return told;
}

static void destroy_watch(void *state)
{
    (void)state;
}

static void watch(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    told[told_count++ % 8] = arguments->now_ms;
    result->value.kind = VALUE_PASS;
}

static const struct module_callback watch_callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = watch}};
static const struct module_definition watch_module = {.name = "watch",
                                                      .summary = "",
                                                      .configuration_size = 1,
                                                      .uses_body = true,
                                                      .reads_time = true,
                                                      .callbacks = watch_callbacks,
                                                      .callback_count = 1,
                                                      .create = create_watch,
                                                      .destroy = destroy_watch};

/* "$N…" was sent at N; "$x" has no body. */
static struct slice find_claim(void *context, struct slice event_id)
{
    static char body[128];
    (void)context;
    if (event_id.data[1] == 'x')
        return SLICE_ABSENT;
    snprintf(body, sizeof body, "{\"content\":{},\"origin_server_ts\":%.*s}", (int)event_id.length - 1,
             event_id.data + 1);
    return slice_from_string(body);
}

static void set_up_time(bool live)
{
    static const struct module_host host = {.report = on_report};
    chain = chain_create(&(struct chain_settings){0});
    cr_assert(chain_append(chain, &watch_module, NULL, NULL, &host));
    chain_seal(chain, NULL, NULL);
    metrics = metrics_create();
    struct observer_settings settings = {
        .chain = chain, .instance_name = "weir1", .bodies = {.find = find_claim}, .queue_limit = 4, .live = live};
    struct observer_callbacks callbacks = {.judged = on_judged, .position = on_position, .fetch = on_fetch};
    observer = observer_create(&settings, &callbacks, metrics);
    log_threshold = LOG_ERROR;
    told_count = 0;
}

Test(observer_time, of_a_replay_comes_from_the_files)
{
    set_up_time(false);
    received_ns = 0;
    observer_set_time(observer, 5000);
    row("w", "1", "$9000");
    observer_set_time(observer, 4000);
    row("w", "2", "$1");
    observer_set_time(observer, 0);
    row("w", "3", "$6000");
    row("w", "4", "$x");
    row("w", "5", "$5500");
    const int64_t wanted[] = {5000, 5000, 6000, 6000, 6000};
    cr_expect_eq(told_count, 5u);
    for (unsigned index = 0; index < 5; index++)
        cr_expect_eq(told[index], wanted[index], "%u", index);
    tear_down();
}

Test(observer_time, of_a_live_event_is_the_clocks)
{
    set_up_time(true);
    int64_t before = clock_wall_ms();
    row("w", "1", "$1");
    row("w", "2", "$9007199254740992");
    observer_late_event(observer,
                        &(struct event_row){.kind = EVENT_ROW_EV, .event_id = SLICE("$1"), .room_id = SLICE("!r")},
                        SLICE("w"), 0);
    cr_expect_eq(told_count, 3u);
    for (unsigned index = 0; index < 3; index++)
        cr_expect(told[index] >= before && told[index] <= clock_wall_ms(), "%lld", (long long)told[index]);
    tear_down();
}

/* What happened while no engine ran is no flood; but no event lies in the future, or before those judged already. */
Test(observer_time, of_what_is_caught_up_on_is_when_it_was_sent)
{
    set_up_time(true);
    int64_t before = clock_wall_ms();
    observer_restore(observer, STREAM_events, SLICE("w"), 10);
    line("POSITION events w 17 17");
    fetched(11, "$1700000000000");
    fetched(12, "$1700000001000");
    fetched(13, "$1700000000500");
    fetched(14, "$9007199254740992");
    fetched(15, "$x");
    fetched(16, "$1700000002000");
    observer_fetch_done(observer, STREAM_events, SLICE("w"), 17, false);
    row("w", "18", "$1700000002000");
    const int64_t wanted[] = {1700000000000, 1700000001000, 1700000001000, 1700000001000, 1700000001000, 1700000002000};
    cr_expect_eq(told_count, 7u);
    for (unsigned index = 0; index < 6; index++)
        cr_expect_eq(told[index], wanted[index], "%u: %lld", index, (long long)told[index]);
    cr_expect(told[6] >= before && told[6] <= clock_wall_ms());
    tear_down();
}
