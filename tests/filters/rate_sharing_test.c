/* `shared: redis` as the module sees it: what it asks, what it makes of the answers, and when it asks nobody. The test
 * plays Redis; with the real one it is tested in tests/engine/shared_rate_test.c and tests/integration. */
#include "filters/chain_state.h"
#include "filters/service.h"
#include "filters/shared_rates.h"
#include "tests/filters/module_fixture.h"

#define START 1700000000000

struct others {
    struct module_fixture fixture; /* first: its reports are ours */
    struct shared_rates rates;
    struct module_services services;
    struct arena arena;
    struct walk walk;
    struct event event;
    int members;
    unsigned asked;
    const char *refusal; /* if set, nobody can be asked */
    bool empty;          /* the event's body */
    char once[400], keys[3][400];
    struct shared_bucket buckets[3];
    struct rate_limit limits[3];
    uint32_t count;
    int64_t now_ms;
};

static void on_join(void *context)
{
    ((struct others *)context)->members++;
}

static void on_leave(void *context)
{
    ((struct others *)context)->members--;
}

static void copy_text(char *to, size_t size, struct slice text)
{
    snprintf(to, size, "%.*s", slice_present(text) ? (int)text.length : 0, slice_present(text) ? text.data : "");
}

static uint64_t on_ask(void *context, const struct shared_question *question, const char **refusal)
{
    struct others *others = context;
    *refusal = others->refusal;
    if (others->refusal)
        return 0;
    cr_assert_leq(question->count, 3);
    copy_text(others->once, sizeof others->once, question->once);
    others->count = question->count;
    others->now_ms = question->now_ms;
    for (uint32_t index = 0; index < question->count; index++) {
        others->buckets[index] = question->buckets[index];
        others->limits[index] = *question->buckets[index].limit;
        copy_text(others->keys[index], sizeof others->keys[index], question->buckets[index].key);
    }
    return ++others->asked;
}

static void begin(struct others *others, const char *config)
{
    struct module_host host = {.context = others, .report = fixture_report, .services = &others->services};
    json_t *values = json_loads(config, 0, NULL);
    *others = (struct others){.rates = {others, on_join, on_leave, on_ask}};
    others->services.rates = &others->rates;
    others->fixture.chain = chain_create(&(struct chain_settings){.server_name = "example.org"});
    cr_assert(chain_append(others->fixture.chain, module_find("rate"), values, NULL, &host), "%s",
              others->fixture.reports);
    json_decref(values);
    chain_seal(others->fixture.chain, NULL, NULL);
}

static void end(struct others *others)
{
    chain_destroy(others->fixture.chain);
    arena_free(&others->arena);
    cr_expect_eq(others->members, 0);
}

/* Asks about an event of this sender and id ("": none). */
static enum walk_state ask_about(struct others *others, const char *sender, const char *id, bool trial)
{
    arena_reset(&others->arena);
    others->event = (struct event){.sender = slice_from_string(sender),
                                   .event_id = *id ? slice_from_string(id) : SLICE_ABSENT,
                                   .room_id = SLICE("!r:x"),
                                   .type = SLICE("m.t"),
                                   .body = others->empty ? SLICE("") : SLICE("{\"0123456789\":\"0123456789\"}"),
                                   .has_body = true};
    struct callback_arguments arguments = {
        .event = &others->event, .count = 1, .arena = &others->arena, .now_ms = START, .trial = trial};
    return walk_begin(&others->walk, others->fixture.chain, CALLBACK_check_event_for_spam, &arguments);
}

static enum outcome_kind answer(struct others *others, int status)
{
    const struct service_answer answered = {
        .arrived = status >= 0, .status = status, .error = status < 0 ? SLICE("nobody knows") : SLICE_ABSENT};
    cr_assert_eq(walk_resume(&others->walk, &answered), WALK_ENDED);
    return others->walk.outcome.kind;
}

