/* Plug-ins as they are loaded, asked and refused. The shared objects are built by the Makefile from tests/plugins and
 * deploy/examples/plugin, and lie in `plugins` beside this program. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "tests/filters/module_fixture.h"

static char plugin_folder[PATH_MAX + sizeof "/plugins"];
static char logged[4096];

static bool resolve_path(void *context, const char *name, struct buffer *path, struct buffer *error)
{
    (void)context, (void)error;
    buffer_append_format(path, "%s/%s", plugin_folder, name);
    return true;
}

static void take_log(const char *level, const char *module, struct slice message)
{
    size_t used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "%s %s: %.*s\n", level, module, (int)message.length, message.data);
}

static void find_plugins(void)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program);
    cr_assert(length > 0 && (size_t)length < sizeof program);
    program[length] = '\0';
    const char *slash = strrchr(program, '/');
    snprintf(plugin_folder, sizeof plugin_folder, "%.*s/plugins", (int)(slash - program), program);
}

TestSuite(plugin, .init = find_plugins);

/* A chain with one plug-in; `settings` is JSON or NULL. */
static bool open_plugin(struct module_fixture *fixture, const char *file, const char *settings)
{
    struct module_host host = {
        .context = fixture, .report = fixture_report, .resolve_path = resolve_path, .log = take_log};
    json_t *config = settings ? json_pack("{s:s, s:o}", "path", file, "settings", json_loads(settings, 0, NULL))
                              : json_pack("{s:s}", "path", file);
    cr_assert_not_null(config, "%s", settings);
    fixture->chain = chain_create(&(struct chain_settings){.server_name = "test.example"});
    bool good = chain_append(fixture->chain, module_find("plugin"), config, NULL, &host);
    json_decref(config);
    if (good) {
        cr_assert(chain_seal(fixture->chain, NULL, NULL));
        fixture->judge = judge_create(fixture->chain);
    }
    return good;
}

static void expect_refused(const char *file, const char *settings, const char *report)
{
    struct module_fixture fixture = {0};
    cr_expect_not(open_plugin(&fixture, file, settings), "%s", file);
    cr_expect_not_null(strstr(fixture.reports, report), "%s: \"%s\" is not in:\n%s", file, report, fixture.reports);
    fixture_close(&fixture);
}

/* What one callback comes to, asked with arguments in JSON; the outcome's texts live until `arena` is freed. */
static struct outcome ask(struct module_fixture *fixture, const char *callback, const char *arguments,
                          struct arena *arena)
{
    struct callback_arguments read = {0};
    const char *problem = "";
    struct outcome outcome;
    json_t *object = json_loads(arguments, 0, NULL);
    enum callback found = callback_find(slice_from_string(callback));
    cr_assert_neq(found, CALLBACK_UNKNOWN, "%s", callback);
    cr_assert(callback_read_arguments(found, object, arena, &read, &problem), "%s: %s", callback, problem);
    chain_run(fixture->chain, found, &read, &outcome);
    json_decref(object);
    return outcome;
}

#define UPLOAD "is_user_allowed_to_upload_media_of_size", "{\"user_id\": \"@a:test.example\", \"size\": 77}"
#define JOIN "user_may_join_room", "{\"user_id\": \"@a:test.example\", \"room_id\": \"!r:x\", \"is_invited\": true}"
#define EXPIRED "is_user_expired", "{\"user_id\": \"@a:test.example\"}"
#define REGISTRATION                                                                                                   \
    "check_registration_for_spam",                                                                                     \
        "{\"email_threepid\": {\"medium\": \"email\"}, \"username\": null, \"request_info\": "                         \
        "[[\"agent\", \"::1\"]], \"auth_provider_id\": null}"
#define LIMIT "get_media_upload_limits_for_user", "{\"user_id\": \"@a:test.example\"}"
#define INTERESTED "get_interested_users", "{\"user_id\": \"@a:test.example\"}"
#define CREATION                                                                                                       \
    "on_create_room", "{\"requester\": {\"user_id\": \"@a:x\"}, \"config\": {\"name\": \"old\"}, "                     \
                      "\"is_requester_admin\": false}"
