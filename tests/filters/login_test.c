/* What login catches and what it must let pass. */
#include "filters/chain_walk.h"
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

#define BY(user, address)                                                                                              \
    "{'user_id':'" user "','device_id':null,'initial_display_name':null,'request_info':[['agent','" address            \
    "']],'auth_provider_id':null}"
#define START 1700000000000

static void count_refused(void *context, const char *name, const char *text, double value)
{
    cr_expect(strlen(text) > 10);
    if (strcmp(name, "refused_total") == 0)
        *(double *)context = value;
}

Test(login, rates_of_networks_and_users)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "login", "{\"rate_ip\": \"3/m\", \"rate_user\": \"2/m\"}"), "%s", fixture.reports);
    fixture.now_ms = START;
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@a:x", "192.0.2.1"), "");
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@a:x", "192.0.3.1"), "");
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@a:x", "192.0.2.1"), "rate_user");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@a:x");
    EXPECT_SLICE(fixture.outcome.result.reason, "more than 2 at once and then 2/m");
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@b:x", "192.0.2.2"), "");
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@c:x", "192.0.2.3"), "");
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@d:x", "192.0.2.4"), "rate_ip");
    /* What the network's rate refused took nothing from the user's. */
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@d:x", "192.0.4.1"), "");
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@d:x", "192.0.4.1"), "");
    fixture.now_ms += 20000;
    EXPECT_RULE(&fixture, check_login_for_spam, BY("@e:x", "192.0.2.4"), "");
    double refused = 0;
    struct buffer saved = {0};
    const struct module_definition *module = module_find("login");
    const struct link *link = &fixture.chain->links[CALLBACK_check_login_for_spam][0];
    module->figures(link->state, count_refused, &refused);
    cr_expect_eq(refused, 2);
    module->save(link->state, &saved);
    struct module_fixture next = {0};
    cr_assert(fixture_open(&next, "login", "{\"rate_ip\": \"3/m\", \"rate_user\": \"2/m\"}"));
    void *state = next.chain->links[CALLBACK_check_login_for_spam][0].state;
    cr_expect_not(module->restore(state, slice_of(saved.data, saved.length - 1)));
    cr_expect(module->restore(state, buffer_slice(&saved)));
    next.now_ms = START + 20001;
    EXPECT_RULE(&next, check_login_for_spam, BY("@f:x", "192.0.2.5"), "rate_ip");
    EXPECT_RULE(&next, check_login_for_spam, BY("@f:x", "192.0.3.5"), "");
    fixture_close(&next);
    fixture_close(&fixture);
    buffer_free(&saved);
}

Test(login, a_trial_counts_nothing)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "login", "{\"rate_user\": \"1/m\"}"));
    const struct link *link = &fixture.chain->links[CALLBACK_check_login_for_spam][0];
    struct value values[CALLBACK_ARGUMENTS_MAXIMUM] = {value_text(SLICE("@a:x"))};
    struct callback_arguments question = {.callback = CALLBACK_check_login_for_spam,
                                          .values = values,
                                          .count = 5,
                                          .arena = &fixture.arena,
                                          .now_ms = START,
                                          .trial = true};
    for (int time = 0; time < 4; time++) {
        struct result result = {0};
        question.trial = time < 2;
        link->function(link->state, &question, &result);
        cr_expect_eq(result.value.kind, time < 3 ? VALUE_PASS : VALUE_REFUSE, "%d", time);
    }
    fixture_close(&fixture);
}
