/* What a case may say, and what is told where it says something else: the reading of cases, and their comparison with
 * what a chain did. Whole runs are in tests/integration/cases_test.py. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/cases_compare.h"
#include "engine/configuration_reader.h"

static struct buffer errors;

static struct case_file *read_cases(const char *text)
{
    buffer_clear(&errors);
    return case_file_read_text("cases.yaml", slice_from_string(text), "hs", &errors);
}

static void expect_errors(const char *text, const char *expected)
{
    struct case_file *file = read_cases(text);
    cr_expect_null(file);
    cr_expect_str_eq(buffer_string(&errors), expected, "%s", buffer_string(&errors));
    case_file_destroy(file);
}

static void expect_event(const char *text, const char *expected)
{
    struct buffer whole = {0};
    buffer_append_format(&whole, "cases:\n  - {name: a, expect: pass, %s}\n", text);
    struct case_file *file = read_cases(buffer_string(&whole));
    cr_assert_not_null(file, "%s", buffer_string(&errors));
    char *event = json_dumps(file->cases[0].event, JSON_COMPACT | JSON_SORT_KEYS);
    cr_expect_str_eq(event, expected, "%s", event);
    free(event);
    case_file_destroy(file);
    buffer_free(&whole);
}

Test(cases, short_forms_make_whole_events)
{
    expect_event("text: hi", "{\"content\":{\"body\":\"hi\",\"msgtype\":\"m.text\"},\"room_id\":\"!room:hs\","
                             "\"sender\":\"@somebody:hs\",\"type\":\"m.room.message\"}");
    expect_event("membership: join, sender: '@a:b', room: '!r:b'",
                 "{\"content\":{\"membership\":\"join\"},\"room_id\":\"!r:b\",\"sender\":\"@a:b\",\"state_key\":"
                 "\"@a:b\",\"type\":\"m.room.member\"}");
    expect_event("event: {type: x, content: {a: [1]}, unsigned: {}}, state_key: ''",
                 "{\"content\":{\"a\":[1]},\"room_id\":\"!room:hs\",\"sender\":\"@somebody:hs\",\"state_key\":\"\","
                 "\"type\":\"x\",\"unsigned\":{}}");
}

Test(cases, defaults_give_way_to_the_case)
{
    struct case_file *file = read_cases("defaults: {sender: '@d:hs', every: 5s}\ncases:\n"
                                        "  - {name: a, text: x, expect: pass}\n"
                                        "  - {name: b, event: {sender: '@e:hs'}, every: 2m, expect: pass}\n"
                                        "  - {name: c, event: {sender: '@e:hs'}, sender: '@f:hs', expect: pass}\n");
    static const char *const senders[] = {"@d:hs", "@e:hs", "@f:hs"};
    static const int64_t every[] = {5000, 120000, 5000};
    cr_assert_not_null(file, "%s", buffer_string(&errors));
    for (size_t index = 0; index < 3; index++) {
        cr_expect_str_eq(json_string_value(json_object_get(file->cases[index].event, "sender")), senders[index]);
        cr_expect_eq(file->cases[index].every_ms, every[index]);
    }
    case_file_destroy(file);
}

Test(cases, mistakes_are_told_with_their_place)
{
    expect_errors("cases:\n  - {nme: a, text: 5, expect: pas}\n",
                  "cases.yaml:2:5: cases[0]: has no `name`\n"
                  "cases.yaml:2:6: cases[0].nme: unknown key; did you mean `name`?\n"
                  "cases.yaml:2:20: cases[0].text: must be a text, but is an integer\n"
                  "cases.yaml:2:31: cases[0].expect: must be one of: any, pass, deny, change, fail\n");
    expect_errors("cases:\n  - {name: a, callback: user_may_invit, expect: pass}\n",
                  "cases.yaml:2:25: cases[0].callback: unknown callback; did you mean `user_may_invite`?\n");
    expect_errors("cases:\n  - {name: a, callback: user_may_invite, arguments: {inviter: '@a:hs'}, expect: pass}\n",
                  "cases.yaml:2:53: cases[0].arguments: the argument `invitee` must be a text\n");
    expect_errors("cases:\n  - {name: a, text: x, repeat: 3, expect: {first: pass, 4: deny, 2-1: deny, lst: deny}}\n",
                  "cases.yaml:2:60: cases[0].expect.4: must be `first`, `last`, a number or two such as `1-5`, of the "
                  "3 that `repeat` says\n"
                  "cases.yaml:2:71: cases[0].expect.2-1: must be `first`, `last`, a number or two such as `1-5`, of "
                  "the 3 that `repeat` says\n"
                  "cases.yaml:2:82: cases[0].expect.lst: must be `first`, `last`, a number or two such as `1-5`, of "
                  "the 3 that `repeat` says\n");
    expect_errors("cases:\n  - {name: a, text: x, services: {u: {bdy: 1, status: 7}}}\n",
                  "cases.yaml:2:5: cases[0]: has no `expect`\n"
                  "cases.yaml:2:38: cases[0].services.u: `status` must be from 100 to 599\n"
                  "cases.yaml:2:39: cases[0].services.u: unknown key; did you mean `body`?\n");
    expect_errors("case: []\n", "cases.yaml:1:1: case: unknown key; did you mean `cases`?\n"
                                "cases.yaml:1:1: cases: must be a list of cases\n");
}

/* Asks a chain of two modules. */
struct compared {
    const struct case_expectation *expectation;
    bool good;
    struct buffer difference;
};

