/* policy_list, sentence by sentence as peers.md 4.2 gives what meowlnir and Draupnir do with policy lists. */
#include <stdlib.h>

#include "base/base64.h"
#include "filters/action.h"
#include "filters/chain_followed.h"
#include "filters/chain_state.h"
#include "filters/chain_walk.h"
#include "filters/event_hash.h"
#include "tests/filters/question_fixture.h"

#define ONE "{'rooms': [{'room': '!a:x', 'name': 'A'}]}"
#define TWO "{'rooms': [{'room': '!a:x', 'name': 'A'}, {'room': '!b:x', 'name': 'B'}]}"

/* Hands the chain a state event with this content (single quotes), or without one if that is NULL. */
static void hand_over(struct chain *chain, const char *room, const char *type, const char *key, const char *id,
                      int64_t ordering, const char *content)
{
    char text[4096], json[4096];
    struct event event = {.room_id = slice_from_string(room),
                          .type = slice_from_string(type),
                          .state_key = slice_from_string(key),
                          .event_id = slice_from_string(id)};
    struct event_reader *reader = event_reader_create(chain_fields(chain));
    if (content) {
        snprintf(text, sizeof text, "{'type':'%s','sender':'@mod:x','content':%s}", type, content);
        fixture_requote(text, json, sizeof json);
        cr_assert_eq(event_reader_read(reader, slice_from_string(json), &event), EVENT_READ_OK, "%s", json);
    }
    chain_state_event(chain, &event, ordering);
    event_reader_destroy(reader);
}

/* The figure of that name of the only module; -1: there is none. */
struct wanted_figure {
    const char *name;
    double value;
};
static void take_figure(void *context, const char *name, const char *text, double value)
{
    struct wanted_figure *wanted = context;
    cr_expect(text[0] != '\0');
    if (strcmp(name, wanted->name) == 0)
        wanted->value = value;
}
static double figure_of(const struct module_fixture *fixture, const char *name)
{
    struct wanted_figure wanted = {name, -1};
    const struct chain_module *module = &fixture->chain->modules[0];
    module->definition->figures(module->state, take_figure, &wanted);
    return wanted.value;
}

#define RULE(kind) "m.policy.rule." kind
#define BAN(entity) "{'entity':'" entity "','recommendation':'m.ban','reason':'spam'}"
#define OF(recommendation, entity) "{'entity':'" entity "','recommendation':'" recommendation "'}"
#define SENT(user) "{'type':'m.room.message','sender':'" user "','room_id':'!r:x','content':{}}"
#define INTO(room) "{'user_id':'@me:example.org','room_id':'" room "','is_invited':false}"

/* One event of a list; without a type there is none. */
struct step {
    const char *room, *type, *key, *id, *content;
};

