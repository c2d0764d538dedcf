/* Several modules under one verdict: what is refused, what is asked for it, and which configurations are none. */
#include "filters/chain_followed.h"
#include "filters/chain_state.h"
#include "filters/chain_walk.h"
#include "tests/filters/question_fixture.h"

#define START 1700000000000
#define MINUTE 60000

#define MESSAGE(sender, body)                                                                                          \
    "{'type':'m.room.message','sender':'" sender "','room_id':'!r:x','content':{'msgtype':'m.text','body':'" body "'}" \
    "}"
#define JOIN(user)                                                                                                     \
    "{'type':'m.room.member','sender':'" user "','state_key':'" user                                                   \
    "','room_id':'!r:x','content':{'membership':'join'}}"

#define LINKS "{'module':'links','config':{'deny':['bad.example']}}"
#define WORDS "{'name':'words','module':'keywords','config':{'words':['coins']}}"
#define TRUSTED "{'name':'trusted','module':'server_list','config':{'deny':['good.example']}}"
#define NEWCOMER "{'module':'newcomer','config':{'deny':['links'],'within':'20m','first':0,'capacity':1024}}"

static void open_combine(struct module_fixture *fixture, const char *configuration)
{
    cr_assert(fixture_open_quoted(fixture, "combine", configuration), "%s", fixture->reports);
}

/* What is wrong with a configuration. */
static void expect_refused(const char *configuration, const char *report)
{
    struct module_fixture fixture = {0};
    cr_expect_not(fixture_open_quoted(&fixture, "combine", configuration), "%s", configuration);
    cr_expect(strstr(fixture.reports, report), "%s: %s", configuration, fixture.reports);
    fixture_close(&fixture);
}

Test(combine, words_unless_the_server_is_trusted)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[" WORDS "," TRUSTED "],'expression':'words & !trusted'}");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:bad.example", "free coins"), "words & !trusted");
    EXPECT_SLICE(fixture.outcome.result.reason, "words (coins)");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    cr_expect_str_eq(fixture.outcome.module, "combine");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "free coins"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:bad.example", "hello"), "");
    EXPECT_ANSWER(&fixture, check_event_allowed, MESSAGE("@a:bad.example", "free coins"),
                  "{\"tuple\":[{\"bool\":false},{\"none\":true}]}");
    cr_expect(chain_needs_body(fixture.chain));
    cr_expect_not(chain_reads_time(fixture.chain));
    cr_expect_not(chain_module_reads_state(fixture.chain, 0));
    uint32_t index;
    cr_expect(chain_concurrent(fixture.chain, &index));
    fixture_close(&fixture);
}

Test(combine, a_name_and_a_code)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'name':'spam','rules':[" WORDS "," TRUSTED "],'expression':'words | trusted',"
                           "'code':'M_LIMIT_EXCEEDED'}");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "free coins"), "spam");
    EXPECT_SLICE(fixture.outcome.result.reason, "words (coins), trusted (good.example)");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_LIMIT_EXCEEDED");
    fixture_close(&fixture);
}

Test(combine, a_score)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture,
                 "{'rules':[" WORDS "," LINKS "," TRUSTED ",{'name':'mass','module':'mentions','config':{'max':1}}],"
                 "'score':{'words':0.7,'links':0.1,'mass':0.2,'trusted':-1.5},'threshold':1}");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "coins at https://bad.example @b:x @c:x"), "score");
    EXPECT_SLICE(fixture.outcome.result.reason, "words 0.7 (coins), links 0.1 (bad.example), mass 0.2 (max): 1 of 1");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "coins at https://bad.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "@b:x @c:x"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "coins at https://bad.example @b:x @c:x"),
                "");
    fixture_close(&fixture);
}

Test(combine, an_expression_and_a_score_refuse_each_for_itself)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[" WORDS "," LINKS "," TRUSTED
                           "],'expression':'trusted','score':{'words':2,'links':1},'threshold':3}");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "hello"), "trusted");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "coins https://bad.example"), "score");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "coins"), "");
    fixture_close(&fixture);
}

