#include "engine/verdict_filter.h"

#include <criterion/criterion.h>

#define ROW                                                                                                            \
    "{\"event_id\":\"$e\",\"room_id\":\"!r:x.example\",\"sender\":\"@s\\u00e9:x\",\"type\":\"m.room.message\","        \
    "\"callback\":\"check_event_for_spam\",\"result\":{\"code\":\"M_FORBIDDEN\",\"fields\":{\"code\":\"no\"}},"        \
    "\"module\":\"keywords\",\"rule\":\"cheap followers\",\"reason\":\"a \\\"new\\\" line\\n\",\"stream\":\"events\"," \
    "\"instance\":\"master\",\"token\":7,\"origin\":\"observe\",\"dry_run\":false}"

static const struct {
    const char *query;
    const char *row;
    bool fits;
} cases[] = {
    {"", ROW, true},
    {"", " {} ", true},
    {"", "{\"a\":1e777}", true},
    {"", "", false},
    {"", "{", false},
    {"", "{}x", false},
    {"", "[]", false},
    {"", "{\"room_id\":\"\xff\"}", false},
    {"", "{\"room_id\":\"\n\"}", false},
    {"room=!r:x.example", ROW, true},
    {"room=!r:x", ROW, false},
    {"room=%21r%3a*", ROW, true},
    {"room=*.example", ROW, true},
    {"room=*.exampl", ROW, false},
    {"room=*", "{}", false},
    {"room=*", "{\"room_id\":null}", false},
    {"sender=@s%c3%a9:x", ROW, true},
    {"sender=*u00e9*", ROW, false},
    {"sender=@s%c3%a9:x", "{\"sender\":\"@s\xc3\xa9:x\"}", true},
    {"module=keywords", ROW, true},
    {"module=keyword*", ROW, false},
    {"event_id=$e", ROW, true},
    {"event_id=$", ROW, false},
    {"callback=check_event_for_spam", ROW, true},
    {"callback=user_may_invite", ROW, false},
    {"code=M_FORBIDDEN", ROW, true},
    {"code=no", ROW, false},
    {"code=NOT_SPAM", ROW, false},
    {"code=NOT_SPAM", "{\"result\":\"NOT_SPAM\"}", true},
    {"code=NOT_SPAM", "{\"result\":[\"NOT_SPAM\"]}", false},
    {"code=A", "{\"result\":{\"code\":{\"code\":\"A\"}}}", false},
    {"text=followers", ROW, true},
    {"text=a+%22new%22", ROW, true},
    {"text=n%0a", ROW, false},
    {"text=line%0a", ROW, true},
    {"text=keywords", ROW, false},
    {"dry_run=false", ROW, true},
    {"dry_run=true", ROW, false},
    {"dry_run=true", "{\"dry_run\":\"true\"}", false},
    {"dry_run=true", "{\"dry_run\":true }", true},
    /* Of a member that is there twice the last counts. */
    {"module=a", "{\"module\":\"a\",\"module\":\"b\"}", false},
    {"module=b", "{\"module\":\"a\",\"module\":\"b\"}", true},
    {"module=a", "{\"module\":\"a\",\"module\":7}", false},
    {"room=!r*&module=keywords&dry_run=false&text=cheap", ROW, true},
    {"room=!r*&module=keywords&dry_run=false&text=expensive", ROW, false},
    {"room=&module=;sender=&text=&dry_run=", ROW, true},
};

Test(verdict_filter, rows_fit_or_do_not)
{
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct verdict_filter filter = {0};
        struct buffer problem = {0};
        cr_assert(verdict_filter_parse(&filter, slice_from_string(cases[index].query), NULL, &problem), "%s: %s",
                  cases[index].query, buffer_string(&problem));
        cr_expect_eq(verdict_filter_match(&filter, slice_from_string(cases[index].row)), cases[index].fits, "%s: %s",
                     cases[index].query, cases[index].row);
        verdict_filter_free(&filter);
        buffer_free(&problem);
    }
}

static const struct {
    const char *query;
    const char *needle; /* NULL: none */
} needles[] = {
    {"", NULL},
    {"room=*", NULL},
    {"sender=%c3%a9", NULL},
    {"room=!r:x.example", "!r:x.example"},
    {"sender=*:evil.example", ":evil.example"},
    {"sender=@spam*:?.example", ".example"},
    {"text=a*b?c", "a*b?c"},
    {"text=no+%22more%22+%5cn", "more"},
    {"sender=@%c3%a9:x.example", ":x.example"},
    {"module=rate&dry_run=false", "false"},
};

