/* Folding keeps `0` and `o` apart, since in prose that would find words in numbers. A name is short and compared as a
 * whole, so that it can afford to take more for the same. Capital I, small l and 1 are one to the eye; folding has made
 * the first an i. */
#include "filters/name_skeleton.h"

#include "base/utf8.h"
#include "filters/characters.h"
#include "filters/text_fold.h"

static uint32_t look_of(uint32_t point)
{
    if (point == '0')
        return 'o';
    return point == '1' || point == 'i' || point == '|' ? 'l' : point;
}

/* Appends what two letters look like where they are one. */
static size_t join(char *text, size_t length)
{
    if (length < 2)
        return length;
    const char *pair = text + length - 2;
    char one = pair[0] == 'r' && pair[1] == 'n' ? 'm' : pair[0] == 'v' && pair[1] == 'v' ? 'w' : '\0';
    if (!one)
        return length;
    text[length - 2] = one;
    return length - 1;
}

struct slice name_skeleton(struct slice name, struct arena *arena)
{
    if (!name.length)
        return SLICE("");
    struct slice folded = text_folded(TEXT_FOLD_UNICODE, name, arena);
    char *output = arena_allocate(arena, folded.length + 1);
    const unsigned char *cursor = (const unsigned char *)folded.data;
    const unsigned char *end = cursor + folded.length;
    size_t length = 0;
    while (cursor < end) {
        uint32_t point = look_of(utf8_decode(&cursor, end));
        if (character_is_word(point))
            length = join(output, length + utf8_encode(point, output + length));
    }
    return slice_of(output, length);
}
