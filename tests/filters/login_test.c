/* What login catches and what it must let pass. */
#include "tests/filters/question_fixture.h"

#define ASKED(device, requests, provider)                                                                              \
    "{'user_id':'@a:x','device_id':null,'initial_display_name':" device ",'request_info':" requests                    \
    ",'auth_provider_id':" provider "}"

Test(login, where_it_comes_from)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open(&fixture, "login",
                     "{\"ips\": {\"deny\": [\"10.0.0.0/8\"], \"allow\": \"10.0.0.1\"}, \"agents\": \"curl\", "
                     "\"device_names\": {\"deny\": [\"^bot\"], \"allow\": [\"bottle\"]}, \"providers\": [\"saml\"], "
                     "\"code\": \"M_USER_LOCKED\"}"),
        "%s", fixture.reports);
    EXPECT_ANSWER(&fixture, check_login_for_spam, ASKED("null", "[['a','10.0.0.2']]", "null"),
                  "{\"code\":\"M_USER_LOCKED\",\"fields\":{}}");
    EXPECT_ANSWER(&fixture, check_login_for_spam, ASKED("null", "[['a','10.0.0.1']]", "null"), "\"NOT_SPAM\"");
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("null", "[['a','10.0.0.2']]", "null"), "10.0.0.0/8");
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("null", "[['libCURL','192.0.2.1']]", "null"), "curl");
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("null", "[[null,'192.0.2.1']]", "null"), "");
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("'Bot 5'", "[]", "null"), "^bot");
    EXPECT_SLICE(fixture.outcome.result.reason, "the device's name matches a pattern");
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("'bottle'", "[]", "null"), "");
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("'phone'", "[]", "null"), "");
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("null", "[]", "'SAML'"), "saml");
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("null", "[]", "'oidc'"), "");
    fixture_close(&fixture);
}

Test(login, does_nothing_by_default_and_does_not_exist_in_the_old_semantics)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "login", "{}"));
    EXPECT_RULE(&fixture, check_login_for_spam, ASKED("'d'", "[['a','10.0.0.2']]", "'p'"), "");
    fixture_close(&fixture);
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x", .semantics = SEMANTICS_147});
    struct module_host host = {.context = &fixture, .report = fixture_report};
    cr_assert(chain_append(chain, module_find("login"), NULL, NULL, &host));
    cr_expect_not(chain_seal(chain, NULL, NULL), "Synapse 1.47 would refuse to start");
    chain_destroy(chain);
}
