/* What names catches and what it must let pass. */
#include "tests/filters/question_fixture.h"

#define DENY "{\"behaviour\":\"DENY\"}"
#define ALLOW "{\"behaviour\":\"ALLOW\"}"
#define REGISTER(username) "{'email_threepid':null,'username':" username ",'request_info':[],'auth_provider_id':null}"
#define PROFILE(id, name) "{'user_profile':{'user_id':'" id "','display_name':" name "},'requester_id':'@r:x'}"
#define MEMBER(id, membership, name)                                                                                   \
    "{'type':'m.room.member','sender':'" id "','state_key':'" id "','content':{'membership':'" membership              \
    "','displayname':" name "}}"
#define JOIN(id, name) MEMBER(id, "join", name)

static void open_module(struct module_fixture *fixture, const char *configuration)
{
    cr_assert(fixture_open(fixture, "names", configuration), "%s", fixture->reports);
}

Test(names, patterns_in_both_semantics)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        open_module(&fixture, "{\"patterns\": {\"deny\": [\"casino\", \"^bot[0-9]+$\"], \"allow\": [\"^No casino\"]}}");
        EXPECT_ANSWER(&fixture, check_username_for_spam, PROFILE("@a:b", "'My CASINO'"), "{\"bool\":true}");
        EXPECT_ANSWER(&fixture, check_username_for_spam, PROFILE("@a:casino.example", "'Bob'"), "{\"bool\":false}");
        EXPECT_RULE(&fixture, check_username_for_spam, PROFILE("@Bot7:b", "null"), "^bot[0-9]+$");
        EXPECT_SLICE(fixture.outcome.result.reason, "the user name matches a pattern");
        EXPECT_SLICE(fixture.outcome.result.evidence, "Bot7");
        EXPECT_ANSWER(&fixture, check_registration_for_spam, REGISTER("'bot17'"), DENY);
        EXPECT_ANSWER(&fixture, check_registration_for_spam, REGISTER("'bob'"), ALLOW);
        EXPECT_ANSWER(&fixture, check_registration_for_spam, REGISTER("null"), ALLOW);
        EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'best casino'"), "casino");
        EXPECT_SLICE(fixture.outcome.result.reason, "the display name matches a pattern");
        EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'No casino please'"), "");
        EXPECT_RULE(&fixture, check_event_allowed, MEMBER("@a:b", "knock", "'casino'"), "casino");
        EXPECT_RULE(&fixture, check_event_allowed, MEMBER("@a:b", "leave", "'casino'"), "");
        EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "7"), "");
        EXPECT_RULE(
            &fixture, check_event_allowed,
            "{'type':'m.room.message','sender':'@bot1:b','content':{'membership':'join','displayname':'casino'}}", "");
        fixture_close(&fixture);
    }
}

Test(names, length_and_words)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"max_length\": 12, \"max_words\": 3}");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'ééééééééééééé'"), "max_length");
    EXPECT_SLICE(fixture.outcome.result.reason, "the display name has 13 characters");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'éééééééééééé'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'a b - c d'"), "max_words");
    EXPECT_SLICE(fixture.outcome.result.reason, "the display name has 4 words");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'a b - c !!'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a_b.c-:b", "'a'"), "");
    EXPECT_RULE(&fixture, check_registration_for_spam, REGISTER("'a.b.c.d'"), "max_words");
    EXPECT_RULE(&fixture, check_registration_for_spam, REGISTER("'abcdefghijklm'"), "max_length");
    EXPECT_RULE(&fixture, check_registration_for_spam, REGISTER("'abcdefghijkl'"), "");
    fixture_close(&fixture);
    open_module(&fixture, "{\"max_length\": 5, \"of\": \"display_name\"}");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@_irc_somebody:b", "'Bob'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@_irc_somebody:b", "'Robert'"), "max_length");
    EXPECT_RULE(&fixture, check_registration_for_spam, REGISTER("'somebody'"), "");
    fixture_close(&fixture);
    open_module(&fixture, "{\"max_length\": 5, \"of\": []}");
    cr_expect_str_eq(fixture.reports, "warning: of: without names to judge the module denies nothing\n");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@somebody:b", "'Robert'"), "");
    fixture_close(&fixture);
}

