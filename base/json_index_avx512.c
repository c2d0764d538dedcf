/* The kernel for processors with AVX-512 (VBMI and VBMI2: Intel since Ice Lake, AMD since Zen 4). One table look-up
 * classifies a block, and two compressions write its tokens; no step depends on what the text says. */
#ifdef __x86_64__
#include <immintrin.h>

#include "base/json_index_kernel.h"

/* Twice the same, as a macro is nothing to a pragma. */
#ifdef __clang__
#pragma clang attribute push(                                                                                          \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,pclmul,bmi,bmi2,popcnt"))),       \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,pclmul,bmi,bmi2,popcnt")
#endif

/* What a byte is: bits that one look-up gives. SPECIAL bytes need more than the plain loop does. Bytes above U+007F are
 * never looked up. */
enum {
    TOKEN = 7, /* which one, see enum json_token; 0: none of them */
    SPACE = 8,
    CONTROL = 16,
    SPECIAL = 128,
};
static const unsigned char classes_by_byte[128] __attribute__((aligned(64))) = {
    [0 ... 8] = SPECIAL | CONTROL,
    ['\t'] = SPECIAL | CONTROL | SPACE,
    ['\n'] = SPECIAL | CONTROL | SPACE,
    [11 ... 12] = SPECIAL | CONTROL,
    ['\r'] = SPECIAL | CONTROL | SPACE,
    [14 ... 31] = SPECIAL | CONTROL,
    [' '] = SPACE,
    ['\\'] = SPECIAL,
    ['{'] = JSON_TOKEN_OBJECT,
    ['}'] = JSON_TOKEN_OBJECT_END,
    ['['] = JSON_TOKEN_ARRAY,
    [']'] = JSON_TOKEN_ARRAY_END,
    [':'] = JSON_TOKEN_COLON,
    [','] = JSON_TOKEN_COMMA,
    ['"'] = JSON_TOKEN_QUOTE,
};

/* What two bytes in a row can be wrong about, by the first one's halves and the second one's upper half: an error is
 * what all three tables agree on. A sequence's third and fourth byte are looked for by TWO_MORE. */
enum {
    TOO_SHORT = 1,                              /* a lead that nothing continues */
    TOO_LONG = 2,                               /* a continuation of nothing */
    OVERLONG_3 = 4,                             /* E0 80..9F */
    TOO_LARGE = 8,                              /* F4 90 and above */
    SURROGATE = 16,                             /* ED A0..BF */
    OVERLONG_2 = 32,                            /* C0, C1 */
    OVERLONG_4 = 64,                            /* F0 80..8F; also F5 and above with 80..8F */
    TWO_MORE = 128,                             /* two continuations in a row */
    FROM_LOW = TOO_SHORT | TOO_LONG | TWO_MORE, /* what the first one's lower half says nothing about */
};
static const unsigned char first_high[16] = {TOO_LONG,
                                             TOO_LONG,
                                             TOO_LONG,
                                             TOO_LONG,
                                             TOO_LONG,
                                             TOO_LONG,
                                             TOO_LONG,
                                             TOO_LONG,
                                             TWO_MORE,
                                             TWO_MORE,
                                             TWO_MORE,
                                             TWO_MORE,
                                             TOO_SHORT | OVERLONG_2,
                                             TOO_SHORT,
                                             TOO_SHORT | OVERLONG_3 | SURROGATE,
                                             TOO_SHORT | TOO_LARGE | OVERLONG_4};
static const unsigned char first_low[16] = {FROM_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
                                            FROM_LOW | OVERLONG_2,
                                            FROM_LOW,
                                            FROM_LOW,
                                            FROM_LOW | TOO_LARGE,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4 | SURROGATE,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4,
                                            FROM_LOW | TOO_LARGE | OVERLONG_4};
static const unsigned char second_high[16] = {TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_LONG | TWO_MORE | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
                                              TOO_LONG | TWO_MORE | OVERLONG_2 | OVERLONG_3 | TOO_LARGE,
                                              TOO_LONG | TWO_MORE | OVERLONG_2 | SURROGATE | TOO_LARGE,
                                              TOO_LONG | TWO_MORE | OVERLONG_2 | SURROGATE | TOO_LARGE,
                                              TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_SHORT,
                                              TOO_SHORT};

static inline __m512i four_times(const unsigned char *table)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)table));
}

/* The block at `at` moved up by `count` bytes: what comes before each byte. */
static inline __m512i before(const char *at, bool first, __mmask64 present, int count)
{
    __mmask64 readable = present << count | (first ? 0 : (1ull << count) - 1);
    return _mm512_maskz_loadu_epi8(readable, at - count);
}

