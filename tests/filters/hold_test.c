/* Who is held, for what, how long, and how it ends. */
#include "base/keyed_hash.h"
#include "filters/chain_state.h"
#include "filters/chain_walk.h"
#include "tests/filters/modules_fixture.h"

#define START 1700000000000
#define MINUTE 60000

/* `hold` before a module that refuses the word "cheap". */
static void open_hold(struct module_fixture *fixture, const char *configuration)
{
    modules_begin(fixture);
    cr_assert(modules_append(fixture, "hold", configuration, NULL), "%s", fixture->reports);
    cr_assert(modules_append(fixture, "keywords", "{\"words\": \"cheap\"}", NULL));
    modules_seal(fixture);
    cr_assert_str_eq(fixture->reports, "");
}

static const char *sends_to(struct module_fixture *fixture, int64_t now_ms, const char *user, const char *room,
                            const char *text)
{
    static int number;
    static char body[512];
    snprintf(body, sizeof body,
             "{\"event_id\":\"$to%d\",\"room_id\":\"%s\",\"type\":\"m.room.message\",\"sender\":\"%s\",\"content\":{"
             "\"body\":\"%s\"}}",
             ++number, room, user, text);
    return modules_judge(fixture, now_ms, body, JUDGE_BOTH, false);
}

Test(hold, after_one_refusal)
{
    for (int semantics = 0; semantics < 2; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        open_hold(&fixture, "{}");
        cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "");
        cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "cheap"), "keywords");
        cr_expect_str_eq(modules_message(&fixture, START + MINUTE, "@a:x", "hello"), "hold");
        EXPECT_SLICE(fixture.outcome.result.reason, "held until 2023-11-14T22:23:20Z, after 1 refusal by keywords");
        EXPECT_SLICE(fixture.outcome.result.rule, "keywords");
        EXPECT_SLICE(fixture.outcome.result.evidence, "@a:x");
        cr_expect_str_eq(modules_message(&fixture, START + MINUTE, "@b:x", "hello"), "");
        cr_expect_str_eq(sends_to(&fixture, START + 9 * MINUTE, "@a:x", "!other:x", "hello"), "hold");
        cr_expect_str_eq(modules_message(&fixture, START + 10 * MINUTE, "@a:x", "hello"), "", "it ends by itself");
        fixture_close(&fixture);
    }
}

/* Its own refusals are no proof: else nobody would get out who goes on trying. */
Test(hold, is_not_prolonged_by_trying)
{
    struct module_fixture fixture = {0};
    open_hold(&fixture, "{\"minutes\": 5}");
    modules_message(&fixture, START, "@a:x", "cheap");
    for (int minute = 1; minute < 5; minute++)
        cr_expect_str_eq(modules_message(&fixture, START + minute * MINUTE, "@a:x", "cheap"), "hold");
    cr_expect_str_eq(modules_message(&fixture, START + 5 * MINUTE, "@a:x", "hello"), "");
    fixture_close(&fixture);
}

Test(hold, prolongs_if_asked_to)
{
    struct module_fixture fixture = {0};
    open_hold(&fixture, "{\"minutes\": 5, \"prolong\": true}");
    modules_message(&fixture, START, "@a:x", "cheap");
    cr_expect_str_eq(modules_message(&fixture, START + 4 * MINUTE, "@a:x", "hello"), "hold");
    EXPECT_SLICE(fixture.outcome.result.reason, "held until 2023-11-14T22:22:20Z, after 1 refusal by keywords");
    cr_expect_str_eq(modules_message(&fixture, START + 8 * MINUTE, "@a:x", "hello"), "hold");
    cr_expect_str_eq(modules_message(&fixture, START + 13 * MINUTE, "@a:x", "hello"), "");
    fixture_close(&fixture);
}