#define TWO_RULES                                                                                                      \
    "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"10/m\", \"burst\": 3}, {\"key\": \"sender_room\", \"cost\": "    \
    "\"bytes\", \"rate\": \"100/s\", \"burst\": 1000}]}"

Test(rate_sharing, what_is_asked)
{
    struct others others;
    begin(&others, TWO_RULES);
    cr_expect_eq(others.members, 1);
    cr_expect(chain_may_wait(others.fixture.chain, CALLBACK_check_event_for_spam));
    cr_expect(chain_may_wait(others.fixture.chain, CALLBACK_check_event_allowed));
    cr_expect_not(chain_may_wait(others.fixture.chain, CALLBACK_user_may_join_room));
    cr_assert_eq(ask_about(&others, "@a:x", "$1", false), WALK_PENDING);
    cr_expect_eq(others.walk.ticket, 1u);
    cr_expect_eq(others.count, 2u);
    cr_expect_eq(others.now_ms, START);
    cr_expect_eq(others.buckets[0].cost, 1);
    cr_expect_eq(others.buckets[0].number, 1);
    cr_expect_eq(others.limits[0].burst, 3);
    cr_expect_eq(others.buckets[1].cost, 27);
    cr_expect_eq(others.buckets[1].number, 2);
    cr_expect_str_eq(others.keys[0] + 16, "/@a:x");
    cr_expect_str_eq(others.keys[1] + 16, "/@a:x !r:x");
    cr_expect_str_eq(others.once + 16, "/event/$1");
    cr_expect_neq(memcmp(others.keys[0], others.keys[1], 16), 0);
    cr_expect_eq(answer(&others, 0), OUTCOME_PASSED);
    /* The same event again is known, another without an id is not. */
    cr_expect_eq(ask_about(&others, "@a:x", "$1", false), WALK_ENDED);
    cr_expect_eq(ask_about(&others, "@a:x", "", false), WALK_PENDING);
    cr_expect_str_eq(others.once, "");
    cr_expect_eq(answer(&others, 2), OUTCOME_DENIED);
    EXPECT_SLICE(others.walk.outcome.result.rule, "100 bytes/s for each sender in a room");
    EXPECT_SLICE(others.walk.outcome.result.evidence, "@a:x");
    cr_expect_eq(others.asked, 2u);
    end(&others);
}

/* The own buckets have seen a part of what the shared ones have: what they refuse needs no question. */
Test(rate_sharing, what_is_refused_here_is_not_asked)
{
    struct others others;
    begin(&others, "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"1/h\", \"burst\": 3}]}");
    for (int time = 0; time < 3; time++) {
        cr_assert_eq(ask_about(&others, "@a:x", "", false), WALK_PENDING);
        cr_expect_eq(answer(&others, 0), OUTCOME_PASSED);
    }
    for (int time = 0; time < 5; time++) {
        cr_expect_eq(ask_about(&others, "@a:x", "", false), WALK_ENDED);
        cr_expect_eq(others.walk.outcome.kind, OUTCOME_DENIED);
    }
    cr_assert_eq(ask_about(&others, "@b:x", "$1", false), WALK_PENDING);
    cr_expect_eq(answer(&others, 1), OUTCOME_DENIED);
    cr_expect_eq(ask_about(&others, "@b:x", "$1", false), WALK_ENDED);
    cr_expect_eq(others.walk.outcome.kind, OUTCOME_DENIED);
    cr_expect_eq(others.asked, 4u);
    end(&others);
}

