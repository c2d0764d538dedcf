/* What an explanation says. Times differ from run to run and are taken out before it is looked at. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>

#include "engine/explain.h"

static char reports[1024];

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    size_t used = strlen(reports);
    snprintf(reports + used, sizeof reports - used, "%s: %s\n", path, message);
}

static const struct module_host host = {.report = on_report};

struct fixture {
    struct chain *chain;
    struct explain_settings settings;
    struct buffer output;
    struct buffer error;
};

static void open_chain(struct fixture *fixture)
{
    *fixture = (struct fixture){.chain = chain_create(&(struct chain_settings){.server_name = "test.example"})};
    fixture->settings = (struct explain_settings){.chain = fixture->chain, .instance_name = "weir1", .repetitions = 5};
}

static void append_definition(struct fixture *fixture, const struct module_definition *definition, const char *config,
                              const struct module_options *options)
{
    json_t *values = json_loads(config, 0, NULL);
    cr_assert(chain_append(fixture->chain, definition, values, options, &host), "%s", reports);
    json_decref(values);
}

static void append(struct fixture *fixture, const char *module, const char *config)
{
    append_definition(fixture, module_find(module), config, NULL);
}

static void seal(struct fixture *fixture)
{
    cr_assert(chain_seal(fixture->chain, NULL, NULL));
}

static void close_chain(struct fixture *fixture)
{
    chain_destroy(fixture->chain);
    buffer_free(&fixture->output);
    buffer_free(&fixture->error);
}

/* Writes N for every figure before " ns" and " ms". */
static void hide_times(struct buffer *output)
{
    struct buffer hidden = {0};
    const char *text = buffer_string(output);
    while (*text) {
        size_t digits = isdigit((unsigned char)*text) ? strspn(text, "0123456789.") : 0;
        bool is_time = digits && (strncmp(text + digits, " ns", 3) == 0 || strncmp(text + digits, " ms", 3) == 0);
        if (is_time)
            buffer_append_char(&hidden, 'N');
        else
            buffer_append(&hidden, text, digits ? digits : 1);
        text += digits ? digits : 1;
    }
    buffer_free(output);
    *output = hidden;
}

static void explain(struct fixture *fixture, const char *event)
{
    buffer_clear(&fixture->output);
    cr_assert(
        explain_event(&fixture->settings, slice_from_string(event), SLICE_ABSENT, &fixture->output, &fixture->error),
        "%s", buffer_string(&fixture->error));
    hide_times(&fixture->output);
}

static void explain_call(struct fixture *fixture, enum callback callback, const char *arguments)
{
    json_t *object = json_loads(arguments, 0, NULL);
    buffer_clear(&fixture->output);
    cr_assert(explain_callback(&fixture->settings, callback, object, SLICE_ABSENT, &fixture->output, &fixture->error),
              "%s", buffer_string(&fixture->error));
    json_decref(object);
    hide_times(&fixture->output);
}

#define EXPECT_SAID(fixture, text)                                                                                     \
    cr_expect_not_null(strstr(buffer_string(&(fixture)->output), text), "\"%s\" is not in:\n%s", text,                 \
                       buffer_string(&(fixture)->output))
#define EXPECT_NOT_SAID(fixture, text)                                                                                 \
    cr_expect_null(strstr(buffer_string(&(fixture)->output), text), "\"%s\" is in:\n%s", text,                         \
                   buffer_string(&(fixture)->output))

#define MESSAGE(sender, text)                                                                                          \
    "{\"event_id\":\"$e\",\"room_id\":\"!r:x\",\"type\":\"m.room.message\",\"sender\":\"" sender                       \
    "\",\"content\":{\"body\":\"" text "\"}}"

