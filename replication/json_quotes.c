/* Sixty-four bytes become masks of quotes, backslashes and control characters; that every quote is escaped and nothing
 * else is then one comparison of two masks. The last block lies across the one before it, so that nothing is read
 * outside the line. */
#include "replication/json_quotes.h"

#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK 64

struct masks {
    uint64_t quotes;
    uint64_t backslashes;
    uint64_t controls;
};

#if defined(__SSE2__)
static inline struct masks masks_of(const char *block)
{
    struct masks masks = {0};
    for (int index = 0; index < 4; index++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * index));
        __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        masks.quotes |= (uint64_t)(uint32_t)_mm_movemask_epi8(quotes) << (16 * index);
        masks.backslashes |= (uint64_t)(uint32_t)_mm_movemask_epi8(backslashes) << (16 * index);
        masks.controls |= (uint64_t)(uint32_t)_mm_movemask_epi8(controls) << (16 * index);
    }
    return masks;
}
#else
static inline struct masks masks_of(const char *block)
{
    struct masks masks = {0};
    for (int index = 0; index < BLOCK; index++) {
        uint64_t bit = (uint64_t)1 << index;
        masks.quotes |= block[index] == '"' ? bit : 0;
        masks.backslashes |= block[index] == '\\' ? bit : 0;
        masks.controls |= (unsigned char)block[index] < 0x20 ? bit : 0;
    }
    return masks;
}
#endif

bool json_quotes_escaped(struct slice line, struct slice text, bool *escaped)
{
    const char *cursor = text.data;
    const char *end = cursor + text.length;
    uint64_t before = 0; /* whether the byte before the block is a backslash */
    uint64_t wrong = 0, seen = 0;
    if (end - line.data < BLOCK)
        return false;
    for (; end - cursor >= BLOCK; cursor += BLOCK) {
        struct masks masks = masks_of(cursor);
        wrong |= masks.controls | (masks.quotes ^ (masks.backslashes << 1 | before));
        seen |= masks.backslashes;
        before = masks.backslashes >> (BLOCK - 1);
    }
    if (cursor < end) {
        struct masks masks = masks_of(end - BLOCK);
        unsigned past = (unsigned)(BLOCK - (end - cursor));
        masks.quotes >>= past;
        masks.backslashes >>= past;
        masks.controls >>= past;
        uint64_t behind = masks.backslashes << 1 | before;
        /* A backslash at the very end has its bit in `before` alone. */
        before = masks.backslashes >> (end - cursor - 1) & 1;
        behind &= ~(uint64_t)0 >> past;
        wrong |= masks.controls | (masks.quotes ^ behind);
        seen |= masks.backslashes;
    }
    *escaped = seen != 0;
    return (wrong | before) == 0;
}