/* Whether bytes of the block at `at` are no UTF-8, or go on in the next one wrongly. */
static __attribute__((noinline)) bool utf8_faulty(const char *at, bool first, __mmask64 present)
{
    const __m512i low_half = _mm512_set1_epi8(0x0f);
    __m512i bytes = _mm512_maskz_loadu_epi8(present, at);
    __m512i one = before(at, first, present, 1);
    __m512i faults = _mm512_and_si512(
        _mm512_and_si512(
            _mm512_shuffle_epi8(four_times(first_high), _mm512_and_si512(_mm512_srli_epi16(one, 4), low_half)),
            _mm512_shuffle_epi8(four_times(first_low), _mm512_and_si512(one, low_half))),
        _mm512_shuffle_epi8(four_times(second_high), _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low_half)));
    /* A third or fourth byte is due where the lead is two or three bytes back: only there two in a row are right. */
    __mmask64 due = _mm512_cmpge_epu8_mask(before(at, first, present, 2), _mm512_set1_epi8((char)0xe0)) |
                    _mm512_cmpge_epu8_mask(before(at, first, present, 3), _mm512_set1_epi8((char)0xf0));
    __mmask64 two_more = _mm512_movepi8_mask(faults);
    __mmask64 others = _mm512_test_epi8_mask(faults, _mm512_set1_epi8(0x7f));
    return others | (due ^ two_more);
}

/* Whether the text ends within a sequence. */
static bool utf8_unfinished(struct slice text)
{
    for (size_t back = 1; back <= 3 && back <= text.length; back++) {
        unsigned char byte = (unsigned char)text.data[text.length - back];
        if (byte >= 0xc0)
            return byte >= (back == 1 ? 0xc0 : back == 2 ? 0xe0 : 0xf0);
        if (byte < 0x80)
            return false;
    }
    return false;
}

struct block {
    __m512i bytes;
    __m512i classes;
};

static inline __attribute__((always_inline)) struct block read_block(const char *at, __mmask64 present)
{
    __m512i bytes = _mm512_maskz_loadu_epi8(present, at);
    __m512i classes = _mm512_permutex2var_epi8(_mm512_load_si512(classes_by_byte), bytes,
                                               _mm512_load_si512(classes_by_byte + JSON_INDEX_BLOCK));
    return (struct block){bytes, classes};
}

struct kernel {
    uint64_t in_string; /* all ones if the block before ended within a string */
    uint64_t in_value;  /* 1 if it ended within some other value */
    uint32_t count;
};

/* Writes the tokens of the block at `base`, whose bytes in `escaped` stand for no quote; returns which bytes are an
 * opening quote or within a string. */
static inline __attribute__((always_inline)) uint64_t index_block(struct json_index *index, __m512i classes,
                                                                  uint64_t escaped, uint32_t base, __mmask64 present,
                                                                  struct kernel *kernel)
{
    const __m512i numbers =
        _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40,
                        39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
                        15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    uint64_t quotes = _mm512_cmpeq_epi8_mask(classes, _mm512_set1_epi8(JSON_TOKEN_QUOTE)) & ~escaped;
    uint64_t structure = _mm512_test_epi8_mask(classes, _mm512_set1_epi8(TOKEN));
    uint64_t others = _mm512_testn_epi8_mask(classes, _mm512_set1_epi8(TOKEN | SPACE));
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)quotes), _mm_set1_epi8((char)0xff), 0);
    uint64_t in_string = (uint64_t)_mm_cvtsi128_si64(product) ^ kernel->in_string;
    kernel->in_string = (uint64_t)((int64_t)in_string >> 63);
    /* An escaped quote lies within a string, or where nothing is valid: it is some other value then. */
    uint64_t outside = present & ~in_string;
    uint64_t values = (others | escaped) & outside;
    uint64_t value_begins = values & ~(values << 1 | kernel->in_value);
    kernel->in_value = values >> 63;
    uint64_t tokens = (structure & outside) | quotes | value_begins;
    _mm512_storeu_si512(index->kinds + kernel->count, _mm512_maskz_compress_epi8(tokens, classes));
    __m512i places = _mm512_maskz_compress_epi8(tokens, numbers);
    __m512i offset = _mm512_set1_epi16((short)base);
    _mm512_storeu_si512(index->places + kernel->count,
                        _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(places)), offset));
    uint32_t found = (uint32_t)__builtin_popcountll(tokens);
    if (__builtin_expect(found > 32, 0))
        _mm512_storeu_si512(index->places + kernel->count + 32,
                            _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(places, 1)), offset));
    kernel->count += found;
    return in_string;
}

static inline __attribute__((always_inline)) __m512i marks_of(const struct block *block)
{
    return _mm512_or_si512(block->bytes, block->classes);
}

/* A bit for each of the bytes from `begin` on that the text has, of a block's. */
static inline __mmask64 present_from(struct slice text, size_t begin)
{
    size_t left = begin < text.length ? text.length - begin : 0;
    return left < JSON_INDEX_BLOCK ? (1ull << left) - 1 : ~0ull;
}

