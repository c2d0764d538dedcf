/* my_auth_provider: who gets in, and above all who does not. */
#include "tests/filters/module_fixture.h"

#define MY_TYPE(user, fields) "{\"username\":\"" user "\",\"login_type\":\"my.login_type\",\"login_dict\":" fields "}"
#define PASSWORD(user, fields)                                                                                         \
    "{\"username\":\"" user "\",\"login_type\":\"m.login.password\",\"login_dict\":" fields "}"

static void expect_answer(struct module_fixture *fixture, const char *question, const char *expected)
{
    const char *answer = fixture_ask(fixture, CALLBACK_auth_checkers, question);
    cr_expect_str_eq(answer, expected, "%s: %s", question, answer);
}

#define EXPECT_LOGIN(fixture, question, user_id)                                                                       \
    expect_answer(fixture, question, "{\"tuple\":[{\"str\":\"" user_id "\"},{\"none\":true}]}")
#define EXPECT_NOBODY(fixture, question) expect_answer(fixture, question, "{\"none\":true}")

Test(my_auth_provider, documented_table)
{
    for (enum semantics semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = semantics};
        cr_assert(fixture_open(&fixture, "my_auth_provider", "{}"));
        EXPECT_LOGIN(&fixture, MY_TYPE("bob", "{\"my_field\":\"building\"}"), "@bob:example.org");
        EXPECT_LOGIN(&fixture, PASSWORD("bob", "{\"password\":\"building\"}"), "@bob:example.org");
        EXPECT_LOGIN(&fixture, MY_TYPE("@scoop:matrix.org", "{\"my_field\":\"digging\"}"), "@scoop:matrix.org");
        EXPECT_LOGIN(&fixture, PASSWORD("@scoop:matrix.org", "{\"password\":\"digging\"}"), "@scoop:matrix.org");
        EXPECT_NOBODY(&fixture, PASSWORD("bob", "{\"password\":\"Building\"}"));
        EXPECT_NOBODY(&fixture, PASSWORD("bob", "{\"password\":\"buildin\"}"));
        EXPECT_NOBODY(&fixture, PASSWORD("bob", "{\"password\":\"building2\"}"));
        EXPECT_NOBODY(&fixture, PASSWORD("bob", "{\"password\":\"\"}"));
        EXPECT_NOBODY(&fixture, PASSWORD("bob", "{\"password\":\"digging\"}"));
        EXPECT_NOBODY(&fixture, PASSWORD("@bob:example.org", "{\"password\":\"building\"}"));
        EXPECT_NOBODY(&fixture, PASSWORD("scoop", "{\"password\":\"digging\"}"));
        EXPECT_NOBODY(&fixture, PASSWORD("", "{\"password\":\"building\"}"));
        fixture_close(&fixture);
    }
}

/* The original takes null for the secret of an unknown name, and so logs in as anybody. */
Test(my_auth_provider, what_is_no_text_never_logs_in)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "my_auth_provider", "{}"));
    EXPECT_NOBODY(&fixture, MY_TYPE("admin", "{\"my_field\":null}"));
    EXPECT_NOBODY(&fixture, MY_TYPE("bob", "{\"my_field\":null}"));
    EXPECT_NOBODY(&fixture, MY_TYPE("admin", "{}"));
    EXPECT_NOBODY(&fixture, MY_TYPE("admin", "{\"my_field\":\"\"}"));
    EXPECT_NOBODY(&fixture, MY_TYPE("bob", "{\"my_field\":[\"building\"]}"));
    EXPECT_NOBODY(&fixture, MY_TYPE("bob", "{\"my_field\":true}"));
    EXPECT_NOBODY(&fixture, MY_TYPE("bob", "{\"my_field\":0}"));
    EXPECT_NOBODY(&fixture, MY_TYPE("bob", "null"));
    EXPECT_NOBODY(&fixture, MY_TYPE("bob", "[\"building\"]"));
    EXPECT_NOBODY(&fixture, MY_TYPE("bob", "\"building\""));
    /* The field of the other type does not count. */
    EXPECT_NOBODY(&fixture, MY_TYPE("bob", "{\"password\":\"building\"}"));
    EXPECT_NOBODY(&fixture, PASSWORD("bob", "{\"my_field\":\"building\"}"));
    fixture_close(&fixture);
}

Test(my_auth_provider, own_users_replace_the_documented_ones)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "my_auth_provider", "{\"users\": {\"carol\": \"scooping \", \"Ünï\": \"ä\"}}"));
    EXPECT_LOGIN(&fixture, PASSWORD("carol", "{\"password\":\"scooping \"}"), "@carol:example.org");
    EXPECT_LOGIN(&fixture, MY_TYPE("Ünï", "{\"my_field\":\"ä\"}"), "@\\u00dcn\\u00ef:example.org");
    EXPECT_NOBODY(&fixture, PASSWORD("bob", "{\"password\":\"building\"}"));
    cr_expect_str_eq(fixture.reports,
                     "warning: : my_auth_provider is a demonstration: whoever can read this file can log in\n");
    fixture_close(&fixture);
}

Test(my_auth_provider, published_secrets_are_pointed_out)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open(&fixture, "my_auth_provider", "{\"users\": {\"bob\": \"building\", \"scoop\": \"digging\"}}"));
    cr_expect(strstr(fixture.reports, "warning: users.bob: this secret is printed"), "%s", fixture.reports);
    cr_expect_null(strstr(fixture.reports, "users.scoop"), "%s", fixture.reports);
    fixture_close(&fixture);
}

Test(my_auth_provider, empty_secrets_and_names_are_refused)
{
    struct module_fixture fixture = {0};
    cr_assert_not(
        fixture_open(&fixture, "my_auth_provider", "{\"users\": {\"bob\": \"\", \"\": \"x\", \"carol\": 1}}"));
    cr_expect(strstr(fixture.reports, "users.carol: must be a text"), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "my_auth_provider", "{\"users\": {\"bob\": \"\", \"\": \"x\"}}"));
    cr_expect(strstr(fixture.reports, "users.bob: an empty secret"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "users.: a name must not be empty"), "%s", fixture.reports);
    fixture_close(&fixture);
}

Test(my_auth_provider, login_types)
{
    struct module_fixture fixture = {0};
    struct arena arena = {0};
    struct buffer text = {0};
    cr_assert(fixture_open(&fixture, "my_auth_provider", "{}"));
    struct value types = chain_login_types(fixture.chain, &arena);
    value_append_json(&types, &text);
    cr_expect_str_eq(buffer_string(&text), "{\"dict\":{\"my.login_type\":{\"list\":[{\"str\":\"my_field\"}]},"
                                           "\"m.login.password\":{\"list\":[{\"str\":\"password\"}]}}}");
    buffer_free(&text);
    arena_free(&arena);
    fixture_close(&fixture);
}
