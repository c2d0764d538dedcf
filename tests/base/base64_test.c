/* RFC 4648's test vectors, without padding, and what is none. */
#include "base/base64.h"

#include <criterion/criterion.h>

static const char *const vectors[][2] = {
    {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb", "//77"}};

Test(base64, writes)
{
    struct buffer text = {0};
    for (size_t index = 0; index < sizeof vectors / sizeof *vectors; index++) {
        buffer_clear(&text);
        base64_append(&text, vectors[index][0], strlen(vectors[index][0]), BASE64_STANDARD);
        cr_expect_str_eq(buffer_string(&text), vectors[index][1]);
    }
    buffer_clear(&text);
    base64_append(&text, "\xff\xfe\xfb", 3, BASE64_URL_SAFE);
    cr_expect_str_eq(buffer_string(&text), "__77");
    buffer_free(&text);
}

Test(base64, reads_what_it_writes)
{
    char bytes[16];
    for (size_t index = 0; index < sizeof vectors / sizeof *vectors; index++) {
        size_t length = strlen(vectors[index][0]);
        cr_expect(base64_read(slice_from_string(vectors[index][1]), bytes, length));
        cr_expect_arr_eq(bytes, vectors[index][0], length);
    }
    cr_expect(base64_read(SLICE("__77"), bytes, 3));
    cr_expect(base64_read(SLICE("Zg=="), bytes, 1));
    cr_expect(base64_read(SLICE("Zm8="), bytes, 2));
}

Test(base64, refuses)
{
    char bytes[16];
    cr_expect_not(base64_read(SLICE("Zg="), bytes, 1));
    cr_expect_not(base64_read(SLICE("Zg==="), bytes, 1));
    cr_expect_not(base64_read(SLICE("Zg"), bytes, 2));
    cr_expect_not(base64_read(SLICE("Zm9v"), bytes, 2));
    cr_expect_not(base64_read(SLICE("Zm8=A"), bytes, 2));
    cr_expect_not(base64_read(SLICE("Z g"), bytes, 2));
    cr_expect_not(base64_read(SLICE("Zm9v\n"), bytes, 3));
    cr_expect_not(base64_read(SLICE("="), bytes, 0));
}
