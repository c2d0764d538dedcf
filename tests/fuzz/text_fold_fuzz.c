/* Whatever the bytes: a fold has room, is UTF-8, is the fold of its parts put together, and that of plain letters is
 * what tolower makes of them. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "filters/text_fold.h"

static char *folded(enum text_folding folding, struct slice text, size_t *length)
{
    size_t room = text_fold_room(folding, text);
    char *output = memory_allocate(room ? room : 1); /* of its own size, so that a byte too many is seen */
    *length = text_fold(folding, text, output);
    if (*length > room || !utf8_valid(slice_of(output, *length)))
        abort();
    return output;
}

/* One code point after the other. */
static void compare_parts(struct slice text, struct slice whole)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;
    size_t place = 0;
    while (at < end) {
        const unsigned char *begin = at;
        (void)utf8_decode(&at, end);
        size_t length;
        char *part = folded(TEXT_FOLD_UNICODE, slice_of((const char *)begin, (size_t)(at - begin)), &length);
        if (place + length > whole.length || memcmp(whole.data + place, part, length) != 0 ||
            (*begin < 0x80 && (length != 1 || *part != tolower(*begin))))
            abort();
        place += length;
        free(part);
    }
    if (place != whole.length)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *problem;
    if (!text_fold_open(TEXT_FOLD_UNICODE, &problem))
        abort();
    char *copy = memory_allocate(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    struct slice text = slice_of(copy, size);
    size_t length;
    char *output = folded(TEXT_FOLD_UNICODE, text, &length);
    compare_parts(text, slice_of(output, length));
    free(output);
    if (utf8_valid(text))
        free(folded(TEXT_FOLD_CASE, text, &length));
    free(copy);
    return 0;
}
