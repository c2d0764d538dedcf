/* What PyYAML makes of a scalar, where nodes stand, and that nothing small can become large. */
#include "engine/yaml_document.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"

static void collect(void *context, struct yaml_mark mark, const char *sentence)
{
    buffer_append_format(context, "%u:%u: %s\n", mark.line, mark.column, sentence);
}

/* The errors of `text` in `errors`; the document, if there is one. */
static struct yaml_document *read_text(const char *text, struct buffer *errors)
{
    return yaml_document_read(slice_from_string(text), collect, errors);
}

static void expect_json(const char *text, const char *expected)
{
    struct buffer errors = {0};
    struct yaml_document *document = read_text(text, &errors);
    cr_assert_not_null(document, "%s: %s", text, buffer_string(&errors));
    json_t *json = yaml_node_to_json(yaml_document_root(document));
    char *dumped = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    cr_expect_str_eq(dumped, expected, "%s gives %s", text, dumped);
    free(dumped);
    json_decref(json);
    yaml_document_destroy(document);
    buffer_free(&errors);
}

static void expect_errors(const char *text, bool readable, const char *expected)
{
    struct buffer errors = {0};
    struct yaml_document *document = read_text(text, &errors);
    cr_expect_eq(document != NULL, readable, "%s", text);
    cr_expect_str_eq(buffer_string(&errors), expected, "%s gives %s", text, errors.data);
    yaml_document_destroy(document);
    buffer_free(&errors);
}

