/* The chooser of sources, with sources that answer as told. */
#include <criterion/criterion.h>
#include <event2/event.h>

#include "engine/audit.h"
#include "engine/catch_up.h"
#include "engine/log.h"

#define ASKED_MAXIMUM 64

static struct {
    struct event_base *base;
    struct metrics *metrics;
    struct catch_up *catch_up;
    struct row_source_callbacks answer[2]; /* to the database, to the writers */
    bool serves[2];
    struct {
        int source;
        uint64_t ticket;
        int64_t from, upto;
        char writer[16];
    } asked[ASKED_MAXIMUM];
    size_t asked_count;
    struct buffer log; /* what the owner was told */
} world;

static int source_numbers[2] = {0, 1};

static bool serves(void *context, enum stream stream, struct slice writer)
{
    (void)stream;
    return world.serves[*(int *)context] && !slice_equal(writer, SLICE("stranger"));
}

static void request(void *context, uint64_t ticket, const struct row_request *request)
{
    cr_assert_lt(world.asked_count, (size_t)ASKED_MAXIMUM);
    size_t index = world.asked_count++;
    world.asked[index].source = *(int *)context;
    world.asked[index].ticket = ticket;
    world.asked[index].from = request->from;
    world.asked[index].upto = request->upto;
    snprintf(world.asked[index].writer, sizeof world.asked[index].writer, "%.*s", (int)request->writer.length,
             request->writer.data);
}

static void on_rows(void *context, const struct position_rows *rows)
{
    (void)context;
    buffer_append_format(&world.log, "%lld;", (long long)rows->token);
}

static void on_ended(void *context, enum stream stream, struct slice writer, int64_t reached, bool limited)
{
    (void)context, (void)stream;
    buffer_append_format(&world.log, "%.*s to %lld%s;", (int)writer.length, writer.data, (long long)reached,
                         limited ? " limited" : "");
}

static const struct catch_up_owner owner = {.rows = on_rows, .ended = on_ended};

static void set_up(void)
{
    log_threshold = LOG_ERROR;
    world.base = event_base_new();
    world.metrics = metrics_create();
    world.catch_up = catch_up_create(world.base, world.metrics);
    static const char *const names[] = {"database", "writers"};
    for (int number = 0; number < 2; number++) {
        world.serves[number] = true;
        world.answer[number] = catch_up_callbacks(world.catch_up, names[number]);
        catch_up_add(world.catch_up, (struct row_source){&source_numbers[number], serves, request});
    }
}

static void tear_down(void)
{
    catch_up_destroy(world.catch_up);
    metrics_destroy(world.metrics);
    event_base_free(world.base);
    buffer_free(&world.log);
}

TestSuite(catch_up, .init = set_up, .fini = tear_down);

static void turn(void)
{
    event_base_loop(world.base, EVLOOP_NONBLOCK);
}

static bool ask(const char *writer, enum stream stream, int64_t from, int64_t upto)
{
    struct row_request wanted = {.stream = stream, .writer = slice_from_string(writer), .from = from, .upto = upto};
    bool asked = catch_up_ask(world.catch_up, &wanted, &owner);
    turn();
    return asked;
}

static void give_row(size_t index, int64_t token)
{
    struct slice row = SLICE("[\"ev\",[\"$e\",\"!r\",\"t\",null,null,null,null,false,false]]");
    struct position_rows rows = {STREAM_events, slice_from_string(world.asked[index].writer), token, &row, 1};
    struct row_source_callbacks *answer = &world.answer[world.asked[index].source];
    answer->rows(answer->context, world.asked[index].ticket, &rows);
}

static void end(size_t index, const char *failure, int64_t reached, bool limited)
{
    struct row_answer ended = {failure, reached, limited};
    struct row_source_callbacks *answer = &world.answer[world.asked[index].source];
    answer->ended(answer->context, world.asked[index].ticket, &ended);
    turn();
}

static void expect_asked(size_t index, int source, int64_t from, int64_t upto)
{
    cr_assert_lt(index, world.asked_count);
    cr_expect_eq(world.asked[index].source, source, "request %zu goes to %d", index, world.asked[index].source);
    cr_expect_eq(world.asked[index].from, from);
    cr_expect_eq(world.asked[index].upto, upto);
}

