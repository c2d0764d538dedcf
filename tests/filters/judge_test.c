/* Whole judgements: replacements, which callbacks Synapse would ask, and judgements that wait. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/judge.h"

/* A module that answers with the tagged JSON of its configuration, or waits for somebody. */
struct scripted {
    char *allowed; /* of check_event_allowed; NULL: pass */
    char *spam;    /* refuse events with this body; NULL: pass */
    bool waits;
    uint32_t body_slot;
};

static struct slice last_body; /* that a spam checker saw */
static char last_body_text[64];

static void answer_allowed(void *state, const struct callback_arguments *arguments, struct result *result)
{
    const struct scripted *scripted = state;
    const char *problem;
    result->value.kind = VALUE_PASS;
    if (!scripted->allowed)
        return;
    json_t *json = json_loads(scripted->allowed, JSON_DECODE_ANY, NULL);
    cr_assert(value_read_json(json, arguments->arena, &result->value, &problem));
    json_decref(json);
}

static void answer_spam(void *state, const struct callback_arguments *arguments, struct result *result)
{
    const struct scripted *scripted = state;
    if (scripted->waits) {
        result->value = (struct value){.kind = VALUE_PENDING, .ticket = 42};
        return;
    }
    last_body = event_content_string(arguments->event, scripted->body_slot);
    snprintf(last_body_text, sizeof last_body_text, "%.*s", (int)last_body.length,
             last_body.data ? last_body.data : "");
    bool hit = scripted->spam && slice_equal(last_body, slice_from_string(scripted->spam));
    result->value = hit ? value_refuse(SLICE_ABSENT) : (struct value){.kind = VALUE_PASS};
}

/* What the service said is the verdict. */
static void take_service(void *state, const struct callback_arguments *arguments, const struct service_answer *answer,
                         struct result *result)
{
    struct scripted *scripted = state;
    scripted->waits = slice_equal(answer->body, SLICE("again"));
    if (scripted->waits)
        result->value = (struct value){.kind = VALUE_PENDING, .ticket = 43};
    else if (slice_equal(answer->body, SLICE("deny")))
        result->value = value_refuse(arguments->event->sender.length ? SLICE("M_LIMIT_EXCEEDED") : SLICE("M_UNKNOWN"));
    else
        result->value.kind = VALUE_PASS;
    scripted->waits = true;
}

static void *create(const struct module_setup *setup)
{
    struct scripted *scripted = setup->configuration;
    scripted->body_slot = field_table_declare(setup->fields, SLICE("body"));
    return scripted;
}

static void destroy(void *state)
{
    (void)state;
}

static const struct parameter parameters[] = {
    {.name = "allowed", .type = PARAMETER_TEXT, .offset = offsetof(struct scripted, allowed)},
    {.name = "spam", .type = PARAMETER_TEXT, .offset = offsetof(struct scripted, spam)},
    {.name = "waits", .type = PARAMETER_BOOLEAN, .offset = offsetof(struct scripted, waits), .fallback = "false"},
};
static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_allowed, .function = answer_allowed},
    {.callback = CALLBACK_check_event_for_spam, .function = answer_spam},
};
static const struct module_definition scripted_module = {.name = "scripted",
                                                         .parameters = parameters,
                                                         .parameter_count = 3,
                                                         .configuration_size = sizeof(struct scripted),
                                                         .callbacks = callbacks,
                                                         .callback_count = 2,
                                                         .create = create,
                                                         .destroy = destroy,
                                                         .answer = take_service};

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    cr_assert_fail("%s: %s", path, message);
}

static struct chain *chain;
static struct judge *judge;

static void open_judge(enum semantics semantics, const char *configuration)
{
    static const struct module_host host = {.report = on_report};
    chain = chain_create(&(struct chain_settings){.semantics = semantics, .server_name = "hs"});
    json_t *config = json_loads(configuration, 0, NULL);
    cr_assert(chain_append(chain, &scripted_module, config, NULL, &host));
    json_decref(config);
    cr_assert(chain_seal(chain, NULL, NULL));
    judge = judge_create(chain);
}

static void close_judge(void)
{
    judge_destroy(judge);
    chain_destroy(chain);
}

#define BODY                                                                                                           \
    "{\"type\":\"m.room.message\",\"sender\":\"@a:hs\",\"room_id\":\"!r:hs\",\"content\":{\"msgtype\":\"m.text\","     \
    "\"body\":\"hello\"},\"unsigned\":{\"age\":1}}"

