/* What registration catches and what it must let pass. */
#include "tests/filters/question_fixture.h"

#define DENY "{\"behaviour\":\"DENY\"}"
#define ALLOW "{\"behaviour\":\"ALLOW\"}"
#define ASKED(threepid, username, requests, provider)                                                                  \
    "{'email_threepid':" threepid ",'username':" username ",'request_info':" requests ",'auth_provider_id':" provider  \
    "}"
#define NAMED(username) ASKED("null", "'" username "'", "[]", "null")
#define MAILED(address)                                                                                                \
    ASKED("{'medium':'email','address':'" address "','validated_at':1}", "'bob'", "[['agent','192.0.2.1']]", "null")
#define FROM(requests) ASKED("null", "'bob'", requests, "null")

Test(registration, user_names)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "registration",
                           "{\"usernames\": {\"deny\": [\"spam\", \"^bot[0-9]+$\"], \"allow\": [\"^Antispam$\"]}}"),
              "%s", fixture.reports);
    EXPECT_RULE(&fixture, check_registration_for_spam, NAMED("mySPAMname"), "spam");
    EXPECT_SLICE(fixture.outcome.result.reason, "the user name matches a pattern");
    EXPECT_ANSWER(&fixture, check_registration_for_spam, NAMED("bot17"), DENY);
    EXPECT_ANSWER(&fixture, check_registration_for_spam, NAMED("antispam"), ALLOW);
    EXPECT_ANSWER(&fixture, check_registration_for_spam, NAMED("robot17"), ALLOW);
    EXPECT_ANSWER(&fixture, check_registration_for_spam, ASKED("null", "null", "[]", "null"), ALLOW);
    fixture_close(&fixture);
}

Test(registration, a_list_alone_denies_and_both_semantics_agree)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        cr_assert(fixture_open(&fixture, "registration", "{\"usernames\": \"spam\", \"ips\": [\"10.0.0.0/8\"]}"), "%s",
                  fixture.reports);
        EXPECT_ANSWER(&fixture, check_registration_for_spam, NAMED("spam"), DENY);
        EXPECT_ANSWER(&fixture, check_registration_for_spam, NAMED("ham"), ALLOW);
        EXPECT_ANSWER(&fixture, check_registration_for_spam, FROM("[['a','10.1.2.3']]"), DENY);
        fixture_close(&fixture);
        cr_assert(fixture_open(&fixture, "registration", "{\"usernames\": \"spam\", \"action\": \"shadow_ban\"}"));
        EXPECT_ANSWER(&fixture, check_registration_for_spam, NAMED("spam"), "{\"behaviour\":\"SHADOW_BAN\"}");
        EXPECT_SLICE(fixture.outcome.result.rule, "spam");
        cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
        EXPECT_ANSWER(&fixture, check_registration_for_spam, NAMED("ham"), ALLOW);
        fixture_close(&fixture);
    }
}

Test(registration, e_mail_domains)
{
    struct module_fixture fixture = {.file_content = "trash.example\n"};
    cr_assert(fixture_open(&fixture, "registration",
                           "{\"email_domains\": {\"deny\": [\"*.spam.example\"], \"deny_files\": \"f\", \"allow\": "
                           "[\"good.spam.example\"]}}"),
              "%s", fixture.reports);
    EXPECT_RULE(&fixture, check_registration_for_spam, MAILED("a@x.Spam.example"), "*.spam.example");
    EXPECT_SLICE(fixture.outcome.result.reason, "the e-mail address' domain matches a pattern on the list");
    EXPECT_SLICE(fixture.outcome.result.evidence, "x.Spam.example");
    EXPECT_RULE(&fixture, check_registration_for_spam, MAILED("a@b@TRASH.example"), "trash.example");
    EXPECT_RULE(&fixture, check_registration_for_spam, MAILED("a@good.spam.example"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, MAILED("trash.example"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, NAMED("bob"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam,
                ASKED("{'medium':'msisdn','address':'1@trash.example'}", "'bob'", "[]", "null"), "");
    fixture_close(&fixture);
}

Test(registration, an_e_mail_address_may_be_required)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "registration", "{\"email_domains\": {\"required\": [\"Work.example\"]}}"));
    EXPECT_RULE(&fixture, check_registration_for_spam, NAMED("bob"), "required");
    EXPECT_SLICE(fixture.outcome.result.reason, "no e-mail address was given");
    EXPECT_RULE(&fixture, check_registration_for_spam, MAILED("a@other.example"), "required");
    EXPECT_SLICE(fixture.outcome.result.reason, "the e-mail address' domain is none of those required");
    EXPECT_RULE(&fixture, check_registration_for_spam, MAILED("a@work.EXAMPLE"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, ASKED("null", "'bob'", "[]", "'oidc'"), "");
    fixture_close(&fixture);
    cr_assert(fixture_open(&fixture, "registration", "{\"email_domains\": {\"required\": [\"*\"]}}"));
    EXPECT_RULE(&fixture, check_registration_for_spam, NAMED("bob"), "required");
    EXPECT_RULE(&fixture, check_registration_for_spam, MAILED("a@other.example"), "");
    fixture_close(&fixture);
}

Test(registration, where_it_comes_from)
{
    struct module_fixture fixture = {.file_content = "198.51.100.0/24\n2001:db8::/32\n"};
    cr_assert(
        fixture_open(&fixture, "registration",
                     "{\"ips\": {\"deny\": [\"10.0.0.0/8\"], \"deny_files\": [\"f\"], \"allow\": [\"10.1.0.0/16\"]}, "
                     "\"agents\": [\"^curl/\", \"python\"], \"providers\": {\"deny\": [\"oidc-*\"]}}"),
        "%s", fixture.reports);
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','10.2.3.4']]"), "10.0.0.0/8");
    EXPECT_SLICE(fixture.outcome.result.reason, "the client's address is on the list");
    EXPECT_SLICE(fixture.outcome.result.evidence, "10.2.3.4");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','10.1.3.4']]"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','192.0.2.1'],['b','2001:db8::5']]"),
                "2001:db8::/32");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','::ffff:198.51.100.9']]"), "198.51.100.0/24");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['Curl/8.0','192.0.2.1']]"), "^curl/");
    EXPECT_SLICE(fixture.outcome.result.reason, "the client's user agent matches a pattern");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','192.0.2.1'],['a Python',null]]"), "python");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['not curl/8','192.0.2.1'],[null,'unknown']]"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[]"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("null"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, ASKED("null", "'bob'", "[]", "'OIDC-bad'"), "oidc-*");
    EXPECT_RULE(&fixture, check_registration_for_spam, ASKED("null", "'bob'", "[]", "'saml'"), "");
    fixture_close(&fixture);
}