Test(explain, tags)
{
    struct fixture fixture;
    static const struct module_host quiet = {.report = on_report};
    json_t *except = json_pack("{s:[s]}", "tags", "trusted");
    open_chain(&fixture);
    append(&fixture, "trust", "{\"sources\": [{\"servers\": \"y\"}, {\"users\": \"@a:x\"}]}");
    append_definition(&fixture, module_find("keywords"), "{\"words\": \"cheap\"}",
                      &(struct module_options){.selector = selector_create(NULL, except, &quiet)});
    seal(&fixture);
    explain(&fixture, MESSAGE("@a:x", "cheap"));
    EXPECT_SAID(&fixture, "        rule      sources[1]\n        tags      trusted\n");
    EXPECT_SAID(&fixture, "not asked: left out by except tags trusted\n");
    EXPECT_SAID(&fixture, "outcome   passed");
    explain(&fixture, MESSAGE("@b:x", "cheap"));
    EXPECT_NOT_SAID(&fixture, "tags ");
    EXPECT_SAID(&fixture, "outcome   denied by keywords");
    fixture.settings.json = true;
    explain(&fixture, MESSAGE("@a:x", "cheap"));
    EXPECT_SAID(&fixture, "\"tags\":[\"trusted\"]");
    json_decref(except);
    close_chain(&fixture);
}

Test(explain, a_denied_event)
{
    struct fixture fixture;
    open_chain(&fixture);
    append(&fixture, "sender_list", "{\"users\": [\"@spam:x\"]}");
    append(&fixture, "keywords", "{\"patterns\": [\"cheap\"], \"code\": \"M_LIMIT_EXCEEDED\"}");
    append(&fixture, "link_domains", "{\"domains\": [\"evil.example\"]}");
    seal(&fixture);
    explain(&fixture, MESSAGE("@a:test.example", "buy CHEAP pills"));
    cr_expect_str_eq(
        buffer_string(&fixture.output),
        "event     $e\n"
        "type      m.room.message\n"
        "sender    @a:test.example\n"
        "room      !r:x\n"
        "body      122 bytes\n"
        "synapse   would ask check_event_allowed, then check_event_for_spam: an event that a local user sends is asked "
        "of "
        "both callbacks\n"
        "weir      asks check_event_allowed, then check_event_for_spam (observe.ask: both)\n"
        "\n"
        "check_event_allowed (third-party rules)\n"
        "  no module\n"
        "\n"
        "check_event_for_spam (spam checker)\n"
        "   1. sender_list        modules[0]  passes  N ns, median N ns of 5\n"
        "   2. keywords           modules[1]  refuses with M_LIMIT_EXCEEDED  N ns, median N ns of 5\n"
        "        rule      cheap\n"
        "        reason    body holds a keyword\n"
        "        where     content.body, bytes 108 to 113: "
        "...@a:test.example\",\"content\":{\"body\":\"buy "
        ">>CHEAP<< pills\"}}\n"
        "        this ends the walk\n"
        "   3. link_domains       modules[2]  not asked: keywords had ended the walk\n"
        "\n"
        "outcome   denied by keywords (modules[1]) in check_event_for_spam\n"
        "value     {\"code\":\"M_LIMIT_EXCEEDED\",\"fields\":{}}\n"
        "verdict   "
        "{\"event_id\":\"$e\",\"room_id\":\"!r:x\",\"sender\":\"@a:test.example\",\"type\":\"m.room.message\","
        "\"callback\":\"check_event_for_spam\",\"result\":{\"code\":\"M_LIMIT_EXCEEDED\",\"fields\":{}},\"module\":"
        "\"keywords\",\"rule\":\"cheap\",\"reason\":\"body holds a "
        "keyword\",\"stream\":\"events\",\"instance\":\"weir1\","
        "\"token\":0,\"origin\":\"observe\",\"dry_run\":false}\n"
        "\n"
        "Reading the clock takes N ns of each time. Modules were asked 5 times more for the median; those that count "
        "have "
        "counted.\n",
        "%s", buffer_string(&fixture.output));
    close_chain(&fixture);
}

Test(explain, a_text_that_is_no_event)
{
    struct fixture fixture;
    open_chain(&fixture);
    seal(&fixture);
    cr_expect_not(explain_event(&fixture.settings, SLICE("{\"type\":"), SLICE_ABSENT, &fixture.output, &fixture.error));
    cr_expect_str_eq(buffer_string(&fixture.error), "the body is not valid JSON");
    cr_expect_eq(fixture.output.length, 0);
    close_chain(&fixture);
}

