/* The record of what was judged ahead of a position: what it says, and what is no such record. */
#include <criterion/criterion.h>

#include "engine/judged_ahead.h"

Test(judged_ahead, says_what_was_judged)
{
    struct judged_ahead ahead = {0};
    const char *problem = NULL;
    cr_expect_not(judged_ahead_has(&ahead, 1, SLICE("$1")), "nothing is known");
    cr_assert(judged_ahead_read(&ahead, SLICE("[9,2,[5,\"$b\"],[5,\"$\\u0000\"],9]"), &problem));
    cr_expect(judged_ahead_has(&ahead, 1, SLICE("$1")));
    cr_expect_not(judged_ahead_has(&ahead, 2, SLICE("$2")));
    cr_expect(judged_ahead_has(&ahead, 5, SLICE("$a")));
    cr_expect_not(judged_ahead_has(&ahead, 5, SLICE("$b")));
    cr_expect_not(judged_ahead_has(&ahead, 5, SLICE("$\0")));
    cr_expect(judged_ahead_has(&ahead, 8, SLICE("$b")), "another token of the same event");
    cr_expect_not(judged_ahead_has(&ahead, 9, SLICE("$9")));
    cr_expect_not(judged_ahead_has(&ahead, 10, SLICE("$10")));
    judged_ahead_free(&ahead);
}

Test(judged_ahead, writes_what_it_reads)
{
    struct judged_ahead ahead = {0};
    const char *problem = NULL;
    struct buffer record = {0};
    cr_assert(judged_ahead_read(&ahead, SLICE("[9,2,[5,\"$\\u00e4\\u0000\"],9]"), &problem));
    judged_ahead_append_above(&ahead, 2, &record);
    cr_expect_str_eq(buffer_string(&record), ",[5,\"$\\u00e4\\u0000\"],9");
    buffer_free(&record);
    judged_ahead_free(&ahead);
}

Test(judged_ahead, refuses_what_is_no_record)
{
    static const char *const texts[] = {"",
                                        "7",
                                        "{}",
                                        "[]",
                                        "[\"7\"]",
                                        "[[7,\"$a\"]]",
                                        "[9,10]",
                                        "[9,5,4]",
                                        "[9,[5]]",
                                        "[9,[5,6]]",
                                        "[9,[5,\"$a\",6]]",
                                        "[9,[\"$a\",5]]",
                                        "[9,null]",
                                        "[9,5.5]",
                                        "[9,5",
                                        "[9] 9",
                                        "[9223372036854775808]",
                                        "[9,[[5],\"$a\"]]"};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        struct judged_ahead ahead = {0};
        const char *problem = NULL;
        cr_expect_not(judged_ahead_read(&ahead, slice_from_string(texts[index]), &problem), "%s", texts[index]);
        cr_expect_not_null(problem);
        cr_expect_not(ahead.known);
    }
}
