/* presence_router: the two documented examples, and both at once. */
#include "tests/filters/module_fixture.h"

#define ALWAYS                                                                                                         \
    "\"always_send_to_users\":[\"@presence_gobbler:example.org\"],"                                                    \
    "\"blacklisted_users\":[\"@alice:example.com\",\"@bob:example.com\"]"
#define ROUTES "\"routes\":[{\"to\":\"@alice:example.com\",\"from\":[\"@bob:example.com\",\"@charlie:somewhere.org\"]}]"

/* The users and the states that each gets: "user: state-of state-of; user: …", a state by its user and last_active_ts.
 */
static const char *routes(struct module_fixture *fixture, const char *updates)
{
    static char text[1024];
    char question[1024];
    snprintf(question, sizeof question, "{\"state_updates\":[%s]}", updates);
    fixture_ask(fixture, CALLBACK_get_users_for_states, question);
    const struct value *dict = &fixture->outcome.result.value;
    cr_assert_eq(dict->kind, VALUE_DICT);
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t index = 0; index < dict->count; index++) {
        const struct value *user = &dict->items[2 * index], *states = user + 1;
        cr_assert(user->kind == VALUE_TEXT && states->kind == VALUE_SET);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s:", index ? "; " : "", (int)user->text.length,
                                 user->text.data);
        for (uint32_t place = 0; place < states->count; place++) {
            const struct presence_state *state = states->items[place].state;
            used += (size_t)snprintf(text + used, sizeof text - used, " %.*s/%d", (int)state->user_id.length,
                                     state->user_id.data, (int)state->last_active_ts);
        }
    }
    return text;
}

static const char *interested(struct module_fixture *fixture, const char *user)
{
    char question[256];
    snprintf(question, sizeof question, "{\"user_id\":\"%s\"}", user);
    return fixture_ask(fixture, CALLBACK_get_interested_users, question);
}

#define UPDATE(user, time) "{\"user_id\":\"" user "\",\"state\":\"online\",\"last_active_ts\":" #time "}"

Test(presence_router, example_of_the_older_page)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "presence_router", "{" ALWAYS "}"), "%s", fixture.reports);
    cr_expect_str_eq(
        routes(&fixture, UPDATE("@carol:x", 1) "," UPDATE("@alice:example.com", 2) "," UPDATE("@dora:y", 3)),
        "@presence_gobbler:example.org: @carol:x/1 @dora:y/3");
    /* Nothing is left, and yet the key is there: see get_interested_users. */
    cr_expect_str_eq(routes(&fixture, UPDATE("@bob:example.com", 1)), "@presence_gobbler:example.org:");
    cr_expect_str_eq(routes(&fixture, ""), "@presence_gobbler:example.org:");
    cr_expect_str_eq(interested(&fixture, "@presence_gobbler:example.org"), "{\"str\":\"ALL\"}");
    cr_expect_str_eq(interested(&fixture, "@carol:x"), "{\"set\":[]}");
    cr_expect_str_eq(interested(&fixture, "@alice:example.com"), "{\"set\":[]}");
    fixture_close(&fixture);
}

Test(presence_router, example_of_the_current_page)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "presence_router", "{" ROUTES "}"), "%s", fixture.reports);
    cr_expect_str_eq(routes(&fixture, UPDATE("@bob:example.com", 1) "," UPDATE("@x:y", 2)),
                     "@alice:example.com: @bob:example.com/1");
    cr_expect_str_eq(routes(&fixture, UPDATE("@charlie:somewhere.org", 1) "," UPDATE("@bob:example.com", 2)),
                     "@alice:example.com: @charlie:somewhere.org/1 @bob:example.com/2");
    cr_expect_str_eq(routes(&fixture, UPDATE("@alice:example.com", 1)), "");
    cr_expect_str_eq(routes(&fixture, ""), "");
    cr_expect_str_eq(interested(&fixture, "@alice:example.com"),
                     "{\"set\":[\"@bob:example.com\",\"@charlie:somewhere.org\"]}");
    cr_expect_str_eq(interested(&fixture, "@alice:example.org"), "{\"set\":[]}");
    cr_expect_str_eq(interested(&fixture, "@bob:example.com"), "{\"set\":[]}");
    fixture_close(&fixture);
}

Test(presence_router, equal_states_count_once)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "presence_router",
                           "{\"always_send_to_users\":\"@all:x\",\"routes\":[{\"to\":\"@t:x\",\"from\":\"@s:x\"}]}"));
    cr_expect_str_eq(routes(&fixture, UPDATE("@s:x", 1) "," UPDATE("@s:x", 2) "," UPDATE("@s:x", 1)),
                     "@all:x: @s:x/1 @s:x/2; @t:x: @s:x/1 @s:x/2");
    fixture_close(&fixture);
}

