/* What sender_list catches and what it must let pass. */
#include "tests/filters/module_fixture.h"

#define FROM(sender) "{\"type\":\"m.room.message\",\"sender\":\"" sender "\",\"content\":{\"body\":\"hi\"}}"

Test(sender_list, ids_compare_exactly)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "sender_list", "{\"users\": [\"@spam:bad.example\", \"@Ünï:x.example\"]}"));
    EXPECT_HIT(&fixture, FROM("@spam:bad.example"), "@spam:bad.example");
    EXPECT_HIT(&fixture, FROM("@Ünï:x.example"), "@Ünï:x.example");
    EXPECT_PASS(&fixture, FROM("@Spam:bad.example"));
    EXPECT_PASS(&fixture, FROM("@spam:bad.example.org"));
    EXPECT_PASS(&fixture, FROM("@spam"));
    EXPECT_PASS(&fixture, FROM(""));
    EXPECT_PASS(&fixture, "{\"content\":{}}");
    EXPECT_PASS(&fixture, "{\"sender\":7,\"content\":{}}");
    fixture_close(&fixture);
}

Test(sender_list, globs_over_the_whole_sender)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open(&fixture, "sender_list", "{\"users\": [\"@spam*:bad.example\", \"@a?c:*\", \"@x.y*\"]}"));
    EXPECT_HIT(&fixture, FROM("@spam:bad.example"), "@spam*:bad.example");
    EXPECT_HIT(&fixture, FROM("@spam17:bad.example"), "@spam*:bad.example");
    EXPECT_HIT(&fixture, FROM("@abc:z"), "@a?c:*");
    EXPECT_HIT(&fixture, FROM("@aжc:z"), "@a?c:*");
    EXPECT_PASS(&fixture, FROM("@SPAM17:bad.example"));
    EXPECT_PASS(&fixture, FROM("x@spam17:bad.example"));
    EXPECT_PASS(&fixture, FROM("@spam17:bad.example:8448"));
    EXPECT_PASS(&fixture, FROM("@ac:z"));
    EXPECT_PASS(&fixture, FROM("@abbc:z"));
    EXPECT_PASS(&fixture, FROM("@xay:z"));
    fixture_close(&fixture);
}

Test(sender_list, servers_without_case_after_the_first_colon)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open(&fixture, "sender_list",
                     "{\"servers\": [\"*.spam.example\", \"evil.example\", \"[::?]:8448\"], \"code\": \"M_UNKNOWN\"}"));
    EXPECT_HIT(&fixture, FROM("@a:x.SPAM.example"), "*.spam.example");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_UNKNOWN");
    EXPECT_SLICE(fixture.outcome.result.reason, "the server of the sender is on the list");
    EXPECT_HIT(&fixture, FROM("@a:Evil.Example"), "evil.example");
    EXPECT_HIT(&fixture, FROM("@a:[::1]:8448"), "[::?]:8448");
    EXPECT_PASS(&fixture, FROM("@a:spam.example"));
    EXPECT_PASS(&fixture, FROM("@a:evil.example:8448"));
    EXPECT_PASS(&fixture, FROM("@a:notevil.example"));
    EXPECT_PASS(&fixture, FROM("@evil.example"));
    fixture_close(&fixture);
}

Test(sender_list, file_and_order_of_rules)
{
    struct module_fixture fixture = {.file_content = "# listed\n@one:a.example\n\n@o*\n"};
    cr_assert(fixture_open(&fixture, "sender_list", "{\"users_file\": \"list.txt\", \"servers\": [\"a.example\"]}"));
    EXPECT_HIT(&fixture, FROM("@one:a.example"), "@one:a.example");
    EXPECT_SLICE(fixture.outcome.result.reason, "the sender is on the list");
    EXPECT_SLICE(fixture.outcome.result.value.text, "M_FORBIDDEN");
    EXPECT_HIT(&fixture, FROM("@other:a.example"), "@o*");
    EXPECT_HIT(&fixture, FROM("@two:a.example"), "a.example");
    EXPECT_PASS(&fixture, FROM("# listed"));
    fixture_close(&fixture);
}

Test(sender_list, empty_entry_is_refused)
{
    struct module_fixture fixture = {0};
    cr_assert_not(fixture_open(&fixture, "sender_list", "{\"users\": [\"@a:b\", \"\"], \"servers\": [\"\"]}"));
    cr_expect(strstr(fixture.reports, "users[1]: "), "%s", fixture.reports);
    cr_expect(strstr(fixture.reports, "servers[0]: "), "%s", fixture.reports);
    fixture_close(&fixture);
}
