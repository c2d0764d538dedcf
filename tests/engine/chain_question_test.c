#include "engine/chain_question.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Whether an event is read as it stands or by way of a tree, it has the same membership. */
Test(chain_question, the_membership_of_an_event)
{
    static const struct {
        const char *event;
        const char *membership; /* NULL: absent */
    } cases[] = {
        {"{\"type\":\"m.room.member\",\"content\":{\"membership\":\"join\"}}", "join"},
        {"{\"content\":{\"a\":{\"membership\":1},\"membership\":\"in\\u0076ite\"},\"type\":\"m.room.member\"}",
         "invite"},
        {"{\"cont\\u0065nt\":{\"membe\\u0072ship\":\"ban\"},\"type\":\"m.room.member\"}", "ban"},
        {"{\"type\":\"m.room.member\",\"content\":{\"membership\":\"join\",\"membership\":\"leave\"}}", "leave"},
        {"{\"type\":\"m.room.member\",\"content\":{\"membership\":\"\"}}", ""},
        {"{\"type\":\"m.room.member\",\"content\":{\"membership\":5}}", NULL},
        {"{\"type\":\"m.room.member\",\"content\":{}}", NULL},
        {"{\"type\":\"m.room.member\",\"content\":{\"a\":\"b\"},\"membership\":\"join\"}", NULL},
        {"{\"type\":\"m.room.message\",\"content\":{\"membership\":\"join\"}}", NULL},
    };
    static const char *const before[] = {"", "\"other\":1,"};
    struct chain_settings settings = {.server_name = "lab.test"};
    struct chain *chain = chain_create(&settings);
    cr_assert(chain_seal(chain, NULL, NULL));
    struct chain_question question = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases * 2; index++) {
        char args[256];
        struct slice expected = slice_from_string(cases[index / 2].membership);
        int length = snprintf(args, sizeof args, "{%s\"event\":%s}", before[index % 2], cases[index / 2].event);
        cr_expect_null(
            chain_question_read(&question, chain, CALLBACK_check_event_for_spam, slice_of(args, (size_t)length)));
        cr_expect(slice_equal(question.event.membership, expected), "%s: %.*s", args,
                  (int)question.event.membership.length, question.event.membership.data);
        chain_question_reset(&question);
    }
    chain_question_free(&question);
    chain_destroy(chain);
}