Test(presence_router, routes_add_up)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(
        &fixture, "presence_router",
        "{\"routes\":[{\"to\":\"@t:x\",\"from\":[\"@a:x\",\"@b:x\"]},{\"to\":\"@u:x\",\"from\":[\"@b:x\"]},"
        "{\"to\":\"@t:x\",\"from\":[\"@b:x\",\"@c:x\",\"@c:x\"]},{\"to\":\"@v:x\"}]}"));
    cr_expect_str_eq(interested(&fixture, "@t:x"), "{\"set\":[\"@a:x\",\"@b:x\",\"@c:x\"]}");
    cr_expect_str_eq(interested(&fixture, "@v:x"), "{\"set\":[]}");
    cr_expect_str_eq(routes(&fixture, UPDATE("@b:x", 1) "," UPDATE("@c:x", 2)), "@t:x: @b:x/1 @c:x/2; @u:x: @b:x/1");
    /* What one question left behind does not show in the next. */
    cr_expect_str_eq(routes(&fixture, UPDATE("@c:x", 3)), "@t:x: @c:x/3");
    fixture_close(&fixture);
}

Test(presence_router, both_examples_at_once)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "presence_router",
                           "{\"always_send_to_users\":[\"@all:x\",\"@all:x\"],\"blacklisted_users\":[\"@hidden:x\"],"
                           "\"routes\":[{\"to\":\"@t:x\",\"from\":[\"@hidden:x\",\"@s:x\"]},"
                           "{\"to\":\"@all:x\",\"from\":[\"@s:x\"]}]}"));
    cr_expect_str_eq(fixture.reports,
                     "warning: routes[0].from[0]: is in blacklisted_users too: this user's presence is "
                     "not sent\n");
    cr_expect_str_eq(routes(&fixture, UPDATE("@hidden:x", 1) "," UPDATE("@s:x", 2) "," UPDATE("@o:x", 3)),
                     "@all:x: @s:x/2 @o:x/3; @t:x: @s:x/2");
    cr_expect_str_eq(interested(&fixture, "@all:x"), "{\"str\":\"ALL\"}");
    cr_expect_str_eq(interested(&fixture, "@t:x"), "{\"set\":[\"@s:x\"]}");
    fixture_close(&fixture);
}

Test(presence_router, nothing_configured_routes_nothing)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "presence_router",
                           "{\"always_send_to_users\":null,\"blacklisted_users\":null,\"routes\":null}"));
    cr_expect_str_eq(routes(&fixture, UPDATE("@a:x", 1)), "");
    cr_expect_str_eq(interested(&fixture, "@a:x"), "{\"set\":[]}");
    fixture_close(&fixture);
}

Test(presence_router, what_is_no_user_id_is_refused)
{
    struct module_fixture fixture = {0};
    cr_assert_not(fixture_open(&fixture, "presence_router",
                               "{\"always_send_to_users\":[\"@a:x\",\"bob\"],\"blacklisted_users\":[\"\"],"
                               "\"routes\":[{\"to\":\"@a\",\"from\":[\"@b:x\",\"c:x\"]},{\"from\":[\"@b:x\"]}]}"));
    static const char *const expected[] = {"always_send_to_users[1]: must be a user id", "blacklisted_users[0]: must",
                                           "routes[0].to: must be a user id", "routes[0].from[1]: must be a user id",
                                           "routes[1].to: is missing"};
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++)
        cr_expect(strstr(fixture.reports, expected[index]), "%s: %s", expected[index], fixture.reports);
    fixture_close(&fixture);
}

/* Ten thousand users, each with rules of its own, and a batch of a thousand changes: every change reaches exactly those
 * who asked for it. */
Test(presence_router, many_users)
{
    enum { USERS = 10000, CHANGES = 1000 };
    struct module_fixture fixture = {0};
    struct buffer text = {0};
    buffer_append_string(&text, "{\"routes\":[");
    for (int user = 0; user < USERS; user++)
        buffer_append_format(&text, "%s{\"to\":\"@t%d:x\",\"from\":[\"@s%d:x\",\"@s%d:x\"]}", user ? "," : "", user,
                             user, (user + 1) % USERS);
    buffer_append_string(&text, "]}");
    cr_assert(fixture_open(&fixture, "presence_router", buffer_string(&text)));
    buffer_clear(&text);
    buffer_append_string(&text, "{\"state_updates\":[");
    for (int change = 0; change < CHANGES; change++)
        buffer_append_format(&text, "%s{\"user_id\":\"@s%d:x\",\"state\":\"online\"}", change ? "," : "", change * 10);
    buffer_append_string(&text, "]}");
    fixture_ask(&fixture, CALLBACK_get_users_for_states, buffer_string(&text));
    const struct value *dict = &fixture.outcome.result.value;
    cr_assert_eq(dict->count, 2u * CHANGES);
    for (uint32_t index = 0; index < dict->count; index++) {
        int target = atoi(dict->items[2 * index].text.data + 2);
        cr_assert_eq(dict->items[2 * index + 1].count, 1u);
        int source = atoi(dict->items[2 * index + 1].items[0].state->user_id.data + 2);
        cr_assert(source == target || source == (target + 1) % USERS, "%d gets %d", target, source);
    }
    buffer_free(&text);
    fixture_close(&fixture);
}
