/* The walks over several modules, with modules made for the purpose: each answers what its configuration says. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/judge.h"

struct scripted {
    char *answer;
};

struct scripted_state {
    const struct scripted *script;
    unsigned asked;
};

static struct scripted_state *made[8];
static unsigned made_count;
static char reports[512];

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    snprintf(reports + strlen(reports), sizeof reports - strlen(reports), "%s: %s\n", path, message);
}

static const struct module_host host = {.report = on_report};

static const struct raised broken = {.kind = RAISED_OTHER, .text = {"broken", 6}};
static const struct value allow_items[] = {{.kind = VALUE_BOOLEAN, .boolean = true}, {.kind = VALUE_NONE}};
static const struct value refuse_items[] = {{.kind = VALUE_BOOLEAN}, {.kind = VALUE_NONE}};

static const struct {
    const char *name;
    struct value value;
} answers[] = {
    {"not_spam", {.kind = VALUE_NOT_SPAM}},
    {"false", {.kind = VALUE_BOOLEAN}},
    {"true", {.kind = VALUE_BOOLEAN, .boolean = true}},
    {"none", {.kind = VALUE_NONE}},
    {"code", {.kind = VALUE_CODE, .text = {"M_LIMIT_EXCEEDED", 16}}},
    {"text", {.kind = VALUE_TEXT, .text = {"go away", 7}}},
    {"text_not_spam", {.kind = VALUE_TEXT, .text = {"NOT_SPAM", 8}}},
    {"empty", {.kind = VALUE_TEXT, .text = {"", 0}}},
    {"raise", {.kind = VALUE_RAISED, .raised = &broken}},
    {"allow", {.kind = VALUE_TUPLE, .count = 2, .items = allow_items}},
    {"refuse", {.kind = VALUE_TUPLE, .count = 2, .items = refuse_items}},
    {"pass", {.kind = VALUE_PASS}},
    {"deny", {.kind = VALUE_REFUSE}},
};

static void answer(void *state, const struct callback_arguments *arguments, struct result *result)
{
    struct scripted_state *scripted = state;
    (void)arguments;
    scripted->asked++;
    for (size_t index = 0; index < sizeof answers / sizeof *answers; index++)
        if (strcmp(answers[index].name, scripted->script->answer) == 0)
            result->value = answers[index].value;
}

static void *create(const struct module_setup *setup)
{
    struct scripted_state *state = memory_allocate_zeroed(1, sizeof *state);
    state->script = setup->configuration;
    made[made_count++] = state;
    return state;
}

static const struct parameter parameters[] = {
    {.name = "answer", .type = PARAMETER_TEXT, .offset = offsetof(struct scripted, answer), .fallback = "not_spam"}};
static const struct module_callback spam[] = {{.callback = CALLBACK_check_event_for_spam, .function = answer}};
static const struct module_callback rules[] = {{.callback = CALLBACK_check_event_allowed, .function = answer}};

static const struct module_definition spam_module = {.name = "scripted_spam",
                                                     .parameters = parameters,
                                                     .parameter_count = 1,
                                                     .configuration_size = sizeof(struct scripted),
                                                     .callbacks = spam,
                                                     .callback_count = 1,
                                                     .create = create,
                                                     .destroy = free};
static struct module_definition rules_module;

static struct chain *build(const char *const *words)
{
    rules_module = spam_module;
    rules_module.name = "scripted_rules";
    rules_module.callbacks = rules;
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    made_count = 0;
    for (; *words; words += 2) {
        json_t *config = json_pack("{s:s}", "answer", words[1]);
        const struct module_definition *module = strcmp(words[0], "spam") == 0 ? &spam_module : &rules_module;
        cr_assert(chain_append(chain, module, config, NULL, &host));
        json_decref(config);
    }
    chain_seal(chain, NULL, NULL);
    return chain;
}

static struct outcome ask(const char *const *words, unsigned asked_mask)
{
    struct chain *chain = build(words);
    struct event event = {.event_id = SLICE("$e")};
    struct judge *judge = judge_create(chain);
    struct outcome outcome = *judge_event(judge, &event, JUDGE_BOTH);
    judge_destroy(judge);
    for (unsigned index = 0; index < made_count; index++)
        cr_expect_eq(made[index]->asked, asked_mask >> index & 1, "module %u was asked %u times", index,
                     made[index]->asked);
    chain_destroy(chain);
    return outcome;
}

#define JUDGE(mask, ...) ask((const char *const[]){__VA_ARGS__, NULL}, mask)

Test(chain, everybody_passes)
{
    struct outcome outcome = JUDGE(0xf, "spam", "not_spam", "rules", "allow", "spam", "false", "spam", "text_not_spam");
    cr_expect_eq(outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(outcome.result.value.kind, VALUE_NOT_SPAM);
    cr_expect_null(outcome.module);
    cr_expect_eq(outcome.callback, CALLBACK_check_event_for_spam);
}

Test(chain, no_modules_pass)
{
    struct outcome outcome = ask((const char *const[]){NULL}, 0);
    cr_expect_eq(outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(outcome.result.value.kind, VALUE_NOT_SPAM);
}

Test(chain, third_party_rules_come_first_wherever_they_stand)
{
    struct outcome outcome = JUDGE(2, "spam", "code", "rules", "refuse");
    cr_expect_neq(outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(outcome.callback, CALLBACK_check_event_allowed);
    cr_expect_str_eq(outcome.module, "scripted_rules");
    cr_expect_eq(outcome.module_index, 1u);
}

Test(chain, the_first_that_does_not_pass_ends_the_walk)
{
    struct outcome outcome = JUDGE(3, "spam", "not_spam", "spam", "code", "spam", "text");
    cr_expect_neq(outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(outcome.module_index, 1u);
    cr_expect_eq(outcome.result.value.kind, VALUE_CODE);
    cr_expect(slice_equal(outcome.result.value.text, SLICE("M_LIMIT_EXCEEDED")));
}

Test(chain, odd_answers_of_spam_checkers)
{
    struct outcome outcome = JUDGE(1, "spam", "true");
    cr_expect_eq(outcome.result.value.kind, VALUE_CODE);
    cr_expect(slice_equal(outcome.result.value.text, SLICE("M_FORBIDDEN")));
    outcome = JUDGE(1, "spam", "none", "spam", "not_spam");
    cr_expect_neq(outcome.kind, OUTCOME_PASSED, "a module that forgets to answer rejects");
    cr_expect_eq(outcome.result.value.kind, VALUE_TEXT);
    outcome = JUDGE(1, "spam", "empty", "spam", "not_spam");
    cr_expect_neq(outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(outcome.result.value.text.length, 0u);
    outcome = JUDGE(1, "spam", "raise", "spam", "not_spam");
    cr_expect_neq(outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(outcome.result.value.kind, VALUE_RAISED);
}

Test(chain, third_party_rules_must_answer_with_a_pair)
{
    struct outcome outcome = JUDGE(1, "rules", "true", "spam", "not_spam");
    cr_expect_neq(outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(outcome.result.value.kind, VALUE_RAISED);
    outcome = JUDGE(3, "rules", "allow", "rules", "raise");
    cr_expect_eq(outcome.module_index, 1u);
}

Test(chain, modules_that_need_a_body_are_passed_over_without_one)
{
    struct module_definition needy = spam_module;
    needy.needs_body = true;
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    json_t *config = json_pack("{s:s}", "answer", "code");
    made_count = 0;
    cr_assert(chain_append(chain, &needy, config, NULL, &host));
    chain_seal(chain, NULL, NULL);
    cr_expect(chain_needs_body(chain));
    struct judge *judge = judge_create(chain);
    struct event event = {.event_id = SLICE("$e")};
    cr_expect_eq(judge_event(judge, &event, JUDGE_BOTH)->kind, OUTCOME_PASSED);
    event.has_body = true;
    cr_expect_neq(judge_event(judge, &event, JUDGE_BOTH)->kind, OUTCOME_PASSED);
    json_decref(config);
    judge_destroy(judge);
    chain_destroy(chain);
}

Test(chain, a_bad_configuration_is_reported_and_not_appended)
{
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    json_t *config = json_pack("{s:s, s:i}", "anwser", "code", "answer", 5);
    cr_expect_not(chain_append(chain, &spam_module, config, NULL, &host));
    cr_expect_eq(chain_module_count(chain), 0u);
    cr_expect_str_eq(reports, "anwser: unknown parameter; did you mean `answer`?\nanswer: must be a text\n");
    json_decref(config);
    chain_destroy(chain);
}

Test(chain, lists_who_registered_what)
{
    struct chain *chain = build((const char *const[]){"spam", "true", "rules", "allow", "spam", "true", NULL});
    uint32_t indices[3];
    cr_expect_eq(chain_callback_modules(chain, CALLBACK_check_event_for_spam, indices, 3), 2u);
    cr_expect_eq(indices[0], 0u);
    cr_expect_eq(indices[1], 2u);
    cr_expect_eq(chain_callback_modules(chain, CALLBACK_check_event_allowed, indices, 3), 1u);
    cr_expect_eq(indices[0], 1u);
    chain_destroy(chain);
}
