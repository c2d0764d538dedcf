#include "base/text_find.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

static const char *find(const char *text, const char *word)
{
    return text_find(slice_from_string(text), slice_from_string(word));
}

Test(text_find, finds_the_first)
{
    const char *text = "a text that says mxc: and then mxc: once more, long enough for several steps";
    cr_expect_eq(find(text, "mxc:"), text + 17);
    cr_expect_eq(find(text, "a"), text);
    cr_expect_eq(find(text, "steps"), text + strlen(text) - 5);
    cr_expect_null(find(text, "mxd:"));
    cr_expect_null(find("mx", "mxc:"));
    cr_expect_null(find("", "x"));
}

/* Against the C library, at every place and length, in memory of exactly that size. */
Test(text_find, finds_what_memmem_finds)
{
    static const char letters[] = "ab";
    uint32_t random = 1;
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = round % 80, word_length = 1 + round / 80 % 7;
        char *text = malloc(length + 1), *word = malloc(word_length);
        for (size_t index = 0; index < length; index++)
            text[index] = letters[(random = random * 1103515245 + 12345) >> 16 & 1];
        for (size_t index = 0; index < word_length; index++)
            word[index] = letters[(random = random * 1103515245 + 12345) >> 16 & 1];
        char *exact = malloc(length ? length : 1);
        memcpy(exact, text, length);
        cr_assert_eq(text_find(slice_of(exact, length), slice_of(word, word_length)),
                     length ? memmem(exact, length, word, word_length) : NULL, "round %u", round);
        free(exact);
        free(text);
        free(word);
    }
}