static void on_answer(void *context, const struct case_answer *answer)
{
    struct compared *compared = context;
    compared->good = case_compare(compared->expectation, answer, &compared->difference);
}

static void expect_difference(const char *test, const char *expected)
{
    struct case_services *services = case_services_create();
    struct configuration *configuration = configuration_load_text(
        "weir.yaml",
        SLICE("server_name: hs\nmodules:\n  - {module: keywords, dry_run: true, name: trial, config: {words: [y]}}\n"
              "  - {module: keywords, name: words, config: {words: [x]}}\n"
              "  - {module: http_service, config: {url: 'http://u/', callbacks: [user_may_create_room_alias]}}\n"
              "  - {module: censor, config: {rules: [{list: [z]}]}}\n"),
        CONFIGURATION_FOR_REPLAY, case_services_interface(services), false, &errors, NULL);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    struct buffer whole = {0};
    buffer_append_format(&whole, "cases:\n  - {name: a, %s}\n", test);
    struct case_file *file = read_cases(buffer_string(&whole));
    cr_assert_not_null(file, "%s", buffer_string(&errors));
    struct case_asker *asker = case_asker_create(configuration, services);
    struct compared compared = {.expectation = &file->cases[0].expectations[0]};
    const struct case_question question = {&file->cases[0], 1, 1, 1000};
    cr_assert(case_ask(asker, &question, on_answer, &compared, &errors), "%s", buffer_string(&errors));
    cr_expect_eq(compared.good, !*expected);
    cr_expect_str_eq(buffer_string(&compared.difference), expected, "%s", buffer_string(&compared.difference));
    case_asker_destroy(asker);
    buffer_free(&compared.difference);
    buffer_free(&whole);
    case_file_destroy(file);
    configuration_destroy(configuration);
    case_services_destroy(services);
}

Test(cases, what_is_expected_is_compared)
{
    expect_difference("text: w, expect: pass", "");
    expect_difference("text: x, expect: deny", "");
    expect_difference("text: x, expect: {module: words, rule: x, code: M_FORBIDDEN, reason: listed}", "");
    expect_difference("text: x, expect: {module: keywords}", "");
    expect_difference("text: x, expect: {module: trial}",
                      "expected deny by trial; got deny by words, rule \"x\": body holds a listed word (M_FORBIDDEN)");
    expect_difference("text: y, expect: {verdict: pass, dry_run: trial}", "");
    expect_difference("text: y, expect: {verdict: pass, dry_run: words}",
                      "expected pass, with a denial in dry_run by words; got pass, and a denial in dry_run by trial");
    expect_difference("text: z, expect: {changed: {content: {body: '*'}}}", "");
    expect_difference("text: z, expect: {changed: {content: {body: z}}, verdict: change}",
                      "expected to be changed to something with {\"content\":{\"body\":\"z\"}}; got "
                      "{\"content\":{\"body\":\"*\",\"msgtype\":\"m.text\"},\"event_id\":\"$case1-1\","
                      "\"origin_server_ts\":1000,\"room_id\":\"!room:hs\",\"sender\":\"@somebody:hs\",\"type\":"
                      "\"m.room.message\"}");
    expect_difference("text: w, expect: {value: {code: M_FORBIDDEN}}",
                      "expected the value {\"code\":\"M_FORBIDDEN\"}; got \"NOT_SPAM\"");
}

#define ALIAS "callback: user_may_create_room_alias, arguments: {user_id: '@a:hs', room_alias: '#b:hs'}, "

Test(cases, services_answer_what_the_case_says)
{
    expect_difference(ALIAS "services: {'http://u/': {body: {code: M_LIMIT_EXCEEDED}}}, expect: {code: "
                            "M_LIMIT_EXCEEDED}",
                      "");
    expect_difference(ALIAS "services: {'http://u/': {error: gone}}, expect: pass", "");
    expect_difference(ALIAS "services: {'http://other/': {error: gone}}, expect: pass",
                      "a module asks http://u/, and the case does not say under `services` what that answers");
}