/* Both callbacks, and Synapse once more when it has stored the event: one refusal, by the module that refused it. */
Test(hold, counts_an_event_once)
{
    struct module_fixture fixture = {0};
    const char *body = "{\"event_id\":\"$e\",\"room_id\":\"!r:x\",\"type\":\"m.room.message\",\"sender\":\"@a:x\","
                       "\"content\":{\"body\":\"cheap\"}}";
    open_hold(&fixture, "{\"after\": 2}");
    for (int time = 0; time < 5; time++) {
        cr_expect_str_eq(modules_judge(&fixture, START, body, JUDGE_EVENT_FOR_SPAM, false), "keywords");
        cr_expect_str_eq(modules_judge(&fixture, START, body, JUDGE_BOTH, false), "keywords");
    }
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "cheap"), "keywords");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "hold");
    EXPECT_SLICE(fixture.outcome.result.reason, "held until 2023-11-14T22:23:20Z, after 2 refusals by keywords");
    cr_expect_str_eq(modules_judge(&fixture, START, body, JUDGE_BOTH, false), "keywords", "one event, one answer");
    fixture_close(&fixture);
}

Test(hold, refusals_grow_old)
{
    struct module_fixture fixture = {0};
    open_hold(&fixture, "{\"after\": 2, \"minutes\": 8}");
    modules_message(&fixture, START, "@a:x", "cheap");
    modules_message(&fixture, START + 10 * MINUTE, "@a:x", "cheap");
    cr_expect_str_eq(modules_message(&fixture, START + 10 * MINUTE, "@a:x", "hello"), "");
    modules_message(&fixture, START + 17 * MINUTE, "@a:x", "cheap");
    cr_expect_str_eq(modules_message(&fixture, START + 17 * MINUTE, "@a:x", "hello"), "hold");
    fixture_close(&fixture);
}

Test(hold, in_the_room_only)
{
    struct module_fixture fixture = {0};
    open_hold(&fixture, "{\"scope\": \"room\"}");
    sends_to(&fixture, START, "@a:x", "!one:x", "cheap");
    cr_expect_str_eq(sends_to(&fixture, START, "@a:x", "!one:x", "hello"), "hold");
    cr_expect_str_eq(sends_to(&fixture, START, "@a:x", "!two:x", "hello"), "");
    fixture.now_ms = START;
    fixture_ask(&fixture, CALLBACK_user_may_create_room, "{\"user_id\": \"@a:x\", \"room_config\": {}}");
    cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED);
    fixture_close(&fixture);
}

/* Everything of theirs, but leaving. */
Test(hold, other_callbacks)
{
    struct module_fixture fixture = {0};
    open_hold(&fixture, "{}");
    modules_message(&fixture, START, "@a:x", "cheap");
    fixture.now_ms = START;
    static const struct {
        enum callback callback;
        const char *arguments;
    } rows[] = {
        {CALLBACK_user_may_join_room, "{\"user_id\": \"@%s:x\", \"room_id\": \"!r:x\", \"is_invited\": true}"},
        {CALLBACK_user_may_invite, "{\"inviter\": \"@%s:x\", \"invitee\": \"@c:x\", \"room_id\": \"!r:x\"}"},
        {CALLBACK_user_may_create_room, "{\"user_id\": \"@%s:x\", \"room_config\": {}}"},
        {CALLBACK_on_create_room,
         "{\"requester\": {\"user_id\": \"@%s:x\"}, \"config\": {}, \"is_requester_admin\": false}"},
    };
    for (size_t index = 0; index < 2 * sizeof rows / sizeof *rows; index++) {
        char arguments[256];
        const char *user = index % 2 ? "b" : "a", *at = strstr(rows[index / 2].arguments, "%s");
        snprintf(arguments, sizeof arguments, "%.*s%s%s", (int)(at - rows[index / 2].arguments),
                 rows[index / 2].arguments, user, at + 2);
        fixture_ask(&fixture, rows[index / 2].callback, arguments);
        cr_expect_eq(fixture.outcome.kind == OUTCOME_PASSED, index % 2, "%s", arguments);
    }
    const char *leave = "{\"room_id\":\"!r:x\",\"type\":\"m.room.member\",\"sender\":\"@a:x\",\"state_key\":\"@%s:x\","
                        "\"content\":{\"membership\":\"leave\"}}";
    for (int kick = 0; kick < 2; kick++) {
        char body[256];
        const char *at = strstr(leave, "%s");
        snprintf(body, sizeof body, "%.*s%s%s", (int)(at - leave), leave, kick ? "c" : "a", at + 2);
        cr_expect_str_eq(modules_judge(&fixture, START, body, JUDGE_BOTH, false), kick ? "hold" : "");
    }
    fixture_close(&fixture);
}