/* The end of a text, less than two blocks: where it ends, or `base` if some byte there needs more than this. */
static inline __attribute__((always_inline)) uint32_t index_plain_end(struct json_index *index, struct slice text,
                                                                      uint32_t base, struct kernel *kernel)
{
    __mmask64 in_first = present_from(text, base);
    __mmask64 in_second = present_from(text, base + JSON_INDEX_BLOCK);
    struct block first = read_block(text.data + base, in_first);
    struct block second = read_block(text.data + base + JSON_INDEX_BLOCK, in_second);
    __mmask64 special =
        (_mm512_movepi8_mask(marks_of(&first)) & in_first) | (_mm512_movepi8_mask(marks_of(&second)) & in_second);
    if (kernel->count > JSON_INDEX_TOKENS_MAXIMUM - 2 * JSON_INDEX_BLOCK || special)
        return base;
    index_block(index, first.classes, 0, base, in_first, kernel);
    index_block(index, second.classes, 0, base + JSON_INDEX_BLOCK, in_second, kernel);
    return (uint32_t)text.length;
}

/* Pairs of blocks up to the first with a control character, a backslash or a byte above U+007F; returns where that one
 * begins. It calls nothing, so that all constants stay in registers, and asks for such bytes once a pair. */
static inline __attribute__((always_inline)) uint32_t index_plain_blocks(struct json_index *index, struct slice text,
                                                                         struct kernel *kernel)
{
    uint32_t base = 0;
    for (; base + 2 * JSON_INDEX_BLOCK <= text.length; base += 2 * JSON_INDEX_BLOCK) {
        struct block first = read_block(text.data + base, ~0ull);
        struct block second = read_block(text.data + base + JSON_INDEX_BLOCK, ~0ull);
        __mmask64 special = _mm512_movepi8_mask(_mm512_or_si512(marks_of(&first), marks_of(&second)));
        if (kernel->count > JSON_INDEX_TOKENS_MAXIMUM - 2 * JSON_INDEX_BLOCK || special)
            return base;
        index_block(index, first.classes, 0, base, ~0ull, kernel);
        index_block(index, second.classes, 0, base + JSON_INDEX_BLOCK, ~0ull, kernel);
    }
    return index_plain_end(index, text, base, kernel);
}

/* The rest, whatever is in it. */
static bool index_blocks(struct json_index *index, struct slice text, uint32_t base, struct kernel *kernel)
{
    struct json_index_escapes escapes = {0};
    bool utf8 = false; /* the block before had bytes above U+007F */
    for (; base < text.length; base += JSON_INDEX_BLOCK) {
        __mmask64 present = present_from(text, base);
        struct block block = read_block(text.data + base, present);
        __mmask64 high = _mm512_movepi8_mask(block.bytes);
        uint64_t backslashes = _mm512_cmpeq_epi8_mask(block.bytes, _mm512_set1_epi8('\\'));
        if (kernel->count > JSON_INDEX_TOKENS_MAXIMUM - JSON_INDEX_BLOCK)
            return false;
        if ((utf8 || high) && utf8_faulty(text.data + base, base == 0, present))
            return false;
        utf8 = high != 0;
        uint64_t escaped = 0;
        if (backslashes || escapes.end > base)
            escaped = json_index_escaped(text, base, backslashes, &escapes);
        __m512i classes = _mm512_maskz_mov_epi8(~high, block.classes);
        uint64_t controls = _mm512_test_epi8_mask(classes, _mm512_set1_epi8(CONTROL)) & present;
        if (index_block(index, classes, escaped, base, present, kernel) & controls)
            return false;
    }
    index->has_escapes = escapes.any;
    return !kernel->in_string && !escapes.faulty && !(utf8 && utf8_unfinished(text));
}

/* Eight lanes at a time; kinds behind the last token are zeros. */
static inline uint64_t hash_kinds(struct json_index *index)
{
    _mm512_storeu_si512(index->kinds + index->count, _mm512_setzero_si512());
    __m512i sum = _mm512_set1_epi64(index->count);
    for (uint32_t base = 0; base < index->count; base += JSON_INDEX_BLOCK) {
        sum = _mm512_mullo_epi64(sum, _mm512_set1_epi64((long long)0x9e3779b97f4a7c15u));
        sum = _mm512_xor_si512(_mm512_rol_epi64(sum, 29), _mm512_loadu_si512(index->kinds + base));
    }
    __m256i half =
        _mm256_xor_si256(_mm512_castsi512_si256(sum), _mm256_rol_epi64(_mm512_extracti64x4_epi64(sum, 1), 17));
    __m128i quarter = _mm_xor_si128(_mm256_castsi256_si128(half), _mm_rol_epi64(_mm256_extracti128_si256(half, 1), 31));
    uint64_t hash =
        (uint64_t)_mm_extract_epi64(quarter, 0) + (uint64_t)_mm_extract_epi64(quarter, 1) * 0xbf58476d1ce4e5b9u;
    return (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u >> 20;
}

bool json_index_build_avx512(struct json_index *index, struct slice text)
{
    struct kernel kernel = {0};
    uint32_t base = index_plain_blocks(index, text, &kernel);
    if (!index_blocks(index, text, base, &kernel))
        return false;
    index->count = kernel.count;
    index->hash = hash_kinds(index);
    return true;
}

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