#define STATES                                                                                                         \
    "get_users_for_states", "{\"state_updates\": [{\"user_id\": \"@a:x\", \"state\": \"online\"}, {\"user_id\": "      \
                            "\"@b:x\", \"state\": \"busy\", \"status_msg\": \"here\"}]}"
#define LOGIN(type, field)                                                                                             \
    "auth_checkers", "{\"username\": \"bob\", \"login_type\": \"" type "\", \"login_dict\": {\"" field "\": \"x\"}}"
#define MESSAGE                                                                                                        \
    "{\"event_id\":\"$e\",\"room_id\":\"!r:x\",\"type\":\"m.room.message\",\"sender\":\"@a:x\","                       \
    "\"content\":{\"body\":\"Hello \\u00fc\",\"format\":7}}"

/* Each setter, in a callback where it shows: the chain's value as JSON. */
Test(plugin, every_setter)
{
    static const struct {
        const char *settings;
        const char *callback;
        const char *arguments;
        enum outcome_kind kind;
        const char *value;
    } cases[] = {
        {"{}", JOIN, OUTCOME_PASSED, "\"NOT_SPAM\""},
        {"{\"say\": \"pass\"}", JOIN, OUTCOME_PASSED, "\"NOT_SPAM\""},
        {"{\"say\": \"refuse\"}", JOIN, OUTCOME_DENIED, "{\"code\":\"M_FORBIDDEN\",\"fields\":{}}"},
        {"{\"say\": \"refuse\", \"value\": \"M_LIMIT_EXCEEDED\", \"fields\": \"{\\\"retry_after_ms\\\": 5}\"}", JOIN,
         OUTCOME_DENIED, "{\"code\":\"M_LIMIT_EXCEEDED\",\"fields\":{\"retry_after_ms\":5}}"},
        {"{\"say\": \"refuse\"}", REGISTRATION, OUTCOME_DENIED, "{\"behaviour\":\"DENY\"}"},
        {"{\"say\": \"code\", \"value\": \"M_USER_LOCKED\"}", JOIN, OUTCOME_DENIED,
         "{\"code\":\"M_USER_LOCKED\",\"fields\":{}}"},
        {"{\"say\": \"boolean\", \"value\": false}", JOIN, OUTCOME_DENIED, "{\"code\":\"M_FORBIDDEN\",\"fields\":{}}"},
        {"{\"say\": \"boolean\", \"value\": true}", JOIN, OUTCOME_PASSED, "\"NOT_SPAM\""},
        {"{\"say\": \"not_spam\"}", JOIN, OUTCOME_PASSED, "\"NOT_SPAM\""},
        {"{\"say\": \"none\"}", JOIN, OUTCOME_DENIED, "{\"code\":\"M_FORBIDDEN\",\"fields\":{}}"},
        {"{\"say\": \"integer\", \"value\": 12}", EXPIRED, OUTCOME_DENIED, "{\"int\":12}"},
        {"{\"say\": \"number\", \"value\": 0.5}", EXPIRED, OUTCOME_DENIED, "{\"float\":0.5}"},
        {"{\"say\": \"text\", \"value\": \"t\\u00e4xt\"}", EXPIRED, OUTCOME_DENIED, "{\"str\":\"t\\u00e4xt\"}"},
        {"{\"say\": \"text\"}", EXPIRED, OUTCOME_PASSED, "{\"bool\":false}"},
        {"{\"say\": \"behaviour\", \"value\": \"SHADOW_BAN\"}", REGISTRATION, OUTCOME_DENIED,
         "{\"behaviour\":\"SHADOW_BAN\"}"},
        {"{\"say\": \"behaviour\", \"value\": \"ALLOW\"}", REGISTRATION, OUTCOME_PASSED, "{\"behaviour\":\"ALLOW\"}"},
        {"{\"say\": \"texts\", \"value\": [\"@b:x\", \"@a:x\", \"@b:x\", null]}", INTERESTED, OUTCOME_PASSED,
         "{\"set\":[\"@a:x\",\"@b:x\"]}"},
        {"{\"say\": \"all_users\"}", INTERESTED, OUTCOME_PASSED, "{\"str\":\"ALL\"}"},
        {"{\"say\": \"authenticated\", \"value\": \"@bob:test.example\"}", LOGIN("m.login.password", "password"),
         OUTCOME_PASSED, "{\"tuple\":[{\"str\":\"@bob:test.example\"},{\"none\":true}]}"},
        {"{}", LOGIN("com.example.token", "token"), OUTCOME_PASSED,
         "{\"tuple\":[{\"str\":\"@second:test.example\"},{\"none\":true}]}"},
        {"{\"say\": \"tagged\", \"value\": \"{\\\"list\\\": [{\\\"limit\\\": [1000, 60000]}]}\"}", LIMIT,
         OUTCOME_PASSED, "{\"list\":[{\"limit\":[1000,60000]}]}"},
        {"{\"say\": \"boolean\", \"value\": false}", UPLOAD, OUTCOME_DENIED, "{\"bool\":false}"},
        {"{\"say\": \"raise_error\", \"value\": \"tea only\"}", JOIN, OUTCOME_FAILED,
         "{\"raise\":{\"type\":\"SynapseError\",\"code\":418,\"errcode\":\"M_FORBIDDEN\",\"msg\":\"tea only\"}}"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct module_fixture fixture = {0};
        struct arena arena = {0};
        struct buffer value = {0};
        cr_assert(open_plugin(&fixture, "mirror.so", cases[index].settings), "%s", fixture.reports);
        struct outcome outcome = ask(&fixture, cases[index].callback, cases[index].arguments, &arena);
        value_append_json(&outcome.result.value, &value);
        cr_expect_str_eq(buffer_string(&value), cases[index].value, "%s in %s: %s", cases[index].settings,
                         cases[index].callback, buffer_string(&value));
        cr_expect_eq(outcome.kind, cases[index].kind, "%s in %s: %d", cases[index].settings, cases[index].callback,
                     outcome.kind);
        buffer_free(&value);
        arena_free(&arena);
        fixture_close(&fixture);
    }
}

/* What makes no sense is a failure with a sentence, and never a pass. */
Test(plugin, answers_that_make_no_sense_fail)
{
    static const char *const cases[][2] = {
        {"{\"say\": \"raise\", \"value\": \"out of luck\"}", "out of luck"},
        {"{\"say\": \"raise\"}", "the plug-in failed"},
        {"{\"say\": \"refuse\", \"value\": \"M_NOSUCH\"}", "`M_NOSUCH` is none of Synapse's error codes"},
        {"{\"say\": \"code\"}", "`` is none of Synapse's error codes"},
        {"{\"say\": \"code\", \"value\": \"M_FORBIDDEN\", \"fields\": \"[1]\"}",
         "the fields beside a code are no JSON object"},
        {"{\"say\": \"behaviour\", \"value\": \"PERHAPS\"}", "a behaviour is none of ALLOW, SHADOW_BAN and DENY"},
        {"{\"say\": \"tagged\", \"value\": \"{\\\"tuple\\\": \"}", "the answer is not valid JSON"},
        {"{\"say\": \"replace_event\", \"value\": \"7\"}", "what replaces the event's members is no JSON object"},
        {"{\"say\": \"route\", \"value\": [[\"@x:x\", 0]]}",
         "a route has no user id, or a state that was not asked about"},
        {"{\"say\": \"edit\", \"value\": \"{}\"}", "could not be edited"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct module_fixture fixture = {0};
        struct arena arena = {0};
        cr_assert(open_plugin(&fixture, "mirror.so", cases[index][0]), "%s", fixture.reports);
        struct outcome outcome = ask(&fixture, EXPIRED, &arena);
        cr_assert_eq(outcome.kind, OUTCOME_FAILED, "%s", cases[index][0]);
        struct slice text = outcome.result.value.raised->text;
        cr_expect_eq(strlen(cases[index][1]), text.length, "%.*s", (int)text.length, text.data);
        cr_expect(slice_starts_with(text, slice_from_string(cases[index][1])), "%.*s", (int)text.length, text.data);
        arena_free(&arena);
        fixture_close(&fixture);
    }
}

Test(plugin, routes_add_up)
{
    struct module_fixture fixture = {0};
    struct arena arena = {0};
    cr_assert(
        open_plugin(&fixture, "mirror.so",
                    "{\"say\": \"route\", \"value\": [[\"@z:x\", 1], [\"@c:x\", 0], [\"@z:x\", 0], [\"@z:x\", 1]]}"));
    struct outcome outcome = ask(&fixture, STATES, &arena);
    const struct value *routes = &outcome.result.value;
    cr_assert_eq(routes->kind, VALUE_DICT);
    cr_assert_eq(routes->count, 2);
    const struct value *both = value_dict_find(routes, SLICE("@z:x")), *one = value_dict_find(routes, SLICE("@c:x"));
    cr_assert(both && one);
    cr_assert_eq(both->count, 2);
    cr_assert_eq(one->count, 1);
    EXPECT_SLICE(one->items[0].state->user_id, "@a:x");
    EXPECT_SLICE(both->items[1].state->status_message, "here");
    arena_free(&arena);
    fixture_close(&fixture);
}

Test(plugin, an_edit_is_seen_behind_it)
{
    struct module_fixture fixture = {0};
    struct arena arena = {0};
    cr_assert(open_plugin(&fixture, "mirror.so",
                          "{\"say\": \"edit\", \"value\": \"{\\\"name\\\": \\\"new\\\", \\\"n\\\": 1}\"}"));
    json_t *object = json_loads("{\"requester\": {}, \"config\": {\"name\": \"old\", \"kept\": true}, "
                                "\"is_requester_admin\": true}",
                                0, NULL);
    struct callback_arguments arguments = {0};
    const char *problem;
    struct outcome outcome;
    cr_assert(callback_read_arguments(CALLBACK_on_create_room, object, &arena, &arguments, &problem));
    chain_run(fixture.chain, CALLBACK_on_create_room, &arguments, &outcome);
    cr_expect_eq(outcome.kind, OUTCOME_PASSED);
    json_t *expected = json_loads("{\"name\": \"new\", \"kept\": true, \"n\": 1}", 0, NULL);
    cr_expect(json_equal(arguments.values[1].object, expected));
    json_decref(expected);
    json_decref(object);
    arena_free(&arena);
    fixture_close(&fixture);
}

/* The mirror's rule tells what it saw of an event. */
static void expect_event_seen(struct module_fixture *fixture, const char *body, const char *expected)
{
    struct event event = {0};
    cr_assert_eq(judge_read(fixture->judge, slice_from_string(body), &event), EVENT_READ_OK);
    fixture->outcome = *judge_event(fixture->judge, &event, JUDGE_EVENT_FOR_SPAM);
    cr_expect_eq(fixture->outcome.kind, OUTCOME_DENIED);
    EXPECT_SLICE(fixture->outcome.result.rule, expected);
}

Test(plugin, an_event_is_seen_whole)
{
    struct module_fixture fixture = {0};
    cr_assert(open_plugin(&fixture, "mirror.so", "{\"say\": \"refuse\"}"));
    cr_expect(chain_needs_body(fixture.chain));
    expect_event_seen(&fixture, MESSAGE,
                      "check_event_for_spam(1) id=$e room=!r:x type=m.room.message sender=@a:x body=Hello \xc3\xbc "
                      "tree=m.room.message length=119 event:8:0:0:json=" MESSAGE " size=5 ");
    EXPECT_SLICE(fixture.outcome.result.reason, "the mirror says so");
    EXPECT_SLICE(fixture.outcome.result.evidence, "Hello \xc3\xbc");
#define TOPIC "{\"type\":\"m.room.topic\",\"state_key\":\"\",\"redacts\":\"$x\",\"content\":{\"format\":\"f\"}}"
    expect_event_seen(&fixture, TOPIC,
                      "check_event_for_spam(1) type=m.room.topic state_key= redacts=$x format=f tree=m.room.topic "
                      "length=78 event:8:0:0:json=" TOPIC " size=4 ");
    fixture_close(&fixture);
}

Test(plugin, a_replacement)
{
    struct module_fixture fixture = {0};
    struct event event = {0};
    cr_assert(open_plugin(&fixture, "mirror.so",
                          "{\"say\": \"replace_event\", \"value\": \"{\\\"content\\\": {\\\"body\\\": \\\"other\\\", "
                          "\\\"msgtype\\\": \\\"m.text\\\"}}\"}"));
    cr_assert_eq(judge_read(fixture.judge,
                            SLICE("{\"type\":\"m.room.message\",\"room_id\":\"!r:test.example\",\"sender\":"
                                  "\"@a:test.example\",\"content\":{\"body\":\"one\",\"msgtype\":\"m.text\"}}"),
                            &event),
                 EVENT_READ_OK);
    fixture.outcome = *judge_event(fixture.judge, &event, JUDGE_EVENT_ALLOWED);
    struct buffer value = {0};
    value_append_json(&fixture.outcome.result.value, &value);
    cr_expect_str_eq(
        buffer_string(&value),
        "{\"tuple\":[{\"bool\":true},{\"event\":{\"content\":{\"body\":\"other\",\"msgtype\":\"m.text\"}}}]}", "%s",
        buffer_string(&value));
    buffer_free(&value);
    fixture_close(&fixture);
}

/* And of arguments. */
static void expect_seen(const char *callback, const char *arguments, const char *expected)
{
    struct module_fixture fixture = {0};
    struct arena arena = {0};
    cr_assert(open_plugin(&fixture, "mirror.so", "{\"say\": \"raise_error\", \"value\": \"x\"}"));
    struct outcome outcome = ask(&fixture, callback, arguments, &arena);
    cr_expect_eq(outcome.kind, OUTCOME_FAILED);
    EXPECT_SLICE(outcome.result.rule, expected);
    arena_free(&arena);
    fixture_close(&fixture);
}

Test(plugin, arguments_are_seen)
{
    expect_seen(UPLOAD,
                "is_user_allowed_to_upload_media_of_size(2) user_id:5@a:test.example:0:0:json=\"@a:test.example\" "
                "size=0 size:3:0:77:json=77 size=0 ");
    expect_seen(JOIN, "user_may_join_room(3) user_id:5@a:test.example:0:0:json=\"@a:test.example\" size=0 "
                      "room_id:5!r:x:0:0:json=\"!r:x\" size=0 is_invited:2:1:0:json=true size=0 ");
    expect_seen(REGISTRATION, "check_registration_for_spam(4) email_threepid:7:0:0:json={\"medium\":\"email\"} size=1 "
                              "username:1:0:0:json=null size=0 request_info:6:0:0:json=[[\"agent\",\"::1\"]] size=1 "
                              "auth_provider_id:1:0:0:json=null size=0 ");
    expect_seen("on_media_upload_limit_exceeded",
                "{\"user_id\": \"@a:x\", \"limit\": {\"max_bytes\": 10, \"time_period_ms\": 20}, \"sent_bytes\": 1, "
                "\"attempted_bytes\": 2}",
                "on_media_upload_limit_exceeded(4) user_id:5@a:x:0:0:json=\"@a:x\" size=0 "
                "limit:7:0:0:json={\"max_bytes\":10,\"time_period_ms\":20} size=2 sent_bytes:3:0:1:json=1 size=0 "
                "attempted_bytes:3:0:2:json=2 size=0 ");
}

Test(plugin, presence_states_are_objects)
{
    struct module_fixture fixture = {0};
    struct arena arena = {0};
    cr_assert(open_plugin(&fixture, "mirror.so", "{}"));
    struct callback_arguments arguments = {0};
    const char *problem;
    json_t *object = json_loads("{\"state_updates\": [{\"user_id\": \"@a:x\", \"state\": \"online\"}]}", 0, NULL);
    cr_assert(callback_read_arguments(CALLBACK_get_users_for_states, object, &arena, &arguments, &problem));
    json_t *plain = value_to_json(&arguments.values[0]);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(plain, 0), "state")), "online");
    json_decref(plain);
    json_decref(object);
    arena_free(&arena);
    fixture_close(&fixture);
}

