/* Which questions `only:` and `except:` let through. */
#include "filters/selector.h"

#include <criterion/criterion.h>
#include <stdio.h>

static char reports[512];

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    size_t used = strlen(reports);
    snprintf(reports + used, sizeof reports - used, "%s: %s\n", path, message);
}

static struct selector *make(const char *only, const char *except)
{
    static const struct module_host host = {.report = on_report};
    json_t *only_json = only ? json_loads(only, JSON_DECODE_ANY, NULL) : NULL;
    json_t *except_json = except ? json_loads(except, JSON_DECODE_ANY, NULL) : NULL;
    reports[0] = '\0';
    struct selector *selector = selector_create(only_json, except_json, &host);
    json_decref(only_json);
    json_decref(except_json);
    return selector;
}

static bool selects(const struct selector *selector, const char *room, const char *sender, const char *type)
{
    struct event event = {
        .room_id = slice_from_string(room), .sender = slice_from_string(sender), .type = slice_from_string(type)};
    struct callback_arguments arguments = {.callback = CALLBACK_check_event_for_spam, .event = &event};
    return selector_selects(selector, &arguments);
}

Test(selector, every_list_of_only_must_match)
{
    struct selector *selector =
        make("{\"rooms\": [\"!a:*\", \"!b:hs\"], \"types\": [\"m.room.*\"], \"servers\": [\"*.EXAMPLE\"]}", NULL);
    cr_assert_not_null(selector, "%s", reports);
    cr_expect(selects(selector, "!a:x", "@u:one.example", "m.room.message"));
    cr_expect_not(selects(selector, "!c:x", "@u:one.example", "m.room.message"));
    cr_expect_not(selects(selector, "!a:x", "@u:example", "m.room.message"));
    cr_expect_not(selects(selector, "!a:x", "@u:one.example", "org.other"));
    cr_expect_not(selects(selector, "!a:x", NULL, "m.room.message"), "without a sender there is no server to match");
    selector_destroy(selector);
}

Test(selector, any_list_of_except_keeps_away)
{
    struct selector *selector = make(NULL, "{\"senders\": [\"@bot:*\"], \"rooms\": [\"!quiet:hs\"]}");
    cr_assert_not_null(selector, "%s", reports);
    cr_expect(selects(selector, "!a:hs", "@u:hs", "t"));
    cr_expect_not(selects(selector, "!a:hs", "@bot:hs", "t"));
    cr_expect_not(selects(selector, "!quiet:hs", "@u:hs", "t"));
    cr_expect(selects(selector, "!a:hs", NULL, "t"), "what is not known is not excepted");
    struct buffer words = {0};
    selector_describe(selector, &words);
    cr_expect_str_eq(buffer_string(&words), "except rooms !quiet:hs senders @bot:*");
    buffer_free(&words);
    selector_destroy(selector);
}

Test(selector, looks_at_the_arguments_of_other_callbacks)
{
    struct selector *selector = make("{\"senders\": [\"@a:*\"], \"rooms\": [\"!r:*\"]}", NULL);
    struct value values[] = {value_text(SLICE("@a:hs")), value_text(SLICE("@b:hs")), value_text(SLICE("!r:hs"))};
    struct callback_arguments arguments = {.callback = CALLBACK_user_may_invite, .values = values, .count = 3};
    cr_expect(selector_selects(selector, &arguments));
    values[0] = value_text(SLICE("@c:hs"));
    cr_expect_not(selector_selects(selector, &arguments));
    selector_destroy(selector);
}

/* A requester comes as a text, as JSON, or as an object with `user_id`; a name without a server has none. */
Test(selector, knows_a_requester_however_it_is_told)
{
    struct selector *selector = make("{\"servers\": [\"HS\"]}", NULL);
    cr_assert_not_null(selector, "%s", reports);
    json_t *text = json_string("@a:hs"), *object = json_pack("{s:s}", "user_id", "@a:hs"), *foreign = json_integer(5);
    struct value pairs[] = {value_text(SLICE("user_id")), value_text(SLICE("@a:hs"))};
    const struct {
        struct value requester;
        bool selected;
    } cases[] = {
        {value_text(SLICE("@a:hs")), true},
        {value_json(text), true},
        {value_json(object), true},
        {value_container(VALUE_DICT, pairs, 1), true},
        {value_text(SLICE("@a:other")), false},
        {value_json(foreign), false},
        {value_text(SLICE("a")), false},
        {(struct value){0}, false},
        {value_container(VALUE_DICT, pairs, 0), false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct value values[] = {cases[index].requester, value_json(object), value_boolean(false)};
        struct callback_arguments arguments = {.callback = CALLBACK_on_create_room, .values = values, .count = 3};
        cr_expect_eq(selector_selects(selector, &arguments), cases[index].selected, "case %zu", index);
    }
    struct callback_arguments nothing = {.callback = CALLBACK_on_create_room};
    cr_expect_not(selector_selects(selector, &nothing));
    cr_expect(selector_asks_for_sender(selector));
    selector_destroy(selector);
    json_decref(text);
    json_decref(object);
    json_decref(foreign);
}

Test(selector, tags_are_exact_names)
{
    struct tag_names tags = {0};
    static const struct module_host host = {.report = on_report};
    struct selector *selector = make("{\"tags\": [\"vip\", \"staff\"], \"rooms\": \"!a:*\"}", "{\"tags\": \"noisy\"}");
    cr_assert_not_null(selector, "%s", reports);
    uint64_t other = tag_names_bit(&tags, "other");
    cr_assert(selector_find_tags(selector, &tags, &host));
    uint64_t vip = tag_names_bit(&tags, "vip"), staff = tag_names_bit(&tags, "staff");
    uint64_t noisy = tag_names_bit(&tags, "noisy");
    cr_expect_eq(selector_tags(selector), vip | staff | noisy);
    cr_expect_eq(tag_names_bit(&tags, "other"), other);
    cr_expect_str_eq(tag_names_at(&tags, 1), "vip");
    cr_expect_null(tag_names_at(&tags, 4));
    const struct {
        uint64_t tags;
        const char *room;
        bool selected;
    } cases[] = {{0, "!a:x", false},           {other, "!a:x", false},
                 {vip, "!a:x", true},          {staff | other, "!a:x", true},
                 {vip | noisy, "!a:x", false}, {vip, "!b:x", false}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct event event = {.room_id = slice_from_string(cases[index].room)};
        struct callback_arguments arguments = {
            .callback = CALLBACK_check_event_for_spam, .event = &event, .tags = cases[index].tags};
        cr_expect_eq(selector_selects(selector, &arguments), cases[index].selected, "case %zu", index);
    }
    struct buffer words = {0};
    selector_describe(selector, &words);
    cr_expect_str_eq(buffer_string(&words), "only rooms !a:* tags vip staff; except tags noisy");
    buffer_free(&words);
    selector_destroy(selector);
    tag_names_free(&tags);
}

Test(selector, says_what_is_wrong_and_where)
{
    cr_expect_null(make("{\"tags\": [\"a\", \"\"]}", NULL));
    cr_expect_str_eq(reports, "only.tags[1]: is empty\n");
    cr_expect_null(make("{\"room\": [\"!a\"]}", "{\"types\": [\"\"], \"senders\": [5]}"));
    cr_expect_str_eq(reports, "only.room: unknown parameter; did you mean `rooms`?\n"
                              "except.senders[0]: must be a text (in quotes, if YAML reads it as something else)\n");
    cr_expect_null(make("[]", NULL));
    cr_expect_not_null(strstr(reports, "only: must be a map"));
}
