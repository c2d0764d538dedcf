/* Answers of a replication listener: what Synapse gave, what no Synapse should give, and the rows that come out. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "replication/row_answer.h"

static void note_rows(void *context, const struct position_rows *rows)
{
    struct buffer *log = context;
    cr_expect(slice_equal(rows->writer, SLICE("p1")));
    cr_expect_gt(rows->count, 0);
    buffer_append_format(log, "%s%lld:", log->length ? " " : "", (long long)rows->token);
    for (uint32_t index = 0; index < rows->count; index++)
        buffer_append_slice(log, rows->rows[index]);
}

static void read_as(enum stream stream, int64_t from, struct slice text, struct buffer *log, struct row_answer *answer)
{
    struct row_request request = {stream, SLICE("p1"), from, from + 10};
    struct row_answer_receiver receiver = {log, note_rows};
    buffer_clear(log);
    row_answer_read(text, &request, &receiver, answer);
}

static const struct answer_case {
    const char *text;
    const char *rows; /* of an answer to (10, 20] */
    int64_t reached;
    bool limited;
    const char *failure; /* words of it; NULL if it is good */
} answer_cases[] = {
    {"{\"updates\":[],\"upto_token\":20,\"limited\":false}", "", 20, false, NULL},
    {"{\"updates\":[],\"upto_token\":10,\"limited\":false}", "", 10, false, NULL},
    {"{\"updates\":[],\"upto_token\":11,\"limited\":true}", "", 11, true, NULL},
    {"{\"limited\":false,\"x\":[1],\"upto_token\":20,\"updates\":[[11,[1]],[11,[2]],[13,[]]]}", "11:[1][2] 13:[]", 20,
     false, NULL},
    {"{\"updates\":[[12,[1]],[40,[2]]],\"upto_token\":20,\"limited\":false}", "12:[1] 40:[2]", 40, false, NULL},
    {" {\"updates\" : [ [ 9223372036854775807 , [ \"\\u00e9\" , 1.50, {\"b\":null, \"a\":1e2} ] ] ],\r\n"
     "\"upto_token\":20, \"limited\":true}\n",
     "9223372036854775807:[\"\\u00e9\",1.5,{\"b\":null,\"a\":100.0}]", INT64_MAX, true, NULL},
    {"{\"updates\":[[11,[123456789012345678901234567890]]],\"upto_token\":20,\"limited\":false}",
     "11:[123456789012345678901234567890]", 20, false, NULL},
    {"{\"updates\":1,\"updates\":[[11,[\"\xc3\xa9\"]]],\"upto_token\":20,\"limited\":false}", "11:[\"\\u00e9\"]", 20,
     false, NULL},
    {"", "", 0, false, "JSON"},
    {"<html>", "", 0, false, "JSON"},
    {"{\"updates\":[],\"upto_token\":20,\"limited\":false", "", 0, false, "JSON"},
    {"{\"updates\":[[11,[\"\xff\"]]],\"upto_token\":20,\"limited\":false}", "", 0, false, "JSON"},
    {"[]", "", 0, false, "Synapse"},
    {"null", "", 0, false, "Synapse"},
    {"{\"updates\":{},\"upto_token\":20,\"limited\":false}", "", 0, false, "Synapse"},
    {"{\"updates\":[],\"upto_token\":20,\"limited\":0}", "", 0, false, "Synapse"},
    {"{\"updates\":[],\"upto_token\":20}", "", 0, false, "Synapse"},
    {"{\"updates\":[],\"upto_token\":20.0,\"limited\":false}", "", 0, false, "Synapse"},
    {"{\"updates\":[],\"upto_token\":true,\"limited\":false}", "", 0, false, "Synapse"},
    {"{\"updates\":[],\"upto_token\":9223372036854775808,\"limited\":false}", "", 0, false, "Synapse"},
    {"{\"updates\":[[12,[1]],[13]],\"upto_token\":20,\"limited\":false}", "", 0, false, "pair"},
    {"{\"updates\":[[12,[1],[1]]],\"upto_token\":20,\"limited\":false}", "", 0, false, "pair"},
    {"{\"updates\":[12],\"upto_token\":20,\"limited\":false}", "", 0, false, "pair"},
    {"{\"updates\":[[\"12\",[1]]],\"upto_token\":20,\"limited\":false}", "", 0, false, "pair"},
    {"{\"updates\":[[12,[1]],[11,[1]]],\"upto_token\":20,\"limited\":false}", "", 0, false, "go back"},
    {"{\"updates\":[[10,[1]]],\"upto_token\":20,\"limited\":false}", "", 0, false, "at or below"},
    {"{\"updates\":[],\"upto_token\":9,\"limited\":false}", "", 0, false, "below"},
    {"{\"updates\":[],\"upto_token\":10,\"limited\":true}", "", 0, false, "no further"},
    {"{\"updates\":[[11,[1]]],\"upto_token\":9,\"limited\":true}", "", 0, false, "no further"},
    {"{\"updates\":[[11,[1]],[12,[1e999]]],\"upto_token\":20,\"limited\":false}", "11:[1]", 0, false, "number"},
};