Test(plugin, an_event_without_a_body_is_passed_over)
{
    struct module_fixture fixture = {0};
    struct event event = {.event_id = SLICE("$e"), .type = SLICE("m.room.message")};
    cr_assert(open_plugin(&fixture, "mirror.so", "{\"say\": \"refuse\"}"));
    fixture.outcome = *judge_event(fixture.judge, &event, JUDGE_BOTH);
    cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED);
    fixture_close(&fixture);
    cr_assert(open_plugin(&fixture, "mirror.so", "{\"say\": \"refuse\", \"rows\": true}"));
    cr_expect_not(chain_needs_body(fixture.chain));
    cr_expect(chain_uses_body(fixture.chain));
    fixture.outcome = *judge_event(fixture.judge, &event, JUDGE_EVENT_FOR_SPAM);
    cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
    EXPECT_SLICE(fixture.outcome.result.rule, "check_event_for_spam(1) id=$e type=m.room.message event:8:0:0:size=0 ");
    fixture_close(&fixture);
}

Test(plugin, a_plug_in_without_events_needs_no_bodies)
{
    struct module_fixture fixture = {0};
    cr_assert(open_plugin(&fixture, "plus.so", NULL), "%s", fixture.reports);
    cr_expect_not(chain_needs_body(fixture.chain));
    cr_expect_not(chain_uses_body(fixture.chain));
    fixture_close(&fixture);
}

