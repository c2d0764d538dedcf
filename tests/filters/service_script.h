/* Services that note what they are asked and answer nothing by themselves: the test plays the engine. */
#ifndef WEIR_TESTS_FILTERS_SERVICE_SCRIPT_H
#define WEIR_TESTS_FILTERS_SERVICE_SCRIPT_H

#include <stdlib.h>

#include "tests/filters/module_fixture.h"

struct service_script {
    struct module_fixture fixture; /* first: its reports are the script's */
    struct module_services services;
    struct service_settings settings; /* of the service that was opened; its texts are copies */
    char url[128];
    char authorities[128];
    char authorization[128];
    char path[64];          /* of the last question */
    struct buffer question; /* the last one */
    uint64_t tickets;
    const char *refusal; /* if set, no question can be asked */
    unsigned opened;
    unsigned closed;
    unsigned unusable;
    char complaint[256];
};

static inline struct service *script_open(void *context, const struct service_settings *settings, struct buffer *error)
{
    struct service_script *script = context;
    if (strstr(settings->url, "impossible")) {
        buffer_append_string(error, "that cannot be");
        return NULL;
    }
    script->opened++;
    script->settings = *settings;
    snprintf(script->url, sizeof script->url, "%s", settings->url);
    snprintf(script->authorities, sizeof script->authorities, "%s", settings->authorities ? settings->authorities : "");
    snprintf(script->authorization, sizeof script->authorization, "%s",
             settings->authorization ? settings->authorization : "");
    return context;
}

static inline void script_close(struct service *service)
{
    ((struct service_script *)service)->closed++;
}

static inline uint64_t script_post(struct service *service, struct slice path, struct slice body, const char **refusal)
{
    struct service_script *script = (struct service_script *)service;
    snprintf(script->path, sizeof script->path, "%.*s", (int)path.length, path.data);
    if (script->refusal) {
        *refusal = script->refusal;
        return 0;
    }
    buffer_clear(&script->question);
    buffer_append_slice(&script->question, body);
    return ++script->tickets;
}

static inline void script_unusable(struct service *service, const char *why)
{
    struct service_script *script = (struct service_script *)service;
    script->unusable++;
    snprintf(script->complaint, sizeof script->complaint, "%s", why);
}

/* A chain of this one module; false if its configuration is bad, which the fixture's `reports` tell. */
static inline bool script_start(struct service_script *script, const char *module, const char *configuration,
                                enum semantics semantics, bool with_services)
{
    struct module_host host = {.context = &script->fixture, .report = fixture_report, .read_file = fixture_read_file};
    json_t *values = json_loads(configuration, 0, NULL);
    cr_assert_not_null(values, "configuration of the test: %s", configuration);
    script->services = (struct module_services){script, script_open, script_close, script_post, script_unusable, NULL};
    if (with_services)
        host.services = &script->services;
    script->fixture.reports[0] = '\0';
    script->fixture.chain =
        chain_create(&(struct chain_settings){.server_name = "example.org", .semantics = semantics});
    bool good = chain_append(script->fixture.chain, module_find(module), values, NULL, &host);
    json_decref(values);
    if (good) {
        chain_seal(script->fixture.chain, NULL, NULL);
        script->fixture.judge = judge_create(script->fixture.chain);
    }
    return good;
}

static inline void script_end(struct service_script *script)
{
    fixture_close(&script->fixture);
    cr_expect_eq(script->opened, script->closed);
    buffer_free(&script->question);
}

static inline struct service_answer script_answer(int status, const char *body)
{
    return (struct service_answer){.arrived = true, .status = status, .body = slice_from_string(body)};
}

/* Asks `callback` about the arguments in JSON, and hands on the answer once it is waited for. The outcome's value as
 * tagged JSON with its kind before it, in memory that the next call uses again. */
static inline const char *script_ask(struct service_script *script, enum callback callback, const char *arguments,
                                     const struct service_answer *answer)
{
    static const char *const kinds[] = {[OUTCOME_PASSED] = "passed",
                                        [OUTCOME_CHANGED] = "changed",
                                        [OUTCOME_DENIED] = "denied",
                                        [OUTCOME_FAILED] = "failed"};
    static struct buffer text;
    struct arena arena = {0};
    struct callback_arguments asked = {.callback = callback};
    struct walk walk;
    const char *problem = "";
    json_t *json = json_loads(arguments, 0, NULL);
    cr_assert_not_null(json, "%s", arguments);
    cr_assert(callback_read_arguments(callback, json, &arena, &asked, &problem), "%s", problem);
    enum walk_state state = walk_begin(&walk, script->fixture.chain, callback, &asked);
    if (state == WALK_PENDING) {
        cr_expect_eq(walk.ticket, script->tickets);
        state = walk_resume(&walk, answer);
    }
    cr_expect_eq(state, WALK_ENDED);
    buffer_clear(&text);
    buffer_append_format(&text, "%s ", kinds[walk.outcome.kind]);
    value_append_json(&walk.outcome.result.value, &text);
    if (callback == CALLBACK_on_create_room) {
        char *shared = json_dumps(asked.values[1].object, JSON_COMPACT | JSON_SORT_KEYS);
        buffer_append_format(&text, " %s", shared);
        free(shared);
    }
    json_decref(json);
    arena_free(&arena);
    return buffer_string(&text);
}

#endif
