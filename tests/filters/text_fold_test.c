/* Texts in one form: look-alikes, piled marks, what is not seen, mixed scripts. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "filters/text_fold.h"

static struct slice fold(enum text_folding folding, const char *text)
{
    static char *output;
    const char *problem = "none";
    cr_assert(text_fold_open(folding, &problem), "%s", problem);
    struct slice slice = slice_from_string(text);
    size_t room = text_fold_room(folding, slice);
    free(output);
    output = memory_allocate(room ? room : 1); /* of that size, so that ASan sees a byte too many */
    struct slice folded = slice_of(output, text_fold(folding, slice, output));
    cr_assert_leq(folded.length, room);
    cr_expect(utf8_valid(folded), "%s", text);
    return folded;
}

#define EXPECT_FOLD(folding, text, expected)                                                                           \
    do {                                                                                                               \
        struct slice folded_ = fold(folding, text);                                                                    \
        cr_expect(slice_equal(folded_, slice_from_string(expected)), "`%s` became `%.*s`, not `%s`", text,             \
                  (int)folded_.length, folded_.data, expected);                                                        \
    } while (0)

Test(text_fold, ascii)
{
    EXPECT_FOLD(TEXT_FOLD_NONE, "Buy NOW @[`{", "Buy NOW @[`{");
    EXPECT_FOLD(TEXT_FOLD_CASE, "Buy NOW @[`{", "buy now @[`{");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "Buy NOW @[`{", "buy now @[`{");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "", "");
    /* ASCII is never taken for other ASCII. */
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "modern rn O0 1lI| \"`", "modern rn o0 1li| \"`");
}

Test(text_fold, case_outside_ascii)
{
    struct slice small = fold(TEXT_FOLD_CASE, "straße привет ὀδός");
    char *copy = memory_copy_text(small.data, small.length);
    EXPECT_FOLD(TEXT_FOLD_CASE, "STRAẞE ПРИВЕТ ὈΔΌΣ", copy);
    free(copy);
}

Test(text_fold, look_alikes_are_the_plain_letter)
{
    static const char *const buys[] = {"BUY NOW",

                                       "buу nоw",
                                       "Вuу Nоw",
                                       "ｂｕｙ ｎｏｗ",
                                       "ＢＵＹ　ＮＯＷ",
                                       "𝐛𝐮𝐲 𝐧𝐨𝐰",
                                       "𝓫𝓾𝔂 𝓷𝓸𝔀",
                                       "𝔟𝔲𝔶 𝔫𝔬𝔴",
                                       "𝖇𝖚𝖞 𝖓𝖔𝖜",
                                       "ⓑⓤⓨ ⓝⓞⓦ",
                                       "ʙᴜʏ ɴᴏᴡ",
                                       "🅱🆄🆈 🅽🅾🆆",
                                       "🅑🅤🅨 🅝🅞🅦",
                                       "🄱🅄🅈 🄽🄾🅆",
                                       "b̸̡u̷̢y̴ n͠o͡w͢",
                                       "b\u200bu\u200cy\u00a0n\u2060o\ufeffw",
                                       "b\u00adu\u034fy\u3000now",
                                       "\u202ebuy\u202c now",
                                       "\u2066buy\u2069\u2009\u200fnow",
                                       "bu\ufe0fy now",
                                       "ḃúÿ ňøw"};
    for (size_t index = 0; index < sizeof buys / sizeof *buys; index++)
        EXPECT_FOLD(TEXT_FOLD_UNICODE, buys[index], "buy now");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "раураl", "paypal");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "МЕТАМАЅК", "metamask");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "ѕсаm", "scam");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "ﬁnance ﬂow", "finance flow");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "Ⅷ ½ №", "viii 1/2 no");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "٠١٢٣ ०१२ ０９", "0123 012 09");
    /* The small form decides where both look like something. */
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "Νν", "vv");
}

