/* presence_groups: who gets whose presence, by name and by glob, and what is remembered of whom. */
#include "base/keyed_hash.h"
#include "filters/chain_followed.h"
#include "filters/chain_state.h"
#include "tests/filters/question_fixture.h"

#define UPDATE(user) "{\"user_id\":\"" user "\",\"state\":\"online\",\"last_active_ts\":1}"

/* "user: state-of state-of; user: …", in the order of the answer. */
static const char *routes(struct module_fixture *fixture, const char *updates)
{
    static char text[2048];
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
        for (uint32_t place = 0; place < states->count; place++)
            used += (size_t)snprintf(text + used, sizeof text - used, " %.*s",
                                     (int)states->items[place].state->user_id.length,
                                     states->items[place].state->user_id.data);
    }
    return text;
}

static const char *interested(struct module_fixture *fixture, const char *user)
{
    char question[256];
    snprintf(question, sizeof question, "{\"user_id\":\"%s\"}", user);
    return fixture_ask(fixture, CALLBACK_get_interested_users, question);
}

Test(presence_groups, users_by_name)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        cr_assert(fixture_open_quoted(&fixture, "presence_groups",
                                      "{'groups':[{'from':['@a:x','@b:x'],'to':['@boss:x','@far:y']},"
                                      "{'from':'@c:x','to':'@boss:x'}]}"),
                  "%s", fixture.reports);
        cr_expect_str_eq(routes(&fixture, UPDATE("@a:x") "," UPDATE("@c:x") "," UPDATE("@a:x") "," UPDATE("@d:x")),
                         "@far:y: @a:x; @boss:x: @a:x @c:x");
        cr_expect_str_eq(routes(&fixture, UPDATE("@d:x")), "");
        cr_expect_str_eq(routes(&fixture, ""), "");
        cr_expect_str_eq(interested(&fixture, "@boss:x"), "{\"set\":[\"@c:x\",\"@b:x\",\"@a:x\"]}");
        cr_expect_str_eq(interested(&fixture, "@far:y"), "{\"set\":[\"@b:x\",\"@a:x\"]}");
        cr_expect_str_eq(interested(&fixture, "@a:x"), "{\"set\":[]}");
        fixture_close(&fixture);
    }
}

Test(presence_groups, globs_are_who_was_seen)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "presence_groups", "{'groups':[{'from':'@staff-*:x','to':'@*:x'}]}"));
    cr_expect_str_eq(routes(&fixture, UPDATE("@staff-1:x") "," UPDATE("@a:x")), "", "nobody has synced yet");
    cr_expect_str_eq(interested(&fixture, "@a:x"), "{\"set\":[\"@staff-1:x\"]}");
    cr_expect_str_eq(interested(&fixture, "@a:y"), "{\"set\":[]}");
    cr_expect_str_eq(interested(&fixture, "@staff-1:x"), "{\"set\":[]}", "not oneself");
    cr_expect_str_eq(routes(&fixture, UPDATE("@staff-2:x")), "@staff-1:x: @staff-2:x; @a:x: @staff-2:x");
    cr_expect_str_eq(interested(&fixture, "@a:x"), "{\"set\":[\"@staff-2:x\",\"@staff-1:x\"]}");
    fixture_close(&fixture);
}

Test(presence_groups, who_gets_everything_is_in_every_answer)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open_quoted(&fixture, "presence_groups", "{'groups':[{'from':'ALL','to':['@admin:x','@mod-*']}]}"));
    cr_expect_str_eq(interested(&fixture, "@admin:x"), "{\"str\":\"ALL\"}");
    cr_expect_str_eq(routes(&fixture, ""), "@admin:x:");
    cr_expect_str_eq(interested(&fixture, "@mod-1:x"), "{\"str\":\"ALL\"}");
    cr_expect_str_eq(routes(&fixture, ""), "@admin:x:; @mod-1:x:");
    cr_expect_str_eq(routes(&fixture, UPDATE("@any:y")), "@admin:x: @any:y; @mod-1:x: @any:y");
    cr_expect_str_eq(interested(&fixture, "@any:y"), "{\"set\":[]}");
    fixture_close(&fixture);
}

