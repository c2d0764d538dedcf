/* Entries as Redis delivers them, whole, deleted and out of bounds. */
#include "engine/request_entry.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"

static struct request_fields fields;
static const char *problem;
static redisReply *reply;

static void append_text(struct buffer *wire, struct slice text)
{
    buffer_append_format(wire, "$%zu\r\n", text.length);
    buffer_append_slice(wire, text);
    buffer_append_string(wire, "\r\n");
}

/* Reads what Redis would write for an answer. */
static enum request_entry_state read_wire(struct buffer *wire)
{
    redisReader *reader = redisReaderCreate();
    void *object = NULL;
    cr_assert_eq(redisReaderFeed(reader, wire->data, wire->length), REDIS_OK);
    cr_assert_eq(redisReaderGetReply(reader, &object), REDIS_OK);
    cr_assert_not_null(object);
    redisReaderFree(reader);
    buffer_free(wire);
    reply = object;
    return request_entry_read(reply, &fields, &problem);
}

static enum request_entry_state read_texts(size_t count, const struct slice *texts)
{
    struct buffer wire = {0};
    buffer_append_string(&wire, "*2\r\n$3\r\n5-0\r\n");
    buffer_append_format(&wire, "*%zu\r\n", count);
    for (size_t index = 0; index < count; index++)
        append_text(&wire, texts[index]);
    return read_wire(&wire);
}

static enum request_entry_state read_string(const char *text)
{
    struct buffer wire = {0};
    buffer_append_string(&wire, text);
    return read_wire(&wire);
}

static void tear_down(void)
{
    freeReplyObject(reply);
}

TestSuite(request_entry, .fini = tear_down);

Test(request_entry, fields_are_known_by_their_names)
{
    const struct slice texts[] = {SLICE("id"),       SLICE("q1"),    SLICE("callback"), SLICE("c"),  SLICE("args"),
                                  SLICE("{}"),       SLICE("id"),    SLICE("q2"),       SLICE("x"),  SLICE("y"),
                                  SLICE("reply_to"), SLICE("r"),     SLICE("deadline"), SLICE("9"),  SLICE("room"),
                                  SLICE("!r"),       SLICE("lines"), SLICE("1"),        SLICE("odd")};
    cr_expect_eq(read_texts(sizeof texts / sizeof *texts, texts), REQUEST_ENTRY_WHOLE);
    cr_expect_null(problem);
    cr_expect(slice_equal(fields.entry, SLICE("5-0")));
    cr_expect(slice_equal(fields.id, SLICE("q2")));
    cr_expect(slice_equal(fields.callback, SLICE("c")));
    cr_expect(slice_equal(fields.args, SLICE("{}")));
    cr_expect(slice_equal(fields.reply_to, SLICE("r")));
    cr_expect(slice_equal(fields.deadline, SLICE("9")));
    cr_expect(slice_equal(fields.room, SLICE("!r")));
    cr_expect(slice_equal(fields.lines, SLICE("1")));
}

Test(request_entry, what_is_missing_is_absent)
{
    cr_expect_eq(read_texts(0, NULL), REQUEST_ENTRY_WHOLE);
    cr_expect_not(slice_present(fields.id));
    cr_expect_not(slice_present(fields.args));
}

Test(request_entry, one_that_was_deleted_has_its_name_alone)
{
    cr_expect_eq(read_string("*2\r\n$3\r\n5-0\r\n*-1\r\n"), REQUEST_ENTRY_GONE);
    cr_expect(slice_equal(fields.entry, SLICE("5-0")));
}

static const char *const no_entries[] = {"$-1\r\n", ":1\r\n", "*0\r\n", "*3\r\n:1\r\n:2\r\n:3\r\n",
                                         "*2\r\n:5\r\n*0\r\n"};

Test(request_entry, what_is_no_entry)
{
    for (size_t index = 0; index < sizeof no_entries / sizeof *no_entries; index++) {
        cr_expect_eq(read_string(no_entries[index]), REQUEST_ENTRY_NONE, "%s", no_entries[index]);
        freeReplyObject(reply);
    }
    reply = NULL;
}

Test(request_entry, too_many_fields_are_refused_with_those_that_tell_the_sender)
{
    struct slice texts[2 * (REQUEST_ENTRY_FIELDS_MAXIMUM + 1)];
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        texts[index] = SLICE("x");
    texts[0] = SLICE("id");
    cr_expect_eq(read_texts(2 * REQUEST_ENTRY_FIELDS_MAXIMUM, texts), REQUEST_ENTRY_WHOLE);
    freeReplyObject(reply);
    cr_expect_eq(read_texts(2 * (REQUEST_ENTRY_FIELDS_MAXIMUM + 1), texts), REQUEST_ENTRY_REFUSED);
    cr_expect_str_eq(problem, "a request has at most 64 fields");
    cr_expect(slice_equal(fields.id, SLICE("x")));
}

Test(request_entry, a_field_that_is_too_long_is_left_out)
{
    char *text = calloc(1, REQUEST_ENTRY_TEXT_MAXIMUM + 1);
    memset(text, 'r', REQUEST_ENTRY_TEXT_MAXIMUM + 1);
    struct slice texts[] = {SLICE("id"), SLICE("q1"), SLICE("room"), slice_of(text, REQUEST_ENTRY_TEXT_MAXIMUM)};
    cr_expect_eq(read_texts(4, texts), REQUEST_ENTRY_WHOLE);
    freeReplyObject(reply);
    texts[3].length++;
    cr_expect_eq(read_texts(4, texts), REQUEST_ENTRY_REFUSED);
    cr_expect_str_eq(problem, "the field `room` is longer than 1024 bytes");
    cr_expect_not(slice_present(fields.room));
    cr_expect(slice_equal(fields.id, SLICE("q1")));
    free(text);
}