Test(names, looks_like_a_protected_name)
{
    struct module_fixture fixture = {0};
    open_module(&fixture,
                "{\"lookalike_of\": [\"Support Team\", \"Админ\", \"Ron Corn\"], \"admins\": \"@help:example.org\"}");
    static const char *const alike[] = {
        JOIN("@a:b", "'Support Team'"),           JOIN("@a:b", "'ЅUРРОRТ-ТЕАМ'"),
        JOIN("@a:b", "'Supp0rt  Team 🛡'"),     JOIN("@a:b", "'𝓢𝓾𝓹𝓹𝓸𝓻𝓽 Team'"),
        JOIN("@a:b", "'s.u.p.p.o.r.t.t.e.a.rn'"), JOIN("@a:b", "'Su\u200bppo\u0336rt Team'")};
    for (size_t index = 0; index < sizeof alike / sizeof *alike; index++)
        EXPECT_RULE(&fixture, check_event_allowed, alike[index], "Support Team");
    EXPECT_SLICE(fixture.outcome.result.reason, "the display name looks like a protected name");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'адмИН'"), "Админ");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'Rom Com'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'Ron Com'"), "Ron Corn");
    EXPECT_ANSWER(&fixture, check_username_for_spam, PROFILE("@supp0rt_team:b", "null"), "{\"bool\":true}");
    EXPECT_ANSWER(&fixture, check_registration_for_spam, REGISTER("'support.team'"), DENY);
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'Support Team of Bob'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'Supporter'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "'🛡'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@a:b", "''"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@help:example.org", "'Support Team'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@help:evil.example", "'Support Team'"), "Support Team");
    fixture_close(&fixture);
}

Test(names, looks_like_an_administrator)
{
    struct module_fixture fixture = {0};
    open_module(&fixture, "{\"admins\": [\"@billie:example.org\", \"@root:other.example\"]}");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@x:b", "'BiIIie'"), "@billie:example.org");
    EXPECT_SLICE(fixture.outcome.result.reason, "the display name looks like an administrator's");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@x:b", "'@bi11ie:examp1e.org'"), "@billie:example.org");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@x:b", "'Root'"), "@root:other.example");
    EXPECT_ANSWER(&fixture, check_registration_for_spam, REGISTER("'bi11ie'"), DENY);
    EXPECT_ANSWER(&fixture, check_registration_for_spam, REGISTER("'root'"), DENY);
    EXPECT_ANSWER(&fixture, check_registration_for_spam, REGISTER("'billie'"), ALLOW);
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@bi11ie:example.org", "'x'"), "@billie:example.org");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@root:b", "'x'"), "");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@billie:example.org", "'Root'"), "");
    EXPECT_ANSWER(&fixture, check_username_for_spam, PROFILE("@root:other.example", "'Root'"), "{\"bool\":false}");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@x:b", "'Bill'"), "");
    fixture_close(&fixture);
    open_module(&fixture, "{\"admins\": [\"@billie:example.org\"], \"impersonate_admins\": false}");
    EXPECT_RULE(&fixture, check_event_allowed, JOIN("@x:b", "'Billie'"), "");
    fixture_close(&fixture);
}

Test(names, faults_are_told_with_their_place)
{
    struct module_fixture fixture = {0};
    cr_assert_not(fixture_open(&fixture, "names",
                               "{\"patterns\": [\"ok\", \"(\"], \"lookalike_of\": [\"a\", \"!!\"], \"admins\": "
                               "[\"@a:b\", \"bob\"]}"));
    static const char *const expected[] = {"patterns.deny[1]: missing closing parenthesis",
                                           "lookalike_of[1]: has no letter or digit",
                                           "admins[1]: is no user's id (@name:server)"};
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++)
        cr_expect_not_null(strstr(fixture.reports, expected[index]), "%s in: %s", expected[index], fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "names", "{\"max_length\": 256}"));
    fixture_close(&fixture);
}