Test(presence_groups, a_change_goes_to_no_more_than_max_fanout)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open_quoted(&fixture, "presence_groups", "{'groups':[{'from':'@a:x','to':'ALL'}],'max_fanout':4}"));
    for (int user = 1; user <= 7; user++) {
        char id[32];
        snprintf(id, sizeof id, "@u%d:x", user);
        interested(&fixture, id);
        interested(&fixture, "@often:x");
    }
    /* The last ones, and who was there all the time. */
    cr_expect_str_eq(routes(&fixture, UPDATE("@a:x")), "@often:x: @a:x; @u7:x: @a:x; @u6:x: @a:x");
    fixture_close(&fixture);
    /* Whom get_users_for_states would leave out gets no ALL. */
    cr_assert(fixture_open_quoted(&fixture, "presence_groups",
                                  "{'groups':[{'from':'ALL','to':['@a:x','*']}],'max_fanout':1}"));
    cr_expect_str_eq(interested(&fixture, "@a:x"), "{\"str\":\"ALL\"}");
    cr_expect_str_eq(interested(&fixture, "@b:x"), "{\"set\":[]}");
    cr_expect_str_eq(routes(&fixture, UPDATE("@c:x")), "@a:x: @c:x");
    fixture_close(&fixture);
}

Test(presence_groups, other_servers)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open_quoted(&fixture, "presence_groups",
                            "{'groups':[{'from':['@*'],'to':'@far:y'}],'servers':['b.example','c.example:8448']}"));
    cr_expect_str_eq(routes(&fixture, UPDATE("@a:example.org") "," UPDATE("@b:elsewhere.org")),
                     "@far:y: @a:example.org @b:elsewhere.org; @presence:b.example: @a:example.org; "
                     "@presence:c.example:8448: @a:example.org");
    cr_expect_str_eq(routes(&fixture, UPDATE("@b:elsewhere.org")), "@far:y: @b:elsewhere.org");
    fixture_close(&fixture);
}

Test(presence_groups, remembers_over_a_restart)
{
    static const char configuration[] = "{'groups':[{'from':'@staff-*:x','to':'@*:x'}]}";
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts = {0};
    struct buffer snapshot = {0};
    const char *problem = NULL;
    cr_assert(fixture_open_quoted(&fixture, "presence_groups", configuration));
    cr_assert(fixture_open_quoted(&next, "presence_groups", configuration));
    routes(&fixture, UPDATE("@staff-1:x") "," UPDATE("@staff-2:x"));
    interested(&fixture, "@a:x");
    chain_state_save(fixture.chain, &snapshot);
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1);
    cr_expect_str_eq(routes(&next, UPDATE("@staff-3:x")), "@a:x: @staff-3:x");
    cr_expect_str_eq(interested(&next, "@a:x"), "{\"set\":[\"@staff-3:x\",\"@staff-2:x\",\"@staff-1:x\"]}");
    buffer_free(&snapshot);
    fixture_close(&fixture);
    fixture_close(&next);
}

/* A membership event of the room's state, as whoever follows rooms tells it; NULL: nothing stands there any more. */
static void member(struct module_fixture *fixture, const char *room, const char *user, const char *membership,
                   int64_t ordering)
{
    struct event event = {.event_id = membership ? SLICE("$m") : SLICE_ABSENT,
                          .room_id = slice_from_string(room),
                          .type = SLICE("m.room.member"),
                          .state_key = slice_from_string(user),
                          .membership = slice_from_string(membership)};
    chain_state_event(fixture->chain, &event, ordering);
}

static void take_room(void *context, struct slice room_id, bool known, bool members)
{
    char *text = context;
    cr_expect(members);
    cr_expect_not(known);
    sprintf(text + strlen(text), "%.*s ", (int)room_id.length, room_id.data);
}

