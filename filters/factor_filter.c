/* A place of the text is looked at through four tables, one for each byte of a factor; what is left of the buckets
 * after all four is tried factor by factor. With few factors a bucket, a place of ordinary text is left with none. */
#include "filters/factor_filter.h"

#include <stdlib.h>

#include "base/memory.h"
#include "filters/factor_filter_kernel.h"

/* A filter that lets more than this part of the places pass is not worth its time. */
#define PROBABILITY_MAXIMUM 0.01

/* While the filter is made: each factor's bucket, and for each bucket the union of its factors, place by place. */
struct sorting {
    struct factor *factors;
    uint32_t *bucket_of;
    uint32_t count;
    struct factor unions[FACTOR_BUCKETS];
    bool used[FACTOR_BUCKETS];
};

static struct byte_set unite(const struct byte_set *left, const struct byte_set *right)
{
    struct byte_set both;
    for (int word = 0; word < 4; word++)
        both.bits[word] = left->bits[word] | right->bits[word];
    return both;
}

static double passing(const struct factor *factor)
{
    double probability = 1;
    for (int place = 0; place < FACTOR_RAREST; place++)
        probability *= byte_set_probability(&factor->sets[place]);
    return probability;
}

static struct factor united(const struct factor *left, const struct factor *right)
{
    struct factor both;
    for (int place = 0; place < FACTOR_LENGTH; place++)
        both.sets[place] = unite(&left->sets[place], &right->sets[place]);
    return both;
}

/* Into the bucket that lets least more pass with it. */
static void sort_factor(struct sorting *sorting, uint32_t number)
{
    double least = 2;
    uint32_t chosen = 0;
    for (uint32_t bucket = 0; bucket < FACTOR_BUCKETS; bucket++) {
        const struct factor *factor = &sorting->factors[number];
        double growth = passing(factor);
        if (sorting->used[bucket]) {
            struct factor both = united(&sorting->unions[bucket], factor);
            growth = passing(&both) - passing(&sorting->unions[bucket]);
        }
        if (growth < least) {
            least = growth;
            chosen = bucket;
        }
    }
    sorting->unions[chosen] =
        sorting->used[chosen] ? united(&sorting->unions[chosen], &sorting->factors[number]) : sorting->factors[number];
    sorting->used[chosen] = true;
    sorting->bucket_of[number] = chosen;
}

static void fill_tables(struct factor_filter *filter, const struct sorting *sorting)
{
    for (uint32_t bucket = 0; bucket < FACTOR_BUCKETS; bucket++) {
        uint32_t group = bucket / 8;
        unsigned char bit = (unsigned char)(1u << bucket % 8);
        for (int place = 0; sorting->used[bucket] && place < FACTOR_RAREST; place++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                if (!byte_set_has(&sorting->unions[bucket].sets[place], (unsigned char)byte))
                    continue;
                filter->buckets[place][byte] |= 1u << bucket;
                if (byte < 128)
                    filter->groups[group][place][byte] |= bit;
                else
                    filter->wide[group][place] |= bit;
            }
        }
    }
}

static struct factor_filter *make(struct sorting *sorting)
{
    for (uint32_t number = 0; number < sorting->count; number++)
        sort_factor(sorting, number);
    struct factor_filter *filter = aligned_alloc(64, (sizeof *filter + 63) / 64 * 64);
    if (!filter)
        abort(); /* out of memory, as in base/memory.c */
    memset(filter, 0, sizeof *filter);
    filter->factors = memory_allocate(sorting->count * sizeof *filter->factors);
    uint32_t placed = 0;
    for (uint32_t bucket = 0; bucket < FACTOR_BUCKETS; bucket++) {
        filter->begins[bucket] = placed;
        for (uint32_t number = 0; number < sorting->count; number++)
            if (sorting->bucket_of[number] == bucket)
                filter->factors[placed++] = sorting->factors[number];
    }
    filter->begins[FACTOR_BUCKETS] = placed;
    fill_tables(filter, sorting);
    return filter;
}

/* False if there are too many, or some pattern has none. */
static bool gather(struct sorting *sorting, const struct pattern *patterns, uint32_t count)
{
    struct factor_list *list = memory_allocate(sizeof *list);
    double probability = 0;
    bool good = true;
    for (uint32_t index = 0; index < count && good; index++) {
        good = pattern_factors(&patterns[index], list) && sorting->count + list->count <= FACTOR_FILTER_MAXIMUM &&
               (probability += list->probability) <= PROBABILITY_MAXIMUM;
        if (!good)
            break;
        memcpy(sorting->factors + sorting->count, list->factors, list->count * sizeof *list->factors);
        sorting->count += list->count;
    }
    free(list);
    return good;
}

struct factor_filter *factor_filter_create(const struct pattern *patterns, uint32_t count)
{
    if (count == 0 || count > FACTOR_FILTER_PATTERNS_MAXIMUM)
        return NULL;
    struct sorting *sorting = memory_allocate_zeroed(1, sizeof *sorting);
    sorting->factors = memory_allocate(FACTOR_FILTER_MAXIMUM * sizeof *sorting->factors);
    sorting->bucket_of = memory_allocate(FACTOR_FILTER_MAXIMUM * sizeof *sorting->bucket_of);
    struct factor_filter *filter = gather(sorting, patterns, count) ? make(sorting) : NULL;
    free(sorting->factors);
    free(sorting->bucket_of);
    free(sorting);
    return filter;
}

void factor_filter_destroy(struct factor_filter *filter)
{
    if (filter)
        free(filter->factors);
    free(filter);
}

static inline bool is_at(const struct factor *factor, const unsigned char bytes[FACTOR_LENGTH])
{
    bool all = true;
    for (int place = 0; place < FACTOR_LENGTH && all; place++)
        all = byte_set_has(&factor->sets[place], bytes[place]);
    return all;
}

bool factor_filter_confirms(const struct factor_filter *filter, uint32_t buckets, struct slice text, size_t place)
{
    unsigned char bytes[FACTOR_LENGTH] = {0};
    size_t left = text.length - place;
    memcpy(bytes, text.data + place, left < FACTOR_LENGTH ? left : FACTOR_LENGTH);
    for (; buckets; buckets &= buckets - 1) {
        uint32_t bucket = (uint32_t)__builtin_ctz(buckets);
        for (uint32_t number = filter->begins[bucket]; number < filter->begins[bucket + 1]; number++)
            if (is_at(&filter->factors[number], bytes))
                return true;
    }
    return false;
}

bool factor_filter_scan_plainly(const struct factor_filter *filter, struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    for (size_t place = 0; place < text.length; place++) {
        uint32_t left = filter->buckets[0][bytes[place]];
        for (size_t next = 1; next < FACTOR_RAREST; next++)
            left &= filter->buckets[next][place + next < text.length ? bytes[place + next] : 0];
        if (left && factor_filter_confirms(filter, left, text, place))
            return true;
    }
    return pattern_factor_blind(text);
}

bool factor_filter_passes(const struct factor_filter *filter, struct slice text)
{
#ifdef __x86_64__
    /* What the processor can do was found out before main: this is one look at a word. */
    if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw"))
        return factor_filter_scan_avx512(filter, text);
#endif
    return factor_filter_scan_plainly(filter, text);
}