static void expect_log(const char *text)
{
    cr_expect_str_eq(buffer_string(&world.log), text);
    buffer_clear(&world.log);
}

static uint64_t metric(const char *line)
{
    struct buffer text = {0};
    metrics_render(world.metrics, &text);
    const char *found = strstr(buffer_string(&text), line);
    cr_assert_not_null(found, "%s is not in %s", line, buffer_string(&text));
    uint64_t value = strtoull(found + strlen(line), NULL, 10);
    buffer_free(&text);
    return value;
}

Test(catch_up, the_first_source_that_serves_is_asked)
{
    cr_assert(ask("w", STREAM_events, 10, 20));
    expect_asked(0, 0, 10, 20);
    give_row(0, 12);
    give_row(0, 20);
    end(0, NULL, 20, false);
    expect_log("12;20;w to 20;");
    cr_expect_not(ask("stranger", STREAM_events, 1, 2), "nobody serves it");
    world.serves[0] = false;
    cr_assert(ask("w", STREAM_events, 20, 30));
    expect_asked(1, 1, 20, 30);
    cr_expect_eq(metric("weir_catch_up_rows_total{source=\"database\"} "), 2u);
    cr_expect_eq(metric("\nweir_catch_up_waiting "), 1u);
}

Test(catch_up, a_failure_goes_on_at_the_next_source_behind_what_came)
{
    ask("w", STREAM_events, 10, 20);
    give_row(0, 15);
    end(0, "it broke", 0, false);
    expect_asked(1, 1, 15, 20);
    give_row(1, 15);
    give_row(1, 16);
    end(1, NULL, 16, true);
    expect_log("15;16;w to 16 limited;");
    cr_expect_eq(metric("weir_catch_up_failures_total{source=\"database\"} "), 1u);
}

Test(catch_up, when_all_have_failed_it_pauses_and_begins_anew)
{
    ask("w", STREAM_events, 10, 20);
    end(0, "no", 0, false);
    end(1, "no", 0, false);
    cr_expect_eq(world.asked_count, 2u, "not at once");
    while (world.asked_count < 3)
        event_base_loop(world.base, EVLOOP_ONCE);
    expect_asked(2, 0, 10, 20);
    end(2, NULL, 20, false);
    expect_log("w to 20;");
    cr_expect_eq(catch_up_waiting(world.catch_up), 0u);
}

Test(catch_up, streams_of_the_latest_state_are_given_up)
{
    ask("w", STREAM_presence, 10, 20);
    end(0, "no", 0, false);
    expect_asked(1, 1, 10, 20);
    end(1, "no", 0, false);
    expect_log("w to 20;");
}

Test(catch_up, one_request_after_another_for_a_writer)
{
    ask("w", STREAM_events, 10, 20);
    ask("w", STREAM_events, 1, 5);
    ask("v", STREAM_events, 1, 5);
    cr_assert_eq(world.asked_count, 2u);
    cr_expect_str_eq(world.asked[1].writer, "v");
    end(0, NULL, 20, false);
    expect_asked(2, 0, 1, 5);
    give_row(0, 13);
    expect_log("w to 20;");
}

Test(catch_up, nothing_is_asked_for_while_paused)
{
    catch_up_pause(world.catch_up, true);
    ask("w", STREAM_events, 10, 20);
    cr_expect_eq(world.asked_count, 0u);
    catch_up_pause(world.catch_up, false);
    turn();
    cr_expect_eq(world.asked_count, 1u);
}

/* ---- the audit on top of it */

static struct audit *audit;
static int64_t audit_position;

static bool position_of(void *context, struct slice writer, int64_t *token)
{
    (void)context, (void)writer;
    *token = audit_position;
    return true;
}

static bool late_waits;

static void on_settled(void *context, struct slice writer, int64_t token)
{
    (void)context;
    buffer_append_format(&world.log, "%.*s settled to %lld;", (int)writer.length, writer.data, (long long)token);
}

static bool waits(void *context, struct slice writer)
{
    (void)context, (void)writer;
    return late_waits;
}

static void on_missed(void *context, const struct event_row *row, struct slice writer, int64_t token)
{
    (void)context;
    buffer_append_format(&world.log, "missed %.*s of %.*s at %lld;", (int)row->event_id.length, row->event_id.data,
                         (int)writer.length, writer.data, (long long)token);
}

