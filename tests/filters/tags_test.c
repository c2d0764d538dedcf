/* Tags: set by a module, read by the selectors of those behind it, for one walk. */
#include "filters/chain_walk.h"
#include "tests/filters/modules_fixture.h"

#define START 1700000000000
#define TRUST_A "{\"sources\": [{\"users\": \"@a:x\"}]}"
#define CHEAP "{\"words\": [\"cheap\"]}"

Test(tags, select_by_what_a_module_before_has_said)
{
    for (int semantics = 0; semantics < 2; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        modules_begin(&fixture);
        cr_assert(modules_append(&fixture, "trust", TRUST_A, NULL), "%s", fixture.reports);
        cr_assert(modules_append(&fixture, "keywords", CHEAP, "{\"except\": {\"tags\": \"trusted\"}}"));
        cr_assert(
            modules_append(&fixture, "links", "{\"deny\": \"bad.example\"}", "{\"only\": {\"tags\": [\"trusted\"]}}"));
        modules_seal(&fixture);
        cr_expect_str_eq(fixture.reports, "");
        cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "cheap"), "");
        cr_expect_str_eq(modules_message(&fixture, START, "@b:x", "cheap"), "keywords");
        cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "cheap"), "", "a tag lasts for one walk");
        cr_expect_str_eq(modules_message(&fixture, START, "@b:x", "https://bad.example/"), "");
        cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "https://bad.example/"), "links");
        fixture_close(&fixture);
    }
}

/* What comes before the module has not been told, and is warned of; so is a module in dry_run. */
Test(tags, that_nobody_sets_are_warned_of)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "keywords", CHEAP, "{\"except\": {\"tags\": [\"trusted\", \"vip\"]}}"));
    cr_assert(modules_append(&fixture, "trust", TRUST_A, NULL));
    cr_assert(modules_append(&fixture, "trust", "{\"tag\": \"vip\", \"sources\": [{\"users\": \"@*\"}]}",
                             "{\"dry_run\": true}"));
    cr_assert(modules_append(&fixture, "links", "{\"deny\": \"bad.example\"}",
                             "{\"only\": {\"tags\": [\"trusted\", \"vip\"]}}"));
    modules_seal(&fixture);
    cr_expect_str_eq(fixture.reports, "warning: [0]: selects by the tag `trusted`, which no module before it sets\n"
                                      "warning: [0]: selects by the tag `vip`, which no module before it sets\n"
                                      "warning: [3]: selects by the tag `vip`, which no module before it sets\n");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "cheap"), "keywords");
    cr_expect_str_eq(modules_message(&fixture, START, "@b:x", "https://bad.example/"), "", "dry_run sets nothing");
    cr_expect_str_eq(modules_message(&fixture, START, "@a:x", "https://bad.example/"), "links");
    fixture_close(&fixture);
}

/* federated_user_may_invite goes on into user_may_invite: one walk, and the tag stays. */
Test(tags, stay_when_a_callback_goes_on_into_another)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "trust", TRUST_A, NULL));
    cr_assert(modules_append(&fixture, "user_list", "{\"deny\": \"@*:x\"}", "{\"except\": {\"tags\": \"trusted\"}}"));
    modules_seal(&fixture);
    struct event event = {.sender = SLICE("@a:x"),
                          .state_key = SLICE("@me:example.org"),
                          .room_id = SLICE("!r:x"),
                          .type = SLICE("m.room.member"),
                          .has_body = true};
    static const struct slice strings[8];
    event.content_strings = strings;
    struct callback_arguments question = {.event = &event, .arena = &fixture.arena, .now_ms = START, .count = 1};
    chain_run(fixture.chain, CALLBACK_federated_user_may_invite, &question, &fixture.outcome);
    cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(fixture.outcome.callback, CALLBACK_user_may_invite);
    event.sender = SLICE("@b:x");
    chain_run(fixture.chain, CALLBACK_federated_user_may_invite, &question, &fixture.outcome);
    cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
    fixture_close(&fixture);
}

Test(tags, there_are_at_most_64)
{
    struct module_fixture fixture = {0};
    char configuration[128];
    modules_begin(&fixture);
    for (unsigned tag = 0; tag < TAGS_MAXIMUM; tag++) {
        snprintf(configuration, sizeof configuration, "{\"tag\": \"t%u\", \"sources\": [{\"users\": \"@a:x\"}]}", tag);
        cr_assert(modules_append(&fixture, "trust", configuration, NULL), "%s", fixture.reports);
    }
    cr_expect_not(modules_append(&fixture, "trust", TRUST_A, NULL));
    cr_expect_str_eq(fixture.reports, "tag: a chain has at most 64 tags\n");
    fixture.reports[0] = '\0';
    cr_expect_not(modules_append(&fixture, "keywords", CHEAP, "{\"only\": {\"tags\": [\"t3\", \"more\"]}}"));
    cr_expect_str_eq(fixture.reports, ": only.tags[1]: a chain has at most 64 tags\n");
    chain_destroy(fixture.chain);
}

/* Whoever looks at tags is asked anew by the second callback: they may be others there. */
Test(tags, are_looked_at_by_each_callback)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "trust", TRUST_A, NULL));
    cr_assert(modules_append(&fixture, "links", "{\"deny\": \"bad.example\"}", NULL));
    cr_assert(modules_append(&fixture, "mentions", "{}", NULL));
    cr_assert(modules_append(&fixture, "shape", "{}", "{\"only\": {\"tags\": \"trusted\"}}"));
    modules_seal(&fixture);
    cr_assert_eq(fixture.chain->second->count, 3);
    cr_expect_eq(fixture.chain->second->links[0].module_index, 0);
    cr_expect_eq(fixture.chain->second->links[1].module_index, 2);
    cr_expect_eq(fixture.chain->second->links[2].module_index, 3);
    fixture_close(&fixture);
}

#define JOIN(user) "{\"user_id\": \"" user "\", \"room_id\": \"!r:x\", \"is_invited\": false}"

/* Where nobody else is asked, a companion is not asked either: it would only cost a question. */
Test(tags, a_companion_is_not_asked_alone)
{
    struct module_fixture fixture = {0};
    modules_begin(&fixture);
    cr_assert(modules_append(&fixture, "trust", TRUST_A, NULL));
    cr_assert(modules_append(&fixture, "user_list", "{\"deny\": \"@*:x\"}", "{\"except\": {\"tags\": \"trusted\"}}"));
    modules_seal(&fixture);
    uint32_t modules[4];
    fixture.now_ms = START;
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_user_may_join_room, modules, 4), 2);
    fixture_ask(&fixture, CALLBACK_user_may_join_room, JOIN("@a:x"));
    cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED);
    fixture_ask(&fixture, CALLBACK_user_may_join_room, JOIN("@b:x"));
    cr_expect_eq(fixture.outcome.kind, OUTCOME_DENIED);
    fixture_close(&fixture);
    cr_assert(fixture_open(&fixture, "trust", TRUST_A));
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_user_may_join_room, modules, 4), 0);
    cr_expect_eq(chain_callback_modules(fixture.chain, CALLBACK_check_event_for_spam, modules, 4), 1);
    fixture_close(&fixture);
}
