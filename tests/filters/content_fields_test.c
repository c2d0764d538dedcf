/* What lies deeper in an event, and the texts that modules look into. */
#include <criterion/criterion.h>

#include "base/lane.h"
#include "filters/content_fields.h"

static struct field_table *table;
static struct content_fields fields;
static struct event_reader *reader;
static struct event event;
static struct arena arena;
static char problems[512];

static void report(void *context, const char *path, const char *message)
{
    size_t used = strlen(context);
    snprintf((char *)context + used, sizeof problems - used, "%s: %s\n", path, message);
}

static bool open_fields(char **names, size_t count, bool raw)
{
    struct module_host host = {.context = problems, .report = report};
    struct text_list list = {.items = names, .count = count};
    problems[0] = '\0';
    table = field_table_create();
    if (!content_fields_create(&fields, &list, raw, table, &host))
        return false;
    reader = event_reader_create(table);
    return true;
}

static void close_fields(void)
{
    event_reader_destroy(reader);
    reader = NULL;
    content_fields_free(&fields);
    field_table_destroy(table);
    arena_free(&arena);
}

static void read_event(const char *body)
{
    event = (struct event){0};
    cr_assert_eq(event_reader_read(reader, slice_from_string(body), &event), EVENT_READ_OK, "%s", body);
}

/* The texts as "place=text|place=text|". */
static const char *texts(void)
{
    static char output[2048];
    struct callback_arguments arguments = {.event = &event, .arena = &arena};
    struct content_walk walk = {0};
    struct content_text text;
    output[0] = '\0';
    while (content_fields_next(&fields, &arguments, &walk, &text)) {
        struct slice place = content_text_place(&text, &arena);
        size_t used = strlen(output);
        snprintf(output + used, sizeof output - used, "%.*s=%.*s|", (int)place.length, place.data,
                 (int)text.text.length, text.text.data);
    }
    return output;
}

static void expect_texts(const char *body, const char *expected)
{
    read_event(body);
    for (int time = 0; time < 2; time++)
        cr_expect_str_eq(texts(), expected, "%s", body);
}

Test(content_fields, default_fields)
{
    char *names[] = {"body", "formatted_body", "m.text", "org.matrix.msc1767.text"};
    cr_assert(open_fields(names, 4, false));
    expect_texts("{\"content\":{\"body\":\"a\"}}", "body=a|");
    cr_expect_eq(*event.looked_into, 0, "a plain event is not looked into");
    expect_texts("{\"content\":{\"body\":\"a\",\"formatted_body\":\"<b>x</b>&amp;\"}}", "body=a|formatted_body=x&|");
    expect_texts("{\"content\":{\"body\":\"* a\",\"formatted_body\":\"<i>1</i>\",\"m.new_content\":{\"formatted_body\":"
                 "\"<i>2</i>\",\"body\":\"b\"}}}",
                 "body=* a|formatted_body=1|body of the edit=b|formatted_body of the edit=2|");
    expect_texts(
        "{\"content\":{\"m.text\":[{\"body\":\"<b>x</b>\",\"mimetype\":\"text/html\"},7,{},{\"body\":\"<y>\"}],"
        "\"org.matrix.msc1767.text\":\"z\"}}",
        "m.text=x|m.text=<y>|org.matrix.msc1767.text=z|");
    expect_texts("{\"content\":{\"\\u006d.new_content\":{\"body\":\"1\"},\"m.new_content\":{\"b\\u006fdy\":\"2\"}}}",
                 "body of the edit=2|");
    expect_texts("{\"content\":{\"m.new_content\":[\"body\"],\"body\":{\"body\":\"x\"}}}", "");
    expect_texts("{\"content\":{\"m.new_content\":{\"m.new_content\":{\"body\":\"x\"}}}}", "");
    expect_texts("{\"type\":\"x\"}", "");
    event.has_body = false;
    cr_expect_str_eq(texts(), "");
    close_fields();
}

Test(content_fields, paths_and_raw_html)
{
    char *names[] = {"formatted_body", "info/mimetype", "list"};
    cr_assert(open_fields(names, 3, true));
    expect_texts("{\"content\":{\"formatted_body\":\"<b>\",\"info\":{\"mimetype\":\"a/b\"},\"list\":[\"x\",\"y\"]}}",
                 "formatted_body=<b>|info/mimetype=a/b|list=x|list=y|");
    expect_texts("{\"content\":{\"info\":\"x\",\"list\":{}}}", "");
    close_fields();
}

Test(content_fields, what_is_no_field)
{
    char *names[] = {"a//b", "/", "a/b/c/d/e/f/g/h/i"};
    cr_expect_not(open_fields(names, 3, false));
    cr_expect(strstr(problems, "`a//b` is no key") && strstr(problems, "`a/b/c/d/e/f/g/h/i`"), "%s", problems);
    close_fields();
    cr_expect_not(open_fields(names, 0, false));
    close_fields();
}

/* An event that comes back after the lane has looked into others is looked into again. */
Test(content_fields, each_event_keeps_its_own)
{
    char *names[] = {"body"};
    cr_assert(open_fields(names, 1, false));
    struct event_reader *other_reader = event_reader_create(table);
    struct event other = {0};
    read_event("{\"content\":{\"a\":\"first\"}}");
    cr_assert_eq(event_reader_read(other_reader, SLICE("{\"content\":{\"a\":\"second\"}}"), &other), EVENT_READ_OK);
    for (int time = 0; time < 3; time++) {
        cr_expect(slice_equal(content_string(event_content(&event), SLICE("a")), SLICE("first")));
        cr_expect(slice_equal(content_string(event_content(&other), SLICE("a")), SLICE("second")));
        cr_expect_eq(event_content(&other), event_content(&other), "parsed once");
        lane_number = lane_number == 0;
    }
    lane_number = 0;
    uint64_t number;
    read_event("{\"content\":{\"a\":7.9,\"b\":-1,\"c\":1e300,\"d\":12,\"d\":13,\"e\":\"5\"}}");
    yyjson_val *content = event_content(&event);
    cr_expect(content_number(content, SLICE("a"), &number) && number == 7);
    cr_expect(content_number(content, SLICE("c"), &number) && number > 1000000);
    cr_expect(content_number(content, SLICE("d"), &number) && number == 13);
    cr_expect_not(content_number(content, SLICE("b"), &number));
    cr_expect_not(content_number(content, SLICE("e"), &number));
    cr_expect_not(content_number(NULL, SLICE("e"), &number));
    event_reader_destroy(other_reader);
    close_fields();
}