Test(plugin, in_cxx_and_two_instances_of_one_object)
{
    struct module_host host = {.report = fixture_report, .resolve_path = resolve_path};
    struct module_fixture fixture = {0};
    struct arena arena = {0};
    host.context = &fixture;
    json_t *config = json_pack("{s:s}", "path", "plus.so");
    struct chain *chains[2];
    for (size_t index = 0; index < 2; index++) {
        chains[index] = chain_create(&(struct chain_settings){.server_name = "test.example"});
        cr_assert(chain_append(chains[index], module_find("plugin"), config, NULL, &host), "%s", fixture.reports);
        cr_assert(chain_seal(chains[index], NULL, NULL));
    }
    json_decref(config);
    const int64_t expected[][2] = {{0, 1}, {0, 2}, {1, 1}, {0, 3}, {1, 2}};
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++) {
        fixture.chain = chains[expected[index][0]];
        struct outcome outcome = ask(&fixture, EXPIRED, &arena);
        cr_expect_eq(outcome.result.value.integer, expected[index][1]);
    }
    arena_free(&arena);
    chain_destroy(chains[0]);
    chain_destroy(chains[1]);
}

Test(plugin, words_go_to_the_log)
{
    struct module_fixture fixture = {0};
    logged[0] = '\0';
    cr_assert(open_plugin(&fixture, "mirror.so", "{}"));
    cr_expect_str_eq(logged, "info mirror: test.example\n");
    fixture_close(&fixture);
    cr_expect_str_eq(logged, "info mirror: test.example\ndebug mirror: ends\n");
}