/* A refused join counts, too; a user whom a search does not find has done nothing. */
Test(hold, what_counts)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "hold", "{}", NULL));
    cr_assert(modules_append(&fixture, "room_list", "{\"deny\": \"!bad:x\"}", NULL));
    cr_assert(modules_append(&fixture, "names", "{\"patterns\": \"casino\"}", NULL), "%s", fixture.reports);
    modules_seal(&fixture);
    fixture.now_ms = START;
    fixture_ask(&fixture, CALLBACK_check_username_for_spam,
                "{\"user_profile\": {\"user_id\": \"@c:x\", \"display_name\": \"casino\", \"avatar_url\": null}, "
                "\"requester_id\": \"@b:x\"}");
    cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
    cr_expect_str_eq(modules_message(&fixture, START, "@b:x", "hello"), "");
    fixture_ask(&fixture, CALLBACK_user_may_join_room,
                "{\"user_id\": \"@a:x\", \"room_id\": \"!bad:x\", \"is_invited\": false}");
    cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "hold");
    fixture_close(&fixture);
}

Test(hold, only_named_modules_count)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "hold", "{\"modules\": [\"links\"]}", NULL));
    cr_assert(modules_append(&fixture, "keywords", "{\"words\": \"cheap\"}", NULL));
    cr_assert(modules_append(&fixture, "links", "{\"deny\": \"bad.example\"}", NULL));
    modules_seal(&fixture);
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "cheap"), "keywords");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "https://bad.example"), "links");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "hold");
    fixture_close(&fixture);
    cr_expect_not(fixture_open(&fixture, "hold", "{\"modules\": [\"rate\", \"keyword\"]}"));
    cr_expect_str_eq(fixture.reports, "modules[1]: no module is called that; did you mean `keywords`?\n");
    fixture_close(&fixture);
    cr_expect_not(fixture_open(&fixture, "hold", "{\"page\": \"held\"}"));
    fixture_close(&fixture);
}

/* A module in dry_run refuses nobody, so nobody is held for it; a hold in dry_run learns and refuses nobody. */
Test(hold, dry_runs)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "hold", "{}", "{\"dry_run\": true}"));
    cr_assert(modules_append(&fixture, "keywords", "{\"words\": \"cheap\"}", NULL));
    cr_assert(modules_append(&fixture, "links", "{\"deny\": \"bad.example\"}", "{\"dry_run\": true}"));
    modules_seal(&fixture);
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "https://bad.example"), "");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "");
    cr_expect_eq(chain_module_counts(fixture.chain, 0).dry_runs, 0);
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "cheap"), "keywords");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "");
    cr_expect_eq(chain_module_counts(fixture.chain, 0).dry_runs, 2, "by both callbacks");
    fixture_close(&fixture);
}

/* Whom `except` leaves out is not watched, either; and of a trial nothing is remembered. */
Test(hold, selectors_and_trials)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "trust", "{\"sources\": [{\"users\": \"@mod:x\"}]}", NULL));
    cr_assert(modules_append(&fixture, "hold", "{}", "{\"except\": {\"tags\": \"trusted\"}}"));
    cr_assert(modules_append(&fixture, "keywords", "{\"words\": \"cheap\"}", NULL));
    modules_seal(&fixture);
    cr_expect_str_eq(modules_message(&fixture, START, "@mod:x", "cheap"), "keywords");
    cr_expect_str_eq(modules_message(&fixture, START, "@mod:x", "hello"), "");
    modules_judge(&fixture, START,
                  "{\"event_id\":\"$t\",\"room_id\":\"!r:x\",\"type\":\"m.room.message\",\"sender\":\"@a:x\","
                  "\"content\":{\"body\":\"cheap\"}}",
                  JUDGE_BOTH, true);
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "hello"), "");
    fixture_close(&fixture);
}

