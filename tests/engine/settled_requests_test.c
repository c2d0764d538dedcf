/* What of settled requests goes into a transaction, and how it is put together. */
#include "engine/settled_requests.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct settled_requests settled;
static struct transaction *transaction;

static void set_up(void)
{
    settled = (struct settled_requests){0};
    transaction = calloc(1, sizeof *transaction);
    transaction_begin(transaction, &(struct transaction_fence){0});
}

static void tear_down(void)
{
    settled_requests_free(&settled);
    transaction_free_all(transaction);
}

TestSuite(settled_requests, .init = set_up, .fini = tear_down);

static void add_to(const char *key, const char *entry, const char *reply_to, struct slice message, bool lines)
{
    struct settled_request request = {.key = slice_from_string(key),
                                      .group = SLICE("weir"),
                                      .entry = slice_from_string(entry),
                                      .reply_to = slice_from_string(reply_to),
                                      .message = message,
                                      .lines = lines};
    settled_requests_add(&settled, transaction, &request);
}

static void add(const char *entry, const char *reply_to, const char *message, bool lines)
{
    add_to("requests", entry, reply_to, slice_from_string(message), lines);
}

/* The commands of the transaction from the one at `*at` on: the first is written out, with `,` between its arguments
 * and `/` for a line break. */
static const char *next_command(const char **at)
{
    static char plain[4096];
    size_t length = 0;
    char *end;
    if (**at != '*')
        return "";
    long arguments = strtol(*at + 1, &end, 10);
    *at = end + 2;
    for (long index = 0; index < arguments; index++) {
        size_t size = (size_t)strtol(*at + 1, &end, 10);
        *at = end + 2;
        for (size_t byte = 0; byte < size && length + 2 < sizeof plain; byte++)
            plain[length++] = (*at)[byte] == '\n' ? '/' : (*at)[byte];
        plain[length++] = index + 1 < arguments ? ',' : '\0';
        *at += size + 2;
    }
    return plain;
}

static void expect(const char *const *commands)
{
    const char *at = buffer_string(&transaction->commands);
    cr_expect_str_eq(next_command(&at), "MULTI");
    for (; *commands; commands++)
        cr_expect_str_eq(next_command(&at), *commands);
    cr_expect_eq(*at, '\0', "and then %s", at);
}
#define EXPECT(...) expect((const char *const[]){__VA_ARGS__, NULL})

Test(settled_requests, all_are_named_at_once)
{
    add("1-0", "a", "VERDICT 1 x", false);
    add("2-0", NULL, NULL, false);
    add("3-0", "b", "VERDICT 3 x", false);
    cr_expect_gt(settled_requests_bytes(&settled), 0);
    settled_requests_seal(&settled, transaction);
    cr_expect_eq(settled_requests_bytes(&settled), 0);
    EXPECT("PUBLISH,a,VERDICT 1 x", "PUBLISH,b,VERDICT 3 x", "XACK,requests,weir,1-0,2-0,3-0",
           "XDEL,requests,1-0,2-0,3-0");
    cr_expect_eq(transaction->command_count, 4);
}

Test(settled_requests, nothing_makes_no_command)
{
    settled_requests_seal(&settled, transaction);
    EXPECT(NULL);
}

Test(settled_requests, answers_to_one_channel_are_lines_of_one_message_where_they_may)
{
    add("1-0", "a", "VERDICT 1 x", true);
    add("2-0", "b", "VERDICT 2 x", true);
    add("3-0", "a", "VERDICT 3 x", true);
    add("4-0", "a", "VERDICT 4 x", false);
    settled_requests_seal(&settled, transaction);
    EXPECT("PUBLISH,a,VERDICT 4 x", "PUBLISH,a,VERDICT 1 x/VERDICT 3 x", "PUBLISH,b,VERDICT 2 x",
           "XACK,requests,weir,1-0,2-0,3-0,4-0", "XDEL,requests,1-0,2-0,3-0,4-0");
    /* And the next transaction begins anew. */
    transaction_begin(transaction, &(struct transaction_fence){0});
    add("5-0", "b", "VERDICT 5 x", true);
    settled_requests_seal(&settled, transaction);
    EXPECT("PUBLISH,b,VERDICT 5 x", "XACK,requests,weir,5-0", "XDEL,requests,5-0");
}

Test(settled_requests, streams_are_kept_apart)
{
    add_to("one", "1-0", NULL, SLICE_ABSENT, false);
    add_to("two", "1-0", NULL, SLICE_ABSENT, false);
    settled_requests_seal(&settled, transaction);
    EXPECT("XACK,one,weir,1-0", "XDEL,one,1-0", "XACK,two,weir,1-0", "XDEL,two,1-0");
}

/* The sum of the lengths of the messages published, and how many there were. */
static size_t published(size_t *messages, size_t *longest)
{
    size_t bytes = 0;
    const char *at = buffer_string(&transaction->commands);
    *messages = *longest = 0;
    while ((at = strstr(at, "PUBLISH\r\n$"))) {
        char *end;
        size_t channel = strtoul(at + strlen("PUBLISH\r\n$"), &end, 10);
        size_t length = strtoul(end + 2 + channel + 2 + 1, NULL, 10);
        *longest = length > *longest ? length : *longest;
        bytes += length;
        ++*messages;
        at = end;
    }
    return bytes;
}

Test(settled_requests, a_message_is_bounded)
{
    enum { ANSWERS = 200, SIZE = 1000 };
    char text[SIZE], entry[16];
    size_t messages, longest;
    memset(text, 'x', sizeof text);
    for (int number = 0; number < ANSWERS; number++) {
        snprintf(entry, sizeof entry, "%d-0", number);
        add_to("requests", entry, "a", slice_of(text, SIZE), true);
        cr_assert_lt(settled_requests_bytes(&settled), SETTLED_LINES_MAXIMUM + ANSWERS * 8);
    }
    settled_requests_seal(&settled, transaction);
    size_t bytes = published(&messages, &longest);
    cr_expect_eq(messages, 4);
    cr_expect_eq(bytes, ANSWERS * SIZE + ANSWERS - messages);
    cr_expect_leq(longest, SETTLED_LINES_MAXIMUM);
}

Test(settled_requests, so_are_the_channels_and_the_arguments_of_a_command)
{
    enum { ANSWERS = 3 * TRANSACTION_ENTRIES_MAXIMUM / 2 };
    char channel[16], entry[16];
    size_t messages, longest;
    for (int number = 0; number < ANSWERS; number++) {
        snprintf(entry, sizeof entry, "%d-0", number);
        snprintf(channel, sizeof channel, "a%d", number % (2 * SETTLED_CHANNELS_MAXIMUM));
        add_to("requests", entry, channel, SLICE("x"), true);
    }
    settled_requests_seal(&settled, transaction);
    published(&messages, &longest);
    cr_expect_eq(messages, ANSWERS);
    cr_expect_eq(transaction->command_count, ANSWERS + 4);
}
