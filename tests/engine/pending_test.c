/* Events that wait for a service: rooms apart, positions, what is stored of what is ahead of them, reloads, failures.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/engine/waiting_module.h"

static struct {
    struct buffer log; /* "$1;" passed, "$1!;" denied, "w=5;" */
    struct slice asked[64];
    uint64_t tickets[64];
    unsigned asked_count;
    unsigned ahead;
} seen;
static struct chain *chain;
static struct metrics *metrics;
static struct observer *observer;

static void on_judged(void *context, const struct verdict *verdict)
{
    (void)context;
    static const char *const marks[] = {
        [OUTCOME_PASSED] = "", [OUTCOME_CHANGED] = "*", [OUTCOME_DENIED] = "!", [OUTCOME_FAILED] = "?"};
    struct slice rows = verdict->dry_runs, row;
    while (verdict_next_row(&rows, &row))
        buffer_append_format(&seen.log, "%.*s\n", (int)row.length, row.data);
    buffer_append_format(&seen.log, "%.*s%s;", (int)verdict->event->event_id.length, verdict->event->event_id.data,
                         marks[verdict->outcome->kind]);
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context;
    cr_assert_eq(stream, STREAM_events);
    buffer_append_format(&seen.log, "%.*s=%lld;", (int)writer.length, writer.data, (long long)token);
}

static void on_ahead(void *context, enum stream stream, struct slice writer)
{
    (void)context, (void)writer;
    cr_assert_eq(stream, STREAM_events);
    seen.ahead++;
}

static void on_flow(void *context, bool stop)
{
    (void)context;
    buffer_append_string(&seen.log, stop ? "stop;" : "go;");
}

static void on_chain_unused(void *context, struct chain *unused)
{
    (void)context;
    buffer_append_string(&seen.log, "unused;");
    chain_destroy(unused);
}

static void request(void *context, uint64_t ticket, struct slice event_id)
{
    (void)context;
    cr_assert_lt(seen.asked_count, 64u);
    seen.asked[seen.asked_count] = event_id;
    seen.tickets[seen.asked_count++] = ticket;
}

static struct slice find(void *context, struct slice event_id)
{
    (void)context, (void)event_id;
    return SLICE("{\"sender\":\"@a:lab.test\",\"content\":{}}");
}

static void begin(struct body_source bodies, bool ask_as_synapse)
{
    metrics = metrics_create();
    struct observer_settings settings = {.chain = chain,
                                         .instance_name = "weir1",
                                         .bodies = bodies,
                                         .ask_as_synapse = ask_as_synapse,
                                         .queue_limit = 6,
                                         .live = true};
    struct observer_callbacks callbacks = {.judged = on_judged,
                                           .position = on_position,
                                           .ahead = on_ahead,
                                           .flow = on_flow,
                                           .chain_unused = on_chain_unused};
    observer = observer_create(&settings, &callbacks, metrics);
}

static void end(void)
{
    observer_destroy(observer);
    metrics_destroy(metrics);
}

static void set_up(void)
{
    log_threshold = LOG_ERROR;
    chain = waiting_chain("first");
    begin((struct body_source){0}, false);
}

static void tear_down(void)
{
    end();
    chain_destroy(chain);
    cr_expect_eq(waiting.states, 0u);
    free(waiting.questions);
    buffer_free(&seen.log);
}

TestSuite(pending, .init = set_up, .fini = tear_down);

static void row(const char *writer, const char *token, const char *event_id, const char *room, const char *type)
{
    char text[256];
    snprintf(text, sizeof text, "RDATA events %s %s [\"ev\",[\"%s\",\"%s\",\"%s\",null,null,null,null,false,false]]",
             writer, token, event_id, room, type);
    observer_line(observer, slice_from_string(text), 1);
}

static void reply(const char *event_id, const char *text)
{
    waiting_reply(observer, waiting_question(event_id), text);
}

static void expect_log(const char *wanted)
{
    cr_expect_str_eq(buffer_string(&seen.log), wanted);
    buffer_clear(&seen.log);
}

static void expect_ahead(const char *writer, const char *wanted)
{
    struct buffer record = {0};
    observer_append_ahead(observer, STREAM_events, slice_from_string(writer), &record);
    cr_expect_str_eq(buffer_string(&record), wanted);
    buffer_free(&record);
}

