/* The kernel for processors with AVX-512 and VBMI: a table of 128 answers is two registers, and one instruction looks
 * up sixty-four places in it. */
#ifdef __x86_64__
#include <immintrin.h>

#include "filters/factor_filter_kernel.h"

/* Twice the same, as a macro is nothing to a pragma. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,bmi,bmi2"))),                 \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vbmi,bmi,bmi2")
#endif

#define BLOCK 64

struct window {
    __m512i bytes[FACTOR_RAREST]; /* of the text from each of the places on, NULs behind its end */
    __mmask64 wide[FACTOR_RAREST];
};

static inline __attribute__((always_inline)) __mmask64 read_window(struct slice text, size_t base,
                                                                   struct window *window)
{
    __mmask64 wide = 0;
    for (size_t place = 0; place < FACTOR_RAREST; place++) {
        size_t begin = base + place;
        size_t left = begin < text.length ? text.length - begin : 0;
        __mmask64 present = left >= BLOCK ? ~0ull : (1ull << left) - 1;
        window->bytes[place] = _mm512_maskz_loadu_epi8(present, text.data + begin);
        window->wide[place] = _mm512_movepi8_mask(window->bytes[place]);
        wide |= window->wide[place];
    }
    return wide;
}

/* The buckets of a group that are left at each place. */
static inline __attribute__((always_inline)) __m512i left_of_group(const struct factor_filter *filter, int group,
                                                                   const struct window *window, bool wide)
{
    __m512i left = _mm512_set1_epi8((char)0xff);
    for (int place = 0; place < FACTOR_RAREST; place++) {
        const unsigned char *table = filter->groups[group][place];
        __m512i found =
            _mm512_permutex2var_epi8(_mm512_load_si512(table), window->bytes[place], _mm512_load_si512(table + BLOCK));
        if (wide)
            found =
                _mm512_mask_mov_epi8(found, window->wide[place], _mm512_set1_epi8((char)filter->wide[group][place]));
        left = _mm512_and_si512(left, found);
    }
    return left;
}

static __attribute__((noinline)) bool confirm_block(const struct factor_filter *filter, struct slice text, size_t base,
                                                    uint64_t places, const __m512i left[FACTOR_GROUPS])
{
    unsigned char groups[FACTOR_GROUPS][BLOCK];
    for (int group = 0; group < FACTOR_GROUPS; group++)
        _mm512_storeu_si512(groups[group], left[group]);
    for (; places; places &= places - 1) {
        uint32_t place = (uint32_t)__builtin_ctzll(places);
        uint32_t buckets = 0;
        for (int group = 0; group < FACTOR_GROUPS; group++)
            buckets |= (uint32_t)groups[group][place] << 8 * group;
        if (factor_filter_confirms(filter, buckets, text, base + place))
            return true;
    }
    return false;
}

static inline __attribute__((always_inline)) bool scan_block(const struct factor_filter *filter, struct slice text,
                                                             size_t base, const struct window *window, bool wide)
{
    __m512i left[FACTOR_GROUPS];
    __m512i any = _mm512_setzero_si512();
    for (int group = 0; group < FACTOR_GROUPS; group++) {
        left[group] = left_of_group(filter, group, window, wide);
        any = _mm512_or_si512(any, left[group]);
    }
    uint64_t places = _mm512_test_epi8_mask(any, any);
    if (text.length - base < BLOCK)
        places &= (1ull << (text.length - base)) - 1;
    return places && confirm_block(filter, text, base, places, left);
}

bool factor_filter_scan_avx512(const struct factor_filter *filter, struct slice text)
{
    __mmask64 any_wide = 0;
    for (size_t base = 0; base < text.length; base += BLOCK) {
        struct window window;
        __mmask64 wide = read_window(text, base, &window);
        any_wide |= wide;
        if (wide ? scan_block(filter, text, base, &window, true) : scan_block(filter, text, base, &window, false))
            return true;
    }
    return any_wide && pattern_factor_blind(text);
}

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
