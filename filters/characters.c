/* Ranges, looked up by halves; plain letters are told apart before. */
#include "filters/characters.h"

#include <stddef.h>

#include "filters/case_folding.h"

struct range {
    uint32_t first;
    uint32_t last;
};

static const struct range combining_marks[] = {
#define COMBINING_MARKS(first, last) {first, last},
#include "filters/combining_marks.def"
#undef COMBINING_MARKS
};

static const struct range unspaced[] = {{0xe00, 0xeff},    {0xf00, 0xfff},   {0x1000, 0x109f}, {0x1780, 0x17ff},
                                        {0x2e80, 0x312f},  {0x31a0, 0x9fff}, {0xa000, 0xa4cf}, {0xf900, 0xfaff},
                                        {0xfe30, 0xfe4f},  {0xff00, 0xff0f}, {0xff61, 0xff9f}, {0x1b000, 0x1b16f},
                                        {0x20000, 0x3ffff}};

/* Pairs of a capital and the small letter behind it lie here. */
static const struct range pairs[] = {{0x100, 0x24f}, {0x370, 0x377}, {0x3d8, 0x3ef}, {0x460, 0x52f}, {0x1e00, 0x1eff}};
/* Capitals whose small letters lie elsewhere; what has a small letter's number within them is caseless. */
static const struct range capitals[] = {{0xc0, 0xd6},   {0xd8, 0xde},   {0x386, 0x386}, {0x388, 0x38f},
                                        {0x391, 0x3ab}, {0x400, 0x42f}, {0x531, 0x556}, {0xff21, 0xff3a}};

static bool in_ranges(uint32_t point, const struct range *ranges, size_t count)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = (low + count) / 2;
        if (ranges[middle].last < point)
            low = middle + 1;
        else if (ranges[middle].first > point)
            count = middle;
        else
            return true;
    }
    return false;
}
#define IN_RANGES(point, ranges) in_ranges(point, ranges, sizeof(ranges) / sizeof *(ranges))

bool character_is_blank(uint32_t point)
{
    if (point < 0x80)
        return point == ' ' || (point >= '\t' && point <= '\r');
    return point == 0x85 || point == 0xa0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200a) ||
           point == 0x2028 || point == 0x2029 || point == 0x202f || point == 0x205f || point == 0x3000;
}

bool character_is_combining(uint32_t point)
{
    return point >= 0x300 && IN_RANGES(point, combining_marks);
}

bool character_is_joiner(uint32_t point)
{
    return (point >= 0x200b && point <= 0x200f) || (point >= 0x2060 && point <= 0x2064) || point == 0xfeff;
}

bool character_turns_direction(uint32_t point)
{
    return point == 0x202b || point == 0x202d || point == 0x202e || point == 0x2067;
}

bool character_is_unspaced(uint32_t point)
{
    return point >= 0xe00 && IN_RANGES(point, unspaced);
}

enum character_case character_case_of(uint32_t point)
{
    if (point < 0x80)
        return point >= 'a' && point <= 'z'   ? CHARACTER_SMALL
               : point >= 'A' && point <= 'Z' ? CHARACTER_CAPITAL
                                              : CHARACTER_CASELESS;
    if (case_fold_point(point) != point)
        return CHARACTER_SMALL;
    if (IN_RANGES(point, capitals))
        return CHARACTER_CAPITAL;
    return IN_RANGES(point, pairs) && case_fold_point(point + 1) == point ? CHARACTER_CAPITAL : CHARACTER_CASELESS;
}
