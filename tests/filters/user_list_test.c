/* What user_list catches, in every callback that it is asked, and what it must let pass. */
#include <malloc.h>

#include "tests/filters/question_fixture.h"

#define FROM(sender) "{'type':'m.room.message','sender':'" sender "','room_id':'!r:x','content':{'body':'hi'}}"
#define MEMBER(sender, target, membership)                                                                             \
    "{'type':'m.room.member','sender':'" sender "','state_key':'" target                                               \
    "','room_id':'!r:x','content':{'membership':'" membership "'}}"

Test(user_list, ids_and_globs_without_case)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open(&fixture, "user_list", "{\"deny\": [\"@Spam:Bad.example\", \"@Ünï:x.example\", \"@bot?*:*\"]}"));
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@spam:bad.example"), "@spam:bad.example");
    EXPECT_SLICE(fixture.outcome.result.reason, "the user is on the list");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@SPAM:bad.EXAMPLE"), "@spam:bad.example");
    cr_expect_str_neq(fixture_rule(&fixture, CALLBACK_check_event_for_spam, FROM("@üNÏ:x.example")), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@BOT17:y.example"), "@bot?*:*");
    EXPECT_SLICE(fixture.outcome.result.reason, "the user matches a pattern on the list");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@bot:y.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@spam:bad.example.org"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@spam"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM(""), "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'content':{}}", "");
    EXPECT_RULE(&fixture, check_event_for_spam, "{'sender':7,'content':{}}", "");
    fixture_close(&fixture);
}

Test(user_list, with_case)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "user_list", "{\"deny\": [\"@Spam:b\", \"@Bot*\"], \"ignore_case\": false}"));
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@Spam:b"), "@Spam:b");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@spam:b"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@Bot1:b"), "@Bot*");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@bot1:b"), "");
    fixture_close(&fixture);
}

Test(user_list, allow_wins)
{
    struct module_fixture fixture = {.file_content = "# ours\n@good:bad.example\n@g?*:*\n"};
    cr_assert(fixture_open(&fixture, "user_list",
                           "{\"deny\": [\"*:bad.example\", \"@one:x\"], \"allow\": \"@one:X\", "
                           "\"allow_files\": [\"a.txt\"]}"));
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@any:bad.example"), "*:bad.example");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@good:bad.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@gg:bad.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@g:bad.example"), "*:bad.example");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@one:x"), "");
    fixture_close(&fixture);
}

/* Every callback of the module, each as Synapse asks it. */
static const struct {
    enum callback callback;
    const char *denied, *passed;
    const char *latest, *old; /* what the chain says of `denied`; NULL: the callback did not exist */
} callbacks[] = {
#define CODE "{\"code\":\"M_LIMIT_EXCEEDED\",\"fields\":{}}"
    {CALLBACK_check_event_for_spam, FROM("@bad:x"), FROM("@a:x"), CODE, "{\"bool\":true}"},
    {CALLBACK_check_event_allowed, FROM("@bad:x"), FROM("@a:x"), "{\"tuple\":[{\"bool\":false},{\"none\":true}]}",
     "{\"tuple\":[{\"bool\":false},{\"none\":true}]}"},
    {CALLBACK_user_may_join_room, "{'user_id':'@bad:x','room_id':'!r:x','is_invited':false}",
     "{'user_id':'@a:x','room_id':'!r:x','is_invited':false}", CODE, "{\"bool\":false}"},
    {CALLBACK_user_may_invite, "{'inviter':'@bad:x','invitee':'@a:x','room_id':'!r:x'}",
     "{'inviter':'@a:x','invitee':'@bad:x','room_id':'!r:x'}", CODE, "{\"bool\":false}"},
    {CALLBACK_federated_user_may_invite, MEMBER("@bad:x", "@a:x", "invite"), MEMBER("@a:x", "@bad:x", "invite"), CODE,
     NULL},
    {CALLBACK_user_may_send_3pid_invite, "{'inviter':'@bad:x','medium':'email','address':'a@b','room_id':'!r:x'}",
     "{'inviter':'@a:x','medium':'email','address':'@bad:x','room_id':'!r:x'}", CODE, "{\"bool\":false}"},
    {CALLBACK_user_may_create_room, "{'user_id':'@bad:x','room_config':{}}", "{'user_id':'@a:x','room_config':{}}",
     CODE, "{\"bool\":false}"},
    {CALLBACK_on_create_room, "{'requester':{'user_id':'@bad:x'},'config':{},'is_requester_admin':false}",
     "{'requester':{'user_id':'@a:x'},'config':{},'is_requester_admin':false}",
     "{\"raise\":{\"type\":\"SynapseError\",\"code\":403,\"errcode\":\"M_LIMIT_EXCEEDED\",\"msg\":"
     "\"refused by a module\"}}",
     "{\"raise\":{\"type\":\"SynapseError\",\"code\":403,\"errcode\":\"M_LIMIT_EXCEEDED\",\"msg\":"
     "\"refused by a module\"}}"},
    {CALLBACK_user_may_create_room_alias, "{'user_id':'@bad:x','room_alias':'#a:x'}",
     "{'user_id':'@a:x','room_alias':'#bad:x'}", CODE, "{\"bool\":false}"},
    {CALLBACK_user_may_publish_room, "{'user_id':'@bad:x','room_id':'!r:x'}", "{'user_id':'@a:x','room_id':'!r:x'}",
     CODE, "{\"bool\":false}"},
    {CALLBACK_user_may_send_state_event,
     "{'user_id':'@bad:x','room_id':'!r:x','event_type':'t','state_key':'','content':{}}",
     "{'user_id':'@a:x','room_id':'!r:x','event_type':'t','state_key':'@bad:x','content':{}}", CODE, NULL},
    {CALLBACK_check_login_for_spam,
     "{'user_id':'@bad:x','device_id':null,'initial_display_name':null,'request_info':[],'auth_provider_id':null}",
     "{'user_id':'@a:x','device_id':null,'initial_display_name':null,'request_info':[],'auth_provider_id':null}", CODE,
     NULL},
};

