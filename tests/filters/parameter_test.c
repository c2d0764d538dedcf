/* Parameter tables: every type, its refusals, its defaults. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/parameter.h"

struct sample {
    bool flag;
    int64_t number;
    char *text;
    int choice;
    char *code;
    struct text_list list;
    struct text_list lines;
    struct text_list none;
    struct text_map map;
    struct map_list maps;
    struct map_list items;
    int64_t pause;
    struct rate rate;
    struct rate no_rate;
    struct text_files files;
    struct fielded {
        struct text_list deny;
        struct text_files deny_files;
        bool strict;
    } fields;
};

struct inner {
    char *name;
    struct text_list list;
};

static const char *const choices[] = {"one", "two", NULL};
static const struct parameter inner_table[] = {
    {.name = "name", .type = PARAMETER_TEXT, .offset = offsetof(struct inner, name)},
    {.name = "list", .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct inner, list), .fallback = "x"},
};
static const struct parameter fields_table[] = {
    {.name = "deny", .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct fielded, deny), .fallback = "d e"},
    {.name = "deny_files", .type = PARAMETER_LINES_FILES, .offset = offsetof(struct fielded, deny_files)},
    {.name = "strict", .type = PARAMETER_BOOLEAN, .offset = offsetof(struct fielded, strict), .fallback = "true"},
};
static const struct parameter table[] = {
    {.name = "flag", .type = PARAMETER_BOOLEAN, .offset = offsetof(struct sample, flag), .fallback = "true"},
    {.name = "number",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct sample, number),
     .fallback = "7",
     .minimum = 1,
     .maximum = 9},
    {.name = "text", .type = PARAMETER_TEXT, .offset = offsetof(struct sample, text)},
    {.name = "choice",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct sample, choice),
     .fallback = "two",
     .choices = choices},
    {.name = "code", .type = PARAMETER_CODE, .offset = offsetof(struct sample, code), .fallback = "M_FORBIDDEN"},
    {.name = "list", .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct sample, list), .fallback = "body  name"},
    {.name = "lines", .type = PARAMETER_LINES_FILE, .offset = offsetof(struct sample, lines)},
    {.name = "none", .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct sample, none), .fallback = "[]"},
    {.name = "map", .type = PARAMETER_TEXT_MAP, .offset = offsetof(struct sample, map), .fallback = "a=b=c  d="},
    {.name = "maps",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct sample, maps),
     .fields = inner_table,
     .field_count = 2,
     .map_size = sizeof(struct inner)},
    {.name = "items",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct sample, items),
     .fields = inner_table,
     .field_count = 2,
     .map_size = sizeof(struct inner),
     .text_items = true},
    {.name = "pause",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct sample, pause),
     .fallback = "90m",
     .minimum = 1000,
     .maximum = 172800000},
    {.name = "rate",
     .type = PARAMETER_RATE,
     .offset = offsetof(struct sample, rate),
     .fallback = "10/m",
     .minimum = 2,
     .maximum = 4000000},
    {.name = "no_rate",
     .type = PARAMETER_RATE,
     .offset = offsetof(struct sample, no_rate),
     .minimum = 1,
     .maximum = 4000000},
    {.name = "files", .type = PARAMETER_LINES_FILES, .offset = offsetof(struct sample, files), .fallback = "[]"},
    {.name = "fields",
     .type = PARAMETER_FIELDS,
     .offset = offsetof(struct sample, fields),
     .fallback = "[]",
     .fields = fields_table,
     .field_count = 3},
};
#define COUNT (sizeof table / sizeof *table)

static struct buffer reports;
static const char *file_content;
static size_t file_length;

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    buffer_append_format(&reports, "%s: %s\n", path, message);
}

static bool read_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    (void)context;
    if (strcmp(name, "there.txt") != 0) {
        buffer_append_format(error, "%s: no such file", name);
        return false;
    }
    buffer_append(content, file_content, file_length);
    return true;
}

static const struct module_host host = {.report = on_report, .read_file = read_file};

static bool decode(const char *json, struct sample *sample)
{
    *sample = (struct sample){0};
    buffer_clear(&reports);
    json_t *values = json ? json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    bool good = parameters_decode(table, COUNT, values, sample, &host);
    good = parameters_check_names(table, COUNT, values, &host) && good;
    json_decref(values);
    return good;
}

static void release(struct sample *sample)
{
    parameters_free(table, COUNT, sample);
    buffer_free(&reports);
}

Test(parameter, defaults)
{
    struct sample sample;
    cr_assert(decode(NULL, &sample));
    cr_expect(sample.flag);
    cr_expect_eq(sample.number, 7);
    cr_expect_null(sample.text);
    cr_expect_eq(sample.choice, 1);
    cr_expect_str_eq(sample.code, "M_FORBIDDEN");
    cr_assert_eq(sample.list.count, 2u);
    cr_expect_str_eq(sample.list.items[1], "name");
    cr_expect_eq(sample.lines.count, 0u);
    cr_expect_eq(sample.none.count, 0u);
    cr_assert_eq(sample.map.count, 2u);
    cr_expect_str_eq(sample.map.names[0], "a");
    cr_expect_str_eq(sample.map.values[0], "b=c");
    cr_expect_str_eq(sample.map.names[1], "d");
    cr_expect_str_eq(sample.map.values[1], "");
    cr_expect_eq(sample.maps.count, 0u);
    cr_expect_eq(sample.pause, 5400000);
    cr_expect_eq(sample.rate.count, 10);
    cr_expect_eq(sample.rate.period_ms, 60000);
    cr_expect_eq(sample.no_rate.count, 0);
    cr_expect_eq(sample.no_rate.period_ms, 0);
    release(&sample);
}

Test(parameter, null_is_an_empty_list_or_map)
{
    struct sample sample;
    cr_assert(decode("{\"list\":null,\"map\":null,\"maps\":null}", &sample), "%s", buffer_string(&reports));
    cr_expect_eq(sample.list.count, 0u);
    cr_expect_eq(sample.map.count, 0u);
    cr_expect_eq(sample.maps.count, 0u);
    release(&sample);
}

Test(parameter, maps_of_texts_and_lists_of_maps)
{
    struct sample sample;
    cr_assert(
        decode("{\"map\":{\"z\":\"1\",\"a\":\"2\"},\"maps\":[{\"name\":\"n\",\"list\":[\"p\",\"q\"]},{}]}", &sample),
        "%s", buffer_string(&reports));
    cr_assert_eq(sample.map.count, 2u);
    cr_expect_str_eq(sample.map.names[0], "z");
    cr_expect_str_eq(sample.map.values[1], "2");
    cr_assert_eq(sample.maps.count, 2u);
    const struct inner *inner = sample.maps.items;
    cr_expect_str_eq(inner[0].name, "n");
    cr_assert_eq(inner[0].list.count, 2u);
    cr_expect_str_eq(inner[0].list.items[1], "q");
    cr_expect_null(inner[1].name);
    cr_assert_eq(inner[1].list.count, 1u);
    cr_expect_str_eq(inner[1].list.items[0], "x");
    release(&sample);
}

Test(parameter, texts_may_stand_for_maps)
{
    struct sample sample;
    cr_assert(decode("{\"items\":[\"a\",{\"name\":\"b\",\"list\":\"c\"}]}", &sample), "%s", buffer_string(&reports));
    cr_assert_eq(sample.items.count, 2u);
    const struct inner *inner = sample.items.items;
    cr_expect_str_eq(inner[0].name, "a");
    cr_expect_str_eq(inner[0].list.items[0], "x");
    cr_expect_str_eq(inner[1].name, "b");
    release(&sample);
    cr_assert(decode("{\"items\":\"a\"}", &sample), "%s", buffer_string(&reports));
    cr_assert_eq(sample.items.count, 1u);
    cr_expect_str_eq(((const struct inner *)sample.items.items)->name, "a");
    release(&sample);
    cr_expect_not(decode("{\"items\":[\"a\",1]}", &sample));
    cr_expect_str_eq(buffer_string(&reports), "items[1]: must be a text or a map\n");
    release(&sample);
    cr_expect_not(decode("{\"items\":1}", &sample));
    cr_expect_str_eq(buffer_string(&reports), "items: must be a list of texts or maps\n");
    release(&sample);
}

Test(parameter, what_is_wrong_inside_is_named_by_its_path)
{
    struct sample sample;
    cr_expect_not(decode("{\"map\":{\"@a:b.c\":1,\"n\":\"u\\u0000l\"},"
                         "\"maps\":[{\"name\":1,\"list\":[\"a\",2],\"mane\":0},\"text\",{}]}",
                         &sample));
    cr_expect_str_eq(buffer_string(&reports),
                     "map.@a:b.c: must be a text (in quotes, if YAML reads it as something else)\n"
                     "map.n: must be a text (in quotes, if YAML reads it as something else)\n"
                     "maps[0].mane: unknown parameter; did you mean `name`?\n"
                     "maps[0].name: must be a text\n"
                     "maps[0].list[1]: must be a text (in quotes, if YAML reads it as something else)\n"
                     "maps[1]: must be a map\n");
    release(&sample);
    cr_expect_not(decode("{\"map\":[],\"maps\":{}}", &sample));
    cr_expect_str_eq(buffer_string(&reports), "map: must be a map of texts\nmaps: must be a list of maps\n");
    release(&sample);
}

Test(parameter, values)
{
    struct sample sample;
    file_content = "# comment\n\n  first  \r\nsecond # not a comment\nlast";
    file_length = strlen(file_content);
    cr_assert(decode("{\"flag\":false,\"number\":9,\"text\":\"t\",\"choice\":\"one\",\"code\":\"M_LIMIT_EXCEEDED\","
                     "\"list\":\"single\",\"lines\":\"there.txt\"}",
                     &sample));
    cr_expect_not(sample.flag);
    cr_expect_eq(sample.number, 9);
    cr_expect_str_eq(sample.text, "t");
    cr_expect_eq(sample.choice, 0);
    cr_assert_eq(sample.list.count, 1u);
    cr_assert_eq(sample.lines.count, 3u);
    cr_expect_str_eq(sample.lines.items[0], "first");
    cr_expect_str_eq(sample.lines.items[1], "second # not a comment");
    cr_expect_eq(sample.lines.lines[0], 3u);
    cr_expect_eq(sample.lines.lines[2], 5u);
    release(&sample);
}

Test(parameter, everything_that_is_wrong_is_reported)
{
    struct sample sample;
    cr_expect_not(decode("{\"flag\":1,\"number\":10,\"text\":[],\"choice\":\"three\",\"code\":\"M_NOSUCH\","
                         "\"list\":[\"a\",1,true],\"lines\":\"absent.txt\",\"txet\":1,\"zzzzzz\":1}",
                         &sample));
    cr_expect_str_eq(buffer_string(&reports),
                     "flag: must be true or false\n"
                     "number: must be a whole number from 1 to 9\n"
                     "text: must be a text\n"
                     "choice: must be one of one, two\n"
                     "code: `M_NOSUCH` is none of Synapse's error codes (for example M_FORBIDDEN)\n"
                     "list[1]: must be a text (in quotes, if YAML reads it as something else)\n"
                     "list[2]: must be a text (in quotes, if YAML reads it as something else)\n"
                     "lines: absent.txt: no such file\n"
                     "txet: unknown parameter; did you mean `text`?\n"
                     "zzzzzz: unknown parameter\n");
    release(&sample);
}

Test(parameter, what_is_no_map_and_files_that_are_no_text)
{
    struct sample sample;
    cr_expect_not(decode("[1]", &sample));
    cr_expect_str_eq(buffer_string(&reports), ": must be a map of parameters\n");
    release(&sample);
    file_content = "good\nb\xff"
                   "d\n";
    file_length = strlen(file_content);
    cr_expect_not(decode("{\"lines\":\"there.txt\"}", &sample));
    cr_expect_str_eq(buffer_string(&reports), "lines: there.txt, line 2: not valid UTF-8 text\n");
    release(&sample);
}

Test(parameter, several_files)
{
    struct sample sample;
    file_content = "first\nlast\n";
    file_length = strlen(file_content);
    cr_assert(decode("{\"files\":[\"there.txt\",\"there.txt\"],\"fields\":{\"deny_files\":\"there.txt\"}}", &sample));
    cr_assert_eq(sample.files.count, 2u);
    cr_expect_eq(sample.files.lists[1].count, 2u);
    cr_expect_str_eq(sample.files.lists[1].items[1], "last");
    cr_expect_str_eq(sample.files.lists[1].path, "there.txt");
    cr_assert_eq(sample.fields.deny_files.count, 1u);
    cr_expect_str_eq(sample.fields.deny_files.lists[0].items[0], "first");
    release(&sample);
    cr_expect_not(
        decode("{\"files\":[\"there.txt\",\"absent.txt\",7],\"fields\":{\"deny_files\":[\"no.txt\"]}}", &sample));
    cr_expect_str_eq(buffer_string(&reports), "files: absent.txt: no such file\n"
                                              "files: must be the path of a file\n"
                                              "fields.deny_files: no.txt: no such file\n");
    release(&sample);
    cr_expect_not(decode("{\"files\":{}}", &sample));
    cr_expect_str_eq(buffer_string(&reports), "files: must be a list of paths of files\n");
    release(&sample);
    cr_expect(decode("{\"files\":null}", &sample));
    release(&sample);
}

Test(parameter, a_map_of_its_own_table)
{
    struct sample sample;
    cr_assert(decode(NULL, &sample));
    cr_expect_eq(sample.fields.deny.count, 0u);
    cr_expect(sample.fields.strict);
    release(&sample);
    cr_assert(decode("{\"fields\":{\"strict\":false}}", &sample));
    cr_assert_eq(sample.fields.deny.count, 2u);
    cr_expect_not(sample.fields.strict);
    release(&sample);
    static const char *const shorthands[] = {"{\"fields\":\"x\"}", "{\"fields\":[\"x\"]}",
                                             "{\"fields\":{\"deny\":[\"x\"]}}"};
    for (size_t index = 0; index < 3; index++) {
        cr_assert(decode(shorthands[index], &sample), "%s", shorthands[index]);
        cr_assert_eq(sample.fields.deny.count, 1u);
        cr_expect_str_eq(sample.fields.deny.items[0], "x");
        cr_expect(sample.fields.strict);
        release(&sample);
    }
    cr_expect_not(decode("{\"fields\":{\"deny\":[1],\"alow\":[],\"strict\":0}}", &sample));
    cr_expect_str_eq(buffer_string(&reports),
                     "fields.alow: unknown parameter\n"
                     "fields.deny[0]: must be a text (in quotes, if YAML reads it as something else)\n"
                     "fields.strict: must be true or false\n");
    release(&sample);
    cr_expect_not(decode("{\"fields\":7}", &sample));
    cr_expect_str_eq(buffer_string(&reports), "fields: must be a map or a list of texts\n");
    release(&sample);
}

Test(parameter, nearest_word)
{
    const char *const words[] = {"patterns", "patterns_file", "syntax", "fields", NULL};
    cr_expect_str_eq(nearest_word("paterns", words), "patterns");
    cr_expect_str_eq(nearest_word("pattern_file", words), "patterns_file");
    cr_expect_str_eq(nearest_word("snytax", words), "syntax");
    cr_expect_str_eq(nearest_word("field", words), "fields");
    cr_expect_null(nearest_word("colour", words));
    cr_expect_null(nearest_word("x", words));
}

Test(parameter, durations)
{
    struct sample sample;
    static const struct {
        const char *text;
        int64_t milliseconds;
    } good[] = {{"\"1s\"", 1000},      {"\"1000ms\"", 1000},  {"1000", 1000},           {"\"10m\"", 600000},
                {"\"24h\"", 86400000}, {"\"2d\"", 172800000}, {"172800000", 172800000}, {"\"0001s\"", 1000}};
    static const char *const bad[] = {"\"999ms\"",
                                      "\"3d\"",
                                      "\"1w\"",
                                      "999",
                                      "172800001",
                                      "\"\"",
                                      "\"s\"",
                                      "\"-1s\"",
                                      "\"1.5h\"",
                                      "\"1 h\"",
                                      "\"1H\"",
                                      "1.5",
                                      "true",
                                      "null",
                                      "[\"1h\"]",
                                      "\"99999999999999999999s\"",
                                      "\"999999999999999w\"",
                                      "\"1sx\"",
                                      "\"10\""};
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        char json[64];
        snprintf(json, sizeof json, "{\"pause\": %s}", good[index].text);
        cr_expect(decode(json, &sample), "%s", json);
        cr_expect_eq(sample.pause, good[index].milliseconds, "%s", json);
        release(&sample);
    }
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        char json[64];
        snprintf(json, sizeof json, "{\"pause\": %s}", bad[index]);
        cr_expect_not(decode(json, &sample), "%s", json);
        cr_expect_str_eq(buffer_string(&reports), "pause: must be a duration (such as \"10m\") from 1s to 2d\n", "%s",
                         json);
        release(&sample);
    }
}

Test(parameter, rates)
{
    struct sample sample;
    static const struct {
        const char *text;
        struct rate rate;
    } good[] = {{"2/s", {2, 1000}},
                {"50/h", {50, 3600000}},
                {"5/10s", {5, 10000}},
                {"100/500ms", {100, 500}},
                {"4000000/w", {4000000, 604800000}},
                {"7/7d", {7, 604800000}}};
    static const char *const bad[] = {"1/s",   "4000001/s", "10",    "10/",   "/m",    "10/0s", "10/y",
                                      "10 /m", "-5/m",      "1.5/m", "10/m ", "10/8d", "10/2w", "10/9999999999999999s",
                                      ""};
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        char json[64];
        snprintf(json, sizeof json, "{\"rate\": \"%s\"}", good[index].text);
        cr_expect(decode(json, &sample), "%s", json);
        cr_expect_eq(sample.rate.count, good[index].rate.count, "%s", json);
        cr_expect_eq(sample.rate.period_ms, good[index].rate.period_ms, "%s", json);
        release(&sample);
    }
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        char json[64];
        snprintf(json, sizeof json, "{\"rate\": \"%s\"}", bad[index]);
        cr_expect_not(decode(json, &sample), "%s", json);
        cr_expect_str_eq(buffer_string(&reports), "rate: must be a rate (such as \"10/m\") of 2 to 4000000\n", "%s",
                         json);
        release(&sample);
    }
    cr_expect_not(decode("{\"rate\": 10}", &sample));
    release(&sample);
}

Test(parameter, durations_are_written_in_the_largest_unit)
{
    static const struct {
        int64_t milliseconds;
        const char *text;
    } rows[] = {{0, "0ms"}, {1, "1ms"}, {1500, "1500ms"}, {5400000, "90m"}, {86400000, "1d"}, {1209600000, "2w"}};
    for (size_t index = 0; index < sizeof rows / sizeof *rows; index++) {
        struct buffer text = {0};
        duration_append(&text, rows[index].milliseconds);
        cr_expect_str_eq(buffer_string(&text), rows[index].text);
        buffer_free(&text);
    }
}