static void set_up_audit(void)
{
    set_up();
    struct audit_callbacks callbacks = {
        .position = position_of, .settled = on_settled, .waits = waits, .missed = on_missed};
    static const struct redis_address nowhere = {.unix_path = "/nowhere"};
    struct audit_settings settings = {.every_ms = 1, .server_name = "lab.test", .address = &nowhere};
    late_waits = false;
    audit = audit_create(world.base, &settings, world.catch_up, &callbacks, world.metrics);
    audit_start(audit);
}

static void tear_down_audit(void)
{
    audit_destroy(audit);
    tear_down();
}

TestSuite(audit, .init = set_up_audit, .fini = tear_down_audit);

static void wait_for_request(size_t count)
{
    while (world.asked_count < count)
        event_base_loop(world.base, EVLOOP_ONCE);
}

static void give_event(size_t index, int64_t token, const char *event_id)
{
    char text[128];
    snprintf(text, sizeof text, "[\"ev\",[\"%s\",\"!r\",\"t\",null,null,null,null,false,false]]", event_id);
    struct slice row = slice_from_string(text);
    struct position_rows rows = {STREAM_events, slice_from_string(world.asked[index].writer), token, &row, 1};
    world.answer[0].rows(world.answer[0].context, world.asked[index].ticket, &rows);
}

Test(audit, an_event_that_was_never_seen_is_found_once)
{
    audit_begin_at(audit, SLICE("w"), 10);
    audit_begin_at(audit, SLICE("w"), 12);
    expect_log("w settled to 10;");
    late_waits = true;
    audit_seen(audit, SLICE("w"), 11, SLICE("$11"));
    audit_seen(audit, SLICE("w"), 13, SLICE("$13a"));
    audit_seen(audit, SLICE("w"), 13, SLICE("$13b"));
    audit_position = 14;
    wait_for_request(1);
    expect_asked(0, 0, 10, 14);
    give_event(0, 11, "$11");
    give_event(0, 12, "$12");
    end(0, NULL, 12, true);
    expect_log("missed $12 of w at 12;");
    wait_for_request(2);
    expect_asked(1, 0, 12, 14);
    audit_seen(audit, SLICE("w"), 15, SLICE("$15"));
    audit_position = 15;
    give_event(1, 13, "$13a");
    give_event(1, 14, "$13b");
    end(1, NULL, 14, false);
    expect_log("missed $13b of w at 14;");
    late_waits = false;
    wait_for_request(3);
    expect_asked(2, 0, 14, 15);
    give_event(2, 15, "$15");
    end(2, NULL, 15, false);
    expect_log("w settled to 14;w settled to 15;");
    cr_expect_eq(metric("\nweir_audit_missed_total "), 2u);
    cr_expect_eq(metric("\nweir_audit_events_total "), 5u);
}

Test(audit, a_position_may_move_without_an_event)
{
    audit_position = 12;
    audit_begin_at(audit, SLICE("w"), 10);
    wait_for_request(1);
    expect_asked(0, 0, 10, 12);
    end(0, NULL, 12, false);
    audit_seen(audit, SLICE("w"), 13, SLICE("$13"));
    audit_position = 13;
    wait_for_request(2);
    give_event(1, 13, "$13");
    end(1, NULL, 13, false);
    cr_expect_null(strstr(buffer_string(&world.log), "missed"));
}

Test(audit, what_waits_for_too_long_is_given_up_and_not_judged_twice)
{
    audit_position = 1;
    audit_begin_at(audit, SLICE("w"), 0);
    expect_log("w settled to 0;");
    audit_seen(audit, SLICE("w"), 1, SLICE("$1"));
    wait_for_request(1);
    for (int64_t token = 2; token <= (1 << 20) + 1; token++)
        audit_seen(audit, SLICE("w"), token, SLICE("$x"));
    give_event(0, 1, "$1");
    end(0, NULL, 1, false);
    cr_expect_null(strstr(buffer_string(&world.log), "missed"));
    cr_expect_gt(metric("\nweir_audit_given_up_total "), (uint64_t)(1 << 19));
}
