/* How a status is written: what is not there, and numbers in their places. What it says of a running engine,
 * tests/integration/admin_test.py compares with what happened. */
#include "engine/status.h"

#include <criterion/criterion.h>
#include <yyjson.h>

#include "engine/metrics.h"

static struct buffer json;
static yyjson_doc *document;

static void tear_down(void)
{
    buffer_free(&json);
    yyjson_doc_free(document);
}

TestSuite(status, .fini = tear_down);

/* The value at a JSON pointer; the text is read anew if `whole`. */
static yyjson_val *at(const char *pointer)
{
    if (!document) {
        buffer_append_char(&json, '}');
        document = yyjson_read(json.data, json.length, 0);
        cr_assert(document, "%s", buffer_string(&json));
    }
    return yyjson_doc_ptr_get(document, pointer);
}

static void write_status(const struct status *status)
{
    buffer_append_char(&json, '{');
    status_append_engine(status, &json);
    status_append_backtest(status, &json);
}

Test(status, what_is_not_there_is_null)
{
    struct latency none = {0};
    write_status(&(struct status){.server_name = "x",
                                  .instance = "weir1",
                                  .role = "alone",
                                  .latency = &none,
                                  .requests_latency = &none,
                                  .redis = SLICE("r"),
                                  .path = "p"});
    static const char *const nulls[] = {"/missing",     "/configuration/last", "/bodies/source", "/catch_up/since",
                                        "/latency/p50", "/latency/maximum",    "/requests/p99",  "/backtest"};
    for (size_t index = 0; index < sizeof nulls / sizeof *nulls; index++)
        cr_expect(yyjson_is_null(at(nulls[index])), "%s", nulls[index]);
    cr_expect(yyjson_is_true(at("/ready")), "nothing is missing");
    cr_expect(yyjson_is_false(at("/works")));
    cr_expect_str_eq(yyjson_get_str(at("/version")), WEIR_VERSION);
}

Test(status, counts_and_times_are_in_their_places)
{
    static struct latency latency;
    latency_record(&latency, 2000000);
    struct reload_result last = {
        .cause = "SIGHUP", .at = 1795700000, .seconds = 0.25, .errors = SLICE("a: \"b\"\nc\n"), .warnings = SLICE("")};
    write_status(&(struct status){.missing = "no Redis",
                                  .now = 5,
                                  .last_reload = &last,
                                  .refused_reloads = 1,
                                  .bodies = "postgres",
                                  .bodies_ready = true,
                                  .ranges = 2,
                                  .fetching_since = 4,
                                  .events = {.judged = 100,
                                             .changed = 1,
                                             .denied = 20,
                                             .failed = 3,
                                             .dry_run = 7,
                                             .waiting = 9,
                                             .parked = 4,
                                             .fetched = 11,
                                             .bodies_missing = 6},
                                  .latency = &latency,
                                  .requests = {.answered = 50, .denied = 8},
                                  .requests_latency = &latency,
                                  .backtest = 3});
    static const struct {
        const char *pointer;
        int64_t value;
    } numbers[] = {{"/now", 5},
                   {"/configuration/refused", 1},
                   {"/configuration/last/at", 1795700000000},
                   {"/bodies/waiting", 5},
                   {"/bodies/missing", 6},
                   {"/catch_up/ranges", 2},
                   {"/catch_up/rows", 11},
                   {"/catch_up/since", 4},
                   {"/events/passed", 76},
                   {"/events/dry_run", 7},
                   {"/latency/count", 1},
                   {"/requests/answered", 50},
                   {"/requests/denied", 8},
                   {"/backtest/at", 3}};
    for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++)
        cr_expect_eq(yyjson_get_sint(at(numbers[index].pointer)), numbers[index].value, "%s", numbers[index].pointer);
    cr_expect(yyjson_is_false(at("/ready")));
    cr_expect(yyjson_is_true(at("/catch_up/busy")));
    cr_expect_float_eq(yyjson_get_real(at("/latency/p50")), 0.002, 0.0001);
    cr_expect_str_eq(yyjson_get_str(at("/configuration/last/errors/0")), "a: \"b\"");
    cr_expect_str_eq(yyjson_get_str(at("/configuration/last/errors/1")), "c");
    cr_expect_eq(yyjson_arr_size(at("/configuration/last/warnings")), 0);
}

