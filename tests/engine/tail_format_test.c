#include "engine/tail_format.h"

#include <criterion/criterion.h>

#define ROW                                                                                                            \
    "{\"event_id\":\"$e\",\"room_id\":\"!r:x\",\"sender\":\"@s:x\",\"type\":\"m.room.message\",\"callback\":"          \
    "\"check_event_for_spam\",\"result\":{\"code\":\"M_FORBIDDEN\",\"fields\":{}},\"module\":\"keywords\",\"rule\":"   \
    "\"viagra\",\"reason\":\"found it\",\"stream\":\"events\",\"instance\":\"master\",\"token\":7,\"origin\":"         \
    "\"observe\",\"dry_run\":false}"

static const struct {
    const char *stream;
    const char *row;
    const char *shown; /* NULL: refused */
} cases[] = {
    {"verdicts", ROW,
     "12      M_FORBIDDEN  keywords      viagra    @s:x              !r:x              $e            found it\n"},
    {"verdicts", "{\"result\":\"NOT_SPAM\",\"dry_run\":true}",
     "12      NOT_SPAM     -             -         -                 -                 -             -  (dry run)\n"},
    {"verdicts", "{\"result\":{\"tag\":[1]},\"reason\":\"a\\u001b[31mb\\u202e\\u009b\\n\xc3\xa9\"}",
     "12      {\"tag\":[1]}  -             -         -                 -                 -             "
     "a\\x1b[31mb\\u202e\\x9b\\x0a\xc3\xa9\n"},
    {"verdicts", "{\"actions\":[{\"type\":\"redact\"},{\"type\":\"ban\"},7]}",
     "12      -            -             -         -                 -                 -             -  -> redact, "
     "ban, "
     "?\n"},
    {"verdicts", "{\"dry_run\":true,\"would_actions\":[{\"type\":\"notify\"}]}",
     "12      -            -             -         -                 -                 -             -  (dry run) "
     "would "
     "notify\n"},
    {"verdicts", "{}",
     "12      -            -             -         -                 -                 -             -\n"},
    {"verdicts", "[]", NULL},
    {"verdicts", "{", NULL},
    {"verdicts", "", NULL},
    {"presence_routes", "[\"@d:x\",[{\"user_id\":\"@a:x\",\"state\":\"online\"},{\"user_id\":\"@b:x\"},3]]",
     "12      presence     @d:x          @a:x online, @b:x ?, ? ?\n"},
    {"presence_routes", "[\"@d:x\",[0,0,0,0,0,0,0,0,0,0]]",
     "12      presence     @d:x          ? ?, ? ?, ? ?, ? ?, ? ?, ? ?, ? ?, ? ?, and 2 more\n"},
    {"presence_routes", "[\"@d:x\"]", NULL},
    {"presence_routes", "{}", NULL},
    {"other", "[\"\x7f\"]", "12      other        [\"\\x7f\"]\n"},
    {"other", "[\"\u061c\"]", "12      other        [\"\\u061c\"]\n"},
};

Test(tail_format, rows_for_people)
{
    struct buffer output = {0};
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct tail_format format = {0};
        buffer_clear(&output);
        bool shown = tail_format_row(&format, slice_from_string(cases[index].stream), SLICE("12"),
                                     slice_from_string(cases[index].row), &output);
        cr_expect_eq(shown, cases[index].shown != NULL, "%s", cases[index].row);
        cr_expect_str_eq(buffer_string(&output), cases[index].shown ? cases[index].shown : "");
    }
    buffer_free(&output);
}

Test(tail_format, columns_grow_and_stay)
{
    struct tail_format format = {0};
    struct buffer output = {0};
    tail_format_row(&format, SLICE("verdicts"), SLICE("1234567890"), SLICE("{\"module\":\"m\"}"), &output);
    buffer_clear(&output);
    tail_format_row(&format, SLICE("verdicts"), SLICE("1"), SLICE("{\"module\":\"m\"}"), &output);
    cr_expect_eq(strncmp(buffer_string(&output), "1           -            m ", 26), 0, "%s", buffer_string(&output));
    buffer_free(&output);
}

Test(tail_format, colour_and_json)
{
    struct tail_format format = {.colour = true};
    struct buffer output = {0};
    tail_format_row(&format, SLICE("verdicts"), SLICE("1"), SLICE(ROW), &output);
    cr_expect_not_null(strstr(buffer_string(&output), "\033[31mM_FORBIDDEN\033[0m  keywords"));
    buffer_clear(&output);
    format = (struct tail_format){.json = true};
    tail_format_row(&format, SLICE("verdicts"), SLICE("1"), SLICE(ROW), &output);
    cr_expect_str_eq(buffer_string(&output), ROW "\n");
    buffer_clear(&output);
    tail_format_row(&format, SLICE("verdicts"), SLICE("1"), SLICE("{\"a\":\n\"\x7f\"}"), &output);
    cr_expect_str_eq(buffer_string(&output), "{\"a\": \"\x7f\"}\n");
    buffer_clear(&output);
    format.escape = true;
    tail_format_row(&format, SLICE("verdicts"), SLICE("1"), SLICE("{\"a\":\n\"\x7f\"}"), &output);
    cr_expect_str_eq(buffer_string(&output), "{\"a\": \"\\x7f\"}\n");
    buffer_clear(&output);
    tail_format_line(&format, SLICE("POSITION verdicts weir1 1 2\x1b\xff"), &output);
    cr_expect_str_eq(buffer_string(&output), "POSITION verdicts weir1 1 2\\x1b\\xff\n");
    buffer_free(&output);
}
