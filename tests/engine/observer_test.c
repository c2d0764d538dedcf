/* The observer without servers: bodies that come later and out of order, and what its owner is told. */
#include <criterion/criterion.h>
#include <stdio.h>

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

static void line(const char *text)
{
    observer_line(observer, slice_from_string(text), 1);
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