Test(explain, as_synapse_would_ask)
{
    struct fixture fixture;
    open_chain(&fixture);
    append(&fixture, "keywords", "{\"patterns\": [\"cheap\"], \"fields\": [\"displayname\"]}");
    seal(&fixture);
    fixture.settings.as_synapse = true;
    explain(&fixture, "{\"type\":\"m.room.member\",\"state_key\":\"@a:test.example\",\"sender\":\"@a:test.example\","
                      "\"content\":{\"membership\":\"join\",\"displayname\":\"cheap\"}}");
    EXPECT_SAID(&fixture, "weir      asks check_event_allowed (observe.ask: as_synapse)\n");
    EXPECT_SAID(&fixture, "check_event_for_spam (spam checker)\n  not asked: a membership event of a local user");
    EXPECT_SAID(&fixture, "outcome   passed\n");
    explain(&fixture,
            "{\"type\":\"m.room.member\",\"state_key\":\"@a:x\",\"sender\":\"@a:x\",\"content\":{\"membership\":"
            "\"knock\"}}");
    EXPECT_SAID(&fixture, "a knock that comes over federation is asked of both callbacks");
    close_chain(&fixture);
}

Test(explain, a_module_in_dry_run)
{
    struct fixture fixture;
    struct module_options options = {.dry_run = true};
    open_chain(&fixture);
    append_definition(&fixture, module_find("keywords"), "{\"patterns\": [\"cheap\"]}", &options);
    append(&fixture, "keywords", "{\"patterns\": [\"other\"]}");
    seal(&fixture);
    explain(&fixture, MESSAGE("@a:x", "cheap"));
    EXPECT_SAID(&fixture, "        dry_run: this would have ended the walk, which goes on\n");
    EXPECT_SAID(&fixture, "modules[1]  passes");
    EXPECT_SAID(&fixture, "outcome   passed\n");
    EXPECT_SAID(&fixture, "dry_run   {\"event_id\":\"$e\",");
    EXPECT_SAID(&fixture, "\"token\":0,\"origin\":\"observe\",\"dry_run\":true}\nverdict   {\"event_id\":\"$e\",");
    explain(&fixture, MESSAGE("@a:x", "dear"));
    EXPECT_SAID(&fixture, "modules[0]  passes  N ns, median N ns of 5\n        dry_run\n");
    close_chain(&fixture);
}

/* A module whose answers the test chooses. */
static struct value next_value;
static unsigned times_asked;

static void *create(const struct module_setup *setup)
{
    (void)setup;
    return &next_value;
}

static void destroy(void *state)
{
    (void)state;
}

static void say_next(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state, (void)arguments;
    times_asked++;
    result->value = next_value;
}

static void take_answer(void *state, const struct callback_arguments *arguments, const struct service_answer *answer,
                        struct result *result)
{
    (void)state, (void)arguments;
    result->value = answer->status == 200 ? value_refuse(SLICE("M_FORBIDDEN")) : (struct value){.kind = VALUE_PASS};
    result->reason = answer->arrived ? SLICE("the service says so") : answer->error;
}

static void edit(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    times_asked++;
    json_object_set_new(arguments->values[1].object, "edited", json_integer(times_asked));
    result->value.kind = VALUE_NONE;
}

static const struct module_callback scripted_callbacks[] = {
    {.callback = CALLBACK_check_event_allowed, .function = say_next},
    {.callback = CALLBACK_user_may_join_room, .function = say_next},
    {.callback = CALLBACK_federated_user_may_invite, .function = say_next},
    {.callback = CALLBACK_user_may_invite, .function = say_next},
    {.callback = CALLBACK_on_create_room, .function = edit},
};

