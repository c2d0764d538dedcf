/* Reading event bodies: what is kept, what is refused, whose word counts. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/event.h"

static struct field_table *fields;
static struct event_reader *reader;
static uint32_t body_slot, name_slot;

static void set_up(void)
{
    fields = field_table_create();
    body_slot = field_table_declare(fields, SLICE("body"));
    name_slot = field_table_declare(fields, SLICE("name"));
    reader = event_reader_create(fields);
}

static void tear_down(void)
{
    event_reader_destroy(reader);
    field_table_destroy(fields);
}

TestSuite(event, .init = set_up, .fini = tear_down);

static void expect_text(struct slice got, const char *wanted)
{
    cr_expect(slice_equal(got, slice_from_string(wanted)), "got `%.*s`, wanted `%s`", (int)got.length,
              got.data ? got.data : "(absent)", wanted ? wanted : "(absent)");
}

Test(event, declared_fields_are_kept)
{
    struct event event = {0};
    const char *body = "{\"type\":\"m.room.message\",\"sender\":\"@a:b:8448\",\"room_id\":\"!r\",\"depth\":12,"
                       "\"content\":{\"other\":{\"body\":\"no\"},\"body\":\"caf\\u00e9 \\ud83d\\ude00\",\"name\":5},"
                       "\"origin_server_ts\":99999999999999999999999}";
    cr_assert_eq(event_reader_read(reader, slice_from_string(body), &event), EVENT_READ_OK);
    cr_expect(event.has_body);
    expect_text(event.type, "m.room.message");
    expect_text(event.sender, "@a:b:8448");
    expect_text(event_sender_server(&event), "b:8448");
    expect_text(event.room_id, "!r");
    expect_text(event.state_key, NULL);
    expect_text(event_content_string(&event, body_slot), "caf\xc3\xa9 \xf0\x9f\x98\x80");
    expect_text(event_content_string(&event, name_slot), NULL);
}

Test(event, an_empty_key_is_no_field)
{
    struct event event = {0};
    const char *body = "{\"\":\"$stray\",\"type\":\"t\",\"content\":{\"\":\"x\"}}";
    cr_assert_eq(event_reader_read(reader, slice_from_string(body), &event), EVENT_READ_OK);
    expect_text(event.event_id, NULL);
    expect_text(event.type, "t");
}

Test(event, the_row_has_the_first_word_and_the_last_key_counts)
{
    struct event event = {.event_id = SLICE("$row"), .type = SLICE("m.row"), .relates_to = SLICE("$parent")};
    const char *body = "{\"type\":\"m.body\",\"event_id\":\"$body\",\"sender\":\"@a:x\",\"sender\":\"@b:x\","
                       "\"content\":{\"body\":\"early\"},\"content\":{\"body\":1,\"body\":\"late\"}}";
    cr_assert_eq(event_reader_read(reader, slice_from_string(body), &event), EVENT_READ_OK);
    expect_text(event.event_id, "$row");
    expect_text(event.type, "m.row");
    expect_text(event.relates_to, "$parent");
    expect_text(event.sender, "@b:x");
    expect_text(event_content_string(&event, body_slot), "late");
}

Test(event, a_later_value_of_another_type_hides_an_earlier_text)
{
    struct event event = {0};
    const char *body = "{\"sender\":\"@a:x\",\"sender\":null,\"content\":{\"body\":\"text\",\"body\":null}}";
    cr_assert_eq(event_reader_read(reader, slice_from_string(body), &event), EVENT_READ_OK);
    expect_text(event.sender, NULL);
    expect_text(event_content_string(&event, body_slot), NULL);
}

Test(event, what_is_refused_leaves_the_row)
{
    const struct {
        const char *body;
        enum event_read_status status;
    } cases[] = {
        {"", EVENT_READ_NOT_JSON},           {"{", EVENT_READ_NOT_JSON},
        {"{} x", EVENT_READ_NOT_JSON},       {"{\"a\":NaN}", EVENT_READ_NOT_JSON},
        {"{\"a\":01}", EVENT_READ_NOT_JSON}, {"{\"a\":\"\xff\"}", EVENT_READ_NOT_JSON},
        {"[]", EVENT_READ_NOT_EVENT},        {"null", EVENT_READ_NOT_EVENT},
        {"\"text\"", EVENT_READ_NOT_EVENT},  {"{\"content\":[]}", EVENT_READ_NOT_EVENT},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct event event = {.event_id = SLICE("$row")};
        cr_expect_eq(event_reader_read(reader, slice_from_string(cases[index].body), &event), cases[index].status,
                     "case %zu", index);
        cr_expect_not(event.has_body);
        expect_text(event.event_id, "$row");
        expect_text(event_content_string(&event, body_slot), NULL);
    }
}

Test(event, an_event_without_content_is_read)
{
    struct event event = {0};
    cr_assert_eq(event_reader_read(reader, SLICE("{\"sender\":\"@a\"}"), &event), EVENT_READ_OK);
    expect_text(event_sender_server(&event), NULL);
    expect_text(event_content_string(&event, body_slot), NULL);
}

Test(event, size_and_depth)
{
    struct event event = {0};
    size_t length = EVENT_BODY_MAXIMUM + 1;
    char *large = memory_allocate_zeroed(length, 1);
    cr_expect_eq(event_reader_read(reader, slice_of(large, length), &event), EVENT_READ_TOO_LARGE);
    memset(large, '[', length - 1);
    cr_expect_eq(event_reader_read(reader, slice_of(large, length - 1), &event), EVENT_READ_NOT_JSON);
    free(large);
}

Test(event, slots_are_shared_by_name)
{
    cr_expect_eq(field_table_declare(fields, SLICE("body")), body_slot);
    cr_expect_eq(field_table_count(fields), 2u);
}