static struct outcome judge_body(const char *body)
{
    struct event event = {.event_id = SLICE("$e"), .room_id = SLICE("!r:hs"), .type = SLICE("m.room.message")};
    cr_assert_eq(judge_read(judge, slice_from_string(body), &event), EVENT_READ_OK);
    const struct outcome *outcome = judge_event(judge, &event, JUDGE_BOTH);
    cr_assert_not_null(outcome);
    return *outcome;
}

Test(judge, spam_checkers_see_the_replaced_event)
{
    open_judge(SEMANTICS_LATEST,
               "{\"allowed\": \"{\\\"tuple\\\":[true,{\\\"event\\\":{\\\"content\\\":{\\\"msgtype\\\":"
               "\\\"m.text\\\",\\\"body\\\":\\\"censored\\\"}}}]}\", \"spam\": \"hello\"}");
    struct outcome outcome = judge_body(BODY);
    cr_expect_eq(outcome.kind, OUTCOME_CHANGED);
    cr_expect_eq(outcome.callback, CALLBACK_check_event_allowed);
    cr_expect_str_eq(last_body_text, "censored");
    close_judge();
}

Test(judge, a_replaced_event_may_still_be_spam)
{
    open_judge(SEMANTICS_LATEST,
               "{\"allowed\": \"{\\\"tuple\\\":[null,{\\\"event\\\":{\\\"content\\\":{\\\"msgtype\\\":"
               "\\\"m.text\\\",\\\"body\\\":\\\"bad\\\"}}}]}\", \"spam\": \"bad\"}");
    struct outcome outcome = judge_body(BODY);
    cr_expect_eq(outcome.kind, OUTCOME_DENIED);
    cr_expect_eq(outcome.callback, CALLBACK_check_event_for_spam);
    close_judge();
}

Test(judge, replacements_that_synapse_could_not_build_fail)
{
    static const char *const replacements[] = {
        "{\"dict\":{}}",                             /* no type, no sender */
        "{\"event\":{\"type\":\"m.room.notice\"}}",  /* another type */
        "{\"event\":{\"room_id\":\"!other:hs\"}}",   /* another room */
        "{\"event\":{\"state_key\":\"\"}}",          /* a state event now */
        "{\"event\":{\"sender\":\"@a:elsewhere\"}}", /* nobody of ours */
        "{\"event\":{\"sender\":\"a\"}}",            /* nobody */
        "{\"event\":{\"content\":{\"body\":\"no msgtype\"}}}",
        "{\"event\":{\"content\":[]}}",
        "{\"json\":{\"type\":\"m.room.message\",\"sender\":\"@a:hs\"}}", /* a whole dict without its room */
    };
    for (size_t index = 0; index < sizeof replacements / sizeof *replacements; index++) {
        char allowed[256], configuration[512];
        snprintf(allowed, sizeof allowed, "{\"tuple\":[true,%s]}", replacements[index]);
        json_t *config = json_pack("{s:s}", "allowed", allowed);
        char *text = json_dumps(config, 0);
        snprintf(configuration, sizeof configuration, "%s", text);
        free(text);
        json_decref(config);
        open_judge(SEMANTICS_LATEST, configuration);
        struct outcome outcome = judge_body(BODY);
        cr_expect_eq(outcome.kind, OUTCOME_FAILED, "%s", replacements[index]);
        cr_expect_eq(outcome.result.value.kind, VALUE_RAISED);
        close_judge();
    }
}

Test(judge, a_local_sender_may_take_anothers_place)
{
    open_judge(SEMANTICS_LATEST,
               "{\"allowed\": \"{\\\"tuple\\\":[true,{\\\"event\\\":{\\\"sender\\\":\\\"@bot:hs\\\"}}]}\"}");
    cr_expect_eq(judge_body(BODY).kind, OUTCOME_CHANGED);
    cr_expect_str_eq(last_body_text, "hello");
    close_judge();
}

Test(judge, the_same_module_works_with_both_semantics)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        open_judge((enum semantics)semantics, "{\"spam\": \"hello\"}");
        struct outcome outcome = judge_body(BODY);
        cr_expect_eq(outcome.kind, OUTCOME_DENIED);
        cr_expect_eq(outcome.result.value.kind, semantics == SEMANTICS_147 ? VALUE_BOOLEAN : VALUE_CODE);
        close_judge();
        open_judge((enum semantics)semantics, "{\"spam\": \"other\"}");
        cr_expect_eq(judge_body(BODY).kind, OUTCOME_PASSED);
        close_judge();
    }
}