Test(registration, faults_are_told_with_their_place)
{
    struct module_fixture fixture = {.file_content = "10.0.0.0/8\n\n10.0.0.1/8\n"};
    cr_assert_not(fixture_open(&fixture, "registration",
                               "{\"usernames\": [\"(\"], \"ips\": {\"deny\": [\"10.0.0.0/8\", \"x\"], \"deny_files\": "
                               "\"f\"}, \"agents\": {\"allow\": [\"\"]}, \"email_domains\": {\"required\": [\"\"]}}"));
    static const char *const expected[] = {"usernames.deny[0]: ", "ips.deny[1]: is no IP address",
                                           "ips.deny_files: f, line 3: the address goes on",
                                           "agents.allow[0]: ", "email_domains.required[0]: "};
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++)
        cr_expect_not_null(strstr(fixture.reports, expected[index]), "%s in: %s", expected[index], fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "registration", "{\"action\": \"ban\", \"ips\": {\"denny\": []}}"));
    cr_expect_not_null(strstr(fixture.reports, "action: must be one of deny, shadow_ban"), "%s", fixture.reports);
    fixture_close(&fixture);
}

#define START 1700000000000

Test(registration, five_an_hour_from_one_network)
{
    struct module_fixture fixture = {.now_ms = START};
    cr_assert(fixture_open(&fixture, "registration", "{\"usernames\": \"spam\"}"), "%s", fixture.reports);
    fixture.now_ms = START;
    for (int count = 0; count < 5; count++) {
        EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','192.0.2.1']]"), "");
        EXPECT_RULE(&fixture, check_registration_for_spam, ASKED("null", "'spam'", "[['a','192.0.2.1']]", "null"),
                    "spam");
    }
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','192.0.2.254']]"), "rate_ip");
    EXPECT_SLICE(fixture.outcome.result.reason, "more than 5 at once and then 5/h");
    EXPECT_SLICE(fixture.outcome.result.evidence, "192.0.2.254");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','::ffff:192.0.2.7']]"), "rate_ip");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','192.0.3.1']]"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','192.0.2.1'],['a','192.0.3.1']]"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[]"), "");
    fixture.now_ms += 719999;
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','192.0.2.1']]"), "rate_ip");
    fixture.now_ms++;
    EXPECT_RULE(&fixture, check_registration_for_spam, FROM("[['a','192.0.2.1']]"), "");
    fixture_close(&fixture);
}

Test(registration, a_rate_of_ones_own_and_shadow_bans)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "registration", "{\"rate_ip\": \"1/d\", \"action\": \"shadow_ban\"}"), "%s",
              fixture.reports);
    fixture.now_ms = START;
    EXPECT_ANSWER(&fixture, check_registration_for_spam, FROM("[['a','2001:db8::1']]"), ALLOW);
    EXPECT_ANSWER(&fixture, check_registration_for_spam, FROM("[['a','2001:db8::2']]"),
                  "{\"behaviour\":\"SHADOW_BAN\"}");
    EXPECT_ANSWER(&fixture, check_registration_for_spam, FROM("[['a','2001:db8:0:1::2']]"), ALLOW);
    fixture_close(&fixture);
    cr_expect_not(fixture_open(&fixture, "registration", "{\"rate_ip\": \"often\"}"));
    cr_expect_not_null(strstr(fixture.reports, "rate_ip: must be a rate"), "%s", fixture.reports);
    fixture_close(&fixture);
}
