/* A script alone in a chain: what its functions answer, as value_append_json writes it, before the chain's rule. */
#ifndef WEIR_TESTS_FILTERS_LUA_FIXTURE_H
#define WEIR_TESTS_FILTERS_LUA_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "filters/chain.h"

struct lua_fixture {
    const char *script;
    const char *settings; /* further parameters as JSON members, e.g. `"instructions": 1000`; NULL: none */
    enum semantics semantics;
    struct chain *chain;
    struct event_reader *reader;
    struct arena arena;
    struct outcome outcome;
    json_t *arguments;    /* of the last question; on_create_room may have edited them */
    struct buffer answer; /* of the script */
    struct slice reason;
    struct slice rule;
    char reports[2048]; /* "path: message" a line */
};

/* What scripts logged, "level: message" a line. */
static char lua_fixture_log[8192];

static inline void lua_fixture_report(void *context, const char *path, const char *message)
{
    struct lua_fixture *fixture = context;
    size_t used = strlen(fixture->reports);
    snprintf(fixture->reports + used, sizeof fixture->reports - used, "%s: %s\n", path, message);
}

static inline bool lua_fixture_read_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    const struct lua_fixture *fixture = context;
    if (strcmp(name, "t.lua") != 0) {
        buffer_append_format(error, "%s: no such file", name);
        return false;
    }
    buffer_append_string(content, fixture->script);
    return true;
}

static inline void lua_fixture_logs(const char *level, const char *module, struct slice message)
{
    cr_expect_str_eq(module, "t.lua");
    size_t used = strlen(lua_fixture_log);
    snprintf(lua_fixture_log + used, sizeof lua_fixture_log - used, "%s: %.*s\n", level, (int)message.length,
             message.data);
}

static inline void lua_fixture_trace(void *context, uint32_t module_index, const struct callback_arguments *arguments,
                                     const struct result *result, uint64_t nanoseconds)
{
    (void)module_index, (void)arguments, (void)nanoseconds;
    struct lua_fixture *fixture = context;
    buffer_clear(&fixture->answer);
    if (result->value.kind == VALUE_PASS)
        buffer_append_string(&fixture->answer, "pass");
    else if (result->value.kind == VALUE_REFUSE)
        buffer_append_format(&fixture->answer, "refuse %.*s", (int)result->value.text.length,
                             result->value.text.data ? result->value.text.data : "");
    else
        value_append_json(&result->value, &fixture->answer);
    fixture->reason = result->reason;
    fixture->rule = result->rule;
}

static inline void lua_fixture_close(struct lua_fixture *fixture)
{
    event_reader_destroy(fixture->reader);
    chain_destroy(fixture->chain);
    arena_free(&fixture->arena);
    buffer_free(&fixture->answer);
    json_decref(fixture->arguments);
    *fixture = (struct lua_fixture){.script = fixture->script, .settings = fixture->settings};
}

/* Whether the script loads; if not, `reports` says why. */
static inline bool lua_fixture_try(struct lua_fixture *fixture)
{
    struct module_host host = {
        .context = fixture, .report = lua_fixture_report, .read_file = lua_fixture_read_file, .log = lua_fixture_logs};
    char text[1024];
    snprintf(text, sizeof text, "{\"script\": \"t.lua\"%s%s}", fixture->settings ? ", " : "",
             fixture->settings ? fixture->settings : "");
    json_t *values = json_loads(text, 0, NULL);
    cr_assert_not_null(values, "%s", text);
    struct chain_settings settings = {.server_name = "example.org", .semantics = fixture->semantics};
    fixture->chain = chain_create(&settings);
    bool good = chain_append(fixture->chain, module_find("lua"), values, NULL, &host);
    json_decref(values);
    if (good) {
        chain_seal(fixture->chain, NULL, NULL);
        chain_trace(fixture->chain, lua_fixture_trace, fixture);
        fixture->reader = event_reader_create(chain_fields(fixture->chain));
    }
    return good;
}

static inline void lua_fixture_open(struct lua_fixture *fixture, const char *script)
{
    fixture->script = script;
    cr_assert(lua_fixture_try(fixture), "%s", fixture->reports);
}

