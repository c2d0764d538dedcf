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

/* Punctuation and symbols outside ASCII, blanks among them. */
static const struct range no_words[] = {
    {0x80, 0xa9},     {0xab, 0xb1},      {0xb4, 0xb4},     {0xb6, 0xb8},     {0xbb, 0xbf},     {0xd7, 0xd7},
    {0xf7, 0xf7},     {0x37e, 0x37e},    {0x387, 0x387},   {0x55a, 0x55f},   {0x589, 0x58f},   {0x5be, 0x5be},
    {0x5c0, 0x5c0},   {0x5f3, 0x5f4},    {0x600, 0x60f},   {0x61b, 0x61f},   {0x66a, 0x66d},   {0x6d4, 0x6d4},
    {0x964, 0x965},   {0x10fb, 0x10fb},  {0x1680, 0x1680}, {0x2000, 0x206f}, {0x20a0, 0x20cf}, {0x2190, 0x2bff},
    {0x2e00, 0x2e7f}, {0x3000, 0x3004},  {0x3008, 0x3020}, {0x3030, 0x3030}, {0xe000, 0xf8ff}, {0xfe10, 0xfe1f},
    {0xfe30, 0xfe6f}, {0xfeff, 0xfeff},  {0xff01, 0xff0f}, {0xff1a, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65},
    {0xffe0, 0xffff}, {0x1f000, 0x1faff}};

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

bool character_is_word(uint32_t point)
{
    if (point < 0x80)
        return (point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z') || (point >= '0' && point <= '9');
    return !IN_RANGES(point, no_words);
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