/* What is not asked does not hit; with `explain`, all are asked once something is refused. */
Test(combine, no_more_is_asked_than_it_takes)
{
    static const char *const bodies[] = {MESSAGE("@a:good.example", "coins https://bad.example"),
                                         MESSAGE("@a:good.example", "hello https://bad.example")};
    for (int explain = 0; explain < 2; explain++) {
        struct module_fixture fixture = {0};
        char configuration[1024];
        snprintf(configuration, sizeof configuration,
                 "{'rules':[" WORDS "," LINKS "," TRUSTED "],'expression':'words & (links | trusted)','explain':%s}",
                 explain ? "true" : "false");
        open_combine(&fixture, configuration);
        EXPECT_RULE(&fixture, check_event_for_spam, bodies[0], "words & (links | trusted)");
        EXPECT_SLICE(fixture.outcome.result.reason, explain
                                                        ? "words (coins), links (bad.example), trusted (good.example)"
                                                        : "words (coins), links (bad.example)");
        EXPECT_RULE(&fixture, check_event_for_spam, bodies[1], "");
        EXPECT_FIGURE(&fixture, "words_hits_total", 1);
        EXPECT_FIGURE(&fixture, "links_hits_total", 1);
        EXPECT_FIGURE(&fixture, "trusted_hits_total", explain);
        fixture_close(&fixture);
    }
}

Test(combine, a_score_stops_when_it_is_certain)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[" WORDS "," LINKS "," TRUSTED "],'explain':false,"
                           "'score':{'words':3,'links':1,'trusted':-1},'threshold':2}");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "coins https://bad.example"), "score");
    EXPECT_FIGURE(&fixture, "words_hits_total", 1);
    EXPECT_FIGURE(&fixture, "links_hits_total", 0);
    EXPECT_FIGURE(&fixture, "trusted_hits_total", 0);
    EXPECT_SLICE(fixture.outcome.result.reason, "words 3 (coins): 3 of 2");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "https://bad.example"), "");
    EXPECT_FIGURE(&fixture, "links_hits_total", 0);
    fixture_close(&fixture);
}

/* newcomer sees who joins, though no join has a link. */
Test(combine, what_remembers_sees_everything)
{
    struct module_fixture fixture = {.now_ms = START};
    open_combine(&fixture, "{'rules':[" LINKS "," NEWCOMER "],'expression':'links & newcomer'}");
    cr_expect(chain_reads_time(fixture.chain));
    uint32_t index;
    cr_expect_not(chain_concurrent(fixture.chain, &index));
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@old:x", "https://bad.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, JOIN("@a:x"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "https://other.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "https://bad.example"), "links & newcomer");
    EXPECT_SLICE(fixture.outcome.result.reason, "links (bad.example), newcomer (links)");
    EXPECT_FIGURE(&fixture, "newcomer_hits_total", 2);
    EXPECT_FIGURE(&fixture, "newcomer_members", 2);
    fixture.now_ms = START + 21 * MINUTE;
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "https://bad.example"), "");
    fixture_close(&fixture);
}

/* room_list does not know check_event_allowed: nobody can say there what it would have said. */
Test(combine, the_unknown_refuse_nothing)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[" LINKS ",{'name':'ours','module':'room_list','config':{'deny':['!ours:x']}}],"
                           "'expression':'links & !ours'}");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "https://bad.example"), "links & !ours");
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_check_event_allowed, NULL, 0), 0u);
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_user_may_join_room, NULL, 0), 0u);
    fixture_close(&fixture);
    open_combine(&fixture,
                 "{'rules':[" LINKS "," WORDS ",{'name':'ours','module':'room_list','config':{'deny':['!ours:x']}}],"
                 "'expression':'links & (words | !ours)'}");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "https://bad.example"), "links & (words | !ours)");
    EXPECT_ANSWER(&fixture, check_event_allowed, MESSAGE("@a:x", "https://bad.example"),
                  "{\"tuple\":[{\"bool\":true},{\"none\":true}]}");
    EXPECT_ANSWER(&fixture, check_event_allowed, MESSAGE("@a:x", "coins https://bad.example"),
                  "{\"tuple\":[{\"bool\":false},{\"none\":true}]}");
    fixture_close(&fixture);
}