Test(row_answer, good_and_wrong_answers)
{
    for (size_t index = 0; index < sizeof answer_cases / sizeof *answer_cases; index++) {
        const struct answer_case *answer_case = &answer_cases[index];
        struct buffer log = {0};
        struct row_answer answer;
        read_as(STREAM_events, 10, slice_from_string(answer_case->text), &log, &answer);
        cr_expect_str_eq(buffer_string(&log), answer_case->rows, "%s gave %s", answer_case->text, buffer_string(&log));
        if (answer_case->failure) {
            cr_expect(answer.failure && strstr(answer.failure, answer_case->failure), "%s: %s", answer_case->text,
                      answer.failure ? answer.failure : "no failure");
        } else {
            cr_expect_null(answer.failure, "%s: %s", answer_case->text, answer.failure);
            cr_expect_eq(answer.reached, answer_case->reached, "%s", answer_case->text);
            cr_expect_eq(answer.limited, answer_case->limited, "%s", answer_case->text);
        }
        buffer_free(&log);
    }
}

/* Nesting is bounded before anything recurses. */
Test(row_answer, deep_nesting_is_refused)
{
    struct buffer text = {0}, log = {0};
    struct row_answer answer;
    buffer_append_string(&text, "{\"upto_token\":20,\"limited\":false,\"updates\":[[11,");
    for (int depth = 0; depth < 100000; depth++)
        buffer_append_char(&text, '[');
    for (int depth = 0; depth < 100000; depth++)
        buffer_append_char(&text, ']');
    buffer_append_string(&text, "]]}");
    read_as(STREAM_events, 10, buffer_slice(&text), &log, &answer);
    cr_expect(answer.failure && strstr(answer.failure, "deep"));
    cr_expect_eq(log.length, 0);
    buffer_free(&text);
    buffer_free(&log);
}

struct event_check {
    uint32_t scanned;
    uint32_t parsed;
    struct json_pool pool;
};

static void check_event_rows(void *context, const struct position_rows *rows)
{
    struct event_check *check = context;
    for (uint32_t index = 0; index < rows->count; index++) {
        struct event_row row;
        const char *problem = NULL;
        check->scanned += event_row_scan(rows->rows[index], &row);
        bool parsed = event_row_parse(rows->rows[index], &check->pool, &row, &problem);
        cr_expect(parsed, "%s", problem);
        check->parsed += parsed;
        cr_expect(slice_present(row.room_id));
    }
}

/* Rows come in the form of the wire, which the quick reader takes; an answer as a Synapse gave it, and the same with
 * white space, which no Synapse writes. */
Test(row_answer, rows_of_events_are_read_as_those_of_the_wire)
{
    static const char *const answers[] = {
        "{\"updates\":[[105,[\"ev\",[\"$0Nj0qz4DRogvDfMgGusvuxfz5pKjN2bGwjx7tOXRIdI\",\"!hSEslKoGwlTAYagden:lab.test\","
        "\"m.room.member\",\"@u040:lab.test\",null,null,\"invite\",false,false]]],[105,[\"state\",["
        "\"!hSEslKoGwlTAYagden:lab.test\",\"m.room.member\",\"@u040:lab.test\","
        "\"$0Nj0qz4DRogvDfMgGusvuxfz5pKjN2bGwjx7tOXRIdI\"]]]],\"upto_token\":112,\"limited\":false}",
        "{\"updates\": [[105, [\"ev\", [\"$a\", \"!r:lab.test\", \"m.room.message\", null, null, null, null, false, "
        "true]]], [106, [\"state-all\", [\"!r:lab.test\"]]]], \"upto_token\": 112, \"limited\": false}",
    };
    for (size_t index = 0; index < sizeof answers / sizeof *answers; index++) {
        struct event_check check = {0};
        struct row_request request = {STREAM_events, SLICE("p1"), 100, 112};
        struct row_answer_receiver receiver = {&check, check_event_rows};
        struct row_answer answer;
        row_answer_read(slice_from_string(answers[index]), &request, &receiver, &answer);
        cr_expect_null(answer.failure, "%s", answer.failure);
        cr_expect_eq(check.scanned, 1);
        cr_expect_eq(check.parsed, 2);
        json_pool_free(&check.pool);
    }
}

static const struct error_case {
    const char *text;
    const char *sentence; /* NULL: it is no error of Synapse's */
} error_cases[] = {
    {"{\"errcode\":\"M_UNKNOWN\",\"error\":\"Unknown stream\"}", "M_UNKNOWN \"Unknown stream\""},
    {"{\"error\":\"a\\n\\\"b\\u00e9\",\"errcode\":\"M_\\u0000\"}", "\"M_\\u0000\" \"a\\n\\\"b\\u00e9\""},
    {"{\"errcode\":\"\",\"error\":\"\"}", "\"\" \"\""},
    {"{\"errcode\":1,\"error\":\"x\"}", NULL},
    {"{\"error\":\"x\"}", NULL},
    {"<html>502</html>", NULL},
    {"", NULL},
};

Test(row_answer, errors_of_synapse)
{
    for (size_t index = 0; index < sizeof error_cases / sizeof *error_cases; index++) {
        const struct error_case *error_case = &error_cases[index];
        struct buffer sentence = {0};
        cr_expect_eq(row_answer_error(slice_from_string(error_case->text), &sentence), error_case->sentence != NULL);
        cr_expect_str_eq(buffer_string(&sentence), error_case->sentence ? error_case->sentence : "");
        buffer_free(&sentence);
    }
}

Test(row_answer, a_long_error_is_cut)
{
    struct buffer text = {0}, sentence = {0};
    buffer_append_string(&text, "{\"errcode\":\"M_X\",\"error\":\"");
    for (int letter = 0; letter < 5000; letter++)
        buffer_append_string(&text, "\xc3\xa9");
    buffer_append_string(&text, "\"}");
    cr_expect(row_answer_error(buffer_slice(&text), &sentence));
    cr_expect_gt(sentence.length, 100);
    cr_expect_leq(sentence.length, 1500);
    buffer_free(&text);
    buffer_free(&sentence);
}