/* After the steps, in order, `asked` is refused by `rule`; "": it passes. */
static const struct {
    const char *sentence;
    const char *configuration;
    struct step steps[4];
    enum callback callback;
    const char *asked;
    const char *rule;
} cases[] = {
    {"types: users",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: ban @bad:x"},
    {"types: servers",
     ONE,
     {{"!a:x", RULE("server"), "k", "$1", BAN("bad.example")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:bad.example"),
     "A: ban bad.example"},
    {"types: rooms",
     ONE,
     {{"!a:x", RULE("room"), "k", "$1", BAN("!bad:y")}},
     CALLBACK_user_may_join_room,
     INTO("!bad:y"),
     "A: ban !bad:y"},
    {"types: a rule for rooms is none for users",
     ONE,
     {{"!a:x", RULE("room"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"types: other rooms say nothing",
     ONE,
     {{"!c:x", RULE("user"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"types: other state says nothing",
     ONE,
     {{"!a:x", "m.room.topic", "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"older types: m.room.rule",
     ONE,
     {{"!a:x", "m.room.rule.user", "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: ban @bad:x"},
    {"older types: org.matrix.mjolnir.rule",
     ONE,
     {{"!a:x", "org.matrix.mjolnir.rule.server", "k", "$1", BAN("bad.example")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:bad.example"),
     "A: ban bad.example"},
    {"same state key: the newest spelling wins",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@new:x")}, {"!a:x", "m.room.rule.user", "k", "$2", BAN("@old:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@old:x"),
     ""},
    {"same state key: the newest spelling wins, whichever comes first",
     ONE,
     {{"!a:x", "org.matrix.mjolnir.rule.user", "k", "$1", BAN("@old:x")},
      {"!a:x", RULE("user"), "k", "$2", BAN("@n:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@old:x"),
     ""},
    {"same state key: also when it is empty",
     ONE,
     {{"!a:x", "m.room.rule.user", "k", "$1", BAN("@bad:x")}, {"!a:x", RULE("user"), "k", "$2", "{}"}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"same state key: an older one is back when the newest is gone",
     ONE,
     {{"!a:x", "m.room.rule.user", "k", "$1", BAN("@bad:x")},
      {"!a:x", RULE("user"), "k", "$2", "{}"},
      {"!a:x", RULE("user"), "k", NULL, NULL}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: ban @bad:x"},
    {"another state key is another rule",
     ONE,
     {{"!a:x", "m.room.rule.user", "k", "$1", BAN("@bad:x")}, {"!a:x", RULE("user"), "l", "$2", "{}"}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: ban @bad:x"},
    {"empty content removes the rule",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}, {"!a:x", RULE("user"), "k", "$2", "{}"}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"redacted content removes the rule",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}, {"!a:x", RULE("user"), "k", "$1", NULL}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"a redacted rule does not come back by a copy from before",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", NULL}, {"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"a changed rule takes the place of what it was",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}, {"!a:x", RULE("user"), "k", "$2", BAN("@worse:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"entity: * is any run",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@spam*:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@spam:x"),
     "A: ban @spam*:x"},
    {"entity: ? is one character",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@sp?m:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@spam:x"),
     "A: ban @sp?m:x"},
    {"entity: ? is one character, not a byte",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@sp?m:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@sp\xc3\xa4m:x"),
     "A: ban @sp?m:x"},
    {"entity: ? is not none",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@spam?:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@spam:x"),
     ""},
    {"entity: the whole id is matched",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@spam")}},
     CALLBACK_check_event_for_spam,
     SENT("@spam:x"),
     ""},
    {"entity: nothing else is special",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@[ab]+*:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@a:x"),
     ""},
    {"entity: nothing else is special, but itself",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@[ab]+*:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@[ab]+1:x"),
     "A: ban @[ab]+*:x"},
    {"entity: a word inside",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("*viagra*")}},
     CALLBACK_check_event_for_spam,
     SENT("@buy-viagra-now:x"),
     "A: ban *viagra*"},
    {"entity: a star alone",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@a*")}},
     CALLBACK_check_event_for_spam,
     SENT("@anna:x"),
     "A: ban @a*"},
    {"recommendation: m.ban is org.matrix.mjolnir.ban",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", OF("org.matrix.mjolnir.ban", "@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: ban @bad:x"},
    {"recommendation: m.takedown",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", OF("m.takedown", "@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: takedown @bad:x"},
    {"recommendation: its unstable name",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", OF("org.matrix.msc4204.takedown", "@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: takedown @bad:x"},
    {"recommendation: allow of a list before",
     TWO,
     {{"!a:x", RULE("user"), "k", "$1", OF("org.matrix.mjolnir.allow", "@good:x")},
      {"!b:x", RULE("user"), "k", "$2", BAN("@*:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@good:x"),
     ""},
    {"recommendation: unban of a list before",
     TWO,
     {{"!a:x", RULE("user"), "k", "$1", OF("fi.mau.meowlnir.unban", "@good:x")},
      {"!b:x", RULE("user"), "k", "$2", BAN("@good:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@good:x"),
     ""},
    {"recommendation: unknown ones are ignored",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", OF("org.example.frown", "@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"recommendation: an unknown one takes the place of a ban",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}, {"!a:x", RULE("user"), "k", "$2", OF("x", "@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"recommendation: none is none",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", "{'entity':'@bad:x'}"}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"precedence: the first list says",
     TWO,
     {{"!b:x", RULE("user"), "k", "$1", BAN("@bad:x")}, {"!a:x", RULE("user"), "k", "$2", BAN("@b*:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: ban @b*:x"},
    {"precedence: a ban of a list before an unban",
     TWO,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")},
      {"!b:x", RULE("user"), "k", "$2", OF("fi.mau.meowlnir.unban", "@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "A: ban @bad:x"},
    {"precedence: in one list a name before globs",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", OF("fi.mau.meowlnir.unban", "@good:x")},
      {"!a:x", RULE("user"), "l", "$2", BAN("@*:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@good:x"),
     ""},
    {"precedence: in one list the newest of several globs",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@*:x")},
      {"!a:x", RULE("user"), "l", "$2", OF("fi.mau.meowlnir.unban", "@good*:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@good1:x"),
     ""},
    {"a user is tested against user rules, then the server against server rules: an exception for the user",
     TWO,
     {{"!a:x", RULE("server"), "k", "$1", BAN("y")},
      {"!b:x", RULE("user"), "k", "$2", OF("fi.mau.meowlnir.unban", "@g:y")}},
     CALLBACK_check_event_for_spam,
     SENT("@g:y"),
     ""},
    {"the server part, the port removed",
     ONE,
     {{"!a:x", RULE("server"), "k", "$1", BAN("bad.example")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:bad.example:8448"),
     "A: ban bad.example"},
    {"the server part, the port removed from the rule too",
     ONE,
     {{"!a:x", RULE("server"), "k", "$1", BAN("bad.example:8448")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:bad.example"),
     "A: ban bad.example:8448"},
    {"the server part, by a glob",
     ONE,
     {{"!a:x", RULE("server"), "k", "$1", BAN("*.bad.example")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:a.bad.example:8448"),
     "A: ban *.bad.example"},
    {"a room id against room rules: messages in it",
     ONE,
     {{"!a:x", RULE("room"), "k", "$1", BAN("!r:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@me:x"),
     "A: ban !r:x"},
    {"the server of the room id: joining",
     ONE,
     {{"!a:x", RULE("server"), "k", "$1", BAN("bad.example")}},
     CALLBACK_user_may_join_room,
     INTO("!r:bad.example"),
     "A: ban bad.example"},
    {"the server of the room id: who is in already may speak",
     ONE,
     {{"!a:x", RULE("server"), "k", "$1", BAN("x")}},
     CALLBACK_check_event_for_spam,
     SENT("@me:y"),
     ""},
    {"v12: the creator's server, from the invite",
     ONE,
     {{"!a:x", RULE("server"), "k", "$1", BAN("bad.example")}},
     CALLBACK_federated_user_may_invite,
     "{'type':'m.room.member','sender':'@u:y','state_key':'@me:example.org','room_id':'!hash','content':{'membership':"
     "'invite'},'unsigned':{'invite_room_state':[{'type':'m.room.create','sender':'@c:bad.example','content':{}}]}}",
     "A: ban bad.example"},
    {"case: insensitive",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@Bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bAD:x"),
     "A: ban @Bad:x"},
    {"case: insensitive globs",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@Bad*:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bADder:x"),
     "A: ban @Bad*:x"},
    {"case: users by parameter",
     "{'ignore_case':false,'rooms':[{'room':'!a:x','name':'A'}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("@Bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"case: servers always",
     "{'ignore_case':false,'rooms':[{'room':'!a:x','name':'A'}]}",
     {{"!a:x", RULE("server"), "k", "$1", BAN("BAD.example")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:bad.Example"),
     "A: ban BAD.example"},
    {"guards: a rule that would match a listed entity is ignored",
     "{'never':['@admin:y'],'rooms':[{'room':'!a:x','name':'A'}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("@*:*")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:y"),
     ""},
    {"guards: one that covers a glob",
     "{'never':['@*:y'],'rooms':[{'room':'!a:x','name':'A'}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("*")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:z"),
     ""},
    {"guards: one that covers some of a glob holds for others",
     "{'never':['@*:y'],'rooms':[{'room':'!a:x','name':'A'}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad*")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:z"),
     "A: ban @bad*"},
    {"guards: and not for those",
     "{'never':['@*:y'],'rooms':[{'room':'!a:x','name':'A'}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad*")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:y"),
     ""},
    {"guards: a listed user is not hit through the server",
     "{'never':['@admin:y'],'rooms':[{'room':'!a:x','name':'A'}]}",
     {{"!a:x", RULE("server"), "k", "$1", BAN("y")}},
     CALLBACK_check_event_for_spam,
     SENT("@admin:y"),
     ""},
    {"guards: others are",
     "{'never':['@admin:y'],'rooms':[{'room':'!a:x','name':'A'}]}",
     {{"!a:x", RULE("server"), "k", "$1", BAN("y")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:y"),
     "A: ban y"},
    {"guards: the homeserver",
     ONE,
     {{"!a:x", RULE("server"), "k", "$1", BAN("*")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:y"),
     ""},
    {"guards: all of its users",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@*:example.org")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:example.org"),
     ""},
    {"guards: all of its users, in other words",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@?*:*")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:x"),
     ""},
    {"guards: some of its users, and others",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@u*:*")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:x"),
     "A: ban @u*:*"},
    {"guards: not one of its users",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@u:example.org")}},
     CALLBACK_check_event_for_spam,
     SENT("@u:example.org"),
     "A: ban @u:example.org"},
    {"apply: only what is asked for",
     "{'rooms':[{'room':'!a:x','name':'A','apply':['takedown']}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"trust: one list of a half",
     "{'rooms':[{'room':'!a:x','name':'A','trust':0.5},{'room':'!b:x','trust':0.5}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}, {"!a:x", RULE("server"), "k", "$2", BAN("x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"trust: two of a half",
     "{'rooms':[{'room':'!a:x','name':'A','trust':0.5},{'room':'!b:x','trust':0.5}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}, {"!b:x", RULE("server"), "k", "$2", BAN("x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     "!b:x: ban x"},
    {"trust: none",
     "{'rooms':[{'room':'!a:x','name':'A','trust':0}]}",
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     SENT("@bad:x"),
     ""},
    {"callbacks: check_event_allowed",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_allowed,
     SENT("@bad:x"),
     "A: ban @bad:x"},
    {"callbacks: invites",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_user_may_invite,
     "{'inviter':'@bad:x','invitee':'@me:example.org','room_id':'!r:y'}",
     "A: ban @bad:x"},
    {"callbacks: invites into a room",
     ONE,
     {{"!a:x", RULE("room"), "k", "$1", BAN("!bad*")}},
     CALLBACK_user_may_invite,
     "{'inviter':'@u:x','invitee':'@me:example.org','room_id':'!bad:y'}",
     "A: ban !bad*"},
    {"callbacks: joining",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:example.org")}},
     CALLBACK_user_may_join_room,
     "{'user_id':'@bad:example.org','room_id':'!r:y','is_invited':true}",
     "A: ban @bad:example.org"},
    {"callbacks: making a room",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:example.org")}},
     CALLBACK_user_may_create_room,
     "{'user_id':'@bad:example.org','room_config':{}}",
     "A: ban @bad:example.org"},
    {"callbacks: logging in",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:example.org")}},
     CALLBACK_check_login_for_spam,
     "{'user_id':'@bad:example.org','device_id':null,'initial_display_name':null,'request_info':[],'auth_provider_id':"
     "null}",
     "A: ban @bad:example.org"},
    {"people get out",
     ONE,
     {{"!a:x", RULE("user"), "k", "$1", BAN("@bad:x")}},
     CALLBACK_check_event_for_spam,
     "{'type':'m.room.member','sender':'@bad:x','state_key':'@bad:x','room_id':'!r:x','content':{'membership':"
     "'leave'}}",
     ""},
};

Test(policy_list, every_sentence)
{
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct module_fixture fixture = {0};
        cr_assert(fixture_open_quoted(&fixture, "policy_list", cases[index].configuration), "%s: %s",
                  cases[index].sentence, fixture.reports);
        for (size_t step = 0; step < 4 && cases[index].steps[step].type; step++) {
            const struct step *event = &cases[index].steps[step];
            hand_over(fixture.chain, event->room, event->type, event->key, event->id, (int64_t)step + 1,
                      event->content);
        }
        const char *rule = fixture_rule(&fixture, cases[index].callback, cases[index].asked);
        cr_expect_str_eq(rule, cases[index].rule, "%s: %s instead of %s", cases[index].sentence, rule,
                         cases[index].rule);
        fixture_close(&fixture);
    }
}

/* The digest of `text` in Base64, with padding or without. */
static const char *digest_of(const char *text, bool padded)
{
    static struct buffer output;
    unsigned char digest[EVENT_HASH_SIZE];
    event_hash_of(slice_from_string(text), digest);
    buffer_clear(&output);
    base64_append(&output, digest, sizeof digest, BASE64_STANDARD);
    if (padded)
        buffer_append_char(&output, '=');
    return buffer_string(&output);
}

Test(policy_list, hashed_entities)
{
    static const struct {
        const char *member;
        bool padded;
        const char *asked;
        bool hit;
    } rows[] = {{"hashes", false, "@bad:x", true},
                {"hashes", true, "@bad:x", true},
                {"org.matrix.msc4205.hashes", true, "@bad:x", true},
                {"hashes", false, "@bad:xy", false},
                {"hashes", false, "@Bad:x", false},
                {"hash", false, "@bad:x", false}};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct module_fixture fixture = {0};
        char content[512], sent[256], expected[256];
        cr_assert(fixture_open_quoted(&fixture, "policy_list", ONE));
        snprintf(content, sizeof content, "{'%s':{'sha256':'%s'},'recommendation':'m.takedown'}", rows[row].member,
                 digest_of("@bad:x", rows[row].padded));
        hand_over(fixture.chain, "!a:x", RULE("user"), "k", "$1", 1, content);
        snprintf(sent, sizeof sent, "{'type':'m.room.message','sender':'%s','content':{}}", rows[row].asked);
        snprintf(expected, sizeof expected, "A: takedown sha256:%s", digest_of("@bad:x", false));
        const char *rule = fixture_rule(&fixture, CALLBACK_check_event_for_spam, sent);
        cr_expect_str_eq(rule, rows[row].hit ? expected : "", "%s %s", rows[row].member, rows[row].asked);
        fixture_close(&fixture);
    }
}

Test(policy_list, the_verdict_says_why)
{
    struct module_fixture fixture = {0};
    struct event event = {0};
    cr_assert(fixture_open_quoted(&fixture, "policy_list", ONE));
    cr_assert_eq(
        judge_read(fixture.judge, SLICE("{\"type\":\"m\",\"sender\":\"@u:bad.example:8448\",\"content\":{}}"), &event),
        EVENT_READ_OK);
    hand_over(fixture.chain, "!a:x", RULE("server"), "k", "$1", 1, BAN("bad.*"));
    const struct outcome *outcome = judge_event(fixture.judge, &event, JUDGE_EVENT_FOR_SPAM);
    EXPECT_SLICE(outcome->result.rule, "A: ban bad.*");
    EXPECT_SLICE(outcome->result.reason, "spam");
    EXPECT_SLICE(outcome->result.evidence, "bad.example");
    hand_over(fixture.chain, "!a:x", RULE("server"), "k", "$2", 2, OF("m.ban", "bad.*"));
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@u:bad.example"), "A: ban bad.*");
    EXPECT_SLICE(fixture.outcome.result.reason, "the policy list gives no reason");
    cr_expect_eq(fixture.outcome.result.actions, 0u);
    hand_over(fixture.chain, "!a:x", RULE("server"), "k", "$3", 3, OF("m.takedown", "bad.*"));
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@u:bad.example"), "A: takedown bad.*");
    cr_expect_eq(fixture.outcome.result.actions, ACTION_BIT(ACTION_redact), "what a takedown hits is to be removed");
    fixture_close(&fixture);
}

Test(policy_list, the_newest_event_counts_in_whatever_order_they_come)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "policy_list", ONE));
    hand_over(fixture.chain, "!a:x", RULE("user"), "k", "$2", 20, BAN("@new:x"));
    hand_over(fixture.chain, "!a:x", RULE("user"), "k", "$1", 10, BAN("@old:x"));
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@old:x"), "");
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@new:x"), "A: ban @new:x");
    hand_over(fixture.chain, "!a:x", RULE("user"), "k", "$1", 30, BAN("@old:x"));
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@old:x"), "A: ban @old:x");
    hand_over(fixture.chain, "!a:x", RULE("user"), "k", NULL, 29, NULL);
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@old:x"), "A: ban @old:x");
    hand_over(fixture.chain, "!a:x", RULE("user"), "k", NULL, 31, NULL);
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@old:x"), "");
    fixture_close(&fixture);
}

Test(policy_list, federated_events_are_dropped_where_that_is_asked_for)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "policy_list", ONE));
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_should_drop_federated_event, NULL, 0), 0);
    fixture_close(&fixture);
    cr_assert(
        fixture_open_quoted(&fixture, "policy_list", "{'on_federated':'drop','rooms':[{'room':'!a:x','name':'A'}]}"));
    hand_over(fixture.chain, "!a:x", RULE("user"), "k", "$1", 1, BAN("@bad:x"));
    EXPECT_ANSWER(&fixture, should_drop_federated_event, SENT("@bad:x"), "{\"bool\":true}");
    EXPECT_ANSWER(&fixture, should_drop_federated_event, SENT("@good:x"), "{\"bool\":false}");
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@bad:x"), "A: ban @bad:x");
    fixture_close(&fixture);
}

/* ---- files */

#define LIST_EVENT(key, room, entity)                                                                                  \
    "{\"type\":\"m.policy.rule.user\",\"state_key\":\"" key "\",\"event_id\":\"$" key "\"" room                        \
    ",\"content\":{\"entity\":\"" entity "\",\"recommendation\":\"m.ban\"}}"

Test(policy_list, files)
{
    struct module_fixture fixture = {.file_content =
                                         " [" LIST_EVENT("1", "", "@bad:x") ",\n {\"type\":\"m.room.name\"}, 7]"};
    cr_assert(fixture_open_quoted(&fixture, "policy_list",
                                  "{'rooms':[{'room':'!a:x','name':'A'}],'files':[{'file':'f','room':'!a:x'}]}"));
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@bad:x"), "A: ban @bad:x");
    hand_over(fixture.chain, "!a:x", RULE("user"), "1", "$live", 5, "{}");
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@bad:x"), "");
    fixture_close(&fixture);

    fixture.file_content = LIST_EVENT("1", ",\"room_id\":\"!a:x\"", "@bad:x") "\n\n" LIST_EVENT(
        "2", ",\"room_id\":\"!b:x\"", "@worse:x") "\n" LIST_EVENT("3", "", "@unplaced:x") "\n";
    cr_assert(
        fixture_open_quoted(&fixture, "policy_list", "{'rooms':[{'room':'!a:x','name':'A'},'!b:x'],'files':'f'}"));
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@bad:x"), "A: ban @bad:x");
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@worse:x"), "!b:x: ban @worse:x");
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@unplaced:x"), "");
    fixture_close(&fixture);
}

Test(policy_list, what_is_wrong_is_said)
{
    static const struct {
        const char *configuration, *file, *report;
        bool good;
    } rows[] = {
        {"{'rooms':[{'name':'A'}]}", NULL, "rooms[0].room: is missing: the id of the list's room\n", false},
        {"{'rooms':['#a:x']}", NULL,
         "rooms[0].room: must be the id of a room, which begins with `!`; an alias does not do\n", false},
        {"{'rooms':['!a:x','!a:x']}", NULL, "rooms[1].room: is listed twice\n", false},
        {"{'rooms':['!a:x'],'files':[{'file':'f','room':'!b:x'}]}", "", "files[0].room: is none of `rooms`\n", false},
        {"{'rooms':['!a:x'],'files':[{'file':'f'}]}", NULL, "files[0].file: f: no such file\n", false},
        {"{'rooms':['!a:x'],'files':[{}]}", NULL, "files[0].file: is missing: the path of a file\n", false},
        {"{'rooms':['!a:x'],'files':'f'}", "{}\nx",
         "files[0].file: is neither a JSON list nor a JSON object a line: line 2 is none\n", false},
        {"{'rooms':['!a:x'],'files':'f'}", "[1,", "files[0].file: is no JSON: unexpected end of data, at byte 3\n",
         false},
        {"{'rooms':['!a:x'],'files':'f'}", "[]", "warning: files[0].file: has no rules of any of `rooms`\n", true},
        {"{}", NULL, "warning: rooms: is empty, so that nothing is ever refused\n", true},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        struct module_fixture fixture = {.file_content = rows[row].file};
        cr_expect_eq(fixture_open_quoted(&fixture, "policy_list", rows[row].configuration), rows[row].good);
        cr_expect_str_eq(fixture.reports, rows[row].report, "%s: %s", rows[row].configuration, fixture.reports);
        fixture_close(&fixture);
    }
}

/* ---- memory */

Test(policy_list, rules_go_over_to_another_chain)
{
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts;
    struct buffer snapshot = {0};
    const char *problem;
    char content[256];
    cr_assert(fixture_open_quoted(&fixture, "policy_list", TWO));
    hand_over(fixture.chain, "!a:x", RULE("user"), "k", "$1", 1, BAN("@bad*:x"));
    hand_over(fixture.chain, "!b:x", RULE("server"), "k", "$2", 2, BAN("Bad.example"));
    hand_over(fixture.chain, "!b:x", RULE("user"), "e", "$3", 30, "{}");
    snprintf(content, sizeof content, "{'hashes':{'sha256':'%s'},'recommendation':'m.ban'}",
             digest_of("@hidden:x", false));
    hand_over(fixture.chain, "!b:x", RULE("user"), "h", "$4", 4, content);
    for (int way = 0; way < 2; way++) {
        cr_assert(fixture_open_quoted(&next, "policy_list", TWO));
        if (way == 0) {
            chain_state_hand_over(fixture.chain, next.chain, &counts);
        } else {
            chain_state_save(fixture.chain, &snapshot);
            cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
        }
        cr_expect_eq(counts.restored, 1);
        EXPECT_RULE(&next, check_event_for_spam, SENT("@badder:x"), "A: ban @bad*:x");
        EXPECT_SLICE(next.outcome.result.reason, "spam");
        EXPECT_RULE(&next, check_event_for_spam, SENT("@u:bad.example"), "B: ban Bad.example");
        snprintf(content, sizeof content, "B: ban sha256:%s", digest_of("@hidden:x", false));
        EXPECT_RULE(&next, check_event_for_spam, SENT("@hidden:x"), content);
        hand_over(next.chain, "!b:x", RULE("user"), "e", "$0", 29, BAN("@late:x"));
        EXPECT_RULE(&next, check_event_for_spam, SENT("@late:x"), "");
        fixture_close(&next);
    }
    buffer_free(&snapshot);
    fixture_close(&fixture);
}

Test(policy_list, files_that_changed_hold_after_a_reload_beside_what_came_since)
{
    const char *configuration = "{'rooms':[{'room':'!a:x','name':'A'}],'files':[{'file':'f','room':'!a:x'}]}";
    struct module_fixture fixture = {.file_content = LIST_EVENT("1", "", "@old:x") "\n" LIST_EVENT("2", "", "@two:x")};
    struct module_fixture next = {.file_content = LIST_EVENT("1", "", "@new:x") "\n" LIST_EVENT("2", "", "@two:x")};
    struct chain_state_counts counts;
    cr_assert(fixture_open_quoted(&fixture, "policy_list", configuration));
    cr_assert(fixture_open_quoted(&next, "policy_list", configuration));
    hand_over(fixture.chain, "!a:x", RULE("user"), "2", "$live", 5, BAN("@live:x"));
    chain_state_hand_over(fixture.chain, next.chain, &counts);
    fixture_close(&fixture);
    EXPECT_RULE(&next, check_event_for_spam, SENT("@old:x"), "");
    EXPECT_RULE(&next, check_event_for_spam, SENT("@new:x"), "A: ban @new:x");
    EXPECT_RULE(&next, check_event_for_spam, SENT("@two:x"), "");
    EXPECT_RULE(&next, check_event_for_spam, SENT("@live:x"), "A: ban @live:x");
    fixture_close(&next);
}

Test(policy_list, the_chain_before_keeps_the_rules)
{
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts;
    cr_assert(fixture_open_quoted(&fixture, "policy_list", ONE));
    cr_assert(fixture_open_quoted(&next, "policy_list", ONE));
    hand_over(fixture.chain, "!a:x", RULE("user"), "1", "$1", 1, BAN("@bad:x"));
    chain_state_hand_over(fixture.chain, next.chain, &counts);
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@bad:x"), "A: ban @bad:x");
    fixture_close(&fixture);
    EXPECT_RULE(&next, check_event_for_spam, SENT("@bad:x"), "A: ban @bad:x");
    fixture_close(&next);
}

Test(policy_list, figures_say_what_there_is)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open_quoted(&fixture, "policy_list",
                            "{'never':'@me:y','rooms':[{'room':'!a:x','name':'A b'},{'room':'!b:x','name':'B'}]}"));
    hand_over(fixture.chain, "!a:x", RULE("user"), "1", "$1", 1, BAN("@bad*:x"));
    hand_over(fixture.chain, "!a:x", RULE("user"), "2", "$2", 2, BAN("@bad:x"));
    hand_over(fixture.chain, "!b:x", RULE("user"), "3", "$3", 3, BAN("@*:y"));
    hand_over(fixture.chain, "!b:x", RULE("user"), "4", "$4", 4, OF("m.frown", "@a:x"));
    hand_over(fixture.chain, "!b:x", RULE("room"), "5", "$5", 5, "{'entity':7,'recommendation':'m.ban'}");
    hand_over(fixture.chain, "!b:x", RULE("room"), "6", "$6", 6,
              "{'hashes':{'sha256':'short'},'recommendation':'m.ban'}");
    cr_expect_eq(figure_of(&fixture, "rules"), 2);
    cr_expect_eq(figure_of(&fixture, "rules_of_A_b"), 2);
    cr_expect_eq(figure_of(&fixture, "rules_of_B"), 0);
    cr_expect_eq(figure_of(&fixture, "unknown_recommendations"), 1);
    cr_expect_eq(figure_of(&fixture, "malformed"), 2);
    cr_expect_eq(figure_of(&fixture, "refused"), 1);
    cr_expect_eq(figure_of(&fixture, "left_out_total"), 0);
    for (int event = 1; event <= 6; event++) {
        char key[2] = {(char)('0' + event), '\0'};
        hand_over(fixture.chain, event <= 2 ? "!a:x" : "!b:x", event <= 4 ? RULE("user") : RULE("room"), key, "$e",
                  10 + event, "{}");
    }
    cr_expect_eq(figure_of(&fixture, "rules"), 0);
    cr_expect_eq(figure_of(&fixture, "unknown_recommendations"), 0);
    cr_expect_eq(figure_of(&fixture, "malformed"), 0);
    cr_expect_eq(figure_of(&fixture, "refused"), 0);
    fixture_close(&fixture);
}

Test(policy_list, lists_of_alike_names_have_figures_of_their_own)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "policy_list",
                                  "{'rooms':[{'room':'!a:x','name':'A b'},{'room':'!b:x','name':'A_b'},"
                                  "{'room':'!c:x','name':'A b'},{'room':'!d:x','name':'A_b_5'},{'room':'!e:x','name':"
                                  "'A-b'}]}"));
    hand_over(fixture.chain, "!b:x", RULE("user"), "1", "$1", 1, BAN("@bad:x"));
    hand_over(fixture.chain, "!e:x", RULE("user"), "1", "$2", 1, BAN("@bad:x"));
    cr_expect_eq(figure_of(&fixture, "rules_of_A_b"), 0);
    cr_expect_eq(figure_of(&fixture, "rules_of_A_b_2"), 1);
    cr_expect_eq(figure_of(&fixture, "rules_of_A_b_3"), 0);
    cr_expect_eq(figure_of(&fixture, "rules_of_A_b_5"), 0);
    cr_expect_eq(figure_of(&fixture, "rules_of_A_b_5_5"), 1);
    fixture_close(&fixture);
}

static unsigned errors_logged;
static void count_log(const char *level, const char *module, struct slice message)
{
    cr_expect_str_eq(level, "error");
    cr_expect_str_eq(module, "policy_list");
    cr_expect(message.length > 0);
    errors_logged++;
}

Test(policy_list, no_more_rules_than_the_capacity)
{
    struct module_fixture fixture = {0};
    struct module_host host = {
        .context = &fixture, .report = fixture_report, .read_file = fixture_read_file, .log = count_log};
    json_t *values = json_pack("{s:i, s:[s]}", "capacity", 1000, "rooms", "!a:x");
    fixture.chain = chain_create(&(struct chain_settings){.server_name = "example.org"});
    cr_assert(chain_append(fixture.chain, module_find("policy_list"), values, NULL, &host));
    json_decref(values);
    chain_seal(fixture.chain, NULL, NULL);
    fixture.judge = judge_create(fixture.chain);
    errors_logged = 0;
    for (int number = 0; number < 1005; number++) {
        char key[32], content[256];
        snprintf(key, sizeof key, "k%d", number);
        snprintf(content, sizeof content, "{'entity':'@u%d:x','recommendation':'m.ban'}", number);
        hand_over(fixture.chain, "!a:x", RULE("user"), key, key, number + 1, content);
    }
    cr_expect_eq(figure_of(&fixture, "rules"), 1000);
    cr_expect_eq(figure_of(&fixture, "left_out_total"), 5);
    cr_expect_eq(errors_logged, 1);
    cr_expect_lt(figure_of(&fixture, "bytes"), 1000 * 400);
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@u999:x"), "!a:x: ban @u999:x");
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@u1000:x"), "");
    hand_over(fixture.chain, "!a:x", RULE("user"), "k7", "$n", 5000, BAN("@other:x"));
    EXPECT_RULE(&fixture, check_event_for_spam, SENT("@other:x"), "!a:x: ban @other:x");
    fixture_close(&fixture);
}
