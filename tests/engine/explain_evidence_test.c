/* Where a module's evidence stands in the event's text, whatever escapes are in it. */
#include <criterion/criterion.h>

#include "base/memory.h"
#include "engine/explain_evidence.h"

struct fixture {
    struct field_table *fields;
    struct event_reader *reader;
    struct event event;
    uint32_t body;
};

static void open_event(struct fixture *fixture, const char *text)
{
    *fixture = (struct fixture){.fields = field_table_create()};
    fixture->body = field_table_declare(fixture->fields, SLICE("body"));
    fixture->reader = event_reader_create(fixture->fields);
    cr_assert_eq(event_reader_read(fixture->reader, slice_from_string(text), &fixture->event), EVENT_READ_OK);
}

static void close_event(struct fixture *fixture)
{
    event_reader_destroy(fixture->reader);
    field_table_destroy(fixture->fields);
}

/* The part of a text that is `word`. */
static struct slice part_of(struct slice text, const char *word)
{
    cr_assert_not_null(text.data);
    const char *found = memmem(text.data, text.length, word, strlen(word));
    cr_assert_not_null(found, "%s", word);
    return slice_of(found, strlen(word));
}

static void expect_place(struct fixture *fixture, struct result result, const char *key, const char *raw)
{
    struct evidence_place place;
    cr_assert(evidence_locate(&fixture->event, fixture->fields, &result, &place), "%s", raw);
    struct slice found = slice_of(fixture->event.body.data + place.start, place.end - place.start);
    cr_expect(slice_equal(found, slice_from_string(raw)), "\"%.*s\" instead of \"%s\"", (int)found.length, found.data,
              raw);
    cr_expect(slice_equal(place.key, key ? slice_from_string(key) : SLICE_ABSENT));
}

Test(explain_evidence, plain_texts)
{
    struct fixture fixture;
    open_event(&fixture,
               "{\"type\":\"m.room.message\",\"sender\":\"@a:x\",\"content\":{\"body\":\"buy cheap pills now\"}}");
    struct slice body = event_content_string(&fixture.event, fixture.body);
    expect_place(&fixture, (struct result){.evidence = part_of(body, "cheap")}, "body", "cheap");
    expect_place(&fixture, (struct result){.evidence = body}, "body", "buy cheap pills now");
    expect_place(&fixture, (struct result){.evidence = body, .rule = SLICE("CHEAP pills")}, "body", "cheap pills");
    expect_place(&fixture, (struct result){.evidence = body, .rule = SLICE("nothing of it")}, "body",
                 "buy cheap pills now");
    expect_place(&fixture, (struct result){.evidence = fixture.event.sender}, "sender", "@a:x");
    expect_place(&fixture, (struct result){.evidence = event_sender_server(&fixture.event)}, "sender", "x");
    close_event(&fixture);
}

Test(explain_evidence, escapes_before_and_within)
{
    struct fixture fixture;
    open_event(&fixture, "{ \"content\" : {\"\\u0062ody\" : \"\\\"\\ud83d\\ude00 \xc3\xbc\\n sp\\u00e4m \\/ more\"} }");
    struct slice body = event_content_string(&fixture.event, fixture.body);
    expect_place(&fixture, (struct result){.evidence = part_of(body, "sp\xc3\xa4m")}, "body", "sp\\u00e4m");
    expect_place(&fixture, (struct result){.evidence = part_of(body, "/ more")}, "body", "\\/ more");
    expect_place(&fixture, (struct result){.evidence = part_of(body, "\xf0\x9f\x98\x80")}, "body", "\\ud83d\\ude00");
    expect_place(&fixture, (struct result){.evidence = body, .rule = SLICE("M /")}, "body", "m \\/");
    close_event(&fixture);
}

