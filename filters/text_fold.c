/* ICU is too slow to be asked for each character of each event (0.2 µs, and a call), so its answers are kept by pages
 * of 256 code points, made when the first of them is met: a chat in a few languages needs ten or twenty, all of Unicode
 * would take 5 MiB. Pages are never changed and never go: all threads read them without a lock. */
#include "filters/text_fold.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "filters/case_folding.h"
#include "filters/text_fold_icu.h"

#define PAGE_POINTS 256u
#define PAGES (0x110000u / PAGE_POINTS)
/* A fold of more bytes, or more than four for each byte of the character, is not made: the character stays. */
#define FOLD_BYTES 12
#define GROWTH 4
/* Texts from here on are measured before they are folded. */
#define MEASURED_FROM 4096

/* A fold of at most three bytes is those bytes, and how many in the top byte; of more, FOLD_TEXT and the number of a
 * text. So the common case is written without a look at what it is: four bytes, of which some are written over. */
#define FOLD_LENGTH_SHIFT 24
#define FOLD_TEXT 0x80000000u
/* The code point itself, where that takes four bytes. */
#define FOLD_SAME 0x40000000u
#define OVERSHOOT 4

struct fold_text {
    unsigned char length;
    char bytes[FOLD_BYTES];
};

struct page {
    uint32_t folds[PAGE_POINTS];
    struct fold_text texts[];
};

static struct page *pages[PAGES];
static bool opened;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const char *const text_folding_names[] = {"none", "case", "unicode", NULL};

bool text_fold_open(enum text_folding folding, const char **problem)
{
    if (folding != TEXT_FOLD_UNICODE)
        return true;
    pthread_mutex_lock(&lock);
    opened = opened || text_fold_icu_open(problem);
    bool open = opened;
    pthread_mutex_unlock(&lock);
    return open;
}

/* The bytes that `point` folds to; returns how many. */
static size_t fold_bytes(uint32_t point, char bytes[4 * TEXT_FOLD_POINTS])
{
    if (point < 0x80) {
        bytes[0] = (char)(point >= 'A' && point <= 'Z' ? point + 32 : point);
        return 1;
    }
    if (point >= 0xd800 && point < 0xe000)
        return utf8_encode(UTF8_REPLACEMENT, bytes);
    uint32_t folded[TEXT_FOLD_POINTS];
    size_t count = text_fold_icu(point, folded);
    size_t length = 0;
    for (size_t index = 0; index < count; index++)
        length += utf8_encode(folded[index], bytes + length);
    char itself[4];
    size_t most = GROWTH * utf8_encode(point, itself);
    return length <= most && length <= FOLD_BYTES ? length : utf8_encode(point, bytes);
}

/* The fold of one code point; `text` is for one of more than three bytes. */
static uint32_t make_fold(uint32_t point, struct fold_text *text)
{
    char bytes[4 * TEXT_FOLD_POINTS];
    size_t length = fold_bytes(point, bytes);
    if (length == 4 && point >= 0x10000) {
        char itself[4];
        utf8_encode(point, itself);
        if (memcmp(bytes, itself, sizeof itself) == 0)
            return FOLD_SAME;
    }
    if (length > 3) {
        text->length = (unsigned char)length;
        memcpy(text->bytes, bytes, length);
        return FOLD_TEXT;
    }
    uint32_t fold = (uint32_t)length << FOLD_LENGTH_SHIFT;
    for (size_t index = 0; index < length; index++)
        fold |= (uint32_t)(unsigned char)bytes[index] << 8 * index;
    return fold;
}