/* A second hold is not fed by the first, unless it names it. */
Test(hold, two_of_them)
{
    for (int named = 0; named < 2; named++) {
        struct module_fixture fixture = {0};
        modules_begin(&fixture);
        cr_assert(modules_append(&fixture, "hold", "{}", NULL));
        cr_assert(modules_append(&fixture, "hold",
                                 named ? "{\"after\": 3, \"minutes\": 60, \"page\": \"\", \"modules\": [\"hold\", "
                                         "\"keywords\"]}"
                                       : "{\"after\": 3, \"minutes\": 60, \"page\": \"\"}",
                                 NULL));
        cr_assert(modules_append(&fixture, "keywords", "{\"words\": \"cheap\"}", NULL));
        modules_seal(&fixture);
        cr_expect_str_eq(fixture.reports, "");
        modules_message(&fixture, START, "@a:x", "cheap");
        modules_message(&fixture, START, "@a:x", "one");
        modules_message(&fixture, START, "@a:x", "two");
        cr_expect_str_eq(modules_message(&fixture, START + 20 * MINUTE, "@a:x", "three"), named ? "hold" : "");
        fixture_close(&fixture);
    }
}

static const char *page(struct module_fixture *fixture, const char *method, const char *query, const char *body)
{
    static struct buffer output;
    void *state;
    const struct web_resource *resource = chain_resource(fixture->chain, SLICE("/_weir/held"), &state);
    cr_assert_not_null(resource);
    cr_expect(resource->closed);
    buffer_clear(&output);
    struct web_response response = {.status = 200, .body = &output};
    resource->serve(state,
                    &(struct web_request){slice_from_string(method), slice_from_string(query), slice_from_string(body)},
                    &response);
    return buffer_string(&output);
}