Test(pending, other_rooms_go_on_and_the_room_waits)
{
    row("w", "1", "$1", "!a", "t.pass");
    row("w", "2", "$2", "!a", "t.ask");
    row("w", "3", "$3", "!a", "t.deny");
    row("w", "4", "$4", "!b", "t.deny");
    row("v", "5", "$5", "!b", "t.pass");
    row("w", "6", "$6", "!b", "t.ask");
    row("v", "7", "$7", "!a", "t.pass");
    expect_log("$1;w=1;$4!;$5;v=5;");
    expect_ahead("w", "[4,2,3]");
    expect_ahead("v", "");
    cr_expect_eq(observer_counts(observer).waiting, 4u);
    cr_expect_eq(observer_parked(observer), 2u);
    reply("$6", "deny");
    expect_log("$6!;");
    expect_ahead("w", "[6,2,3]");
    reply("$2", "deny");
    expect_log("$2!;w=2;$3!;w=6;$7;v=7;");
    expect_ahead("w", "");
    cr_expect_eq(observer_counts(observer).denied, 4u);
    cr_expect_eq(observer_module_denials(observer, 0), 4u);
    cr_expect_eq(observer_counts(observer).judged, 7u);
    cr_expect_eq(observer_counts(observer).waiting, 0u);
}

Test(pending, the_next_of_the_room_may_wait_too)
{
    row("w", "1", "$1", "!a", "t.ask");
    row("w", "2", "$2", "!a", "t.ask");
    row("w", "3", "$3", "!a", "t.pass");
    cr_expect_eq(waiting.count, 1u);
    reply("$1", "again");
    expect_log("");
    reply("$1", NULL);
    expect_log("$1;w=1;");
    cr_expect_eq(waiting.count, 3u, "now $2 is asked about");
    reply("$2", "pass");
    expect_log("$2;w=2;$3;w=3;");
    observer_answered(observer, 77, &(struct service_answer){.arrived = true});
    expect_log("");
}

Test(pending, rows_of_one_token_are_told_apart)
{
    row("w", "batch", "$1", "!a", "t.pass");
    row("w", "batch", "$2", "!b", "t.ask");
    row("w", "batch", "$3", "!b", "t.pass");
    row("w", "7", "$4", "!c", "t.pass");
    expect_log("$1;$4;");
    expect_ahead("w", "[7,[7,\"$2\"],[7,\"$3\"]]");
    reply("$2", "pass");
    expect_log("$2;$3;w=7;");
    row("w", "batch", "$5", "!a", "t.pass");
    row("w", "8", "$6", "!b", "t.ask");
    expect_log("$5;");
    expect_ahead("w", "[8,[8,\"$6\"]]");
}

Test(pending, positions_pass_over_what_does_not_wait)
{
    row("w", "1", "$1", "!a", "t.ask");
    observer_line(observer, SLICE("POSITION events w 1 1"), 1);
    observer_line(observer, SLICE("POSITION events w 1 9"), 1);
    cr_expect_eq(seen.ahead, 0u, "nothing was judged");
    expect_ahead("w", "");
    row("w", "10", "$10", "!a", "t.ask");
    row("w", "11", "$11", "!b", "t.pass");
    cr_expect_gt(seen.ahead, 0u);
    expect_ahead("w", "[11,1,10]");
    expect_log("$11;");
    reply("$1", "pass");
    expect_log("$1;w=9;");
    expect_ahead("w", "[11,10]");
    reply("$10", "pass");
    expect_log("$10;w=11;");
    expect_ahead("w", "");
}

static void restart(int64_t position, const char *record)
{
    end();
    waiting.count = 0;
    begin((struct body_source){0}, false);
    observer_restore(observer, STREAM_events, SLICE("w"), position);
    observer_restore_ahead(observer, STREAM_events, SLICE("w"), slice_from_string(record));
    char line[64];
    snprintf(line, sizeof line, "POSITION events w %lld %lld", (long long)position, (long long)position);
    observer_line(observer, slice_from_string(line), 1);
    buffer_clear(&seen.log);
}

Test(pending, a_restart_judges_what_is_left_and_nothing_twice)
{
    restart(1, "[7,2,[5,\"$5b\"],7]");
    row("w", "2", "$2", "!a", "t.ask");
    row("w", "3", "$3", "!a", "t.deny");
    row("w", "4", "$4", "!b", "t.deny");
    expect_log("");
    expect_ahead("w", "[7,2,[5,\"$5b\"],7]");
    reply("$2", "pass");
    expect_log("$2;w=4;");
    expect_ahead("w", "[7,[5,\"$5b\"],7]");
    row("w", "batch", "$5a", "!c", "t.deny");
    row("w", "5", "$5b", "!c", "t.deny");
    expect_log("$5b!;w=5;");
    expect_ahead("w", "[7,7]");
    row("w", "7", "$7", "!c", "t.pass");
    row("w", "8", "$8", "!c", "t.pass");
    expect_log("$7;w=7;$8;w=8;");
    expect_ahead("w", "");
    cr_expect_eq(observer_counts(observer).judged_before, 3u);
    cr_expect_eq(observer_counts(observer).judged, 4u);
}