static const struct module_definition scripted = {
    .name = "scripted",
    .configuration_size = 1,
    .callbacks = scripted_callbacks,
    .callback_count = sizeof scripted_callbacks / sizeof *scripted_callbacks,
    .create = create,
    .destroy = destroy,
    .answer = take_answer,
};

Test(explain, an_event_that_was_refused_before_the_spam_checkers)
{
    struct fixture fixture;
    open_chain(&fixture);
    append_definition(&fixture, &scripted, "{}", NULL);
    append(&fixture, "keywords", "{\"patterns\": [\"cheap\"]}");
    seal(&fixture);
    next_value = value_refuse(SLICE("M_FORBIDDEN"));
    explain(&fixture, MESSAGE("@a:x", "cheap"));
    EXPECT_SAID(&fixture, "not asked: check_event_allowed did not let the event pass\n");
    EXPECT_SAID(&fixture, "outcome   denied by scripted (modules[0]) in check_event_allowed\n");
    close_chain(&fixture);
}

Test(explain, a_replaced_event)
{
    struct fixture fixture;
    struct arena arena = {0};
    json_t *members = json_loads("{\"content\": {\"body\": \"now cheap\", \"msgtype\": \"m.text\"}}", 0, NULL);
    open_chain(&fixture);
    append_definition(&fixture, &scripted, "{}", NULL);
    append(&fixture, "keywords", "{\"patterns\": [\"cheap\"]}");
    seal(&fixture);
    next_value = value_pair(&arena, true, members);
    explain(&fixture, "{\"room_id\":\"!r:test.example\",\"type\":\"m.room.message\",\"sender\":\"@a:test.example\","
                      "\"content\":{\"body\":\"dear\",\"msgtype\":\"m.text\"}}");
    EXPECT_SAID(&fixture, "modules[0]  answers {\"tuple\":[{\"bool\":true},{\"event\":");
    EXPECT_SAID(&fixture, "where     in the replaced event, content.body, bytes ");
    EXPECT_SAID(&fixture, "now >>cheap<<");
    EXPECT_SAID(&fixture, "outcome   denied by keywords (modules[1]) in check_event_for_spam\n");
    json_decref(members);
    arena_free(&arena);
    close_chain(&fixture);
}

static const struct service_answer *wait_for(void *context, uint64_t ticket)
{
    static struct service_answer answer;
    cr_expect_eq(ticket, 77);
    answer = (struct service_answer){.arrived = true, .status = *(const int *)context};
    return &answer;
}

Test(explain, a_module_that_waits)
{
    struct fixture fixture;
    int status = 200;
    open_chain(&fixture);
    append_definition(&fixture, &scripted, "{}", NULL);
    seal(&fixture);
    next_value = (struct value){.kind = VALUE_PENDING, .ticket = 77};
    times_asked = 0;
    explain(&fixture, MESSAGE("@a:x", "dear"));
    EXPECT_SAID(&fixture, "modules[0]  waits for somebody outside  N ns\n");
    EXPECT_SAID(&fixture, "outcome   open: a module waits for somebody outside, and nobody can be waited for here\n");
    EXPECT_NOT_SAID(&fixture, "verdict");
    fixture.settings.wait = wait_for;
    fixture.settings.wait_context = &status;
    explain(&fixture, MESSAGE("@a:x", "dear"));
    EXPECT_SAID(&fixture, "modules[0]  refuses with M_FORBIDDEN  N ns, then waited N ms\n");
    EXPECT_SAID(&fixture, "        reason    the service says so\n");
    EXPECT_SAID(&fixture, "outcome   denied by scripted (modules[0]) in check_event_allowed\n");
    status = 404;
    explain_call(&fixture, CALLBACK_user_may_join_room,
                 "{\"user_id\": \"@a:x\", \"room_id\": \"!r:x\", \"is_invited\": true}");
    EXPECT_SAID(&fixture, "modules[0]  passes  N ns, then waited N ms\n");
    EXPECT_SAID(&fixture, "outcome   passed\nvalue     \"NOT_SPAM\"\n");
    cr_expect_eq(times_asked, 3, "a service is not asked for its times' sake: %u", times_asked);
    close_chain(&fixture);
}

