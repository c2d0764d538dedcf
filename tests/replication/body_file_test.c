/* The index over recorded bodies: every shape a line may have, and the recorded files against a full parse. */
#include <criterion/criterion.h>
#include <yyjson.h>

#include "base/memory.h"
#include "replication/body_file.h"
#include "replication/recording.h"

static struct body_file *file_of(const char *text)
{
    struct buffer content = {0};
    buffer_append_string(&content, text);
    return body_file_from_memory(content);
}

static const struct body_case {
    const char *line;
    const char *body; /* of `$a`; NULL if the line holds none */
} body_cases[] = {
    {"{\"event_id\":\"$a\",\"json\":{}}", "{}"},
    {"{\"event_id\" : \"$a\", \"stream_ordering\" : 2, \"rejected\" : null, \"json\" : {\"k\":[{}]} } ",
     "{\"k\":[{}]}"},
    {"{\"json\":{\"k\":1},\"event_id\":\"$a\"}", "{\"k\":1}"},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":1},\"x\":{\"event_id\":\"$b\"}}", "{\"k\":1}"},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":1},\"x\":5,\"y\":\"}\"}", "{\"k\":1}"},
    {"{\"x\":{\"json\":{\"no\":1}},\"event_id\":\"$a\",\"json\":{\"k\":1}}", "{\"k\":1}"},
    {"{\"event_id\":\"\\u0024a\",\"json\":{\"k\":1}}", "{\"k\":1}"},
    {"{\"event\\u005fid\":\"$a\",\"js\\u006fn\":{\"k\":1}}", "{\"k\":1}"},
    {"{\"event_id\":\"$b\",\"event_id\":\"$a\",\"json\":{\"k\":1}}", "{\"k\":1}"},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":1},\"json\":{\"k\":2}}", "{\"k\":2}"},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":1},\"json\":null}", NULL},
    {"{\"event_id\":\"$b\",\"json\":{\"k\":1},\"event_id\":\"$a\"}", "{\"k\":1}"},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":1},\"event_id\":5}", NULL},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":\"}}\\\"}\\\\\"}}", "{\"k\":\"}}\\\"}\\\\\"}"},
    {"\t{\"event_id\":\"$a\",\"json\":{\"k\":1}}\r", "{\"k\":1}"},
    {"{\"event_id\":\"$a\",\"json\":\"{}\"}", NULL},
    {"{\"event_id\":\"$a\",\"json\":[]}", NULL},
    {"{\"event_id\":\"$a\",\"json\":null}", NULL},
    {"{\"event_id\":\"$a\"}", NULL},
    {"{\"json\":{}}", NULL},
    {"{\"event_id\":5,\"json\":{}}", NULL},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":1}", NULL},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":1", NULL},
    {"{\"event_id\":\"$a\",\"json\":{\"k\":\"", NULL},
    {"{\"event_id\":\"$a\",\"json\":{}}}", NULL},
    {"{\"event_id\":\"$a\",\"json\":{}},{}", NULL},
    {"{\"event_id\":\"$a\",\"json\":{},\"x\":}", NULL},
    {"[\"$a\",{}]", NULL},
    {"{}", NULL},
    {"\"$a\"", NULL},
    {"{\"event_id", NULL},
    {"{\"event_id\\", NULL},
};

Test(body_file, lines)
{
    for (size_t index = 0; index < sizeof body_cases / sizeof *body_cases; index++) {
        struct body_file *file = file_of(body_cases[index].line);
        struct slice body = body_file_find(file, SLICE("$a"));
        const char *wanted = body_cases[index].body;
        cr_expect(slice_equal(body, slice_from_string(wanted)), "%s gives %.*s", body_cases[index].line,
                  (int)body.length, slice_present(body) ? body.data : "");
        cr_expect_eq(body_file_count(file), wanted != NULL, "%s", body_cases[index].line);
        cr_expect_eq(body_file_bad_lines(file), wanted == NULL, "%s", body_cases[index].line);
        cr_expect_not(slice_present(body_file_find(file, SLICE("$b"))), "%s", body_cases[index].line);
        body_file_close(file);
    }
}

Test(body_file, the_first_of_an_id_counts)
{
    struct body_file *file = file_of("{\"event_id\":\"$a\",\"json\":{\"k\":1}}\r\n\n \n"
                                     "{\"event_id\":\"$a\",\"json\":{\"k\":2}}\nbroken\n"
                                     "{\"event_id\":\"\",\"json\":{}}");
    cr_expect(slice_equal(body_file_find(file, SLICE("$a")), SLICE("{\"k\":1}")));
    cr_expect(slice_equal(body_file_find(file, SLICE("")), SLICE("{}")));
    cr_expect_eq(body_file_count(file), 2);
    cr_expect_eq(body_file_bad_lines(file), 1);
    body_file_close(file);
}

/* The end of a body at every place of a block, with escapes before it. */
Test(body_file, bodies_of_every_length)
{
    for (size_t length = 0; length < 300; length++) {
        struct buffer line = {0}, body = {0};
        buffer_append_string(&body, "{\"k\":\"");
        for (size_t index = 0; index < length; index++)
            buffer_append_string(&body, index % 3 == 0 ? "\\\\" : index % 3 == 1 ? "\\\"" : "}");
        buffer_append_string(&body, "\"}");
        buffer_append_string(&line, "{\"event_id\":\"$a\",\"json\":");
        buffer_append_slice(&line, buffer_slice(&body));
        buffer_append_string(&line, "}");
        struct body_file *file = body_file_from_memory(line);
        cr_expect(slice_equal(body_file_find(file, SLICE("$a")), buffer_slice(&body)), "%zu", length);
        body_file_close(file);
        buffer_free(&body);
    }
}

Test(body_file, empty_and_missing)
{
    struct buffer error = {0};
    struct body_file *file = file_of("");
    cr_expect_eq(body_file_count(file), 0);
    cr_expect_not(slice_present(body_file_find(file, SLICE("$a"))));
    body_file_close(file);
    cr_expect_null(body_file_open("/nonexistent/bodies", &error));
    cr_expect_gt(error.length, 0);
    buffer_free(&error);
}

static void check_recorded(const char *path, uint64_t count)
{
    struct buffer error = {0};
    struct body_file *file = body_file_open(path, &error);
    cr_assert_not_null(file, "%s", buffer_string(&error));
    cr_expect_eq(body_file_count(file), count);
    cr_expect_eq(body_file_bad_lines(file), 0);
    struct line_reader *lines = line_reader_open(path, &error);
    struct slice line;
    while (line_reader_next(lines, &line, &error) == LINE_OK) {
        yyjson_doc *whole = yyjson_read(line.data, line.length, 0);
        yyjson_val *id = yyjson_obj_get(yyjson_doc_get_root(whole), "event_id");
        struct slice body = body_file_find(file, slice_of(yyjson_get_str(id), yyjson_get_len(id)));
        cr_assert(slice_present(body));
        yyjson_doc *found = yyjson_read(body.data, body.length, 0);
        cr_assert(yyjson_equals(yyjson_doc_get_root(found), yyjson_obj_get(yyjson_doc_get_root(whole), "json")));
        yyjson_doc_free(found);
        yyjson_doc_free(whole);
    }
    line_reader_close(lines);
    body_file_close(file);
    buffer_free(&error);
}

Test(body_file, recordings)
{
    check_recorded("tests/data/synapse-1.140-big.events.jsonl.zst", 5820);
    check_recorded("tests/data/synapse-1.140-small.events.jsonl.zst", 256);
    check_recorded("tests/data/synapse-1.67-small.events.jsonl.zst", 309);
}
