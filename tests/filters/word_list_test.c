/* Words and phrases found in a text. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "filters/word_list.h"

static struct arena arena;

static struct word_list *list_of(enum text_folding folding, bool whole, const char *const *words)
{
    const char *problem = "none";
    cr_assert(text_fold_open(folding, &problem), "%s", problem);
    struct word_list *list = word_list_create(folding, whole);
    for (uint32_t number = 0; words[number]; number++)
        cr_assert_null(word_list_add(list, slice_from_string(words[number]), number), "%s", words[number]);
    return list;
}

/* The numbers of the words found, "0 2 ". */
static const char *found(const struct word_list *list, const char *text)
{
    static char output[256];
    struct slice folded = word_list_fold(list, slice_from_string(text), &arena);
    size_t position = 0;
    uint32_t number;
    output[0] = '\0';
    while (word_list_next(list, folded, &position, &number)) {
        size_t used = strlen(output);
        snprintf(output + used, sizeof output - used, "%u ", number);
    }
    return output;
}

#define EXPECT_FOUND(list, text, expected) cr_expect_str_eq(found(list, text), expected, "%s", text)

Test(word_list, whole_words)
{
    static const char *const words[] = {"spam", "buy now", "a", "c++", "спам", "垃圾", "buy", "spams", "ß", NULL};
    struct word_list *list = list_of(TEXT_FOLD_UNICODE, true, words);
    EXPECT_FOUND(list, "Spam, SPAM and spamming, antispam.", "0 0 ");
    EXPECT_FOUND(list, "Buy\n  Now! buy later", "1 6 ");
    EXPECT_FOUND(list, "spams 'spam' _spam_ «spam» spam2", "7 0 0 0 ");
    EXPECT_FOUND(list, "a (A) ab ba a", "2 2 2 ");
    EXPECT_FOUND(list, "I write C++, not c+", "3 ");
    EXPECT_FOUND(list, "Спам! спамер", "4 ");
    EXPECT_FOUND(list, "这是垃圾邮件", "5 ");
    EXPECT_FOUND(list, "ѕраm \u200bs\u0336p\u0336a\u0336m ｓｐａｍ", "0 0 0 ");
    EXPECT_FOUND(list, "ss SS ẞ", "8 8 8 ");
    EXPECT_FOUND(list, "", "");
    EXPECT_FOUND(list, "👍spam👍", "0 ");
    word_list_destroy(list);
    arena_reset(&arena);
}

Test(word_list, anywhere)
{
    static const char *const words[] = {"spam", "pamphlet", "x", "é", NULL};
    struct word_list *list = list_of(TEXT_FOLD_CASE, false, words);
    EXPECT_FOUND(list, "antiSPAMming spamspam", "0 0 0 ");
    EXPECT_FOUND(list, "spamphlet pamphlet", "0 1 ");
    EXPECT_FOUND(list, "xXx", "2 2 2 ");
    EXPECT_FOUND(list, "caFÉ", "3 ");
    EXPECT_FOUND(list, "spa m", "");
    word_list_destroy(list);
    arena_reset(&arena);
}

Test(word_list, folding_may_be_left_out)
{
    static const char *const words[] = {"Spam", NULL};
    struct word_list *list = list_of(TEXT_FOLD_NONE, true, words);
    EXPECT_FOUND(list, "spam Spam SPAM", "0 ");
    word_list_destroy(list);
    arena_reset(&arena);
}

Test(word_list, what_is_no_word)
{
    const char *problem = "none";
    cr_assert(text_fold_open(TEXT_FOLD_UNICODE, &problem));
    struct word_list *list = word_list_create(TEXT_FOLD_UNICODE, true);
    cr_expect_not_null(word_list_add(list, SLICE(""), 0));
    cr_expect_not_null(word_list_add(list, SLICE(" \u200b "), 0));
    static char longer[WORD_LENGTH_MAXIMUM + 1];
    memset(longer, 'a', sizeof longer);
    cr_expect_not_null(word_list_add(list, slice_of(longer, sizeof longer), 0));
    cr_expect_null(word_list_add(list, slice_of(longer, sizeof longer - 1), 0));
    cr_expect_null(word_list_add(list, SLICE("Spam"), 1));
    cr_expect_null(word_list_add(list, SLICE("ｓｐａｍ"), 2));
    cr_expect_eq(word_list_count(list), 2u);
    EXPECT_FOUND(list, "spam", "1 ");
    word_list_destroy(list);
    arena_free(&arena);
}

/* A thousand words of all lengths, each found where it is put. */
Test(word_list, many_words)
{
    struct word_list *list = word_list_create(TEXT_FOLD_CASE, false);
    char word[16];
    for (uint32_t number = 0; number < 1000; number++) {
        snprintf(word, sizeof word, "w%u%.*s", number, (int)(number % 7), "zzzzzzz");
        cr_assert_null(word_list_add(list, slice_from_string(word), number));
    }
    for (uint32_t number = 0; number < 1000; number++) {
        char text[64];
        char expected[16];
        snprintf(text, sizeof text, "-w%u%.*s-", number, (int)(number % 7), "zzzzzzz");
        snprintf(expected, sizeof expected, "%u ", number);
        EXPECT_FOUND(list, text, expected);
    }
    word_list_destroy(list);
    arena_free(&arena);
}