Test(explain, any_callback)
{
    struct fixture fixture;
    open_chain(&fixture);
    append_definition(&fixture, &scripted, "{}", NULL);
    append_definition(&fixture, &scripted, "{}", NULL);
    seal(&fixture);
    next_value = value_code(SLICE("M_USER_LOCKED"));
    explain_call(&fixture, CALLBACK_user_may_join_room,
                 "{\"user_id\": \"@a:x\", \"room_id\": \"!r:x\", \"is_invited\": true}");
    EXPECT_SAID(&fixture, "asked     when a local user joins a room\nrule      ");
    EXPECT_SAID(&fixture, "failures  the walk ends and the request fails with the module's error\n");
    EXPECT_SAID(&fixture, "modules[0]  answers {\"code\":\"M_USER_LOCKED\",\"fields\":{}}  N ns, median N ns of 5\n"
                          "        this ends the walk\n");
    EXPECT_SAID(&fixture, "modules[1]  not asked: scripted had ended the walk\n");
    EXPECT_SAID(&fixture, "outcome   denied by scripted (modules[0]) in user_may_join_room\n");
    explain_call(&fixture, CALLBACK_is_user_expired, "{\"user_id\": \"@a:x\"}");
    EXPECT_SAID(&fixture, "is_user_expired (account validity)\n  no module\n");
    close_chain(&fixture);
}

Test(explain, a_callback_with_another_behind_it)
{
    struct fixture fixture;
    open_chain(&fixture);
    append_definition(&fixture, &scripted, "{}", NULL);
    seal(&fixture);
    next_value = (struct value){.kind = VALUE_PASS};
    explain_call(&fixture, CALLBACK_federated_user_may_invite,
                 "{\"event\": {\"type\": \"m.room.member\", \"sender\": \"@a:x\", \"state_key\": \"@b:test.example\", "
                 "\"room_id\": \"!r:x\", \"content\": {}}}");
    EXPECT_SAID(&fixture, "federated_user_may_invite (spam checker)\n   1. scripted           modules[0]  passes");
    EXPECT_SAID(&fixture, "user_may_invite (spam checker)\n   1. scripted           modules[0]  passes");
    next_value = value_boolean(false);
    explain_call(&fixture, CALLBACK_federated_user_may_invite, "{\"event\": {\"type\": \"m.room.member\"}}");
    EXPECT_SAID(&fixture, "user_may_invite (spam checker)\n  not asked: the walk had ended\n");
    close_chain(&fixture);
}

Test(explain, an_argument_that_modules_edit_is_asked_about_once)
{
    struct fixture fixture;
    open_chain(&fixture);
    append_definition(&fixture, &scripted, "{}", NULL);
    seal(&fixture);
    times_asked = 0;
    explain_call(&fixture, CALLBACK_on_create_room,
                 "{\"requester\": {}, \"config\": {\"name\": \"x\"}, \"is_requester_admin\": false}");
    EXPECT_SAID(&fixture, "after     config = {\"name\":\"x\",\"edited\":1}\n");
    cr_expect_eq(times_asked, 1);
    close_chain(&fixture);
}

Test(explain, wrong_arguments)
{
    struct fixture fixture;
    open_chain(&fixture);
    seal(&fixture);
    cr_expect_not(explain_callback(&fixture.settings, CALLBACK_user_may_join_room, NULL, SLICE_ABSENT, &fixture.output,
                                   &fixture.error));
    cr_expect_str_eq(buffer_string(&fixture.error), "the argument `user_id` must be a text");
    buffer_clear(&fixture.error);
    cr_expect_not(explain_callback(&fixture.settings, CALLBACK_check_event_for_spam, NULL, SLICE_ABSENT,
                                   &fixture.output, &fixture.error));
    cr_expect_str_eq(buffer_string(&fixture.error),
                     "check_event_for_spam is asked about an event: name a file with it, "
                     "or give it as the argument `event`");
    close_chain(&fixture);
}
