/* What of each line goes into a recording. */
#include <criterion/criterion.h>

#include "engine/record_content.h"
#include "engine/record_marks.h"
#include "engine/record_redaction.h"

#define SAME "same"

static const struct {
    const char *line;
    const char *usual; /* NULL: left out */
    const char *all;
} cases[] = {
    {"RDATA events w 5 [\"ev\",[\"$e\",\"!r\",\"m.room.message\",null,null,null,null,false,false]]", SAME, SAME},
    {"RDATA backfill w 5 [\"$e\",\"!r\",\"t\",null,null,null]", SAME, SAME},
    {"RDATA presence w batch [\"@a:x\",\"online\",1,2,3,\"h\xc3\xa9\",true]", SAME, SAME},
    {"POSITION caches master 2 3", SAME, SAME},
    {"REPLICATE ", SAME, SAME},
    {"RDATA caches master 7 [\"get_user_by_access_token\",[\"syt_x\"],1795422832715]",
     "RDATA caches master 7 [\"\",[],0]", "RDATA caches master 7 [\"get_user_by_access_token\",[],1795422832715]"},
    {"RDATA caches master 7 [\"all\",null,5]", "RDATA caches master 7 [\"\",null,0]",
     "RDATA caches master 7 [\"all\",null,5]"},
    {"RDATA pushers m 1 [\"@a:x\",\"app\",\"key\",false]", "RDATA pushers m 1 [\"\",\"\",\"\",false]",
     "RDATA pushers m 1 [\"@a:x\",\"app\",\"\",false]"},
    {"RDATA federation m 1 [\"e\",{\"content\":{\"k\":\"v\"}}]", "RDATA federation m 1 [\"\",{}]",
     "RDATA federation m 1 [\"e\",{}]"},
    {"RDATA receipts m 1 [\"!r\",\"m.read\",\"@a:x\",\"$e\",null,{\"ts\":5}]",
     "RDATA receipts m 1 [\"\",\"\",\"\",\"\",null,{}]", SAME},
    {"RDATA to_device m batch [\"@\xc3\xa9:x\"]", "RDATA to_device m batch [\"\"]",
     "RDATA to_device m batch [\"@\\u00E9:x\"]"},
    {"RDATA tomorrow m 1 [\"a\",1.5,{\"b\":2},[3],null,true]", "RDATA tomorrow m 1 [\"\",0,{},[],null,true]",
     "RDATA tomorrow m 1 [\"\",0,{},[],null,true]"},
    {"RDATA tomorrow m 1 \"text\"", "RDATA tomorrow m 1 \"\"", "RDATA tomorrow m 1 \"\""},
    {"RDATA tomorrow m 1 123456789012345678901234567890", "RDATA tomorrow m 1 0", "RDATA tomorrow m 1 0"},
    {"RDATA pushers m 1 no json", NULL, NULL},
    {"USER_IP @a:x [\"syt_x\",\"1.2.3.4\",\"agent\",\"DEVICE\",5]", NULL, NULL},
    {"USER_SYNC i @a:x start 5", NULL, SAME},
    {"LOCK_RELEASED [\"a\",\"b\",\"c\"]", NULL, SAME},
    {"ERROR something", NULL, NULL},
};

static void expect_line(struct record_redaction *redaction, const char *line, const char *wanted)
{
    struct command command;
    const char *problem;
    cr_assert_eq(command_parse(slice_from_string(line), &command, &problem), COMMAND_OK, "%s", line);
    struct slice kept = record_redact(redaction, slice_from_string(line), &command);
    wanted = wanted && strcmp(wanted, SAME) == 0 ? line : wanted;
    cr_expect(slice_equal(kept, slice_from_string(wanted)), "%s gave %.*s", line, (int)kept.length, kept.data);
}

Test(record_redaction, lines)
{
    struct record_redaction usual = {0}, all = {.all_streams = true};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        expect_line(&usual, cases[index].line, cases[index].usual);
        expect_line(&all, cases[index].line, cases[index].all);
    }
    record_redaction_free(&usual);
    record_redaction_free(&all);
}

Test(record_redaction, presence_without_its_message)
{
    struct record_redaction redaction = {.without_content = true};
    expect_line(&redaction, "RDATA presence w 5 [\"@a:x\",\"online\",1,2,3,\"at h\xc3\xb6me\",true]",
                "RDATA presence w 5 [\"@a:x\",\"online\",1,2,3,\"xx xxxx\",true]");
    expect_line(&redaction, "RDATA presence w 5 [\"@a:x\",\"online\",1,2,3,null,true]",
                "RDATA presence w 5 [\"@a:x\",\"online\",1,2,3,null,true]");
    record_redaction_free(&redaction);
}

