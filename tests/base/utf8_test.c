/* UTF-8: what is and what is not. */
#include <criterion/criterion.h>

#include "base/utf8.h"

Test(utf8, valid)
{
    cr_expect(utf8_valid(SLICE("")));
    cr_expect(utf8_valid(SLICE("0123456789abcdef, more than a word")));
    cr_expect(utf8_valid(SLICE("12345678\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    cr_expect(utf8_valid(SLICE("a\0b")));
}

Test(utf8, invalid)
{
    const struct slice bad[] = {
        SLICE("\x80"),         SLICE("\xc0\x80"),         SLICE("\xc1\xbf"),     SLICE("\xe0\x9f\xbf"),
        SLICE("\xed\xa0\x80"), SLICE("\xf0\x8f\xbf\xbf"), SLICE("\xf5\x80\x80"), SLICE("\xf4\x90\x80\x80"),
        SLICE("\xe2\x82"),     SLICE("12345678\xff"),     SLICE("\xc3"),         SLICE("\xc3(")};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        cr_expect_not(utf8_valid(bad[index]), "case %zu", index);
}

Test(utf8, decode_goes_on_after_a_bad_byte)
{
    const unsigned char text[] = "\xff\xe2\x82\xac\xe2\x82";
    const unsigned char *cursor = text;
    const unsigned char *end = text + sizeof text - 1;
    const uint32_t wanted[] = {UTF8_REPLACEMENT, 0x20ac, UTF8_REPLACEMENT, UTF8_REPLACEMENT};
    for (size_t index = 0; index < sizeof wanted / sizeof *wanted; index++)
        cr_expect_eq(utf8_decode(&cursor, end), wanted[index]);
    cr_expect_eq(cursor, end);
}

Test(utf8, encode_is_the_reverse_of_decode)
{
    for (uint32_t point = 0; point < 0x110000; point++) {
        if (point >= 0xd800 && point < 0xe000)
            continue;
        char bytes[4];
        size_t length = utf8_encode(point, bytes);
        const unsigned char *cursor = (const unsigned char *)bytes;
        cr_assert_eq(utf8_decode(&cursor, cursor + length), point);
        cr_assert_eq(cursor, (const unsigned char *)bytes + length);
    }
}
