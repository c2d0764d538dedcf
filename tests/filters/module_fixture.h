/* A module alone in a chain, asked about events given as JSON. */
#ifndef WEIR_TESTS_FILTERS_MODULE_FIXTURE_H
#define WEIR_TESTS_FILTERS_MODULE_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "filters/judge.h"

struct module_fixture {
    struct chain *chain;
    struct judge *judge;
    struct outcome outcome;
    enum semantics semantics; /* of the chain; set before fixture_open */
    struct arena arena;       /* of the last fixture_ask */
    int64_t now_ms;           /* of the questions; 0: the clock's. For events see judge_set_time */
    char reports[1024];       /* "path: message" a line; before a warning, "warning: " */
    const char *file_content; /* what every file of the configuration holds; NULL: none can be read */
};

static inline void fixture_report(void *context, const char *path, const char *message)
{
    struct module_fixture *fixture = context;
    size_t used = strlen(fixture->reports);
    snprintf(fixture->reports + used, sizeof fixture->reports - used, "%s: %s\n", path, message);
}

static inline void fixture_warn(void *context, const char *path, const char *message)
{
    char whole[256];
    snprintf(whole, sizeof whole, "warning: %s", path);
    fixture_report(context, whole, message);
}

static inline bool fixture_read_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    const struct module_fixture *fixture = context;
    if (!fixture->file_content) {
        buffer_append_format(error, "%s: no such file", name);
        return false;
    }
    buffer_append_string(content, fixture->file_content);
    return true;
}

/* Whether the module takes the configuration; if not, `reports` says why. */
static inline bool fixture_open(struct module_fixture *fixture, const char *module, const char *configuration)
{
    struct module_host host = {
        .context = fixture, .report = fixture_report, .warn = fixture_warn, .read_file = fixture_read_file};
    json_t *values = json_loads(configuration, 0, NULL);
    cr_assert_not_null(values, "configuration of the test: %s", configuration);
    fixture->chain =
        chain_create(&(struct chain_settings){.server_name = "example.org", .semantics = fixture->semantics});
    bool good = chain_append(fixture->chain, module_find(module), values, NULL, &host);
    json_decref(values);
    if (good) {
        chain_seal(fixture->chain, NULL, NULL);
        fixture->judge = judge_create(fixture->chain);
    }
    return good;
}

static inline void fixture_close(struct module_fixture *fixture)
{
    judge_destroy(fixture->judge);
    chain_destroy(fixture->chain);
    arena_free(&fixture->arena);
    *fixture = (struct module_fixture){.file_content = fixture->file_content};
}

/* The rule that hit the event with this body, or NULL: no hit. */
static inline const char *fixture_judge(struct module_fixture *fixture, const char *body)
{
    static char rule[512];
    struct event event = {0};
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    fixture->outcome = *judge_event(fixture->judge, &event, JUDGE_BOTH);
    if (fixture->outcome.kind == OUTCOME_PASSED)
        return NULL;
    cr_assert_eq(fixture->outcome.result.value.kind, VALUE_CODE);
    struct slice text = fixture->outcome.result.rule;
    snprintf(rule, sizeof rule, "%.*s", (int)text.length, text.data);
    return rule;
}

/* What the chain says to a callback without an event, as JSON (value_append_json). `arguments` is a JSON object. The
 * text lives until the next question. */
static inline const char *fixture_ask(struct module_fixture *fixture, enum callback callback, const char *arguments)
{
    static struct buffer answer;
    struct callback_arguments question = {0};
    const char *problem = NULL;
    arena_reset(&fixture->arena);
    json_t *object = json_loads(arguments, 0, NULL);
    cr_assert(callback_read_arguments(callback, object, &fixture->arena, &question, &problem), "%s: %s", arguments,
              problem);
    question.now_ms = fixture->now_ms;
    chain_run(fixture->chain, callback, &question, &fixture->outcome);
    buffer_clear(&answer);
    value_append_json(&fixture->outcome.result.value, &answer);
    json_decref(object);
    return buffer_string(&answer);
}

struct fixture_figure {
    const char *name;
    double value;
    unsigned times;
};

static inline void fixture_take_figure(void *context, const char *name, const char *text, double value)
{
    struct fixture_figure *wanted = context;
    cr_expect(*text && text[strlen(text) - 1] == '.', "%s: %s", name, text);
    if (strcmp(name, wanted->name) != 0)
        return;
    wanted->value = value;
    wanted->times++;
}

/* What the module says of itself on the metrics page; -1: it has no such figure. */
static inline double fixture_figure(const struct module_fixture *fixture, const char *name)
{
    struct fixture_figure wanted = {.name = name, .value = -1};
    chain_module_figures(fixture->chain, 0, fixture_take_figure, &wanted);
    cr_expect_leq(wanted.times, 1u, "%s", name);
    return wanted.value;
}

#define EXPECT_FIGURE(fixture, name, expected) cr_expect_eq(fixture_figure(fixture, name), expected, "%s", name)

#define EXPECT_HIT(fixture, body, expected)                                                                            \
    do {                                                                                                               \
        const char *rule_ = fixture_judge(fixture, body);                                                              \
        cr_expect(rule_ &&strcmp(rule_, expected) == 0, "%s: hit by %s instead of %s", body, rule_ ? rule_ : "none",   \
                  expected);                                                                                           \
    } while (0)

#define EXPECT_PASS(fixture, body)                                                                                     \
    do {                                                                                                               \
        const char *rule_ = fixture_judge(fixture, body);                                                              \
        cr_expect_null(rule_, "%s: hit by %s", body, rule_);                                                           \
    } while (0)

#define EXPECT_SLICE(slice, expected)                                                                                  \
    cr_expect(slice_equal(slice, slice_from_string(expected)), "%.*s", (int)(slice).length, (slice).data)

#endif
