/* Each width is a multiple of the one before, so that steps can be joined. */
#include "engine/time_buckets.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define LATEST_MS INT64_C(253402300799999)

static const int64_t widths[] = {SECOND,      5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE,    5 * MINUTE, 15 * MINUTE,
                                 30 * MINUTE, HOUR,       3 * HOUR,    6 * HOUR,    12 * HOUR, DAY,        2 * DAY};

/* Beyond the table each is twice the one before. */
static int64_t width_of(uint32_t level)
{
    uint32_t last = sizeof widths / sizeof *widths - 1;
    return level <= last ? widths[level] : widths[last] << (level - last);
}

void time_buckets_init(struct time_buckets *buckets, uint32_t series)
{
    *buckets = (struct time_buckets){.series = series,
                                     .counts = memory_allocate_zeroed((size_t)TIME_BUCKETS * series, sizeof(uint64_t))};
}

void time_buckets_free(struct time_buckets *buckets)
{
    free(buckets->counts);
}

static uint64_t *time_counts(const struct time_buckets *buckets, uint32_t step)
{
    return &buckets->counts[(size_t)step * buckets->series];
}

/* The counts in steps of that width from `start_ms` on, in which all of them have room. */
static void move_counts(struct time_buckets *buckets, uint32_t level, int64_t start_ms)
{
    int64_t width = width_of(level);
    uint64_t *old = buckets->counts;
    buckets->counts = memory_allocate_zeroed((size_t)TIME_BUCKETS * buckets->series, sizeof *buckets->counts);
    uint32_t used = 0;
    for (uint32_t step = 0; step < buckets->used; step++) {
        used = (uint32_t)((buckets->start_ms + step * buckets->width_ms - start_ms) / width);
        for (uint32_t series = 0; series < buckets->series; series++)
            time_counts(buckets, used)[series] += old[(size_t)step * buckets->series + series];
        used++;
    }
    free(old);
    buckets->used = used;
    buckets->level = level;
    buckets->width_ms = width;
    buckets->start_ms = start_ms;
}

/* Makes room for everything from the first moment to the latest. */
static void make_room(struct time_buckets *buckets)
{
    uint32_t level = buckets->level;
    for (;; level++) {
        int64_t width = width_of(level);
        int64_t start_ms = buckets->first_ms - buckets->first_ms % width;
        if ((buckets->latest_ms - start_ms) / width >= TIME_BUCKETS)
            continue;
        if (level != buckets->level || start_ms != buckets->start_ms)
            move_counts(buckets, level, start_ms);
        return;
    }
}

uint64_t *time_buckets_at(struct time_buckets *buckets, int64_t now_ms)
{
    if (now_ms < 1 || now_ms > LATEST_MS)
        return NULL;
    if (buckets->width_ms == 0) {
        buckets->width_ms = width_of(0);
        buckets->start_ms = now_ms - now_ms % buckets->width_ms;
        buckets->first_ms = now_ms;
    }
    if (now_ms > buckets->latest_ms)
        buckets->latest_ms = now_ms;
    if (now_ms < buckets->first_ms)
        buckets->first_ms = now_ms;
    make_room(buckets);
    uint32_t step = (uint32_t)((now_ms - buckets->start_ms) / buckets->width_ms);
    if (step >= buckets->used)
        buckets->used = step + 1;
    return time_counts(buckets, step);
}

uint64_t time_buckets_count(const struct time_buckets *buckets, uint32_t step, uint32_t series)
{
    return time_counts(buckets, step)[series];
}
