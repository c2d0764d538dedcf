/* Patterns from outside must neither crash the compiler nor be judged otherwise than PCRE2 judges them.
 *
 * Input: a byte that chooses syntax and case, a byte for the pattern's length, the pattern, the text. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "filters/pattern_confirm.h"
#include "filters/pattern_set.h"

enum { LONGEST = 64 };

/* Repeats with large counts are legal, but vectorscan spends seconds on them; that is no finding. */
static bool expensive(struct slice pattern)
{
    unsigned number = 0;
    for (size_t index = 0; index < pattern.length; index++) {
        char byte = pattern.data[index];
        number = byte >= '0' && byte <= '9' ? number * 10 + (unsigned)(byte - '0') : 0;
        if (number > 20)
            return true;
    }
    return false;
}

/* Unicode that vectorscan's tables do not know yet (filters/pattern_set.c); not compared. */
static bool young_characters(struct slice text)
{
    const unsigned char *cursor = (const unsigned char *)text.data;
    const unsigned char *end = cursor + text.length;
    while (cursor < end)
        if (utf8_decode(&cursor, end) >= 0x250)
            return true;
    return false;
}

static void compare(const struct pattern *pattern, struct slice text, uint32_t found)
{
    struct buffer error = {0};
    struct confirm_pattern *reference = confirm_pattern_create(pattern->text, true, pattern->case_sensitive, &error);
    struct confirm_context *context = confirm_context_create();
    enum confirm_status status = reference ? confirm_pattern_match(context, reference, text) : CONFIRM_LIMIT;
    if (status != CONFIRM_LIMIT && (status == CONFIRM_MATCH) != (found == 0)) {
        fprintf(stderr, "/%.*s/ case_sensitive=%d: vectorscan %d\n", (int)pattern->text.length, pattern->text.data,
                pattern->case_sensitive, found == 0);
        abort();
    }
    confirm_context_destroy(context);
    confirm_pattern_destroy(reference);
    buffer_free(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t length = data[1] % (LONGEST + 1);
    if (length > size - 2)
        length = size - 2;
    struct pattern pattern = {slice_of((const char *)data + 2, length), (enum pattern_syntax)(data[0] % 3),
                              data[0] & 4};
    struct slice text = slice_of((const char *)data + 2 + length, size - 2 - length);
    if (!utf8_valid(text) || expensive(pattern.text))
        return 0;
    struct pattern_set *set = pattern_set_compile(&pattern, 1, NULL, NULL);
    if (!set)
        return 0;
    uint32_t found = pattern_set_scan(set, text);
    if (pattern.syntax == PATTERN_REGEX && pattern_set_limit_hits(set) == 0 && !young_characters(text) &&
        !young_characters(pattern.text))
        compare(&pattern, text, found);
    pattern_set_destroy(set);
    return 0;
}
