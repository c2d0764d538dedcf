/* Bodies are indexed by the gigabyte, most of them never to be read. Sixty-four bytes become masks of quotes,
 * backslashes and brackets; the brackets outside strings are counted, and looked at one by one only in a block where
 * the value may end. (The method is simdjson's.) */
#include "replication/json_span.h"

#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK 64

struct block_masks {
    uint64_t quotes;
    uint64_t backslashes;
    uint64_t open;
    uint64_t close;
};

#if defined(__SSE2__)
static inline uint64_t equal_mask(const __m128i chunk[4], char byte)
{
    __m128i wanted = _mm_set1_epi8(byte);
    uint64_t mask = 0;
    for (int index = 0; index < 4; index++)
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(chunk[index], wanted)) << (16 * index);
    return mask;
}

static inline struct block_masks masks_of(const char *block)
{
    __m128i chunk[4];
    __m128i folded[4]; /* `[` onto `{`, `]` onto `}` */
    for (int index = 0; index < 4; index++) {
        chunk[index] = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * index));
        folded[index] = _mm_or_si128(chunk[index], _mm_set1_epi8(0x20));
    }
    return (struct block_masks){equal_mask(chunk, '"'), equal_mask(chunk, '\\'), equal_mask(folded, '{'),
                                equal_mask(folded, '}')};
}
#else
static inline struct block_masks masks_of(const char *block)
{
    struct block_masks masks = {0};
    for (int index = 0; index < BLOCK; index++) {
        uint64_t bit = (uint64_t)1 << index;
        char folded = (char)(block[index] | 0x20);
        masks.quotes |= block[index] == '"' ? bit : 0;
        masks.backslashes |= block[index] == '\\' ? bit : 0;
        masks.open |= folded == '{' ? bit : 0;
        masks.close |= folded == '}' ? bit : 0;
    }
    return masks;
}
#endif

/* The bytes that a backslash before them escapes; `*carry` says whether the first is, and then whether the next
 * block's first is. */
static inline uint64_t escaped_bytes(uint64_t backslashes, uint64_t *carry)
{
    uint64_t escaped = *carry;
    *carry = 0;
    backslashes &= ~escaped;
    while (backslashes) {
        uint64_t first = backslashes & (0 - backslashes);
        uint64_t next = first << 1;
        if (!next)
            *carry = 1;
        escaped |= next;
        backslashes &= ~(first | next);
    }
    return escaped;
}

/* Each bit becomes the parity of the bits up to it: set from an opening quote to before the closing one. */
static inline uint64_t prefix_parity(uint64_t bits)
{
    for (int shift = 1; shift < BLOCK; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* The compiler's own is a call into its library, where the machine it builds for may lack the instruction. */
static inline uint64_t count_bits(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    return ((bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56;
}

struct scan {
    uint64_t escape_carry;
    uint64_t in_string; /* all ones within a string */
    uint64_t depth;
};

/* The number of bytes up to the value's end, or 0 if it goes on behind the block. */
static inline size_t scan_block(struct scan *scan, const char *block)
{
    struct block_masks masks = masks_of(block);
    uint64_t escaped = 0;
    if (masks.backslashes | scan->escape_carry)
        escaped = escaped_bytes(masks.backslashes, &scan->escape_carry);
    uint64_t strings = prefix_parity(masks.quotes & ~escaped) ^ scan->in_string;
    scan->in_string = 0 - (strings >> 63);
    uint64_t open = masks.open & ~strings;
    uint64_t close = masks.close & ~strings;
    uint64_t closing = count_bits(close);
    if (scan->depth > closing) {
        scan->depth += count_bits(open) - closing;
        return 0;
    }
    for (uint64_t rest = open | close; rest; rest &= rest - 1) {
        uint64_t bit = rest & (0 - rest);
        if (bit & open)
            scan->depth++;
        else if (--scan->depth == 0)
            return (size_t)__builtin_ctzll(bit) + 1;
    }
    return 0;
}

size_t json_span_length(struct slice text)
{
    struct scan scan = {0};
    if (text.length == 0 || (text.data[0] != '{' && text.data[0] != '['))
        return 0;
    size_t offset = 0;
    for (; text.length - offset >= BLOCK; offset += BLOCK) {
        size_t found = scan_block(&scan, text.data + offset);
        if (found)
            return offset + found;
    }
    char last[BLOCK];
    memset(last, ' ', sizeof last);
    memcpy(last, text.data + offset, text.length - offset);
    size_t found = scan_block(&scan, last);
    return found ? offset + found : 0;
}