Test(combine, joins_and_invites)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[{'name':'who','module':'user_list','config':{'deny':['@spam*:*']}},"
                           "{'name':'where','module':'room_list','config':{'deny':['!lobby:x']}}],"
                           "'expression':'who & where'}");
    EXPECT_ANSWER(&fixture, user_may_join_room, "{'user_id':'@spam1:y','room_id':'!lobby:x','is_invited':false}",
                  "{\"code\":\"M_FORBIDDEN\",\"fields\":{}}");
    EXPECT_ANSWER(&fixture, user_may_join_room, "{'user_id':'@spam1:y','room_id':'!other:x','is_invited':false}",
                  "\"NOT_SPAM\"");
    EXPECT_ANSWER(&fixture, user_may_invite, "{'inviter':'@spam1:y','invitee':'@a:x','room_id':'!lobby:x'}",
                  "{\"code\":\"M_FORBIDDEN\",\"fields\":{}}");
    EXPECT_ANSWER(&fixture, user_may_invite, "{'inviter':'@a:y','invitee':'@a:x','room_id':'!lobby:x'}",
                  "\"NOT_SPAM\"");
    /* Of one that comes over federation, each of the two callbacks asks each module once. */
    EXPECT_ANSWER(&fixture, federated_user_may_invite,
                  "{'type':'m.room.member','sender':'@spam1:y','state_key':'@a:x','room_id':'!lobby:x','content':{"
                  "'membership':'invite'}}",
                  "{\"code\":\"M_FORBIDDEN\",\"fields\":{}}");
    EXPECT_FIGURE(&fixture, "who_hits_total", 4);
    fixture_close(&fixture);
    fixture.semantics = SEMANTICS_147;
    open_combine(&fixture, "{'rules':[" WORDS "," TRUSTED "],'expression':'words & !trusted'}");
    EXPECT_ANSWER(&fixture, check_event_for_spam, MESSAGE("@a:x", "coins"), "{\"bool\":true}");
    EXPECT_ANSWER(&fixture, check_event_for_spam, MESSAGE("@a:x", "hello"), "{\"bool\":false}");
    fixture_close(&fixture);
}

Test(combine, only_what_is_not_there)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[" TRUSTED "],'expression':'!trusted'}");
    struct event event = {0};
    char json[512];
    fixture_requote(MESSAGE("@a:x", "hello"), json, sizeof json);
    cr_assert_eq(judge_read(fixture.judge, slice_from_string(json), &event), EVENT_READ_OK);
    fixture.outcome = *judge_event(fixture.judge, &event, JUDGE_EVENT_FOR_SPAM);
    EXPECT_SLICE(fixture.outcome.result.rule, "!trusted");
    EXPECT_SLICE(fixture.outcome.result.reason, "none of the rules hit");
    EXPECT_SLICE(fixture.outcome.result.evidence, "@a:x");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "hello"), "");
    fixture_close(&fixture);
}

/* Scripts say anything: only what the chain would take for a refusal is a hit. */
Test(combine, answers_mean_what_they_mean_in_the_chain)
{
    struct module_fixture fixture = {
        .file_content = "function check_event_for_spam(event)\n"
                        "  if event.content.body == 'fail' then error('broken') end\n"
                        "  if event.content.body == 'code' then return refuse('M_LIMIT_EXCEEDED') end\n"
                        "  return pass\n"
                        "end\n"};
    open_combine(&fixture,
                 "{'rules':[{'module':'lua','config':{'script':'t.lua'}}," TRUSTED "],'expression':'lua | trusted'}");
    EXPECT_ANSWER(&fixture, check_event_for_spam, MESSAGE("@a:x", "hello"), "\"NOT_SPAM\"");
    fixture_question(&fixture, CALLBACK_check_event_for_spam, MESSAGE("@a:x", "code"));
    cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
    fixture_question(&fixture, CALLBACK_check_event_for_spam, MESSAGE("@a:x", "fail"));
    cr_expect_eq(fixture.outcome.kind, OUTCOME_FAILED, "a failure is not hidden");
    cr_expect_eq(chain_module_counts(fixture.chain, 0).raised, 1u);
    fixture_close(&fixture);
}

Test(combine, inside_of_each_other)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[{'name':'spam','module':'combine','config':{'rules':[" WORDS "," LINKS
                           "],'score':{'words':1,'links':1},'threshold':2}}," TRUSTED "],"
                           "'expression':'spam & !trusted'}");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "coins https://bad.example"), "spam & !trusted");
    EXPECT_SLICE(fixture.outcome.result.reason, "spam (score)");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "coins https://bad.example"), "");
    EXPECT_FIGURE(&fixture, "spam_words_hits_total", 2);
    fixture_close(&fixture);
}