Test(text_fold, capital_and_small_letters_fold_alike)
{
    static const char *const pairs[][2] = {
        {"ПРИВЕТ, КУПИТЕ ЭТО", "привет, купите это"},
        {"ΚΑΛΗΜΕΡΑ ΝΟΜΟΣ", "καλημέρα νόμος"},
        {"STRASSE", "straße"},
        {"ÇIĞÖŞÜ", "çiğöşü"},
        {"ŁÓDŹ", "łódź"},
        {"ԲԱՐԵՎ", "բարեվ"},
    };
    for (size_t index = 0; index < sizeof pairs / sizeof *pairs; index++) {
        struct slice small = fold(TEXT_FOLD_UNICODE, pairs[index][1]);
        char *copy = memory_copy_text(small.data, small.length);
        EXPECT_FOLD(TEXT_FOLD_UNICODE, pairs[index][0], copy);
        free(copy);
    }
}

Test(text_fold, other_scripts_stay)
{
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "日本語 中文", "日本語 中文");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "😀👍🏽", "😀👍🏽");
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "ﷺ", "ﷺ"); /* eighteen characters, if it were decomposed */
    /* A syllable is its letters, however it was written. */
    struct slice letters = fold(TEXT_FOLD_UNICODE, "\u1112\u1161\u11ab");
    char *copy = memory_copy_text(letters.data, letters.length);
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "한", copy);
    free(copy);
}

Test(text_fold, every_code_point_has_room)
{
    const char *problem = "none";
    cr_assert(text_fold_open(TEXT_FOLD_UNICODE, &problem));
    size_t removed = 0;
    for (uint32_t point = 0x80; point < 0x110000; point++) {
        if (point >= 0xd800 && point < 0xe000)
            continue;
        char text[4];
        char output[32];
        struct slice slice = slice_of(text, utf8_encode(point, text));
        size_t length = text_fold(TEXT_FOLD_UNICODE, slice, output);
        cr_assert_leq(length, text_fold_room(TEXT_FOLD_UNICODE, slice), "U+%04X", point);
        cr_assert(utf8_valid(slice_of(output, length)), "U+%04X", point);
        removed += length == 0;
    }
    cr_expect_gt(removed, 5000);
    cr_expect_lt(removed, 8000);
}

Test(text_fold, broken_bytes)
{
    EXPECT_FOLD(TEXT_FOLD_UNICODE, "a\xff\xed\xa0\x80z\xe2\x82", "a\ufffd\ufffd\ufffd\ufffdz\ufffd\ufffd");
}

static void *fold_all(void *context)
{
    char text[4];
    char output[32];
    uint64_t *sum = context;
    for (uint32_t point = 0x80; point < 0x3000; point++) {
        size_t length = text_fold(TEXT_FOLD_UNICODE, slice_of(text, utf8_encode(point, text)), output);
        for (size_t index = 0; index < length; index++)
            *sum = *sum * 31 + (unsigned char)output[index];
    }
    return NULL;
}

Test(text_fold, threads_see_the_same)
{
    const char *problem = "none";
    cr_assert(text_fold_open(TEXT_FOLD_UNICODE, &problem));
    pthread_t threads[4];
    uint64_t sums[4] = {0};
    for (int index = 0; index < 4; index++)
        cr_assert_eq(pthread_create(&threads[index], NULL, fold_all, &sums[index]), 0);
    for (int index = 0; index < 4; index++) {
        pthread_join(threads[index], NULL);
        cr_expect_eq(sums[index], sums[0]);
    }
}

Test(text_fold, in_an_arena)
{
    struct arena arena = {0};
    const char *problem = "none";
    cr_assert(text_fold_open(TEXT_FOLD_UNICODE, &problem));
    cr_expect(slice_equal(text_folded(TEXT_FOLD_UNICODE, SLICE("ｘ Y"), &arena), SLICE("x y")));
    cr_expect_not(slice_present(text_folded(TEXT_FOLD_UNICODE, SLICE_ABSENT, &arena)));
    struct slice text = SLICE("A");
    cr_expect_eq(text_folded(TEXT_FOLD_NONE, text, &arena).data, text.data);
    arena_free(&arena);
}
