/* The bytes of a JSON string, a block at a time: what json_scan.c and the reading of recordings share. */
#ifndef WEIR_BASE_JSON_BLOCK_H
#define WEIR_BASE_JSON_BLOCK_H

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Of JSON_BLOCK bytes: a bit for each that ends a plain run (quote, backslash, control character), and one for each
 * above U+007F; the first byte is the lowest bit. */
struct json_block {
    uint32_t special;
    uint32_t high;
};

#ifdef __SSE2__
#define JSON_BLOCK 16
static inline struct json_block json_block_at(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return (struct json_block){.special =
                                   (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, slashes), controls)),
                               .high = (uint32_t)_mm_movemask_epi8(bytes)};
}

/* Both sorts of bits in one. */
static inline uint32_t json_block_stops(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    /* Compared with a sign, control characters and everything above U+007F are below a space. */
    __m128i outside = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, slashes), outside));
}
#else
#define JSON_BLOCK 8
static inline struct json_block json_block_at(const char *at)
{
    struct json_block bits = {0, 0};
    for (unsigned index = 0; index < JSON_BLOCK; index++) {
        unsigned char byte = (unsigned char)at[index];
        bits.special |= (uint32_t)(byte == '"' || byte == '\\' || byte < 0x20) << index;
        bits.high |= (uint32_t)(byte >> 7) << index;
    }
    return bits;
}

static inline uint32_t json_block_stops(const char *at)
{
    struct json_block bits = json_block_at(at);
    return bits.special | bits.high;
}
#endif

#endif
