/* A signature has 128 bins. Each run of bytes is hashed once; the hash says into which bin it falls, and of each bin
 * the smallest is kept, cut to eight bits. The share of bins that agree, of those that are filled in either, is the
 * estimate. A text with few runs has most of them in bins of their own, so that its estimate is nearly exact.
 *
 * What is compared at all is found by bands: a few bins together, hashed, lead to the last text that had the same.
 * A band agrees by chance s^rows of texts with the similarity s, so that of 24 one does almost certainly from the
 * wanted similarity on, and seldom for others. Bins that are empty borrow from the next that is not. The bins of a band
 * lie far apart, that they do not all borrow from the same. A place of the index that leads to some other text costs a
 * comparison and no more. */
#include "filters/similar_texts.h"

#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"

#define RUN 6
#define BINS 128
#define BIN_SHIFT 57 /* the top seven bits */
#define BANDS 24
#define VERSION 1

struct text {
    uint64_t group; /* 0: free */
    uint64_t hash;
    uint8_t bins[BINS]; /* 0: empty */
};

struct similar_texts {
    struct text *texts; /* a ring */
    uint32_t *index;    /* places in the ring, plus one */
    uint32_t capacity;
    uint32_t next;
    unsigned rows; /* bins in a band */
    double similarity;
};

static size_t texts_bytes(const struct similar_texts *texts)
{
    return texts->capacity * sizeof *texts->texts;
}

static size_t index_places(const struct similar_texts *texts)
{
    return (size_t)texts->capacity * BANDS;
}

static void open_memory(struct similar_texts *texts)
{
    texts->texts = memory_map_zeroed(texts_bytes(texts));
    texts->index = memory_map_zeroed(index_places(texts) * sizeof *texts->index);
    texts->next = 0;
}

static void close_memory(struct similar_texts *texts)
{
    memory_unmap(texts->texts, texts_bytes(texts));
    memory_unmap(texts->index, index_places(texts) * sizeof *texts->index);
}

struct similar_texts *similar_texts_create(double similarity, uint32_t capacity)
{
    struct similar_texts *texts = memory_allocate_zeroed(1, sizeof *texts);
    texts->capacity = capacity < 8 ? 8 : capacity;
    texts->similarity = similarity;
    /* 24 bands find 96 % at 0.5 with three rows, 98.8 % at 0.7 with five, and more above. */
    texts->rows = similarity < 0.7 ? 3 : 5;
    open_memory(texts);
    return texts;
}

void similar_texts_destroy(struct similar_texts *texts)
{
    if (!texts)
        return;
    close_memory(texts);
    free(texts);
}

/* ---- signatures */

static uint64_t mix(uint64_t value)
{
    value *= 0x9e3779b97f4a7c15u;
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    return value ^ value >> 29;
}

static void sign(struct slice text, uint64_t seed, uint8_t bins[BINS])
{
    uint32_t least[BINS];
    memset(least, 0xff, sizeof least);
    size_t length = text.length < SIMILAR_TEXT_MAXIMUM ? text.length : SIMILAR_TEXT_MAXIMUM;
    uint64_t run = 0;
    for (size_t at = 0; at < length; at++) {
        run = (run << 8 | (unsigned char)text.data[at]) & ((1ull << 8 * RUN) - 1);
        if (at + 1 < RUN && at + 1 < length)
            continue;
        uint64_t hash = mix(run ^ seed);
        uint32_t *bin = &least[hash >> BIN_SHIFT];
        if ((uint32_t)hash < *bin)
            *bin = (uint32_t)hash;
    }
    for (unsigned bin = 0; bin < BINS; bin++)
        bins[bin] = least[bin] == UINT32_MAX ? 0 : (uint8_t)(1 + mix(least[bin]) % 255);
}

/* In [0, 1]. */
static double similarity_of(const uint8_t left[BINS], const uint8_t right[BINS])
{
    unsigned equal = 0, filled = 0;
    for (unsigned bin = 0; bin < BINS; bin++) {
        equal += left[bin] == right[bin] && left[bin];
        filled += (left[bin] | right[bin]) != 0;
    }
    return filled ? (double)equal / filled : 0;
}