Test(hold, is_listed_and_cleared)
{
    struct module_fixture fixture = {0};
    open_hold(&fixture, "{\"scope\": \"room\"}");
    cr_expect_str_eq(page(&fixture, "GET", "", ""), "{\"held\":[],\"total\":0}\n");
    sends_to(&fixture, START, "@a:x", "!one:x", "cheap");
    sends_to(&fixture, START + MINUTE, "@a:x", "!two:x", "cheap");
    sends_to(&fixture, START + MINUTE, "@b:x", "!one:x", "cheap");
    cr_expect_str_eq(page(&fixture, "GET", "user=@b:x", ""),
                     "{\"held\":[{\"user_id\":\"@b:x\",\"room_id\":\"!one:x\",\"until_ms\":1700000660000,"
                     "\"refusals\":1,\"module\":\"keywords\"}],\"total\":1}\n");
    cr_expect_not_null(strstr(page(&fixture, "GET", "", ""), "\"total\":3"));
    cr_expect_not_null(strstr(page(&fixture, "GET", "user=%40a%3Ax", ""), "\"total\":2"));
    cr_expect_str_eq(page(&fixture, "POST", "", "{\"release\": \"@a:x\"}"), "{\"released\":2}\n");
    cr_expect_str_eq(sends_to(&fixture, START + MINUTE, "@a:x", "!one:x", "hello"), "");
    cr_expect_str_eq(sends_to(&fixture, START + MINUTE, "@b:x", "!one:x", "hello"), "hold");
    static const char *const bad[] = {"", "[]", "{}", "{\"release\": 5}",
                                      "{\"release\": \"@b:x\", \"release_all\": true}"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        cr_expect_not_null(strstr(page(&fixture, "POST", "", bad[index]), "errcode"), "%s", bad[index]);
    cr_expect_str_eq(page(&fixture, "POST", "", "{\"release_all\": true}"), "{\"released\":1}\n");
    cr_expect_str_eq(sends_to(&fixture, START + MINUTE, "@b:x", "!one:x", "hello"), "");
    /* One whose time is over is not shown. */
    sends_to(&fixture, START + 2 * MINUTE, "@c:x", "!one:x", "cheap");
    sends_to(&fixture, START + 13 * MINUTE, "@d:x", "!one:x", "hello");
    cr_expect_str_eq(page(&fixture, "GET", "", ""), "{\"held\":[],\"total\":0}\n");
    fixture_close(&fixture);
}

Test(hold, of_too_many_those_that_began_first_end)
{
    struct module_fixture fixture = {0};
    char user[32];
    open_hold(&fixture, "{\"capacity\": 16}");
    for (int number = 0; number < 20; number++) {
        snprintf(user, sizeof user, "@u%d:x", number);
        modules_message(&fixture, START + number, user, "cheap");
    }
    for (int number = 0; number < 20; number++) {
        snprintf(user, sizeof user, "@u%d:x", number);
        cr_expect_str_eq(modules_message(&fixture, START + MINUTE, user, "hello"), number < 4 ? "" : "hold", "%s",
                         user);
    }
    fixture_close(&fixture);
}

Test(hold, is_remembered)
{
    for (int seeded = 0; seeded < 2; seeded++) {
        struct module_fixture fixture = {0}, other = {0};
        keyed_hash_seed = seeded ? 99 : 0;
        open_hold(&fixture, "{\"after\": 2}");
        modules_message(&fixture, START, "@a:x", "cheap");
        modules_message(&fixture, START, "@a:x", "cheap");
        modules_message(&fixture, START, "@b:x", "cheap");
        modules_message(&fixture, START, "@a:x", "cheap");
        EXPECT_FIGURE(&fixture, "held", 1);
        EXPECT_FIGURE(&fixture, "hits_total", 3);
        EXPECT_FIGURE(&fixture, "refusals_total", 1);
        EXPECT_FIGURE(&fixture, "forgotten_total", 0);
        struct buffer snapshot = {0};
        struct chain_state_counts counts = {0};
        const char *problem = NULL;
        chain_state_save(fixture.chain, &snapshot);
        keyed_hash_seed = 0;
        open_hold(&other, "{\"after\": 2}");
        cr_expect(chain_state_restore(other.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
        cr_expect_eq(counts.restored, 1);
        cr_expect_str_eq(modules_message(&other, START, "@a:x", "hello"), "hold");
        EXPECT_SLICE(other.outcome.result.reason, "held until 2023-11-14T22:23:20Z, after 2 refusals by keywords");
        cr_expect_str_eq(modules_message(&other, START, "@b:x", "cheap"), "keywords");
        cr_expect_str_eq(modules_message(&other, START, "@b:x", "hello"), "hold", "the first refusal is remembered");
        buffer_free(&snapshot);
        fixture_close(&fixture);
        fixture_close(&other);
    }
}

/* A clock that is set back by days holds nobody for days. */
Test(hold, a_clock_that_was_set_back)
{
    struct module_fixture fixture = {0};
    open_hold(&fixture, "{}");
    modules_message(&fixture, START, "@a:x", "cheap");
    cr_expect_str_eq(modules_message(&fixture, START - MINUTE, "@a:x", "hello"), "hold");
    cr_expect_str_eq(modules_message(&fixture, START - 86400000, "@a:x", "hello"), "");
    fixture_close(&fixture);
}

/* A question that waited for somebody is told of late, with the time at which it was asked. */
Test(hold, is_remembered_also_where_time_did_not_go_on)
{
    struct module_fixture fixture = {0}, other = {0};
    struct buffer snapshot = {0};
    struct chain_state_counts counts = {0};
    const char *problem = NULL;
    open_hold(&fixture, "{}");
    open_hold(&other, "{}");
    modules_message(&fixture, START, "@a:x", "cheap");
    modules_message(&fixture, START - 200, "@b:x", "cheap");
    chain_state_save(fixture.chain, &snapshot);
    cr_expect(chain_state_restore(other.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1);
    cr_expect_str_eq(modules_message(&other, START, "@a:x", "hello"), "hold");
    cr_expect_str_eq(modules_message(&other, START, "@b:x", "hello"), "hold");
    buffer_free(&snapshot);
    fixture_close(&fixture);
    fixture_close(&other);
}