Test(plugin, what_cannot_be_loaded_is_an_error_of_the_configuration)
{
    expect_refused("nowhere.so", NULL, "path: the plug-in cannot be loaded: ");
    expect_refused("nowhere.so", NULL, "No such file or directory");
    expect_refused("no_symbol.so", NULL, "no plug-in for Weir: it exports no symbol `weir_plugin`");
    expect_refused(
        "other_version.so", NULL,
        "path: the plug-in was built for version 2.0 of the plug-in interface, and this Weir has version 1.0");
    expect_refused("newer_version.so", NULL,
                   "path: the plug-in needs version 1.7 of the plug-in interface, and this Weir has only version 1.0");
    expect_refused("not_filled_in.so", NULL, "path: the plug-in's `weir_plugin` is not filled in");
    expect_refused("unknown_callback.so", NULL,
                   "path: wrong answers a callback `chek_event_for_spam` that does not exist; did it mean "
                   "`check_event_for_spam`?");
    expect_refused("", NULL, "path: must be the path of a shared object");
}

Test(plugin, everything_wrong_with_its_callbacks_is_told)
{
    struct module_fixture fixture = {0};
    cr_expect_not(open_plugin(&fixture, "twice.so", NULL));
    cr_expect_str_eq(fixture.reports, "path: wrong answers check_event_for_spam twice\n"
                                      "path: wrong answers auth_checkers twice for the login type m.login.password\n"
                                      "path: wrong answers auth_checkers without a login type and its fields\n"
                                      "path: wrong has a callback without a name or a function\n");
    fixture_close(&fixture);
}