Test(explain_evidence, expressions)
{
    struct fixture fixture;
    open_event(&fixture, "{\"content\":{\"body\":\"Win\\u0020now, win then\"}}");
    struct slice body = event_content_string(&fixture.event, fixture.body);
    const struct {
        const char *rule;
        const char *raw;
    } cases[] = {
        {"win", "win"}, {"[wW]in\\snow", "Win\\u0020now"}, {"WIN\\s", "Win\\u0020"}, {"(", "Win\\u0020now, win then"}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        expect_place(
            &fixture,
            (struct result){.evidence = body, .rule = slice_from_string(cases[index].rule), .rule_is_regex = true},
            "body", cases[index].raw);
    close_event(&fixture);
}

Test(explain_evidence, the_last_of_equal_keys_counts)
{
    struct fixture fixture;
    open_event(&fixture, "{\"content\":{\"body\":\"one\"},\"content\":{\"body\":\"two\",\"body\":\"three\"}}");
    struct evidence_place place;
    struct result result = {.evidence = event_content_string(&fixture.event, fixture.body)};
    cr_assert(evidence_locate(&fixture.event, fixture.fields, &result, &place));
    cr_expect_eq(place.start, 58);
    cr_expect_eq(place.end, 63);
    close_event(&fixture);
}

Test(explain_evidence, a_part_of_the_text_itself)
{
    struct fixture fixture;
    open_event(&fixture, "{\"content\":{\"more\":[1,2]}}");
    expect_place(&fixture, (struct result){.evidence = part_of(fixture.event.body, "[1,2]")}, NULL, "[1,2]");
    close_event(&fixture);
}

Test(explain_evidence, what_is_no_part_of_the_event)
{
    struct fixture fixture;
    struct evidence_place place;
    open_event(&fixture, "{\"content\":{\"body\":7}}");
    cr_expect_not(evidence_locate(&fixture.event, fixture.fields, &(struct result){.evidence = SLICE("x")}, &place));
    cr_expect_not(evidence_locate(&fixture.event, fixture.fields, &(struct result){0}, &place));
    fixture.event.has_body = false;
    cr_expect_not(
        evidence_locate(&fixture.event, fixture.fields, &(struct result){.evidence = fixture.event.body}, &place));
    close_event(&fixture);
}

Test(explain_evidence, excerpts)
{
    struct fixture fixture;
    struct buffer words = {0};
    struct evidence_place place;
    open_event(&fixture, "{\"sender\":\"@a:x\",\n\t\"content\":{\"body\":\"\xc2\x9b spam \xe2\x80\xae\"}}");
    struct slice body = event_content_string(&fixture.event, fixture.body);
    cr_assert(
        evidence_locate(&fixture.event, fixture.fields, &(struct result){.evidence = part_of(body, "spam")}, &place));
    evidence_append(&fixture.event, &place, &words);
    cr_expect_str_eq(buffer_string(&words),
                     "content.body, bytes 41 to 45: ...\"sender\":\"@a:x\",  \"content\":{\"body\":"
                     "\"\\x9b >>spam<< \\u202e\"}}",
                     "%s", buffer_string(&words));
    buffer_free(&words);
    close_event(&fixture);
}

Test(explain_evidence, long_texts_are_cut)
{
    struct fixture fixture;
    struct buffer text = {0}, words = {0};
    struct evidence_place place;
    buffer_append_string(&text, "{\"content\":{\"body\":\"");
    for (int count = 0; count < 300; count++)
        buffer_append_string(&text, "\xe2\x82\xac");
    buffer_append_string(&text, "\",\"other\":\"0123456789012345678901234567890123456789\"}}");
    open_event(&fixture, buffer_string(&text));
    struct result result = {.evidence = event_content_string(&fixture.event, fixture.body)};
    cr_assert(evidence_locate(&fixture.event, fixture.fields, &result, &place));
    evidence_append(&fixture.event, &place, &words);
    cr_expect_not_null(
        strstr(buffer_string(&words), "content.body, bytes 20 to 920: {\"content\":{\"body\":\">>\xe2\x82\xac"));
    cr_expect_not_null(
        strstr(buffer_string(&words), "\xe2\x82\xac...<<\",\"other\":\"01234567890123456789012345678..."), "%s",
        buffer_string(&words));
    cr_expect_lt(words.length, 400);
    buffer_free(&words);
    buffer_free(&text);
    close_event(&fixture);
}