Test(pending, a_record_that_the_stream_jumps_over_is_done_with)
{
    restart(1, "[7,2]");
    observer_line(observer, SLICE("POSITION events w 20 20"), 1);
    row("w", "21", "$21", "!a", "t.ask");
    expect_log("");
    cr_expect_eq(observer_counts(observer).unexplained, 1u, "which is how a loss of token 2 is told");
    expect_ahead("w", "[7]");
    reply("$21", "pass");
    expect_log("$21;w=21;");
    expect_ahead("w", "");
}

Test(pending, a_record_that_cannot_be_read_is_passed_over)
{
    log_threshold = LOG_ERROR + 1;
    restart(1, "[7,2");
    row("w", "2", "$2", "!a", "t.pass");
    expect_log("$2;w=2;");
}

Test(pending, bodies_of_other_rooms_are_not_waited_for)
{
    end();
    begin((struct body_source){.request = request}, true);
    row("w", "1", "$1", "!a", "t.pass");
    row("w", "2", "$2", "!a", "t.pass");
    row("w", "3", "$3", "!b", "t.pass");
    cr_assert_eq(seen.asked_count, 3u, "the sender decides who is asked, and stands in the body");
    observer_body_arrived(observer, seen.tickets[2], SLICE("{}"));
    observer_body_arrived(observer, seen.tickets[1], SLICE("{}"));
    expect_log("$3;");
    expect_ahead("w", "[3,1,2]");
    observer_body_arrived(observer, seen.tickets[0], SLICE_ABSENT);
    expect_log("$1;w=1;$2;w=3;");
    cr_expect_eq(observer_counts(observer).bodies_missing, 1u);
}

Test(pending, what_waits_stops_the_lines)
{
    char token[8], id[8];
    for (int number = 1; number <= 7; number++) {
        snprintf(token, sizeof token, "%d", number);
        snprintf(id, sizeof id, "$%d", number);
        row("w", token, id, "!a", number == 1 ? "t.ask" : "t.pass");
    }
    expect_log("stop;");
    reply("$1", "pass");
    expect_log("$1;w=1;$2;w=2;$3;w=3;$4;w=4;$5;w=5;$6;w=6;$7;w=7;go;");
}

Test(pending, the_old_chain_finishes_what_it_asked)
{
    row("w", "1", "$1", "!a", "t.ask");
    row("w", "2", "$2", "!a", "t.ask");
    row("w", "3", "$3", "!b", "t.ask");
    struct chain *second = waiting_chain("second"), *third = waiting_chain("third");
    observer_use_chain(observer, second);
    chain = third;
    cr_expect_eq(waiting.states, 3u);
    expect_log("");
    reply("$1", "deny");
    expect_log("$1!;w=1;");
    cr_expect_str_eq(waiting_question("$2")->chain, "second");
    cr_expect_eq(observer_module_denials(observer, 0), 0u, "the new chain denied nothing");
    observer_use_chain(observer, third);
    cr_expect_eq(waiting.states, 3u, "each of the old ones is waited for");
    reply("$2", "pass");
    expect_log("$2;w=2;unused;");
    reply("$3", "deny");
    expect_log("$3!;w=3;unused;");
    cr_expect_eq(waiting.states, 1u);
    row("w", "4", "$4", "!b", "t.deny");
    expect_log("$4!;w=4;");
    cr_expect_eq(observer_module_denials(observer, 0), 1u);
}

Test(pending, a_chain_nobody_waits_in_goes_at_once)
{
    struct chain *second = waiting_chain("second");
    observer_use_chain(observer, second);
    chain = second;
    expect_log("unused;");
    cr_expect_eq(waiting.states, 1u);
    struct chain *third = waiting_chain("third");
    row("w", "1", "$1", "!a", "t.ask");
    observer_use_chain(observer, third);
    chain = third;
    end();
    begin((struct body_source){0}, false);
    expect_log("unused;");
}

