/* What `error` and `reason` of a module make of its refusals, in the shape of each callback. */
#include "tests/filters/question_fixture.h"

static struct module_fixture open_chain(enum semantics semantics, bool dry_run)
{
    struct module_fixture fixture = {.semantics = semantics};
    struct module_options options = {.dry_run = dry_run, .error_fields = json_pack("{s:s}", "error", "Ask us.")};
    options.reason = strdup("on the list since Monday");
    struct module_host host = {.context = &fixture, .report = fixture_report};
    json_t *config = json_pack("{s:[s],s:s}", "deny", "@bad:x", "code", "M_UNKNOWN");
    fixture.chain = chain_create(&(struct chain_settings){.server_name = "example.org", .semantics = semantics});
    cr_assert(chain_append(fixture.chain, module_find("user_list"), config, &options, &host));
    json_decref(config);
    cr_assert(chain_seal(fixture.chain, NULL, NULL));
    fixture.judge = judge_create(fixture.chain);
    return fixture;
}

static const struct {
    enum callback callback;
    const char *question;
    const char *latest, *old; /* NULL: the callback did not exist */
} cases[] = {
#define SAID "{\"code\":\"M_UNKNOWN\",\"fields\":{\"error\":\"Ask us.\"}}"
#define RAISED "{\"raise\":{\"type\":\"SynapseError\",\"code\":403,\"errcode\":\"M_UNKNOWN\",\"msg\":\"Ask us.\"}}"
    {CALLBACK_check_event_for_spam, "{'sender':'@bad:x','content':{}}", SAID, "{\"str\":\"Ask us.\"}"},
    {CALLBACK_user_may_join_room, "{'user_id':'@bad:x','room_id':'!r:x','is_invited':false}", SAID, "{\"bool\":false}"},
    {CALLBACK_check_login_for_spam,
     "{'user_id':'@bad:x','device_id':null,'initial_display_name':null,'request_info':[],'auth_provider_id':null}",
     SAID, NULL},
    {CALLBACK_on_create_room, "{'requester':{'user_id':'@bad:x'},'config':{},'is_requester_admin':false}", RAISED,
     RAISED},
    {CALLBACK_check_event_allowed, "{'sender':'@bad:x','content':{}}", "{\"tuple\":[{\"bool\":false},{\"none\":true}]}",
     "{\"tuple\":[{\"bool\":false},{\"none\":true}]}"},
    /* With fields the code would be lost. */
    {CALLBACK_user_may_send_state_event,
     "{'user_id':'@bad:x','room_id':'!r:x','event_type':'t','state_key':'','content':{}}",
     "{\"code\":\"M_UNKNOWN\",\"fields\":{}}", NULL},
};

Test(refusal_words, reach_the_client_where_the_callback_lets_them)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = open_chain((enum semantics)semantics, false);
        for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
            const char *name = callback_definitions[cases[index].callback].name;
            const char *expected = semantics == SEMANTICS_147 ? cases[index].old : cases[index].latest;
            if (!expected)
                continue;
            const char *answer = fixture_question(&fixture, cases[index].callback, cases[index].question);
            cr_expect_str_eq(answer, expected, "%s: %s", name, answer);
            EXPECT_SLICE(fixture.outcome.result.reason, "on the list since Monday");
            EXPECT_SLICE(fixture.outcome.result.rule, "@bad:x");
        }
        EXPECT_ANSWER(&fixture, user_may_join_room, "{'user_id':'@a:x','room_id':'!r:x','is_invited':false}",
                      semantics == SEMANTICS_147 ? "{\"bool\":true}" : "\"NOT_SPAM\"");
        cr_expect_not(slice_present(fixture.outcome.result.reason));
        fixture_close(&fixture);
    }
}

static void on_dry_run(void *context, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    (void)arguments;
    EXPECT_SLICE(outcome->result.reason, "on the list since Monday");
    cr_expect_not_null(outcome->result.value.object);
    *(int *)context += 1;
}

Test(refusal_words, stand_in_what_a_dry_run_tells)
{
    struct module_fixture fixture = open_chain(SEMANTICS_LATEST, true);
    int told = 0;
    chain_on_dry_run(fixture.chain, on_dry_run, &told);
    EXPECT_ANSWER(&fixture, user_may_join_room, "{'user_id':'@bad:x','room_id':'!r:x','is_invited':false}",
                  "\"NOT_SPAM\"");
    cr_expect_eq(told, 1);
    chain_on_dry_run(fixture.chain, NULL, NULL);
    fixture_close(&fixture);
}