/* The bins with what the empty ones borrow: the value of the next that is filled, and how far away it is. */
static void fill(const uint8_t bins[BINS], uint32_t filled[BINS])
{
    uint32_t distance = 0, value = 0;
    for (unsigned step = 2 * BINS; step-- > 0;) {
        uint8_t own = bins[step % BINS];
        distance = own ? 0 : distance + 1;
        value = own ? own : value;
        filled[step % BINS] = value | distance << 8;
    }
}

static uint32_t *place_of_band(const struct similar_texts *texts, const uint32_t filled[BINS], unsigned band)
{
    uint64_t key = band;
    for (unsigned row = 0; row < texts->rows; row++)
        key = mix(key << 20 ^ key >> 44 ^ filled[row * BANDS + band]);
    return &texts->index[(key >> 32) * index_places(texts) >> 32];
}

/* ---- texts */

static void put(struct similar_texts *texts, const struct text *text, const uint32_t filled[BINS])
{
    texts->texts[texts->next] = *text;
    for (unsigned band = 0; band < BANDS; band++)
        *place_of_band(texts, filled, band) = texts->next + 1;
    texts->next = texts->next + 1 == texts->capacity ? 0 : texts->next + 1;
}

struct nearest {
    const struct text *text; /* NULL: none is similar enough */
    double similarity;
};

static struct nearest find(const struct similar_texts *texts, const struct text *text, const uint32_t filled[BINS])
{
    struct nearest nearest = {NULL, 0};
    const struct text *last = NULL;
    for (unsigned band = 0; band < BANDS; band++) {
        uint32_t place = *place_of_band(texts, filled, band);
        const struct text *other = place ? &texts->texts[place - 1] : NULL;
        if (!other || other == last)
            continue;
        last = other;
        double similarity = other->hash == text->hash ? 1 : similarity_of(text->bins, other->bins);
        if (similarity >= texts->similarity && similarity > nearest.similarity)
            nearest = (struct nearest){other, similarity};
    }
    return nearest;
}

/* How many texts came after it. */
static uint32_t age_of(const struct similar_texts *texts, const struct text *text)
{
    uint32_t place = (uint32_t)(text - texts->texts);
    return texts->next > place ? texts->next - 1 - place : texts->next + texts->capacity - 1 - place;
}

uint64_t similar_texts_group(struct similar_texts *texts, struct slice text, uint64_t seed, bool remember)
{
    uint32_t filled[BINS];
    struct text new = {.hash = keyed_hash(text, seed)};
    new.hash += new.hash == 0;
    sign(text, seed, new.bins);
    fill(new.bins, filled);
    struct nearest nearest = find(texts, &new, filled);
    new.group = nearest.text ? nearest.text->group : new.hash;
    /* A text that comes again and again is not to give way to those that came once. */
    bool held = nearest.text && nearest.text->hash == new.hash &&age_of(texts, nearest.text) < texts->capacity / 2;
    if (remember && !held)
        put(texts, &new, filled);
    return new.group;
}

size_t similar_texts_memory(const struct similar_texts *texts)
{
    return sizeof *texts + texts_bytes(texts) + index_places(texts) * sizeof *texts->index;
}

/* ---- snapshots: the version, and the texts from the oldest on, in the machine's order */

void similar_texts_save(const struct similar_texts *texts, struct buffer *output)
{
    uint64_t version = VERSION;
    buffer_append(output, (const char *)&version, sizeof version);
    for (uint32_t step = 0; step < texts->capacity; step++) {
        const struct text *text = &texts->texts[(uint32_t)(((uint64_t)texts->next + step) % texts->capacity)];
        if (text->group)
            buffer_append(output, (const char *)text, sizeof *text);
    }
}

bool similar_texts_restore(struct similar_texts *texts, struct slice saved)
{
    uint64_t version = 0;
    close_memory(texts);
    open_memory(texts);
    if (saved.length < sizeof version)
        return false;
    memcpy(&version, saved.data, sizeof version);
    if (version != VERSION || (saved.length - sizeof version) % sizeof(struct text) != 0)
        return false;
    for (size_t at = sizeof version; at < saved.length; at += sizeof(struct text)) {
        struct text text;
        uint32_t filled[BINS];
        memcpy(&text, saved.data + at, sizeof text);
        if (!text.group) {
            close_memory(texts);
            open_memory(texts);
            return false;
        }
        fill(text.bins, filled);
        put(texts, &text, filled);
    }
    return true;
}