Test(plugin, wrong_settings_are_told_with_their_place)
{
    struct module_fixture fixture = {0};
    cr_expect_not(open_plugin(&fixture, "mirror.so", "{\"wrong\": {}}"));
    cr_expect_str_eq(fixture.reports, "settings.wrong: must not be there\nsettings.wrong.deep[1]: neither must this\n");
    fixture_close(&fixture);
    expect_refused("mirror.so", "{\"silent\": true}",
                   "settings: mirror cannot be started with this, and does not say why");
    expect_refused("mirror.so", "[1]", "settings: must be a map");
}

Test(plugin, files_may_be_left_out)
{
    struct module_fixture fixture = {0};
    struct module_host host = {.context = &fixture, .report = fixture_report};
    json_t *config = json_pack("{s:s}", "path", "mirror.so");
    fixture.chain = chain_create(&(struct chain_settings){.server_name = "test.example"});
    cr_expect_not(chain_append(fixture.chain, module_find("plugin"), config, NULL, &host));
    cr_expect_str_eq(fixture.reports, "path: files are left out\n");
    json_decref(config);
    fixture_close(&fixture);
}

#define SAYING(text) "{\"type\":\"m.room.message\",\"sender\":\"@a:x\",\"content\":{\"body\":\"" text "\"}}"

