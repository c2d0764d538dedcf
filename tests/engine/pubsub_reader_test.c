/* Whole conversations, cut in two at every byte and fed byte by byte: the same items must come out. */
#include "engine/pubsub_reader.h"

#include <criterion/criterion.h>

#include "base/buffer.h"

static const char *const kind_names[] = {[PUBSUB_MORE] = "more",       [PUBSUB_BROKEN] = "broken",
                                         [PUBSUB_MESSAGE] = "message", [PUBSUB_SUBSCRIBED] = "subscribed",
                                         [PUBSUB_ANSWER] = "answer",   [PUBSUB_ERROR] = "error"};

static void put(struct pubsub_reader *reader, struct slice bytes)
{
    while (bytes.length) {
        size_t size;
        char *room = pubsub_reader_room(reader, &size);
        size_t count = bytes.length < size ? bytes.length : size;
        memcpy(room, bytes.data, count);
        pubsub_reader_filled(reader, count);
        bytes = slice_of(bytes.data + count, bytes.length - count);
    }
}

/* Takes what is there and writes it down; false if the reader is broken. */
static bool take(struct pubsub_reader *reader, struct buffer *heard)
{
    for (;;) {
        struct pubsub_item item = pubsub_reader_next(reader);
        if (item.kind == PUBSUB_MORE)
            return true;
        buffer_append_string(heard, kind_names[item.kind]);
        if (item.kind == PUBSUB_BROKEN) {
            cr_expect(slice_present(item.text) && item.text.length > 0);
            return false;
        }
        buffer_append_char(heard, ' ');
        buffer_append_slice(heard, item.channel);
        buffer_append_char(heard, ':');
        buffer_append_slice(heard, item.text);
        buffer_append_char(heard, '\n');
    }
}

static void hear(struct slice bytes, size_t first, size_t piece, struct buffer *heard)
{
    struct pubsub_reader *reader = pubsub_reader_create();
    put(reader, slice_of(bytes.data, first));
    bool going_on = take(reader, heard);
    for (size_t at = first; going_on && at < bytes.length; at += piece) {
        put(reader, slice_of(bytes.data + at, bytes.length - at < piece ? bytes.length - at : piece));
        going_on = take(reader, heard);
    }
    pubsub_reader_destroy(reader);
}

static void expect(struct slice bytes, const char *wanted)
{
    struct buffer heard = {0};
    for (size_t first = 0; first <= bytes.length; first++) {
        buffer_clear(&heard);
        hear(bytes, first, bytes.length, &heard);
        cr_expect_str_eq(buffer_string(&heard), wanted, "cut at %zu", first);
    }
    buffer_clear(&heard);
    hear(bytes, 0, 1, &heard);
    cr_expect_str_eq(buffer_string(&heard), wanted, "byte by byte");
    buffer_free(&heard);
}

#define MESSAGE(channel_length, channel, length, text)                                                                 \
    "*3\r\n$7\r\nmessage\r\n$" #channel_length "\r\n" channel "\r\n$" #length "\r\n" text "\r\n"

static const struct conversation {
    struct slice bytes;
    const char *heard;
} conversations[] = {
    {SLICE("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n" MESSAGE(1, "a", 5, "hello") MESSAGE(1, "a", 0, "")),
     "subscribed a:\nmessage a:hello\nmessage a:\n"},
    {SLICE(MESSAGE(2, "ab", 9, "x\r\n*3\r\n$7") "+OK\r\n-ERR no\r\n$4\r\nPONG\r\n"),
     "message ab:x\r\n*3\r\n$7\nanswer :OK\nerror :ERR no\nanswer :PONG\n"},
    {SLICE("*2\r\n$4\r\npong\r\n$0\r\n\r\n*0\r\n*-1\r\n$-1\r\n:-7\r\n" MESSAGE(1, "a", 1, "b")),
     "answer :PONG\nmessage a:b\n"},
    {SLICE("*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n*3\r\n$7\r\nmessage\r\n$-1\r\n$1\r\nx\r\n" MESSAGE(0, "", 1,
                                                                                                            "b")),
     "message :b\n"},
    {SLICE("*4\r\n+message\r\n+a\r\n+b\r\n:1\r\n"), "message a:b\n"},
    {SLICE("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n*1\r\n:1\r\n"), "broken"},
    {SLICE(MESSAGE(1, "a", 1, "bc")), "broken"},
    {SLICE("+OK\r\nHTTP/1.1 400 Bad Request\r\n"), "answer :OK\nbroken"},
    {SLICE("*2000000\r\n"), "broken"},
    {SLICE("*3\r\n$134217729\r\n"), "broken"},
    {SLICE("$-2\r\n"), "broken"},
    {SLICE("$01\r\na\r\n"), "broken"},
    {SLICE(":\r\n"), "broken"},
    {SLICE(":9223372036854775808\r\n"), "broken"},
    {SLICE(":-9223372036854775808\r\n:9223372036854775807\r\n+a\r\n"), "answer :a\n"},
    {SLICE("*1\n\n"), ""},
    {SLICE("*111111111111111111111111111111"), "broken"},
};

Test(pubsub_reader, hears_the_same_however_the_bytes_are_cut)
{
    for (size_t index = 0; index < sizeof conversations / sizeof *conversations; index++)
        expect(conversations[index].bytes, conversations[index].heard);
}

Test(pubsub_reader, long_messages_between_short_ones)
{
    struct buffer bytes = {0}, heard = {0};
    size_t wanted = 0;
    for (size_t length = 1; length < (4u << 20); length = length * 3 + 1) {
        buffer_append_format(&bytes, MESSAGE(1, "a", 2, "hi") "*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$%zu\r\n", length);
        memset(buffer_reserve(&bytes, length), 'x', length);
        bytes.length += length;
        buffer_append_string(&bytes, "\r\n");
        wanted += strlen("message a:hi\n") + strlen("message b:\n") + length;
    }
    hear(buffer_slice(&bytes), 0, 50021, &heard);
    cr_expect_eq(heard.length, wanted);
    cr_expect_null(memmem(heard.data, heard.length, "broken", 6));
    buffer_free(&bytes);
    buffer_free(&heard);
}

Test(pubsub_reader, a_line_without_an_end_is_refused)
{
    struct buffer bytes = {0}, heard = {0};
    buffer_append_char(&bytes, '+');
    memset(buffer_reserve(&bytes, PUBSUB_LINE_MAXIMUM), 'x', PUBSUB_LINE_MAXIMUM);
    bytes.length += PUBSUB_LINE_MAXIMUM;
    hear(buffer_slice(&bytes), 0, 4099, &heard);
    cr_expect_str_eq(buffer_string(&heard), "");
    buffer_append_char(&bytes, 'x');
    hear(buffer_slice(&bytes), 0, 4099, &heard);
    cr_expect_str_eq(buffer_string(&heard), "broken");
    buffer_free(&bytes);
    buffer_free(&heard);
}