Test(combine, not_too_deep)
{
    struct buffer inner = {0}, outer = {0};
    buffer_append_string(&inner, TRUSTED);
    for (int depth = 0; depth <= CHAIN_DEPTH_MAXIMUM; depth++) {
        buffer_clear(&outer);
        buffer_append_format(&outer, "{'rules':[%s],'expression':'trusted'}", buffer_string(&inner));
        if (depth == CHAIN_DEPTH_MAXIMUM) {
            expect_refused(buffer_string(&outer),
                           "rules[0].config.rules[0].config.rules[0].config.rules[0].config.rules[0].module: modules "
                           "may lie at most 4 deep in each other");
            break;
        }
        struct module_fixture fixture = {0};
        open_combine(&fixture, buffer_string(&outer));
        EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:good.example", "hello"), "trusted");
        fixture_close(&fixture);
        buffer_clear(&inner);
        buffer_append_format(&inner, "{'name':'trusted','module':'combine','config':%s}", buffer_string(&outer));
    }
    buffer_free(&inner);
    buffer_free(&outer);
}

Test(combine, what_is_remembered_is_kept)
{
    static const char configuration[] = "{'rules':[" LINKS "," NEWCOMER "],'expression':'links & newcomer'}";
    struct module_fixture fixture = {.now_ms = START}, next = {.now_ms = START + MINUTE};
    struct chain_state_counts counts;
    struct buffer saved = {0};
    const char *problem;
    open_combine(&fixture, configuration);
    EXPECT_RULE(&fixture, check_event_for_spam, JOIN("@a:x"), "");
    chain_state_save(fixture.chain, &saved);
    open_combine(&next, configuration);
    cr_expect(chain_state_restore(next.chain, buffer_slice(&saved), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1u);
    EXPECT_RULE(&next, check_event_for_spam, MESSAGE("@a:x", "https://bad.example"), "links & newcomer");
    fixture_close(&next);
    next.now_ms = START + MINUTE;
    open_combine(&next, configuration);
    chain_state_hand_over(fixture.chain, next.chain, &counts);
    cr_expect_eq(counts.restored, 1u);
    EXPECT_RULE(&next, check_event_for_spam, MESSAGE("@a:x", "https://bad.example"), "links & newcomer");
    fixture_close(&next);
    fixture_close(&fixture);
    buffer_free(&saved);
}

Test(combine, configurations_that_are_none)
{
    expect_refused("{}", "rules: are missing");
    expect_refused("{'rules':[" LINKS "]}", ": needs an `expression` or a `score`");
    expect_refused("{'rules':[" LINKS "],'expression':'links &'}", "expression: at 8: expected a name");
    expect_refused("{'rules':[" LINKS "],'expression':'lniks'}", "there is no `lniks`; did you mean `links`?");
    expect_refused("{'rules':[{'config':{}}],'expression':'a'}", "rules[0].module: is missing");
    expect_refused("{'rules':[{'module':'keyword'}],'expression':'a'}",
                   "rules[0].module: there is no module `keyword`; did you mean `keywords`?");
    expect_refused("{'rules':[" LINKS "," LINKS "],'expression':'links'}",
                   "rules[1].name: there is another rule called `links`");
    expect_refused("{'rules':[{'name':'a-b','module':'links'}],'expression':'a'}", "rules[0].name: must be of letters");
    expect_refused("{'rules':[" LINKS ",{'name':'w','module':'keywords','config':{'words':['a',7]}}],"
                   "'expression':'links'}",
                   "rules[1].config.words[1]: must be a text");
    expect_refused("{'rules':[{'module':'links','config':{'denny':['a']}}],'expression':'links'}",
                   "rules[0].config.denny: unknown parameter; did you mean `deny`?");
    expect_refused("{'rules':[{'module':'http_service','config':{'url':'http://"
                   "x','callbacks':['check_event_for_spam']}}],'expression':'http_service'}",
                   "rules[0].module: `http_service` waits for somebody outside");
    expect_refused("{'rules':[{'module':'censor','config':{'rules':[{'list':['a']}]}}],'expression':'censor'}",
                   "rules[0].module: `censor` never refuses anything, it only replaces");
    expect_refused("{'rules':[{'module':'hold'}],'expression':'hold'}",
                   "rules[0].module: `hold` learns from what other modules decide");
    expect_refused("{'rules':[{'module':'trust','config':{'users':['@a:x']}}],'expression':'trust'}",
                   "rules[0].module: `trust` learns from what other modules decide");
    expect_refused("{'rules':[{'module':'list_spam_checker'}],'expression':'list_spam_checker'}",
                   "rules[0].module: `list_spam_checker` serves pages");
    expect_refused("{'rules':[{'module':'registration','config':{'usernames':{'deny':['a']}}}],"
                   "'expression':'registration'}",
                   "refuses nothing");
    expect_refused("{'rules':[" LINKS "],'score':{'links':1}}", "threshold: must be above 0 with `score`");
    expect_refused("{'rules':[" LINKS "],'expression':'links','threshold':1}", "threshold: is of no use without");
    expect_refused("{'rules':[" LINKS "],'score':{'lnks':1},'threshold':1}",
                   "score.lnks: there is no rule called `lnks`");
    expect_refused("{'rules':[" LINKS "],'score':{'links':'1'},'threshold':1}", "score.links: must be a number from");
    expect_refused("{'rules':[" LINKS "],'score':{'links':1001},'threshold':1}", "score.links: must be a number from");
    expect_refused("{'rules':[" LINKS "],'score':{'links':1},'threshold':1.5}", "refuses nothing");
}

Test(combine, rules_that_nobody_looks_at)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[" LINKS "," WORDS "],'expression':'links'}");
    cr_expect(strstr(fixture.reports, "warning: rules[1].name: `words` stands neither in `expression` nor in `score`"),
              "%s", fixture.reports);
    fixture_close(&fixture);
}

