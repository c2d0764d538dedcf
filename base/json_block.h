/* The bytes of a JSON string, a block at a time: what json_scan.c and the reading of recordings share. */
#ifndef WEIR_BASE_JSON_BLOCK_H
#define WEIR_BASE_JSON_BLOCK_H

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Both look at JSON_BLOCK bytes and give a bit for each byte found, the first byte's the lowest:
 * json_block_special  what ends a run of text: quote, backslash, control character
 * json_block_stops    the same, and every byte above U+007F */
#ifdef __SSE2__
#define JSON_BLOCK 16
static inline uint32_t json_block_special(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, slashes), controls));
}

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
static inline uint32_t json_block_special(const char *at)
{
    uint32_t bits = 0;
    for (unsigned index = 0; index < JSON_BLOCK; index++) {
        unsigned char byte = (unsigned char)at[index];
        bits |= (uint32_t)(byte == '"' || byte == '\\' || byte < 0x20) << index;
    }
    return bits;
}

static inline uint32_t json_block_stops(const char *at)
{
    uint32_t bits = json_block_special(at);
    for (unsigned index = 0; index < JSON_BLOCK; index++)
        bits |= (uint32_t)((unsigned char)at[index] >> 7) << index;
    return bits;
}
#endif

#endif