Test(verdict_filter, has_a_text_to_look_for_first)
{
    for (size_t index = 0; index < sizeof needles / sizeof *needles; index++) {
        struct verdict_filter filter = {0};
        struct buffer problem = {0};
        cr_assert(verdict_filter_parse(&filter, slice_from_string(needles[index].query), NULL, &problem));
        cr_expect(slice_equal(verdict_filter_needle(&filter), slice_from_string(needles[index].needle)), "%s",
                  needles[index].query);
        verdict_filter_free(&filter);
        buffer_free(&problem);
    }
}

/* A row that fits has it. */
Test(verdict_filter, rows_that_fit_have_that_text)
{
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct verdict_filter filter = {0};
        struct buffer problem = {0};
        cr_assert(verdict_filter_parse(&filter, slice_from_string(cases[index].query), NULL, &problem));
        struct slice needle = verdict_filter_needle(&filter), row = slice_from_string(cases[index].row);
        cr_expect(!cases[index].fits || !slice_present(needle) ||
                      memmem(row.data, row.length, needle.data, needle.length),
                  "%s: %s", cases[index].query, cases[index].row);
        verdict_filter_free(&filter);
        buffer_free(&problem);
    }
}

static const struct {
    const char *query;
    const char *problem; /* NULL: taken */
} queries[] = {
    {"colour=red", "there is no parameter colour"},
    {"%ff=red", "there is no parameter of that name"},
    {"room=a&room=b", "the parameter room is there twice"},
    {"text=%ff", "the value of text is no UTF-8"},
    {"dry_run=yes", "dry_run must be true or false"},
    {"limit=7&room=a", NULL},
    {"Room=a", "there is no parameter Room"},
};

Test(verdict_filter, bad_queries_are_told)
{
    static const char *const others[] = {"since", "limit", NULL};
    for (size_t index = 0; index < sizeof queries / sizeof *queries; index++) {
        struct verdict_filter filter = {0};
        struct buffer problem = {0};
        bool taken = verdict_filter_parse(&filter, slice_from_string(queries[index].query), others, &problem);
        cr_expect_eq(taken, queries[index].problem == NULL, "%s", queries[index].query);
        cr_expect_str_eq(buffer_string(&problem), queries[index].problem ? queries[index].problem : "");
        verdict_filter_free(&filter);
        buffer_free(&problem);
    }
}

Test(verdict_filter, a_long_value_is_refused)
{
    struct verdict_filter filter = {0};
    struct buffer query = {0}, problem = {0};
    buffer_append_string(&query, "text=");
    for (size_t index = 0; index < VERDICT_FILTER_VALUE_MAXIMUM; index++)
        buffer_append_char(&query, 'x');
    cr_expect(verdict_filter_parse(&filter, buffer_slice(&query), NULL, &problem));
    verdict_filter_free(&filter);
    buffer_append_char(&query, 'x');
    cr_expect_not(verdict_filter_parse(&filter, buffer_slice(&query), NULL, &problem));
    cr_expect_str_eq(buffer_string(&problem), "the value of text is too long");
    verdict_filter_free(&filter);
    buffer_free(&query);
    buffer_free(&problem);
}

Test(verdict_filter, empty_ones_say_so)
{
    struct verdict_filter filter = {0};
    struct buffer problem = {0};
    cr_expect(verdict_filter_is_empty(&filter));
    cr_expect(verdict_filter_parse(&filter, SLICE("room=&text="), NULL, &problem));
    cr_expect(verdict_filter_is_empty(&filter));
    verdict_filter_free(&filter);
    cr_expect(verdict_filter_parse(&filter, SLICE("text=a"), NULL, &problem));
    cr_expect_not(verdict_filter_is_empty(&filter));
    verdict_filter_free(&filter);
    buffer_free(&problem);
}

/* Nothing is kept for a row that is no longer than one before. */
Test(verdict_filter, takes_no_memory_for_each_row)
{
    struct verdict_filter filter = {0};
    struct buffer problem = {0};
    cr_assert(verdict_filter_parse(&filter, SLICE("module=keywords"), NULL, &problem));
    cr_expect(verdict_filter_match(&filter, SLICE(ROW)));
    const char *data = filter.scratch.data;
    size_t capacity = filter.scratch.capacity;
    for (int turn = 0; turn < 100; turn++)
        cr_expect(verdict_filter_match(&filter, SLICE(ROW)));
    cr_expect_eq(filter.scratch.data, data);
    cr_expect_eq(filter.scratch.capacity, capacity);
    verdict_filter_free(&filter);
    buffer_free(&problem);
}
