/* An event's text is mostly strings that no module reads. A parser asks of each byte or each token what comes next, and
 * the processor guesses wrong at most of them; here sixty-four bytes are classified at once, whatever they are, and
 * what is kept is a sequence of tokens that the next event of the same kind will have, too. */
#include "base/json_index.h"

#include <stdatomic.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json_index_kernel.h"
#include "base/json_scan.h"

/* The longest escape: a pair of surrogates. */
#define ESCAPE_MAXIMUM 12

uint64_t json_index_escaped(struct slice text, uint32_t base, uint64_t backslashes, struct json_index_escapes *escapes)
{
    uint64_t escaped = 0;
    if (escapes->end > base) {
        /* The escape that the block before ended in; only its second byte can be a quote or a backslash. */
        escaped = 1;
        backslashes &= ~0ull << (escapes->end - base);
    }
    escapes->any |= backslashes != 0;
    const char *end = text.data + text.length;
    while (backslashes) {
        uint32_t place = (uint32_t)__builtin_ctzll(backslashes);
        const char *at = text.data + base + place;
        char decoded[ESCAPE_MAXIMUM];
        char *output = decoded;
        const char *behind = json_read_escape(at, end, &output);
        if (!behind) {
            escapes->faulty = true;
            return escaped;
        }
        uint32_t taken = place + (uint32_t)(behind - at);
        escaped |= place < 63 ? 2ull << place : 0;
        backslashes &= taken < 64 ? ~0ull << taken : 0;
        escapes->end = base + taken;
    }
    return escaped;
}

static bool build_nothing(struct json_index *index, struct slice text)
{
    (void)index, (void)text;
    return false;
}

static json_index_kernel *choose_kernel(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("bmi2"))
        return json_index_build_avx512;
#endif
    return build_nothing;
}

static json_index_kernel *kernel(void)
{
    static _Atomic(json_index_kernel *) chosen; /* two threads that choose at once choose the same */
    json_index_kernel *known = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!known) {
        known = choose_kernel();
        atomic_store_explicit(&chosen, known, memory_order_relaxed);
    }
    return known;
}

bool json_index_available(void)
{
    return kernel() != build_nothing;
}

bool json_index_build(struct json_index *index, struct slice text)
{
    return text.length <= JSON_INDEX_TEXT_MAXIMUM && kernel()(index, text);
}

static inline bool ends_value(struct slice text, size_t place)
{
    static const bool enders[256] = {
        [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, [','] = true, [':'] = true,
        ['{'] = true, ['}'] = true,  ['['] = true,  [']'] = true,  ['"'] = true};
    return place >= text.length || enders[(unsigned char)text.data[place]];
}

static inline bool is_digit(struct slice text, size_t place)
{
    return place < text.length && (unsigned char)(text.data[place] - '0') < 10;
}

/* Behind the digits from `place` on; `place` itself if there is none. Times are the most common numbers: thirteen
 * digits that the first step passes over. */
static inline size_t skip_digits(struct slice text, size_t place)
{
#ifdef __SSE2__
    for (; place + 16 <= text.length; place += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.data + place));
        __m128i values = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
        __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
        uint32_t others = (uint32_t)_mm_movemask_epi8(digits) ^ 0xffff;
        if (others)
            return place + (size_t)__builtin_ctz(others);
    }
#endif
    while (is_digit(text, place))
        place++;
    return place;
}

static bool is_number(struct slice text, size_t place)
{
    place += text.data[place] == '-';
    size_t digits = skip_digits(text, place);
    if (digits == place || (text.data[place] == '0' && digits != place + 1))
        return false;
    place = digits;
    if (place < text.length && text.data[place] == '.') {
        digits = skip_digits(text, place + 1);
        if (digits == place + 1)
            return false;
        place = digits;
    }
    if (place < text.length && (text.data[place] | 0x20) == 'e') {
        place++;
        place += place < text.length && (text.data[place] == '+' || text.data[place] == '-');
        digits = skip_digits(text, place);
        if (digits == place)
            return false;
        place = digits;
    }
    return ends_value(text, place);
}

static bool is_word(struct slice text, size_t place, struct slice word)
{
    return text.length - place >= word.length && memcmp(text.data + place, word.data, word.length) == 0 &&
           ends_value(text, place + word.length);
}

bool json_index_value(struct slice text, uint32_t place)
{
    switch (text.data[place]) {
    case 't':
        return is_word(text, place, SLICE("true"));
    case 'f':
        return is_word(text, place, SLICE("false"));
    case 'n':
        return is_word(text, place, SLICE("null"));
    default:
        return is_number(text, place);
    }
}