static const struct {
    struct writer_standing standing;
    const char *json;
} writers[] = {
    {{STREAM_events, SLICE("p\"1"), WRITER_LIVE, true, 5120, 5125, 2, 1000000000},
     "{\"stream\":\"events\",\"writer\":\"p\\\"1\",\"position\":5120,\"newest\":5125,\"behind\":5,\"lag\":2.000,"
     "\"state\":\"live\",\"held\":2}"},
    {{STREAM_events, SLICE("p1"), WRITER_LIVE, true, 7, 7, 0, 0},
     "{\"stream\":\"events\",\"writer\":\"p1\",\"position\":7,\"newest\":7,\"behind\":0,\"lag\":0.000,"
     "\"state\":\"live\",\"held\":0}"},
    {{STREAM_presence, SLICE("p1"), WRITER_WAITING, false, 0, 0, 0, 0},
     "{\"stream\":\"presence\",\"writer\":\"p1\",\"position\":null,\"newest\":null,\"behind\":null,\"lag\":null,"
     "\"state\":\"waiting\",\"held\":0}"},
    {{STREAM_events, SLICE("p1"), WRITER_FETCHING, true, -3, 7, 0, 4000000000},
     "{\"stream\":\"events\",\"writer\":\"p1\",\"position\":-3,\"newest\":7,\"behind\":10,\"lag\":0.000,"
     "\"state\":\"fetching\",\"held\":0}"},
};

Test(status, writers)
{
    for (size_t index = 0; index < sizeof writers / sizeof *writers; index++) {
        buffer_clear(&json);
        status_append_writer(&writers[index].standing, 3000000000, &json);
        cr_expect_str_eq(buffer_string(&json), writers[index].json);
    }
}

static void pass(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state, (void)arguments;
    result->value.kind = VALUE_PASS;
}

static void *create(const struct module_setup *setup)
{
    return (void *)(uintptr_t)setup->server_name;
}

static void destroy(void *state)
{
    (void)state;
}

Test(status, a_module)
{
    static const struct module_callback callbacks[] = {{.callback = CALLBACK_user_may_invite, .function = pass},
                                                       {.callback = CALLBACK_check_event_for_spam, .function = pass}};
    static const struct module_definition definition = {
        .name = "guard", .callbacks = callbacks, .callback_count = 2, .create = create, .destroy = destroy};
    static const struct module_host host;
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    struct module_options options = {.dry_run = true};
    cr_assert(chain_append(chain, &definition, NULL, &options, &host));
    cr_assert(chain_seal(chain, NULL, NULL));
    struct status_module module = {
        .chain = chain, .label = "guard", .path = "weir.yaml", .line = 12, .denied_events = 3};
    status_append_module(&module, &json);
    cr_expect_str_eq(
        buffer_string(&json),
        "{\"index\":0,\"module\":\"guard\",\"label\":\"guard\",\"place\":\"weir.yaml:12\",\"dry_run\":true,"
        "\"dry_run_configured\":false,\"callbacks\":[\"check_event_for_spam\",\"user_may_invite\"],"
        "\"asked\":0,\"denied\":3,\"dry_runs\":0,\"raised\":0,\"nanoseconds\":null}");
    struct module_counts counts = {.asked = 8, .nanoseconds = 100, .denied_questions = 2, .raised = 1, .dry_runs = 4};
    chain_set_module_counts(chain, 0, &counts);
    buffer_clear(&json);
    status_append_module(&module, &json);
    cr_expect(
        strstr(buffer_string(&json), "\"asked\":8,\"denied\":5,\"dry_runs\":4,\"raised\":1,\"nanoseconds\":12.5}"),
        "%s", buffer_string(&json));
    chain_destroy(chain);
}