/* The expected values are those of yaml.safe_load of PyYAML 6.0. */
Test(yaml_document, scalars_are_read_as_by_pyyaml)
{
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {
        {"yes", "true"},
        {"Off", "false"},
        {"TRUE", "true"},
        {"tRUE", "\"tRUE\""},
        {"y", "\"y\""},
        {"\"true\"", "\"true\""},
        {"'5'", "\"5\""},
        {"~", "null"},
        {"Null", "null"},
        {"", "null"},
        {"# only a comment", "null"},
        {"\"\"", "\"\""},
        {"0", "0"},
        {"-17", "-17"},
        {"+17", "17"},
        {"1_000", "1000"},
        {"0x1F", "31"},
        {"0b101", "5"},
        {"010", "8"},
        {"08", "\"08\""},
        {"0o10", "\"0o10\""},
        {"1:30", "90"},
        {"1:30:00", "5400"},
        {"1:60", "\"1:60\""},
        {"12e03", "\"12e03\""},
        {"1.5", "1.5"},
        {"1.", "1.0"},
        {".5", "0.5"},
        {"1.5e+3", "1500.0"},
        {"1.5e3", "\"1.5e3\""},
        {"1.2.3", "\"1.2.3\""},
        {"127.0.0.1:9180", "\"127.0.0.1:9180\""},
        {"-", "[null]"},
        {".", "\".\""},
        {"+", "\"+\""},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {".inf", "\".inf\""},
        {"2026-11-23", "\"2026-11-23\""},
        {"!!str 5", "\"5\""},
        {"! 5", "\"5\""},
        {"!!int \"5\"", "5"},
        {"!!bool yes", "true"},
        {"|\n  a\n  b\n", "\"a\\nb\\n\""},
        {"[a, {b: c}, [1, 2]]", "[\"a\",{\"b\":\"c\"},[1,2]]"},
        {"on: off\n1: ~\n", "{\"on\":false,\"1\":null}"},
        {"a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n", "{\"a\":[1,2],\"b\":[1,2],\"c\":3,\"d\":3}"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        expect_json(cases[index].text, cases[index].json);
}

Test(yaml_document, integers_beyond_64_bits_are_numbers)
{
    struct buffer errors = {0};
    struct yaml_document *document = read_text("9223372036854775808", &errors);
    cr_assert_eq(yaml_document_root(document)->kind, YAML_KIND_NUMBER);
    cr_assert_float_eq(yaml_document_root(document)->number, 0x1p63, 1.0);
    yaml_document_destroy(document);
    buffer_free(&errors);
}

Test(yaml_document, errors_say_where)
{
    expect_errors("a: 1\nb: 2\na: 3\n", true, "3:1: the key \"a\" is here a second time; it is already in line 1\n");
    expect_errors("a: {x: 1, x: 2, x: 3}\n", true,
                  "1:11: the key \"x\" is here a second time; it is already in line 1\n"
                  "1:17: the key \"x\" is here a second time; it is already in line 1\n");
    expect_errors("a: 1\n---\nb: 2\n", false, "2:1: a second document begins here: only one is supported\n");
    expect_errors("a: *nowhere\n", false,
                  "1:4: the alias *nowhere stands for an anchor that is not defined above it\n");
    expect_errors("a: &x [*x]\n", false, "1:8: the alias *x stands inside of its own anchor\n");
    expect_errors("b: &x {y: 1}\na:\n  <<: *x\n", false,
                  "3:3: merge keys (<<) are not supported: write the keys out\n");
    expect_errors("[a]: 1\n", false, "1:1: a key must be a plain text\n");
    expect_errors("a: \"x\\0y\"\n", false, "1:4: this text holds a NUL character\n");
    expect_errors("a: !!python/object:os.system x\n", false,
                  "1:4: the tag tag:yaml.org,2002:python/object:os.system is not supported\n");
    expect_errors("a: !!int x\n", false, "1:4: the tag says an integer, but this is a text\n");
    expect_errors(
        "a:\n  b: [1, 2\n", false,
        "3:1: YAML syntax: did not find expected ',' or ']' while parsing a flow sequence (begun in line 2)\n");
    expect_errors("a: \xff\n", false, "1:1: this is no text in UTF-8: invalid leading UTF-8 octet at byte 3\n");
}

Test(yaml_document, nesting_is_bounded)
{
    char text[140];
    memset(text, '[', 70);
    memset(text + 70, ']', 70);
    struct buffer errors = {0};
    cr_assert_null(yaml_document_read(slice_of(text, 140), collect, &errors));
    cr_assert_not_null(strstr(buffer_string(&errors), "1:65: this is nested too deeply"));
    buffer_free(&errors);
    struct yaml_document *document = yaml_document_read(slice_of(text + 10, 120), collect, &errors);
    cr_assert_not_null(document);
    yaml_document_destroy(document);
    buffer_free(&errors);
}

/* Ten lists, each of ten aliases of the one before: ten thousand million values if they were written out. */
Test(yaml_document, aliases_cannot_grow_without_bound)
{
    struct buffer text = {0}, errors = {0};
    buffer_append_string(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int level = 1; level < 10; level++) {
        buffer_append_format(&text, "a%d: &a%d [", level, level);
        for (int item = 0; item < 10; item++)
            buffer_append_format(&text, "%s*a%d", item ? "," : "", level - 1);
        buffer_append_string(&text, "]\n");
    }
    cr_assert_null(yaml_document_read(buffer_slice(&text), collect, &errors));
    cr_assert_not_null(strstr(buffer_string(&errors), "this holds too many values"));
    buffer_free(&text);
    buffer_free(&errors);
}

Test(yaml_document, size_is_bounded)
{
    char *text = malloc(YAML_SIZE_MAXIMUM + 1);
    memset(text, ' ', YAML_SIZE_MAXIMUM + 1);
    struct buffer errors = {0};
    cr_assert_null(yaml_document_read(slice_of(text, YAML_SIZE_MAXIMUM + 1), collect, &errors));
    cr_assert_str_eq(buffer_string(&errors), "1:1: this file is larger than 16 MiB\n");
    free(text);
    buffer_free(&errors);
}

Test(yaml_document, paths_lead_to_the_node_or_its_nearest_parent)
{
    struct buffer errors = {0};
    struct yaml_document *document = read_text("users:\n  - a\n  - b\nlimits: {rate: 5}\n", &errors);
    const struct yaml_node *root = yaml_document_root(document);
    static const struct {
        const char *path;
        uint32_t line, column;
    } cases[] = {
        {"", 1, 1},           {"users", 2, 3},     {"users[1]", 3, 5},   {"users[7]", 2, 3},
        {"users[x", 2, 3},    {"nothing", 1, 1},   {"limits", 4, 9},     {"limits.rate", 4, 16},
        {"limits.rat", 4, 9}, {"limits[0]", 4, 9}, {"users[0].x", 2, 5}, {"users[99999999999999999999]", 2, 3},
        {"..", 1, 1},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        const struct yaml_node *node = yaml_node_at(root, cases[index].path);
        cr_expect_eq(node->mark.line, cases[index].line, "%s", cases[index].path);
        cr_expect_eq(node->mark.column, cases[index].column, "%s", cases[index].path);
    }
    yaml_document_destroy(document);
}