/* Judges an event that waits, and parks it where the caller's memory can go. */
static struct judgement *park(void)
{
    char *body = memory_copy_text(BODY, strlen(BODY));
    char *room = memory_copy_text("!r:hs", 5);
    struct event event = {.event_id = SLICE("$e"), .room_id = slice_from_string(room), .type = SLICE("m.room.message")};
    cr_assert_eq(judge_read(judge, slice_from_string(body), &event), EVENT_READ_OK);
    cr_assert_null(judge_event(judge, &event, JUDGE_BOTH));
    cr_expect_eq(judge_ticket(judge), 42u);
    struct judgement *judgement = judge_park(judge);
    memset(body, '?', strlen(BODY));
    memset(room, '?', 5);
    free(body);
    free(room);
    return judgement;
}

Test(judge, a_parked_judgement_keeps_what_it_needs)
{
    open_judge(SEMANTICS_LATEST, "{\"waits\": true}");
    struct judgement *first = park(), *second = park();
    struct service_answer deny = {.arrived = true, .status = 200, .body = SLICE("deny")};
    cr_expect_eq(judgement_ticket(first), 42u);
    const struct outcome *outcome = judgement_resume(second, &deny);
    cr_assert_not_null(outcome);
    cr_expect_eq(outcome->kind, OUTCOME_DENIED);
    cr_expect(slice_equal(outcome->result.value.text, SLICE("M_LIMIT_EXCEEDED")), "the sender was still known");
    struct service_answer again = {.arrived = true, .status = 200, .body = SLICE("again")};
    cr_expect_null(judgement_resume(first, &again));
    cr_expect_eq(judgement_ticket(first), 43u);
    cr_expect(slice_equal(judgement_event(first)->room_id, SLICE("!r:hs")));
    cr_expect(slice_equal(judgement_event(first)->body, SLICE(BODY)));
    struct service_answer pass = {.arrived = true, .status = 200, .body = SLICE("pass")};
    cr_assert_not_null(outcome = judgement_resume(first, &pass));
    cr_expect_eq(outcome->kind, OUTCOME_PASSED);
    judgement_free(first);
    judgement_free(second);
    close_judge();
}

static unsigned asked(const char *type, const char *sender, const char *state_key, const char *membership)
{
    struct event event = {.room_id = SLICE("!r:hs"),
                          .type = slice_from_string(type),
                          .sender = slice_from_string(sender),
                          .state_key = slice_from_string(state_key),
                          .membership = slice_from_string(membership)};
    const char *reason = NULL;
    unsigned ask = judge_as_synapse(judge, &event, &reason);
    cr_expect_not_null(reason);
    return ask;
}

Test(judge, knows_what_synapse_would_ask)
{
    open_judge(SEMANTICS_LATEST, "{}");
    cr_expect_eq(asked("m.room.message", "@a:hs", NULL, NULL), JUDGE_BOTH);
    cr_expect_eq(asked("m.room.message", "@a:elsewhere", NULL, NULL), JUDGE_EVENT_FOR_SPAM);
    cr_expect_eq(asked("m.room.message", NULL, NULL, NULL), JUDGE_BOTH);
    cr_expect_eq(asked("m.room.member", "@a:hs", "@a:hs", "join"), JUDGE_EVENT_ALLOWED);
    cr_expect_eq(asked("m.room.member", "@a:elsewhere", "@a:elsewhere", "join"), JUDGE_EVENT_FOR_SPAM);
    cr_expect_eq(asked("m.room.member", "@a:elsewhere", "@a:elsewhere", "knock"), JUDGE_BOTH);
    cr_expect_eq(asked("m.room.name", "@a:hs", "", NULL), JUDGE_BOTH);
    close_judge();
}

Test(judge, tells_the_events_of_a_rooms_creation)
{
    open_judge(SEMANTICS_LATEST, "{}");
    cr_expect_eq(asked("m.room.create", "@a:hs", "", NULL), JUDGE_EVENT_ALLOWED);
    cr_expect_eq(asked("m.room.member", "@a:hs", "@a:hs", "join"), JUDGE_EVENT_ALLOWED);
    cr_expect_eq(asked("m.room.power_levels", "@a:hs", "", NULL), JUDGE_EVENT_ALLOWED);
    cr_expect_eq(asked("m.room.name", "@a:hs", "", NULL), JUDGE_EVENT_ALLOWED);
    cr_expect_eq(asked("m.room.member", "@a:hs", "@b:hs", "invite"), JUDGE_EVENT_ALLOWED);
    cr_expect_eq(asked("m.room.name", "@a:hs", "", NULL), JUDGE_BOTH, "the invite ended the creation");
    close_judge();
    open_judge(SEMANTICS_147, "{}");
    cr_expect_eq(asked("m.room.create", "@a:hs", "", NULL), JUDGE_BOTH, "1.47 asks spam checkers, too");
    cr_expect_eq(asked("m.room.power_levels", "@a:hs", "", NULL), JUDGE_BOTH);
    close_judge();
}

