/* Every row of the folding table against PCRE2's caseless comparison. */
#include "filters/case_folding.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

static const uint32_t ranges[][4] = {
#define CASE_RANGE(first, last, stride, distance) {first, last, stride, distance},
#include "filters/case_folding.def"
#undef CASE_RANGE
};

/* PCRE2 writes the character of `\x{...}` itself when it substitutes. */
static bool caseless_equal(uint32_t left, uint32_t right)
{
    char expression[64];
    snprintf(expression, sizeof expression, "(?i)^[^\\x{%x}]", left);
    char replacement[32];
    snprintf(replacement, sizeof replacement, "\\x{%x}", right);
    int code;
    PCRE2_SIZE offset;
    pcre2_code *writer = pcre2_compile((PCRE2_SPTR) "^", 1, PCRE2_UTF, &code, &offset, NULL);
    PCRE2_UCHAR text[16];
    PCRE2_SIZE length = sizeof text;
    cr_assert_eq(pcre2_substitute(writer, (PCRE2_SPTR) "", 0, 0, PCRE2_SUBSTITUTE_EXTENDED, NULL, NULL,
                                  (PCRE2_SPTR)replacement, PCRE2_ZERO_TERMINATED, text, &length),
                 1);
    pcre2_code_free(writer);
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &offset, NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int status = pcre2_match(compiled, text, length, 0, 0, data, NULL);
    pcre2_match_data_free(data);
    pcre2_code_free(compiled);
    return status < 0;
}

Test(case_folding, each_mapping_is_a_pair_to_pcre2)
{
    for (size_t row = 0; row < sizeof ranges / sizeof *ranges; row++) {
        for (uint32_t point = ranges[row][0]; point <= ranges[row][1]; point += ranges[row][2]) {
            uint32_t folded = case_fold_point(point);
            cr_expect_eq(folded, point - ranges[row][3]);
            cr_expect(caseless_equal(point, folded), "U+%04X U+%04X", point, folded);
            if (folded >= 0x80)
                cr_expect_eq(case_fold_point(folded), folded, "U+%04X", point);
        }
    }
}

Test(case_folding, leaves_the_rest)
{
    static const uint32_t points[] = {'a',   'Z',   0xc0,   0xd7,   0xf7,    0x130,
                                      0x131, 0x410, 0x4e00, 0xac00, 0x1f600, 0x10ffff};
    for (size_t index = 0; index < sizeof points / sizeof *points; index++)
        cr_expect_eq(case_fold_point(points[index]), points[index], "U+%04X", points[index]);
}

Test(case_folding, text)
{
    char output[64];
    struct slice text = SLICE("Ab приВЕТ \u212A 😀");
    struct slice folded = slice_of(output, case_fold_text(text, output));
    cr_expect(slice_equal(folded, SLICE("Ab ПРИВЕТ K 😀")), "%.*s", (int)folded.length, folded.data);
    cr_expect(case_fold_is_ascii(SLICE("0123456789abcdef\x7f")));
    cr_expect_not(case_fold_is_ascii(SLICE("0123456789abcdef\xc3\xa9")));
    cr_expect(case_fold_is_ascii(SLICE("")));
}