static const struct page *make_page(uint32_t number)
{
    struct page *made = memory_allocate_zeroed(1, sizeof *made + PAGE_POINTS * sizeof *made->texts);
    uint32_t texts = 0;
    pthread_mutex_lock(&lock);
    struct page *page = pages[number];
    if (!page) {
        for (uint32_t index = 0; index < PAGE_POINTS; index++) {
            uint32_t fold = make_fold(number * PAGE_POINTS + index, &made->texts[texts]);
            made->folds[index] = fold == FOLD_TEXT ? FOLD_TEXT | texts++ : fold;
        }
        page = memory_allocate(sizeof *page + texts * sizeof *page->texts);
        memcpy(page, made, sizeof *page + texts * sizeof *page->texts);
        __atomic_store_n(&pages[number], page, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
    free(made);
    return page;
}

static inline const struct page *page_of(uint32_t point)
{
    const struct page *page = __atomic_load_n(&pages[point / PAGE_POINTS], __ATOMIC_ACQUIRE);
    return page ? page : make_page(point / PAGE_POINTS);
}

/* The bytes of ASCII that `text` begins with. */
static size_t ascii_length(struct slice text)
{
    size_t index = 0;
    uint64_t word;
    for (; index + sizeof word <= text.length; index += sizeof word) {
        memcpy(&word, text.data + index, sizeof word);
        if (word & 0x8080808080808080u)
            break;
    }
    while (index < text.length && (unsigned char)text.data[index] < 0x80)
        index++;
    return index;
}

static void lower_ascii(const char *text, size_t length, char *output)
{
    for (size_t index = 0; index < length; index++) {
        unsigned char byte = (unsigned char)text[index];
        output[index] = (char)(byte + ((unsigned char)(byte - 'A') < 26 ? 32 : 0));
    }
}

/* Writes the fold of `point` to `output`, and up to OVERSHOOT bytes; returns its length. */
static inline size_t write_fold(uint32_t point, char *output)
{
    const struct page *page = page_of(point);
    uint32_t fold = page->folds[point % PAGE_POINTS];
    if (fold == FOLD_SAME)
        return utf8_encode(point, output);
    if (fold & FOLD_TEXT) {
        const struct fold_text *text = &page->texts[fold & ~FOLD_TEXT];
        memcpy(output, text->bytes, text->length);
        return text->length;
    }
    const char bytes[4] = {(char)fold, (char)(fold >> 8), (char)(fold >> 16), 0};
    memcpy(output, bytes, sizeof bytes);
    return fold >> FOLD_LENGTH_SHIFT;
}

/* As utf8_decode; two bytes, which most letters outside ASCII have, without a call. */
static inline uint32_t decode(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *bytes = *at;
    if (end - bytes < 2 || bytes[0] < 0xc2 || bytes[0] >= 0xe0 || (bytes[1] & 0xc0) != 0x80)
        return utf8_decode(at, end);
    *at += 2;
    return (uint32_t)(bytes[0] & 0x1f) << 6 | (bytes[1] & 0x3f);
}

static size_t fold_unicode(struct slice text, char *output)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;
    char *begin = output;
    while (at < end) {
        if (*at >= 0x80) {
            output += write_fold(decode(&at, end), output);
            continue;
        }
        /* A blank between two words is not worth a look for a long run. */
        if (end - at == 1 || at[1] >= 0x80) {
            lower_ascii((const char *)at++, 1, output++);
            continue;
        }
        size_t length = ascii_length(slice_of((const char *)at, (size_t)(end - at)));
        lower_ascii((const char *)at, length, output);
        output += length;
        at += length;
    }
    return (size_t)(output - begin);
}

/* The exact length, for texts of which four times as much would be a lot. */
static size_t measure(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;
    size_t length = 0;
    char output[FOLD_BYTES + OVERSHOOT];
    while (at < end) {
        if (*at < 0x80) {
            size_t ascii = ascii_length(slice_of((const char *)at, (size_t)(end - at)));
            length += ascii;
            at += ascii;
        } else {
            length += write_fold(decode(&at, end), output);
        }
    }
    return length;
}

size_t text_fold_room(enum text_folding folding, struct slice text)
{
    if (folding != TEXT_FOLD_UNICODE || ascii_length(text) == text.length)
        return text.length;
    return (text.length < MEASURED_FROM ? text.length * GROWTH : measure(text)) + OVERSHOOT;
}

size_t text_fold(enum text_folding folding, struct slice text, char *output)
{
    switch (folding) {
    case TEXT_FOLD_NONE:
        memcpy(output, text.data, text.length);
        return text.length;
    case TEXT_FOLD_CASE: {
        size_t length = case_fold_text(text, output);
        lower_ascii(output, length, output);
        return length;
    }
    case TEXT_FOLD_UNICODE:
        break;
    }
    return fold_unicode(text, output);
}

struct slice text_folded(enum text_folding folding, struct slice text, struct arena *arena)
{
    if (folding == TEXT_FOLD_NONE || text.length == 0)
        return text;
    char *output = arena_allocate(arena, text_fold_room(folding, text));
    return slice_of(output, text_fold(folding, text, output));
}