/* The example, as an administrator gets it. */
Test(plugin, the_example_refuses_shouting)
{
    struct module_fixture fixture = {0};
    logged[0] = '\0';
    cr_assert(open_plugin(&fixture, "shouting.so", "{\"letters\": 10}"), "%s", fixture.reports);
    EXPECT_PASS(&fixture, SAYING("Hello, this is nothing to worry about"));
    EXPECT_HIT(&fixture, SAYING("WHY DOES NOBODY LISTEN to me"), "share");
    EXPECT_SLICE(fixture.outcome.result.reason, "83 % of the body's letters are capitals");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    EXPECT_PASS(&fixture, SAYING("OK OK OK"));
    EXPECT_PASS(&fixture,
                "{\"type\":\"m.room.message\",\"sender\":\"@a:x\",\"content\":{\"body\":[\"AAAAAAAAAAAA\"]}}");
    fixture_close(&fixture);
    cr_expect_str_eq(logged, "info shouting: 3 messages seen, 1 refused\n");
    cr_assert(open_plugin(&fixture, "shouting.so", "{\"share\": 0}"));
    EXPECT_HIT(&fixture, SAYING("nothing but One capital letter"), "share");
    fixture_close(&fixture);
    expect_refused("shouting.so", "{\"share\": 2}", "settings.share: must be a number from 0 to 1");
    expect_refused("shouting.so", "{\"letters\": \"many\"}", "settings.letters: must be a whole number from 1");
    expect_refused("shouting.so", "{\"lettres\": 3}", "settings.lettres: unknown setting");
}
