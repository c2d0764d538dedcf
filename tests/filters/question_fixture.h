/* Questions about any callback to a module alone in a chain: with arguments as a request carries them, an event among
 * them where the callback has one. */
#ifndef WEIR_TESTS_FILTERS_QUESTION_FIXTURE_H
#define WEIR_TESTS_FILTERS_QUESTION_FIXTURE_H

#include "tests/filters/module_fixture.h"

/* Writes `text` to `json` with double quotes for single ones. */
static inline void fixture_requote(const char *text, char *json, size_t size)
{
    cr_assert_lt(strlen(text), size);
    strcpy(json, text);
    for (char *quote = json; (quote = strchr(quote, '\'')); quote++)
        *quote = '"';
}

/* fixture_open with a configuration in single quotes. */
static inline bool fixture_open_quoted(struct module_fixture *fixture, const char *module, const char *configuration)
{
    char json[4096];
    fixture_requote(configuration, json, sizeof json);
    return fixture_open(fixture, module, json);
}

/* What the chain says about an event, in a room with this state: a JSON list of events, or NULL where nobody tells. */
static inline const char *fixture_event_question(struct module_fixture *fixture, enum callback callback,
                                                 const char *event_json, const char *state_json)
{
    static struct buffer answer;
    struct event event = {0};
    struct event_reader *reader = event_reader_create(chain_fields(fixture->chain));
    cr_assert_eq(event_reader_read(reader, slice_from_string(event_json), &event), EVENT_READ_OK, "%s", event_json);
    arena_reset(&fixture->arena);
    json_t *state = state_json ? json_loads(state_json, 0, NULL) : NULL;
    cr_assert(!state_json || state, "the state is no JSON");
    struct value values[CALLBACK_ARGUMENTS_MAXIMUM] = {{0}, value_json(state)};
    struct callback_arguments question = {.event = &event,
                                          .values = state ? values : NULL,
                                          .count = state ? 2 : 1,
                                          .arena = &fixture->arena,
                                          .now_ms = fixture->now_ms};
    chain_run(fixture->chain, callback, &question, &fixture->outcome);
    buffer_clear(&answer);
    value_append_json(&fixture->outcome.result.value, &answer);
    event_reader_destroy(reader);
    json_decref(state);
    return buffer_string(&answer);
}

/* What the chain says to `callback`, as value_append_json writes it; `text` is a JSON object with single quotes for
 * double ones: the event, or the arguments. The answer lives until the next question. */
static inline const char *fixture_question(struct module_fixture *fixture, enum callback callback, const char *text)
{
    char json[2048];
    fixture_requote(text, json, sizeof json);
    if (callback_definitions[callback].arguments[0].type != ARGUMENT_EVENT)
        return fixture_ask(fixture, callback, json);
    return fixture_event_question(fixture, callback, json, NULL);
}

/* The same, and which rule it was by; "": it passed. */
static inline const char *fixture_rule(struct module_fixture *fixture, enum callback callback, const char *text)
{
    static char rule[512];
    fixture_question(fixture, callback, text);
    snprintf(rule, sizeof rule, "%.*s", (int)fixture->outcome.result.rule.length, fixture->outcome.result.rule.data);
    if (fixture->outcome.kind == OUTCOME_PASSED)
        rule[0] = '\0';
    else
        cr_expect(rule[0] && slice_present(fixture->outcome.result.reason) &&
                      slice_present(fixture->outcome.result.evidence),
                  "%s: refused without rule, reason or evidence", text);
    return rule;
}

#define EXPECT_ANSWER(fixture, callback, text, expected)                                                               \
    do {                                                                                                               \
        const char *answer_ = fixture_question(fixture, CALLBACK_##callback, text);                                    \
        cr_expect_str_eq(answer_, expected, "%s %s: %s", #callback, text, answer_);                                    \
    } while (0)

#define EXPECT_RULE(fixture, callback, text, expected)                                                                 \
    do {                                                                                                               \
        const char *rule_ = fixture_rule(fixture, CALLBACK_##callback, text);                                          \
        cr_expect_str_eq(rule_, expected, "%s %s: %s", #callback, text, rule_);                                        \
    } while (0)

#endif
