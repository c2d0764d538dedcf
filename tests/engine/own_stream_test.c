/* The lines of our own streams inside a transaction, and what the stored tokens prove about one that was not answered.
 */
#include "engine/own_stream.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct transaction_fence no_fence;
static struct own_streams streams;
static struct transaction *transaction;

static void set_up(void)
{
    own_streams_open(&streams, "hs", "weir1");
    transaction = calloc(1, sizeof *transaction);
    transaction_begin(transaction, &no_fence);
}

static void tear_down(void)
{
    own_streams_close(&streams);
    transaction_free_all(transaction);
}

/* The arguments of every command, a command a line. */
static void expect_commands(const char *wanted)
{
    struct buffer plain = {0};
    const char *at = buffer_string(&transaction->commands);
    while (*at == '*') {
        long arguments = strtol(at + 1, (char **)&at, 10);
        at += 2;
        for (long index = 0; index < arguments; index++) {
            size_t length = (size_t)strtol(at + 1, (char **)&at, 10);
            buffer_append(&plain, at + 2, length);
            buffer_append_char(&plain, index + 1 < arguments ? '|' : '\n');
            at += 2 + length + 2;
        }
    }
    cr_expect_eq(*at, '\0');
    cr_expect_str_eq(buffer_string(&plain), wanted);
    buffer_free(&plain);
}

static void add_row(enum own_stream stream, const char *row)
{
    own_streams_raise(&streams, stream, transaction);
    buffer_append_string(own_streams_begin_row(&streams, stream, false), row);
    own_streams_end_row(&streams, stream, transaction, 7);
}

TestSuite(own_stream, .init = set_up, .fini = tear_down);

Test(own_stream, rows_of_both_streams_with_their_tokens)
{
    add_row(OWN_STREAM_PRESENCE_ROUTES, "[1]");
    add_row(OWN_STREAM_VERDICTS, "{}");
    add_row(OWN_STREAM_PRESENCE_ROUTES, "[2]");
    own_streams_seal(&streams, transaction);
    expect_commands("MULTI\n"
                    "PUBLISH|hs/weir|RDATA presence_routes weir1 1 [1]\n"
                    "XADD|hs/weir/verdicts|MAXLEN|~|7|*|token|1|row|{}\n"
                    "PUBLISH|hs/weir|RDATA verdicts weir1 1 {}\n"
                    "PUBLISH|hs/weir|RDATA presence_routes weir1 2 [2]\n"
                    "HSET|hs/weir/positions|weir1 verdicts weir1|1\n"
                    "HSET|hs/weir/positions|weir1 presence_routes weir1|2\n"
                    "HSET|hs/weir/positions|weir1 format weir|1\n");
}

Test(own_stream, a_token_without_a_row_is_told_by_a_position)
{
    cr_expect(own_streams_restore(&streams, SLICE("verdicts"), 41));
    cr_expect(own_streams_restore(&streams, SLICE("presence_routes"), -3));
    cr_expect_not(own_streams_restore(&streams, SLICE("events"), 4));
    own_streams_raise(&streams, OWN_STREAM_VERDICTS, transaction);
    own_streams_raise(&streams, OWN_STREAM_VERDICTS, transaction);
    own_streams_seal(&streams, transaction);
    own_streams_announce(&streams, transaction);
    expect_commands("MULTI\n"
                    "PUBLISH|hs/weir|POSITION verdicts weir1 41 43\n"
                    "HSET|hs/weir/positions|weir1 verdicts weir1|43\n"
                    "HSET|hs/weir/positions|weir1 presence_routes weir1|0\n"
                    "HSET|hs/weir/positions|weir1 format weir|1\n"
                    "PUBLISH|hs/weir|POSITION verdicts weir1 43 43\n"
                    "PUBLISH|hs/weir|POSITION presence_routes weir1 0 0\n");
}

Test(own_stream, a_transaction_that_raises_nothing_stores_no_tokens)
{
    transaction_publish(transaction, SLICE("hs/weir/replies/a"), SLICE("VERDICT q null"));
    transaction_settle_entries(transaction, SLICE("hs/weir/requests"), SLICE("weir"), &SLICE("5-0"), 1);
    own_streams_seal(&streams, transaction);
    transaction_end(transaction, streams.tokens);
    expect_commands("MULTI\nPUBLISH|hs/weir/replies/a|VERDICT q null\nXACK|hs/weir/requests|weir|5-0\n"
                    "XDEL|hs/weir/requests|5-0\nEXEC\n");
    cr_expect_eq(transaction_replies(transaction), 5);
}

Test(own_stream, stored_tokens_tell_what_was_carried_out)
{
    static const struct {
        uint64_t tokens[2];
        bool raises;
        uint64_t stored[2];
        bool carried_out;
    } cases[] = {
        {{5, 2}, true, {5, 2}, true},  {{5, 2}, true, {6, 2}, true},   {{5, 2}, true, {5, 3}, true},
        {{5, 2}, true, {4, 2}, false}, {{5, 2}, true, {5, 1}, false},  {{5, 2}, true, {0, 0}, false},
        {{5, 2}, true, {9, 1}, false}, {{5, 2}, false, {5, 2}, false}, {{5, 2}, false, {5, 3}, true},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        transaction_begin(transaction, &no_fence);
        transaction_end(transaction, cases[index].tokens);
        transaction->raises_tokens = cases[index].raises;
        cr_expect_eq(transaction_was_carried_out(transaction, cases[index].stored), cases[index].carried_out,
                     "case %zu", index);
    }
}