Test(user_list, every_callback_refuses_in_its_own_way)
{
    const struct module_definition *module = module_find("user_list");
    cr_expect_eq(module->callback_count, sizeof callbacks / sizeof *callbacks, "a callback is missing here");
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        cr_assert(fixture_open(&fixture, "user_list", "{\"deny\": [\"@bad:x\"], \"code\": \"M_LIMIT_EXCEEDED\"}"));
        for (size_t index = 0; index < sizeof callbacks / sizeof *callbacks; index++) {
            const char *name = callback_definitions[callbacks[index].callback].name;
            const char *expected = semantics == SEMANTICS_147 ? callbacks[index].old : callbacks[index].latest;
            if (!expected)
                continue;
            const char *answer = fixture_question(&fixture, callbacks[index].callback, callbacks[index].denied);
            cr_expect_str_eq(answer, expected, "%s: %s", name, answer);
            EXPECT_SLICE(fixture.outcome.result.rule, "@bad:x");
            fixture_question(&fixture, callbacks[index].callback, callbacks[index].passed);
            cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED, "%s", name);
        }
        fixture_close(&fixture);
    }
}

Test(user_list, starts_with_the_old_semantics)
{
    struct module_fixture fixture = {0};
    struct module_host host = {.context = &fixture, .report = fixture_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x", .semantics = SEMANTICS_147});
    cr_assert(chain_append(chain, module_find("user_list"), NULL, NULL, &host));
    cr_expect(chain_seal(chain, NULL, NULL), "callbacks that 1.47 has not are left out");
    uint32_t index;
    cr_expect_eq(chain_callback_modules(chain, CALLBACK_check_login_for_spam, &index, 1), 0u);
    cr_expect_eq(chain_callback_modules(chain, CALLBACK_user_may_join_room, &index, 1), 1u);
    chain_destroy(chain);
}

Test(user_list, one_may_always_leave)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "user_list", "{\"deny\": [\"@bad:x\"]}"));
    EXPECT_RULE(&fixture, check_event_allowed, MEMBER("@bad:x", "@bad:x", "leave"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, MEMBER("@bad:x", "@bad:x", "leave"), "");
    EXPECT_RULE(&fixture, check_event_allowed, MEMBER("@bad:x", "@a:x", "leave"), "@bad:x");
    EXPECT_RULE(&fixture, check_event_allowed, MEMBER("@bad:x", "@bad:x", "join"), "@bad:x");
    EXPECT_RULE(&fixture, check_event_allowed, MEMBER("@a:x", "@bad:x", "leave"), "");
    EXPECT_RULE(&fixture, check_event_allowed, MEMBER("@a:x", "@bad:x", "ban"), "");
    fixture_close(&fixture);
}

Test(user_list, faults_are_told_with_their_place)
{
    struct module_fixture fixture = {.file_content = "@a:b\n"};
    cr_assert_not(fixture_open(&fixture, "user_list",
                               "{\"deny\": [\"@a:b\", \"\"], \"allow\": [\"\"], \"denny\": [], \"deny_files\": [7]}"));
    cr_expect(strstr(fixture.reports, "denny: unknown parameter; did you mean `deny`?"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "deny_files: must be the path of a file"), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_assert_not(fixture_open(&fixture, "user_list", "{\"deny\": [\"@a:b\", \"\"], \"allow\": [\"\"]}"));
    cr_expect(strstr(fixture.reports, "deny[1]: an empty entry"), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "allow[0]: an empty entry"), "%s", fixture.reports);
    fixture_close(&fixture);
    fixture.file_content = NULL;
    cr_assert_not(fixture_open(&fixture, "user_list", "{\"deny_files\": \"gone.txt\"}"));
    cr_expect(strstr(fixture.reports, "deny_files: gone.txt: no such file"), "%s", fixture.reports);
    fixture_close(&fixture);
}

/* A million ids with a glob among them. What the allocator has given out is what counts; with sanitizers nobody
 * knows. */
Test(user_list, a_million_ids_within_a_hundred_mebibytes)
{
    struct buffer content = {0};
    for (unsigned number = 0; number < 1000000; number++)
        buffer_append_format(&content, "@User%06u:host%u.example\n", number, number % 100);
    buffer_append_string(&content, "@glob*:x\n");
    struct module_fixture fixture = {.file_content = buffer_string(&content)};
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    cr_assert(fixture_open(&fixture, "user_list", "{\"deny_files\": [\"a.txt\"]}"));
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    cr_expect_lt(after - before, (size_t)100 << 20, "a million took %zu", after - before);
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@user999999:host99.example"), "@user999999:host99.example");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@user000000:host0.example"), "@user000000:host0.example");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@globe:x"), "@glob*:x");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@user999999:host98.example"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, FROM("@user1000000:host0.example"), "");
    fixture_close(&fixture);
    buffer_free(&content);
}
