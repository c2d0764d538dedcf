/* A reader that knows shapes against one that knows none, over events and all that differs from them by one byte. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/event.h"
#include "filters/event_shapes.h"

#define LONG_KEY "org.example.a_key_of_more_than_sixteen_bytes"

static struct field_table *fields;
static struct event_shapes *shapes;
static struct event_reader *knowing;
static struct event_reader *plain;

static void set_up(void)
{
    if (!json_index_available())
        cr_skip_test("this processor cannot index");
    fields = field_table_create();
    field_table_declare(fields, SLICE("body"));
    field_table_declare(fields, SLICE("formatted_body"));
    field_table_declare(fields, SLICE(LONG_KEY));
    shapes = event_shapes_create();
    knowing = event_reader_create(fields);
    event_reader_use_shapes(knowing, shapes);
    plain = event_reader_create(fields);
}

static void tear_down(void)
{
    event_reader_destroy(knowing);
    event_reader_destroy(plain);
    event_shapes_destroy(shapes);
    field_table_destroy(fields);
}

TestSuite(event_shapes, .init = set_up, .fini = tear_down);

static const char *const bodies[] = {
    "{\"auth_events\":[\"$a\",\"$b\"],\"content\":{\"body\":\"hello\",\"msgtype\":\"m.text\"},\"depth\":12,\"room_id\":"
    "\"!r:x\","
    "\"sender\":\"@a:x\",\"type\":\"m.room.message\",\"unsigned\":{\"age_ts\":1795424324604}}",
    "{\"content\":{\"body\":\"a \\\"quoted\\\" text\\n\\u00e9\",\"" LONG_KEY
    "\":\"deep\"},\"sender\":\"@\\u0061:x\",\"redacts\":null,"
    "\"type\":\"m.room.message\"}",
    "{\"content\":{\"body\":\"\xe6\x97\xa5\xe6\x9c\xac "
    "\xf0\x9f\x98\x80\",\"list\":[true,-1.5e3,{\"body\":\"no\"}]},\"state_key\":\"\","
    "\"sender\":\"@a:x\"}",
    "{\"sender\":\"@a:x\",\"content\":{\"body\":\"1\"},\"content\":{\"body\":\"2\",\"formatted_body\":\"f\",\"body\":3}"
    ",\"sender\":\"@b:x\"}",
    "{\"content\":{\"body\":{\"a\":1},\"formatted_body\":[],\"body\":[ ]}}",
    "{\"content\":{\"body\":\"x\",\"formatted_body\":{ }},\"content\":{\"body\":7,\"formatted_body\":null}}",
    " { \"type\" : \"t\" ,\n\"content\" : { } , \"origin_server_ts\" : 0 }\t",
    "{\"type\":\"\",\"event_id\":\"$e\"}",
};
#define BODIES (sizeof bodies / sizeof *bodies)

static bool same(struct slice left, struct slice right)
{
    return slice_equal(left, right);
}

/* Reads `body` with both readers; whether it could be read. */
static bool expect_same(const char *body, size_t length)
{
    char *copy = memory_allocate(length);
    if (length)
        memcpy(copy, body, length);
    struct event left = {.type = SLICE("from the row")};
    struct event right = left;
    enum event_read_status status = event_reader_read(knowing, slice_of(copy, length), &left);
    cr_assert_eq(status, event_reader_read(plain, slice_of(copy, length), &right), "`%.*s`", (int)length, body);
    bool good = same(left.event_id, right.event_id) && same(left.room_id, right.room_id) &&
                same(left.type, right.type) && same(left.state_key, right.state_key) &&
                same(left.redacts, right.redacts) && same(left.sender, right.sender);
    for (uint32_t slot = 0; slot < field_table_count(fields); slot++)
        good &= same(event_content_string(&left, slot), event_content_string(&right, slot));
    good &= left.content_others == right.content_others;
    cr_assert(good, "`%.*s`", (int)length, body);
    free(copy);
    return status == EVENT_READ_OK;
}

Test(event_shapes, a_shape_is_known_the_second_time)
{
    for (size_t index = 0; index < BODIES; index++) {
        struct slice body = slice_from_string(bodies[index]);
        cr_expect_null(event_shapes_find(shapes, body), "`%s`", bodies[index]);
        cr_expect(expect_same(body.data, body.length));
        cr_expect_not_null(event_shapes_find(shapes, body), "`%s`", bodies[index]);
        cr_expect(expect_same(body.data, body.length));
    }
}

Test(event_shapes, whatever_differs_by_one_byte_is_read_alike)
{
    static const char replacements[] = "\"\\{}[]:, \n0.-etx\x01\x80\xc3";
    for (size_t index = 0; index < BODIES; index++) {
        char text[512];
        size_t length = strlen(bodies[index]);
        expect_same(bodies[index], length);
        for (size_t place = 0; place <= length; place++) {
            for (size_t number = 0; number + 1 < sizeof replacements; number++) {
                /* Once more the event itself: what was learnt from what differs may have pushed it out. */
                memcpy(text, bodies[index], length);
                expect_same(text, length);
                if (place < length) {
                    text[place] = replacements[number];
                    expect_same(text, length);
                }
                memcpy(text, bodies[index], place);
                text[place] = replacements[number];
                memcpy(text + place + 1, bodies[index] + place, length - place);
                expect_same(text, length + 1);
            }
            if (place == length)
                continue;
            memcpy(text, bodies[index], place);
            memcpy(text + place, bodies[index] + place + 1, length - place - 1);
            expect_same(text, length - 1);
            expect_same(bodies[index], place);
        }
    }
}

Test(event_shapes, keys_of_the_same_length_are_told_apart)
{
    cr_expect(expect_same("{\"content\":{\"body\":\"a\"},\"sender\":\"@a:x\"}", 40));
    cr_expect(expect_same("{\"content\":{\"bodx\":\"a\"},\"sender\":\"@a:x\"}", 40));
    cr_expect(expect_same("{\"content\":{\"body\":\"a\"},\"sendex\":\"@a:x\"}", 40));
    cr_expect(expect_same("{\"contenx\":{\"body\":\"a\"},\"sender\":\"@a:x\"}", 40));
    const char *long_key = "{\"content\":{\"" LONG_KEY "\":\"a\"},\"sender\":\"@a:x\",\"type\":\"t\"}";
    char other[128];
    snprintf(other, sizeof other, "%s", long_key);
    other[strlen("{\"content\":{\"") + strlen(LONG_KEY) - 1] = 'z';
    for (int round = 0; round < 2; round++) {
        cr_expect(expect_same(long_key, strlen(long_key)));
        cr_expect(expect_same(other, strlen(other)));
    }
}

/* Many more shapes than there are places for. */
Test(event_shapes, what_is_pushed_out_is_learnt_again)
{
    for (int round = 0; round < 2; round++) {
        for (unsigned number = 0; number < 3 * EVENT_SHAPES_MAXIMUM; number++) {
            char text[512];
            size_t length = (size_t)snprintf(text, sizeof text, "{\"type\":\"t\",\"k%u\":[", number);
            for (unsigned bit = 1; bit <= number; bit <<= 1)
                length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", bit == 1 ? "" : ",",
                                           number & bit ? "[]" : "{}");
            length += (size_t)snprintf(text + length, sizeof text - length, "],\"sender\":\"@%u:x\"}", number);
            cr_expect(expect_same(text, length));
        }
    }
}