/* Asks with `question`, whose event is read from `body` if that is not NULL; returns the script's answer. */
static inline const char *lua_fixture_run(struct lua_fixture *fixture, enum callback callback,
                                          struct callback_arguments *question, const char *body)
{
    struct event event = {0};
    question->arena = &fixture->arena;
    if (body) {
        cr_assert_eq(event_reader_read(fixture->reader, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
        question->event = &event;
    }
    buffer_clear(&fixture->answer);
    chain_run(fixture->chain, callback, question, &fixture->outcome);
    if (body)
        question->event = NULL;
    return buffer_string(&fixture->answer);
}

/* Asks `callback` about `arguments`, a JSON object in which "event" is the event. */
static inline const char *lua_fixture_ask(struct lua_fixture *fixture, const char *callback, const char *arguments)
{
    arena_reset(&fixture->arena);
    json_decref(fixture->arguments);
    fixture->arguments = json_loads(arguments, 0, NULL);
    cr_assert_not_null(fixture->arguments, "%s", arguments);
    enum callback number = callback_find(slice_from_string(callback));
    cr_assert_neq(number, CALLBACK_UNKNOWN, "%s", callback);
    const json_t *event = json_object_get(fixture->arguments, "event");
    struct callback_arguments question = {0};
    const char *problem = NULL;
    if (!event || json_object_size(fixture->arguments) > 1)
        cr_assert(callback_read_arguments(number, fixture->arguments, &fixture->arena, &question, &problem), "%s",
                  problem);
    char *body = event ? json_dumps(event, JSON_COMPACT) : NULL;
    const char *answer = lua_fixture_run(fixture, number, &question, body);
    free(body);
    return answer;
}

/* Asks check_event_for_spam about an event with this content. */
static inline const char *lua_fixture_judge(struct lua_fixture *fixture, const char *content)
{
    static char body[1 << 20];
    snprintf(body, sizeof body,
             "{\"type\":\"m.room.message\",\"sender\":\"@a:b.org\",\"room_id\":\"!r:b.org\",\"event_id\":\"$e\","
             "\"origin_server_ts\":17,\"content\":%s}",
             content);
    arena_reset(&fixture->arena);
    struct callback_arguments question = {0};
    return lua_fixture_run(fixture, CALLBACK_check_event_for_spam, &question, body);
}

/* Whether the two are equal; an apostrophe in `expected` stands for a quotation mark. */
static inline bool lua_fixture_equal(const char *got, const char *expected)
{
    size_t index = 0;
    while (expected[index] && got[index] == (expected[index] == '\'' ? '"' : expected[index]))
        index++;
    return !expected[index] && !got[index];
}

#define EXPECT_TEXT(got, expected)                                                                                     \
    do {                                                                                                               \
        const char *got_ = got;                                                                                        \
        cr_expect(lua_fixture_equal(got_, expected), "%s instead of %s", got_, expected);                              \
    } while (0)

#define EXPECT_SLICE_EQUAL(slice, expected)                                                                            \
    cr_expect(slice_equal(slice, slice_from_string(expected)), "%.*s", (int)(slice).length,                            \
              (slice).data ? (slice).data : "")

/* What a function with this body answers to check_event_for_spam, about an event with an empty content. */
#define EXPECT_RETURNS(body, expected)                                                                                 \
    do {                                                                                                               \
        struct lua_fixture fixture_ = {0};                                                                             \
        lua_fixture_open(&fixture_, "function check_event_for_spam(event) " body " end");                              \
        EXPECT_TEXT(lua_fixture_judge(&fixture_, "{}"), expected);                                                     \
        lua_fixture_close(&fixture_);                                                                                  \
    } while (0)

/* The same fails, with a text that contains `expected`. */
#define EXPECT_FAILS(body, expected)                                                                                   \
    do {                                                                                                               \
        struct lua_fixture fixture_ = {0};                                                                             \
        lua_fixture_open(&fixture_, "function check_event_for_spam(event) " body " end");                              \
        const char *got_ = lua_fixture_judge(&fixture_, "{}");                                                         \
        cr_expect(strstr(got_, "raise") && strstr(got_, expected), "%s: %s without %s", body, got_, expected);         \
        lua_fixture_close(&fixture_);                                                                                  \
    } while (0)

#endif