static const struct {
    const char *body;
    const char *wanted; /* NULL: refused */
} bodies[] = {
    {"{\"type\":\"m.room.member\",\"state_key\":\"@a:x\",\"content\":{\"membership\":\"join\",\"displayname\":"
     "\"A\\nb\"}}",
     "{\"type\":\"m.room.member\",\"state_key\":\"@a:x\",\"content\":{\"membership\":\"join\",\"displayname\":"
     "\"x\\nx\"}}"},
    {"{\"content\":{\"url\":\"mxc://a/b\",\"u\":{\"url\":\"https://a/b\"}}}",
     "{\"content\":{\"url\":\"mxc://a/b\",\"u\":{\"url\":\"xxxxxxxxxxx\"}}}"},
    {"{\"content\":{\"membership\":\"not a name\",\"a key of words\":1.25e3,\"m.mentions\":{\"user_ids\":[\"@b:x\"]}}}",
     "{\"content\":{\"membership\":\"xxx x xxxx\",\"x xxx xx "
     "xxxxx\":1.25e3,\"m.mentions\":{\"user_ids\":[\"@b:x\"]}}}"},
    {"{\"unsigned\":{\"age\":5,\"prev_content\":{\"body\":\"\xf0\x9f\x8e\x89!\"}},\"depth\":7,\"origin\":null}",
     "{\"unsigned\":{\"age\":5,\"prev_content\":{\"body\":\"xx\"}},\"depth\":7,\"origin\":null}"},
    {"[1]", NULL},
    {"no json", NULL},
};

Test(record_redaction, bodies_without_content)
{
    struct buffer output = {0};
    for (size_t index = 0; index < sizeof bodies / sizeof *bodies; index++) {
        buffer_clear(&output);
        bool good = record_content_append(slice_from_string(bodies[index].body), &output);
        cr_expect_eq(good, bodies[index].wanted != NULL, "%s", bodies[index].body);
        if (good)
            cr_expect_str_eq(buffer_string(&output), bodies[index].wanted);
    }
    buffer_clear(&output);
    struct buffer deep = {0};
    for (int level = 0; level < 300; level++)
        buffer_append_string(&deep, "{\"content\":");
    buffer_append_char(&deep, '1');
    for (int level = 0; level < 300; level++)
        buffer_append_char(&deep, '}');
    cr_expect_not(record_content_append(buffer_slice(&deep), &output));
    buffer_free(&deep);
    buffer_free(&output);
}

Test(record_redaction, formats)
{
    struct buffer text = {0}, error = {0};
    struct record_format format;
    record_format_append(&text);
    cr_assert(record_format_read(buffer_slice(&text), &format));
    cr_expect_eq(format.number, RECORD_FORMAT);
    cr_expect(slice_equal(format.version, SLICE(WEIR_VERSION)));
    cr_expect_not(record_format_refuse(buffer_slice(&text), &error));
    cr_expect(record_format_refuse(SLICE("FORMAT 2 9.1.0"), &error));
    cr_expect_str_eq(buffer_string(&error),
                     "the recording was written by Weir 9.1.0, in form 2 of recordings; this is " WEIR_VERSION
                     ", which reads up to form 1");
    static const char *const others[] = {"", "FORMAT", "FORMAT 0 x", "FORMAT -1 x", "FORMAT x 1", "GAP 1 2 x"};
    for (size_t index = 0; index < sizeof others / sizeof *others; index++)
        cr_expect_not(record_format_read(slice_from_string(others[index]), &format), "%s", others[index]);
    buffer_free(&text);
    buffer_free(&error);
}

Test(record_redaction, gaps)
{
    struct buffer text = {0};
    struct record_gap gap = {.from_ms = 5, .to_ms = 70, .reason = SLICE("connection refused: /a b")}, read;
    record_gap_append(&gap, &text);
    cr_expect_str_eq(buffer_string(&text), "GAP 5 70 connection refused: /a b");
    cr_assert(record_gap_read(buffer_slice(&text), &read));
    cr_expect_eq(read.from_ms, 5);
    cr_expect_eq(read.to_ms, 70);
    cr_expect(slice_equal(read.reason, gap.reason));
    static const char *const others[] = {"", "GAP", "GAP ", "GAP 5", "GAP 5 x y", "GAP 7 5 why", "GAPS 1 2 x"};
    for (size_t index = 0; index < sizeof others / sizeof *others; index++)
        cr_expect_not(record_gap_read(slice_from_string(others[index]), &read), "%s", others[index]);
    cr_expect(record_mark_channel(SLICE("a/weir/record")));
    cr_expect_not(record_mark_channel(SLICE("/weir/record")));
    cr_expect_not(record_mark_channel(SLICE("a/weir")));
    buffer_free(&text);
}