Test(rate_sharing, when_nobody_answers)
{
    static const struct {
        const char *on_error;
        int passed; /* of five */
    } rows[] = {{"local", 2}, {"pass", 5}, {"deny", 0}};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        for (int refused = 0; refused < 2; refused++) {
            struct others others;
            char config[200];
            int passed = 0;
            snprintf(config, sizeof config,
                     "{\"shared\": \"redis\", \"on_error\": \"%s\", \"rules\": [{\"rate\": \"2/h\"}]}",
                     rows[row].on_error);
            begin(&others, config);
            others.refusal = refused ? "nobody is there" : NULL;
            for (int time = 0; time < 5; time++) {
                bool pending = ask_about(&others, "@a:x", "", false) == WALK_PENDING;
                cr_expect(!refused || !pending);
                passed += (pending ? answer(&others, -1) : others.walk.outcome.kind) == OUTCOME_PASSED;
            }
            cr_expect_eq(passed, rows[row].passed, "%s: %d", rows[row].on_error, passed);
            if (strcmp(rows[row].on_error, "deny") == 0) {
                EXPECT_SLICE(others.walk.outcome.result.rule, "on_error");
                EXPECT_SLICE(others.walk.outcome.result.reason, refused ? "nobody is there" : "nobody knows");
            }
            end(&others);
        }
}

Test(rate_sharing, a_trial_and_a_chain_that_shares_nothing_ask_nobody)
{
    struct others others;
    begin(&others, "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"2/h\"}]}");
    for (int time = 0; time < 5; time++)
        cr_expect_eq(ask_about(&others, "@a:x", "", true), WALK_ENDED);
    cr_expect_eq(others.asked, 0u);
    end(&others);
    begin(&others, "{\"rules\": [{\"rate\": \"2/h\"}]}");
    cr_expect_not(chain_may_wait(others.fixture.chain, CALLBACK_check_event_for_spam));
    cr_expect_eq(others.members, 0);
    cr_expect_eq(ask_about(&others, "@a:x", "", false), WALK_ENDED);
    end(&others);
}

/* What costs nothing has nothing to ask; and an id that no homeserver makes does not become a key. */
Test(rate_sharing, odd_questions)
{
    struct others others;
    char sender[2000] = "@";
    begin(&others, "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"2/h\", \"cost\": \"bytes\"}]}");
    others.empty = true;
    cr_expect_eq(ask_about(&others, "@a:x", "$1", false), WALK_ENDED);
    cr_expect_eq(others.asked, 0u);
    end(&others);
    begin(&others, "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"2/h\"}]}");
    memset(sender + 1, 'a', sizeof sender - 2);
    cr_expect_eq(ask_about(&others, sender, sender, false), WALK_PENDING);
    cr_expect_eq(strlen(others.keys[0]), 16u + 1 + 33);
    cr_expect_eq(others.keys[0][17], '#');
    cr_expect_eq(strlen(others.once), 16u + 7 + 33);
    cr_expect_eq(answer(&others, 0), OUTCOME_PASSED);
    end(&others);
    struct module_fixture fixture = {0};
    cr_expect_not(fixture_open(&fixture, "rate",
                               "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"1/w\", \"burst\": 1000000000}]}"));
    cr_expect_not_null(strstr(fixture.reports, "shared: the bucket of a rule takes too long"), "%s", fixture.reports);
    fixture_close(&fixture);
}

/* Other settings, or another number, are another rule. */
Test(rate_sharing, rules_are_told_apart)
{
    static const char *const configs[] = {
        "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"2/h\"}]}",
        "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"2/h\", \"capacity\": 2000}], \"on_error\": \"deny\"}",
        "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"3/h\"}]}",
        "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"2/h\", \"burst\": 3}]}",
        "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"2/h\", \"name\": \"n\"}]}",
        "{\"shared\": \"redis\", \"rules\": [{\"rate\": \"2/h\", \"types\": [\"m.t\"]}]}",
    };
    char keys[6][400];
    for (int index = 0; index < 6; index++) {
        struct others others;
        begin(&others, configs[index]);
        cr_assert_eq(ask_about(&others, "@a:x", "$1", false), WALK_PENDING);
        snprintf(keys[index], sizeof keys[index], "%s", others.keys[0]);
        cr_expect_eq(answer(&others, 0), OUTCOME_PASSED);
        end(&others);
    }
    cr_expect_str_eq(keys[0], keys[1]);
    for (int index = 1; index < 6; index++)
        for (int other = index + 1; other < 6; other++)
            cr_expect_str_neq(keys[index], keys[other]);
}