Test(presence_groups, members_of_a_room)
{
    struct module_fixture fixture = {0};
    char rooms[64] = "";
    cr_assert(fixture_open_quoted(&fixture, "presence_groups",
                                  "{'groups':[{'from':'@a:x','to':['!r:x','@named:x']},"
                                  "{'from':'@b:x','to':['!r:x','!v12']},{'from':'@c:x','to':'!r:x'}]}"),
              "%s", fixture.reports);
    chain_followed_rooms(fixture.chain, take_room, rooms);
    cr_expect_str_eq(rooms, "!r:x !v12 ");
    cr_expect_str_eq(interested(&fixture, "@u:x"), "{\"set\":[]}", "nobody is in a room yet");
    member(&fixture, "!r:x", "@u:x", "join", 5);
    member(&fixture, "!r:x", "@guest:x", "invite", 6);
    member(&fixture, "!r:x", "@away:x", "join", 7);
    member(&fixture, "!v12", "@v:x", "join", 8);
    member(&fixture, "!else:x", "@else:x", "join", 8);
    EXPECT_FIGURE(&fixture, "members", 4);
    cr_expect_str_eq(routes(&fixture, UPDATE("@a:x")), "@named:x: @a:x", "no member has synced yet");
    cr_expect_str_eq(interested(&fixture, "@u:x"), "{\"set\":[\"@c:x\",\"@b:x\",\"@a:x\"]}");
    cr_expect_str_eq(interested(&fixture, "@v:x"), "{\"set\":[\"@b:x\"]}");
    cr_expect_str_eq(interested(&fixture, "@guest:x"), "{\"set\":[]}");
    cr_expect_str_eq(interested(&fixture, "@else:x"), "{\"set\":[]}");
    cr_expect_str_eq(routes(&fixture, UPDATE("@a:x") "," UPDATE("@b:x")),
                     "@named:x: @a:x; @v:x: @b:x; @u:x: @a:x @b:x");
    /* Membership counts from the moment that it changes, for those who are known, too. */
    member(&fixture, "!r:x", "@u:x", "leave", 9);
    member(&fixture, "!r:x", "@u:x", "join", 5);
    member(&fixture, "!v12", "@v:x", NULL, 10);
    member(&fixture, "!r:x", "@named:x", "join", 11);
    cr_expect_str_eq(routes(&fixture, UPDATE("@b:x")), "@named:x: @b:x");
    cr_expect_str_eq(interested(&fixture, "@u:x"), "{\"set\":[]}");
    member(&fixture, "!r:x", "@u:x", "join", 12);
    cr_expect_str_eq(routes(&fixture, UPDATE("@c:x")), "@named:x: @c:x; @u:x: @c:x");
    fixture_close(&fixture);
}

Test(presence_groups, members_are_remembered_over_a_restart)
{
    static const char configuration[] = "{'groups':[{'from':'@a:x','to':['!r:x']},{'from':'@b:x','to':'@named:x'}]}";
    struct module_fixture fixture = {0}, next = {0};
    struct chain_state_counts counts = {0};
    struct buffer snapshot = {0};
    const char *problem = NULL;
    keyed_hash_draw_seed();
    cr_assert(fixture_open_quoted(&fixture, "presence_groups", configuration));
    keyed_hash_draw_seed();
    cr_assert(fixture_open_quoted(&next, "presence_groups", configuration));
    member(&fixture, "!r:x", "@u:x", "join", 5);
    member(&fixture, "!r:x", "@named:x", "join", 5);
    interested(&fixture, "@u:x");
    chain_state_save(fixture.chain, &snapshot);
    cr_assert(chain_state_restore(next.chain, buffer_slice(&snapshot), &counts, &problem), "%s", problem);
    cr_expect_eq(counts.restored, 1);
    cr_expect_str_eq(routes(&next, UPDATE("@a:x")), "@named:x: @a:x; @u:x: @a:x");
    member(&next, "!r:x", "@u:x", "leave", 6);
    cr_expect_str_eq(routes(&next, UPDATE("@a:x")), "@named:x: @a:x");
    for (size_t length = 0; length < snapshot.length; length++)
        cr_expect_not(chain_state_restore(next.chain, slice_of(snapshot.data, length), &counts, &problem) &&
                      counts.restored);
    buffer_free(&snapshot);
    keyed_hash_seed = 0;
    fixture_close(&fixture);
    fixture_close(&next);
}

Test(presence_groups, faults_of_the_configuration)
{
    struct module_fixture fixture = {0};
    cr_expect_not(fixture_open_quoted(&fixture, "presence_groups",
                                      "{'groups':[{'from':['a:x'],'to':['@a']},{'from':[],'to':'ALL'},"
                                      "{'from':'!r:x','to':['!r*','!']}],'servers':'a b'}"));
    cr_expect_not_null(strstr(fixture.reports, "groups[0].from[0]: is no user id"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "groups[0].to[0]: is no user id"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "groups[1].from: is empty"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "groups[2].from[0]: is no user id"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "groups[2].to[0]: is no user id"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "groups[2].to[1]: is no user id"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "servers[0]: is no server name"), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_expect(fixture_open_quoted(&fixture, "presence_groups", "{}"));
    cr_expect_str_eq(fixture.reports, "warning: groups: is empty: nobody gets anything\n");
    fixture_close(&fixture);
}