Test(pending, giving_up_fails_what_waits)
{
    row("w", "1", "$1", "!a", "t.ask");
    row("w", "2", "$2", "!a", "t.ask");
    row("w", "3", "$3", "!b", "t.ask");
    observer_give_up(observer, "nobody");
    char *sorted = strstr(buffer_string(&seen.log), "$3;");
    cr_expect_not_null(sorted);
    cr_expect_eq(observer_counts(observer).waiting, 0u);
    cr_expect_eq(observer_counts(observer).judged, 3u);
}

/* A chain whose first module is in dry_run. */
static void with_dry_run(void)
{
    end();
    chain_destroy(chain);
    chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    waiting_append(chain, "dry", true);
    waiting_append(chain, "live", false);
    cr_assert(chain_seal(chain, NULL, NULL));
    begin((struct body_source){.find = find}, false);
}

#define DRY_ROW(id, reason)                                                                                            \
    "{\"event_id\":\"" id "\",\"room_id\":\"!a\",\"sender\":null,\"type\":\"%s\",\"callback\":"                        \
    "\"check_event_for_spam\",\"result\":{\"code\":\"M_FORBIDDEN\",\"fields\":{}},\"module\":\"waiting\",\"rule\":"    \
    "null,\"reason\":\"" reason "\",\"stream\":\"events\",\"instance\":\"w\",\"token\":%d,\"origin\":\"observe\","     \
    "\"dry_run\":true}\n"

Test(pending, dry_runs_are_rows_of_their_own)
{
    with_dry_run();
    char wanted[2048];
    row("w", "1", "$1", "!a", "t.deny");
    snprintf(wanted, sizeof wanted, DRY_ROW("$1", "$1") "$1!;w=1;", "t.deny", 1);
    expect_log(wanted);
    cr_expect_eq(observer_counts(observer).denied, 1u);
    cr_expect_eq(observer_module_denials(observer, 0), 0u);
    cr_expect_eq(observer_module_denials(observer, 1), 1u);
    row("w", "2", "$2", "!a", "t.ask");
    row("w", "3", "$3", "!b", "t.deny");
    reply("$2", "deny");
    snprintf(wanted, sizeof wanted,
             "\"room_id\":\"!b\""); /* the row of $3, then nothing: $2 now waits for the live module */
    cr_expect_not_null(strstr(buffer_string(&seen.log), wanted));
    buffer_clear(&seen.log);
    reply("$2", "pass");
    snprintf(wanted, sizeof wanted, DRY_ROW("$2", "asked") "$2;w=3;", "t.ask", 2);
    expect_log(wanted);
    struct buffer text = {0};
    metrics_render(metrics, &text);
    cr_expect_not_null(strstr(buffer_string(&text), "weir_module_dry_run_total{module=\"waiting\"} 3\n"));
    cr_expect_not_null(strstr(buffer_string(&text), "weir_events_denied_total 2\n"));
    buffer_free(&text);
}

Test(pending, failures_are_told_from_refusals)
{
    row("w", "1", "$1", "!a", "t.raise");
    expect_log("$1?;w=1;");
    struct buffer text = {0};
    metrics_render(metrics, &text);
    cr_expect_not_null(strstr(buffer_string(&text), "weir_module_raised_total{module=\"waiting\"} 1\n"));
    cr_expect_not_null(strstr(buffer_string(&text), "weir_events_failed_total 1\n"));
    cr_expect_not_null(strstr(buffer_string(&text), "weir_events_denied_total 0\n"));
    buffer_free(&text);
}

Test(pending, a_chain_that_needs_bodies_after_one_that_did_not)
{
    static const struct module_host host = {.report = waiting_report};
    end();
    begin((struct body_source){.request = request}, false);
    row("w", "1", "$1", "!a", "t.ask");
    row("w", "2", "$2", "!a", "t.pass");
    cr_expect_eq(seen.asked_count, 0u);
    chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    json_t *config = json_pack("{s:[s]}", "patterns", "spam");
    cr_assert(chain_append(chain, module_find("keywords"), config, NULL, &host));
    json_decref(config);
    cr_assert(chain_seal(chain, NULL, NULL));
    observer_use_chain(observer, chain);
    reply("$1", "pass");
    expect_log("$1;w=1;unused;");
    cr_assert_eq(seen.asked_count, 1u, "$2 is judged by the new chain, which needs its body");
    observer_body_arrived(observer, seen.tickets[0],
                          SLICE("{\"type\":\"m.room.message\",\"content\":{\"body\":\"spam\"}}"));
    expect_log("$2!;w=2;");
}