/* ---- modules that answer both callbacks alike */

static unsigned asked_allowed, asked_spam;

static void count_question(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    *(arguments->callback == CALLBACK_check_event_allowed ? &asked_allowed : &asked_spam) += 1;
    result->value = slice_equal(arguments->event->event_id, SLICE("$denied")) ? value_refuse(SLICE("M_FORBIDDEN"))
                                                                              : (struct value){.kind = VALUE_PASS};
}

static const struct module_callback alike_callbacks[] = {
    {.callback = CALLBACK_check_event_allowed, .function = count_question},
    {.callback = CALLBACK_check_event_for_spam, .function = count_question},
};
static const struct module_definition alike_module = {.name = "alike",
                                                      .parameters = parameters,
                                                      .parameter_count = 3,
                                                      .configuration_size = sizeof(struct scripted),
                                                      .answers_alike = true,
                                                      .callbacks = alike_callbacks,
                                                      .callback_count = 2,
                                                      .create = create,
                                                      .destroy = destroy};

/* Behind the scripted module: one that answers alike. Returns what an event with that id came to. */
static enum outcome_kind judge_alike(const char *scripted, bool dry_run, const char *id, unsigned ask)
{
    static const struct module_host host = {.report = on_report};
    chain = chain_create(&(struct chain_settings){.server_name = "hs"});
    json_t *config = json_loads(scripted, 0, NULL);
    cr_assert(chain_append(chain, &scripted_module, config, NULL, &host));
    json_decref(config);
    struct module_options options = {.dry_run = dry_run};
    cr_assert(chain_append(chain, &alike_module, NULL, &options, &host));
    cr_assert(chain_seal(chain, NULL, NULL));
    judge = judge_create(chain);
    asked_allowed = asked_spam = 0;
    struct event event = {.event_id = *id ? slice_from_string(id) : SLICE_ABSENT};
    cr_assert_eq(judge_read(judge, SLICE(BODY), &event), EVENT_READ_OK);
    const struct outcome *outcome = judge_event(judge, &event, ask);
    enum outcome_kind kind = outcome ? outcome->kind : OUTCOME_PASSED;
    close_judge();
    return kind;
}

Test(judge, asks_a_module_that_answers_alike_once)
{
    cr_expect_eq(judge_alike("{}", false, "$event", JUDGE_BOTH), OUTCOME_PASSED);
    cr_expect_eq(asked_allowed, 1);
    cr_expect_eq(asked_spam, 0);
    cr_expect_eq(judge_alike("{}", false, "$denied", JUDGE_BOTH), OUTCOME_DENIED);
    cr_expect_eq(asked_allowed, 1);
    cr_expect_eq(asked_spam, 0);
    cr_expect_eq(judge_alike("{}", false, "$denied", JUDGE_EVENT_FOR_SPAM), OUTCOME_DENIED);
    cr_expect_eq(asked_allowed, 0);
    cr_expect_eq(asked_spam, 1);
}

/* Of a dry run each answer is told; without an id a module cannot know the event again; a replaced event is another. */
Test(judge, asks_a_module_that_answers_alike_again_where_it_may_matter)
{
    cr_expect_eq(judge_alike("{}", true, "$denied", JUDGE_BOTH), OUTCOME_PASSED);
    cr_expect_eq(asked_allowed, 1);
    cr_expect_eq(asked_spam, 1);
    cr_expect_eq(judge_alike("{}", false, "", JUDGE_BOTH), OUTCOME_PASSED);
    cr_expect_eq(asked_allowed, 1);
    cr_expect_eq(asked_spam, 1);
    const char *replace = "{\"allowed\": \"{\\\"tuple\\\":[true,{\\\"event\\\":{\\\"content\\\":{\\\"msgtype\\\":"
                          "\\\"m.text\\\",\\\"body\\\":\\\"censored\\\"}}}]}\"}";
    cr_expect_eq(judge_alike(replace, false, "$event", JUDGE_BOTH), OUTCOME_CHANGED);
    cr_expect_eq(asked_spam, 1);
}