/* Nothing is counted of what somebody only wants to know. */
Test(combine, a_trial_counts_nothing)
{
    struct module_fixture fixture = {0};
    struct event event = {0};
    char json[512];
    open_combine(&fixture, "{'rules':[" WORDS "],'expression':'words'}");
    judge_set_time(fixture.judge, START, true);
    fixture_requote(MESSAGE("@a:x", "coins"), json, sizeof json);
    cr_assert_eq(judge_read(fixture.judge, slice_from_string(json), &event), EVENT_READ_OK);
    cr_expect_eq(judge_event(fixture.judge, &event, JUDGE_EVENT_FOR_SPAM)->kind, OUTCOME_DENIED);
    EXPECT_FIGURE(&fixture, "words_hits_total", 0);
    fixture_close(&fixture);
}

/* An event that check_event_allowed let pass is not looked at again by check_event_for_spam, if every rule says the
 * same to both. */
Test(combine, rules_that_read_the_rooms_state)
{
    struct module_fixture fixture = {0};
    open_combine(&fixture, "{'rules':[{'module':'state_guard','config':{'protect':['tombstone']}}," TRUSTED
                           "],'expression':'state_guard & !trusted'}");
    cr_expect(chain_module_reads_state(fixture.chain, 0));
    fixture_close(&fixture);
}

/* An event that check_event_allowed let pass is not looked at again by check_event_for_spam, if every rule says the
 * same to both. */
Test(combine, asked_once_of_an_observed_event)
{
    static const struct {
        const char *configuration;
        bool alike;
    } rows[] = {
        {"{'rules':[" LINKS "," TRUSTED "],'expression':'links & !trusted'}", true},
        {"{'rules':[" LINKS ",{'name':'ours','module':'room_list','config':{'deny':['!ours:x']}}],"
         "'score':{'links':1,'ours':1},'threshold':1}",
         false},
        {"{'rules':[" WORDS "],'expression':'words'}", false},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct module_fixture fixture = {0};
        open_combine(&fixture, rows[row].configuration);
        cr_expect_eq(fixture.chain->second->count == 0, rows[row].alike, "%s", rows[row].configuration);
        fixture_close(&fixture);
    }
}

/* A policy list as a rule learns of the rooms that it follows. */
Test(combine, rules_that_follow_rooms)
{
    struct module_fixture fixture = {0};
    char json[512];
    struct event event = {0};
    open_combine(&fixture, "{'rules':[" LINKS ",{'name':'listed','module':'policy_list','config':{'rooms':[{'room':"
                           "'!list:x','name':'L'}]}}],'expression':'links & listed'}");
    cr_expect(chain_follows_rooms(fixture.chain));
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "https://bad.example"), "");
    struct event_reader *reader = event_reader_create(chain_fields(fixture.chain));
    fixture_requote("{'type':'m.policy.rule.user','event_id':'$1','room_id':'!list:x','state_key':'k','sender':'@m:x',"
                    "'content':{'entity':'@a:x','recommendation':'m.ban','reason':'spam'}}",
                    json, sizeof json);
    cr_assert_eq(event_reader_read(reader, slice_from_string(json), &event), EVENT_READ_OK);
    event.event_id = SLICE("$1");
    chain_state_event(fixture.chain, &event, 1);
    event_reader_destroy(reader);
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "https://bad.example"), "links & listed");
    EXPECT_SLICE(fixture.outcome.result.reason, "links (bad.example), listed (L: ban @a:x)");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@a:x", "hello"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MESSAGE("@b:x", "https://bad.example"), "");
    fixture_close(&fixture);
}
