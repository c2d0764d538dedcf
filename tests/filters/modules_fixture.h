/* Several modules in one chain, with their `only`, `except` and `dry_run`: begin, append each, seal; then ask as with
 * module_fixture.h, and end with fixture_close. */
#ifndef WEIR_TESTS_FILTERS_MODULES_FIXTURE_H
#define WEIR_TESTS_FILTERS_MODULES_FIXTURE_H

#include "tests/filters/module_fixture.h"

static inline void modules_begin(struct module_fixture *fixture)
{
    fixture->chain =
        chain_create(&(struct chain_settings){.server_name = "example.org", .semantics = fixture->semantics});
}

/* `options` is a JSON object with `only`, `except` and `dry_run`, or NULL. */
static inline bool modules_append(struct module_fixture *fixture, const char *module, const char *configuration,
                                  const char *options)
{
    struct module_host host = {
        .context = fixture, .report = fixture_report, .warn = fixture_warn, .read_file = fixture_read_file};
    json_t *values = json_loads(configuration, 0, NULL), *more = options ? json_loads(options, 0, NULL) : NULL;
    cr_assert_not_null(values, "configuration of the test: %s", configuration);
    cr_assert(!options || more, "options of the test: %s", options);
    struct module_options taken = {.dry_run = json_is_true(json_object_get(more, "dry_run"))};
    const json_t *only = json_object_get(more, "only"), *except = json_object_get(more, "except");
    if (only || except) {
        taken.selector = selector_create(only, except, &host);
        cr_assert_not_null(taken.selector, "%s", fixture->reports);
    }
    bool good = chain_append(fixture->chain, module_find(module), values, &taken, &host);
    json_decref(values);
    json_decref(more);
    return good;
}

static inline void modules_conflict(void *context, const struct chain_conflict *conflict)
{
    char path[64];
    snprintf(path, sizeof path, "%s: [%u]", conflict->fatal ? "fatal" : "warning", conflict->module_index);
    fixture_report(context, path, conflict->text);
}

/* What is found between the modules is told in `reports`, too. */
static inline void modules_seal(struct module_fixture *fixture)
{
    cr_assert(chain_seal(fixture->chain, modules_conflict, fixture), "%s", fixture->reports);
    fixture->judge = judge_create(fixture->chain);
}

/* The name of the module that refuses the event, or "". */
static inline const char *modules_judge(struct module_fixture *fixture, int64_t now_ms, const char *body, unsigned ask,
                                        bool trial)
{
    struct event event = {0};
    judge_set_time(fixture->judge, now_ms, trial);
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
    fixture->outcome = *judge_event(fixture->judge, &event, ask);
    return fixture->outcome.kind == OUTCOME_PASSED ? "" : fixture->outcome.module;
}

/* The same for a message with an id of its own in the room !r:x, which both callbacks are asked about. */
static inline const char *modules_message(struct module_fixture *fixture, int64_t now_ms, const char *sender,
                                          const char *text)
{
    static int number;
    static char body[1024]; /* what the outcome points to lives until the next one */
    snprintf(body, sizeof body,
             "{\"event_id\":\"$message%d\",\"room_id\":\"!r:x\",\"type\":\"m.room.message\",\"sender\":\"%s\","
             "\"content\":{\"msgtype\":\"m.text\",\"body\":\"%s\"}}",
             ++number, sender, text);
    return modules_judge(fixture, now_ms, body, JUDGE_BOTH, false);
}

#endif
