/* The generic cell rate algorithm: a bucket that lacks d tokens is full again in d * period / count milliseconds. Times
 * are counted in steps of 1/count ms from the moment at which the table was first asked, so that a token is `period`
 * steps, and nothing is ever rounded.
 *
 * The two groups of a key come from the two halves of its hash. A key is put into the group with more room, which keeps
 * groups of four from overflowing while the table is half full (the power of two choices). */
#include "base/rate_table.h"

#include <stdlib.h>

#include "base/memory.h"

#define GROUP 4
#define GROUPS_SAMPLED 4096u
/* Thirty-four years: a table that lives longer takes time for standing still. */
#define ELAPSED_MAXIMUM_MS ((int64_t)1 << 40)
#define TIME_MAXIMUM_MS ((int64_t)1 << 60)
#define VERSION 1

/* Steps: ELAPSED_MAXIMUM_MS * RATE_COUNT_MAXIMUM (below 2^62) and RATE_BURST_MAXIMUM * RATE_PERIOD_MAXIMUM_MS (below
 * 2^60) fit together into 64 bits. */
struct entry {
    uint64_t key;
    uint64_t full_at; /* in steps; at or before the time now: the bucket is full, the entry free */
};

struct group {
    struct entry entries[GROUP];
};

struct rate_table {
    struct rate_limit limit; /* count and period without a common divisor */
    struct group *groups;
    uint32_t group_count;
    int64_t base_ms;   /* a millisecond before the first time, so that no time is step 0; 0: never asked */
    int64_t last_ms;   /* the latest time, as it was given, but for `offset_ms` */
    int64_t offset_ms; /* what setbacks of the clock came to */
    uint64_t forgotten;
};

static int64_t common_divisor(int64_t left, int64_t right)
{
    while (right) {
        int64_t rest = left % right;
        left = right;
        right = rest;
    }
    return left;
}

struct rate_table *rate_table_create(const struct rate_limit *limit, uint32_t capacity)
{
    struct rate_table *table = memory_allocate_zeroed(1, sizeof *table);
    int64_t divisor = common_divisor(limit->count, limit->period_ms);
    table->limit = (struct rate_limit){limit->count / divisor, limit->period_ms / divisor, limit->burst};
    uint64_t groups = ((uint64_t)capacity * 2 + GROUP - 1) / GROUP;
    table->group_count = groups < 2 ? 2 : (uint32_t)groups;
    table->groups = memory_map_zeroed(table->group_count * sizeof *table->groups);
    return table;
}

void rate_table_destroy(struct rate_table *table)
{
    if (!table)
        return;
    memory_unmap(table->groups, table->group_count * sizeof *table->groups);
    free(table);
}

/* ---- time */

/* What the table takes `now_ms` for. The bounds keep the sums from overflowing. */
static int64_t time_for(const struct rate_table *table, int64_t now_ms)
{
    int64_t time = (now_ms < TIME_MAXIMUM_MS ? now_ms : TIME_MAXIMUM_MS) + table->offset_ms;
    if (time > TIME_MAXIMUM_MS)
        time = TIME_MAXIMUM_MS;
    return time > table->last_ms ? time : table->last_ms;
}

static uint64_t steps_at(const struct rate_table *table, int64_t time_ms)
{
    int64_t elapsed = table->base_ms ? time_ms - table->base_ms : 1;
    if (elapsed < 1)
        elapsed = 1;
    if (elapsed > ELAPSED_MAXIMUM_MS)
        elapsed = ELAPSED_MAXIMUM_MS;
    return (uint64_t)elapsed * (uint64_t)table->limit.count;
}

static uint64_t move_on(struct rate_table *table, int64_t now_ms)
{
    if (now_ms < 1 || now_ms > TIME_MAXIMUM_MS)
        now_ms = now_ms < 1 ? 1 : TIME_MAXIMUM_MS;
    if (!table->base_ms) {
        table->base_ms = now_ms > 1 ? now_ms - 1 : 1;
        table->last_ms = now_ms;
    }
    if (now_ms + table->offset_ms < table->last_ms - RATE_SETBACK_MS)
        table->offset_ms = table->last_ms - now_ms;
    table->last_ms = time_for(table, now_ms);
    return steps_at(table, table->last_ms);
}

/* ---- places */

static inline struct group *group_at(const struct rate_table *table, uint32_t half)
{
    return &table->groups[(uint64_t)half * table->group_count >> 32];
}

static inline struct group *first_group(const struct rate_table *table, uint64_t key)
{
    return group_at(table, (uint32_t)(key >> 32));
}

/* Never the first one again: eight places are eight. */
static inline struct group *second_group(const struct rate_table *table, uint64_t key)
{
    const struct group *first = first_group(table, key);
    struct group *second = group_at(table, (uint32_t)key);
    if (second != first)
        return second;
    return second + 1 < table->groups + table->group_count ? second + 1 : table->groups;
}

static struct entry *find_in(struct group *group, uint64_t key)
{
    for (int index = 0; index < GROUP; index++)
        if (group->entries[index].key == key && group->entries[index].full_at)
            return &group->entries[index];
    return NULL;
}

static struct entry *find(const struct rate_table *table, uint64_t key)
{
    struct entry *entry = find_in(first_group(table, key), key);
    return entry ? entry : find_in(second_group(table, key), key);
}

struct choice {
    struct entry *earliest;
    int free;
};

static struct choice look_at(struct group *group, uint64_t now)
{
    struct choice choice = {.earliest = &group->entries[0]};
    for (int index = 0; index < GROUP; index++) {
        struct entry *entry = &group->entries[index];
        choice.free += entry->full_at <= now;
        if (entry->full_at < choice.earliest->full_at)
            choice.earliest = entry;
    }
    return choice;
}

/* A place for a key that has none: a free one, or that of the bucket which is full first, unless that is later than
 * `full_at` (NULL: the new one is itself what matters least). */
static struct entry *place_for(struct rate_table *table, uint64_t key, uint64_t now, uint64_t full_at)
{
    struct choice first = look_at(first_group(table, key), now);
    struct choice second = look_at(second_group(table, key), now);
    if (first.free || second.free)
        return first.free >= second.free ? first.earliest : second.earliest;
    table->forgotten++;
    struct entry *earliest = first.earliest->full_at <= second.earliest->full_at ? first.earliest : second.earliest;
    return earliest->full_at <= full_at ? earliest : NULL;
}

/* ---- tokens */

/* How many steps the bucket is from being full. */
static uint64_t lack_of(const struct entry *entry, uint64_t now)
{
    return entry && entry->full_at > now ? entry->full_at - now : 0;
}

/* What an empty bucket lacks. */
static uint64_t capacity_of(const struct rate_table *table)
{
    return (uint64_t)table->limit.burst * (uint64_t)table->limit.period_ms;
}

static bool fits(const struct rate_table *table, uint64_t lack, int64_t cost)
{
    if (cost > table->limit.burst)
        return false;
    uint64_t room = (uint64_t)(table->limit.burst - cost) * (uint64_t)table->limit.period_ms;
    return lack <= room;
}

bool rate_table_has(const struct rate_table *table, uint64_t key, int64_t cost, int64_t now_ms)
{
    uint64_t now = steps_at(table, time_for(table, now_ms));
    return cost <= 0 || fits(table, lack_of(find(table, key), now), cost);
}

static void put(struct rate_table *table, uint64_t key, struct entry *entry, uint64_t now, uint64_t full_at)
{
    if (!entry)
        entry = place_for(table, key, now, full_at);
    if (entry)
        *entry = (struct entry){key, full_at};
}

bool rate_table_take(struct rate_table *table, uint64_t key, int64_t cost, int64_t now_ms)
{
    uint64_t now = move_on(table, now_ms);
    if (cost <= 0)
        return true;
    struct entry *entry = find(table, key);
    uint64_t lack = lack_of(entry, now);
    if (!fits(table, lack, cost))
        return false;
    put(table, key, entry, now, now + lack + (uint64_t)cost * (uint64_t)table->limit.period_ms);
    return true;
}

void rate_table_charge(struct rate_table *table, uint64_t key, int64_t cost, int64_t now_ms)
{
    uint64_t now = move_on(table, now_ms);
    if (cost <= 0)
        return;
    cost = cost < table->limit.burst ? cost : table->limit.burst;
    struct entry *entry = find(table, key);
    uint64_t most = 2 * capacity_of(table);
    uint64_t lack = lack_of(entry, now) + (uint64_t)cost * (uint64_t)table->limit.period_ms;
    put(table, key, entry, now, now + (lack < most ? lack : most));
}

void rate_table_give_back(struct rate_table *table, uint64_t key, int64_t cost, int64_t now_ms)
{
    uint64_t now = move_on(table, now_ms);
    struct entry *entry = find(table, key);
    uint64_t lack = lack_of(entry, now);
    if (cost <= 0 || !lack)
        return;
    cost = cost < table->limit.burst ? cost : table->limit.burst;
    uint64_t back = (uint64_t)cost * (uint64_t)table->limit.period_ms;
    entry->full_at = now + (back < lack ? lack - back : 0);
}

int64_t rate_table_tokens(const struct rate_table *table, uint64_t key, int64_t now_ms)
{
    uint64_t period = (uint64_t)table->limit.period_ms;
    uint64_t lack = lack_of(find(table, key), steps_at(table, time_for(table, now_ms)));
    return table->limit.burst - (int64_t)((lack + period - 1) / period);
}

uint64_t rate_table_keys(const struct rate_table *table)
{
    uint32_t looked_at = table->group_count < GROUPS_SAMPLED ? table->group_count : GROUPS_SAMPLED;
    uint64_t now = steps_at(table, table->last_ms), taken = 0;
    for (uint32_t number = 0; table->base_ms && number < looked_at; number++)
        for (int index = 0; index < GROUP; index++)
            taken += table->groups[number].entries[index].full_at > now;
    return looked_at ? taken * table->group_count / looked_at : 0;
}

uint64_t rate_table_forgotten(const struct rate_table *table)
{
    return table->forgotten;
}

size_t rate_table_memory(const struct rate_table *table)
{
    return sizeof *table + table->group_count * sizeof *table->groups;
}

/* ---- snapshots: the header, then an entry for each bucket that is not full, with its time from now on; all numbers
 * have 8 bytes, in the machine's order: a snapshot does not leave its machine. */

struct saved_header {
    uint64_t version;
    int64_t count, period_ms, burst; /* of the limit, reduced */
    int64_t last_ms, offset_ms;
    uint64_t entries;
};

void rate_table_save(const struct rate_table *table, struct buffer *output)
{
    size_t start = output->length;
    struct saved_header header = {.version = VERSION,
                                  .count = table->limit.count,
                                  .period_ms = table->limit.period_ms,
                                  .burst = table->limit.burst,
                                  .last_ms = table->last_ms,
                                  .offset_ms = table->offset_ms};
    uint64_t now = steps_at(table, table->last_ms), most = capacity_of(table);
    buffer_append(output, (const char *)&header, sizeof header);
    /* A table that was never asked is not even touched. */
    for (uint32_t number = 0; table->base_ms && number < table->group_count; number++) {
        char *place = buffer_reserve(output, sizeof(struct group));
        for (int index = 0; index < GROUP; index++) {
            /* Written also where it is not kept: whether it is, is a guess that processors lose half of the time. */
            struct entry entry = table->groups[number].entries[index];
            bool kept = entry.full_at > now;
            entry.full_at = entry.full_at - now < most ? entry.full_at - now : most;
            memcpy(place, &entry, sizeof entry);
            place += kept * sizeof entry;
            output->length += kept * sizeof entry;
        }
    }
    header.entries = (output->length - start - sizeof header) / sizeof(struct entry);
    memcpy(output->data + start, &header, sizeof header);
}

static void clear(struct rate_table *table)
{
    if (table->base_ms) {
        memory_unmap(table->groups, table->group_count * sizeof *table->groups);
        table->groups = memory_map_zeroed(table->group_count * sizeof *table->groups);
    }
    table->base_ms = table->last_ms = table->offset_ms = 0;
}

/* False for what no table has saved. */
static bool header_is_ours(const struct rate_table *table, const struct saved_header *header, size_t rest)
{
    return header->version == VERSION && header->count == table->limit.count &&
           header->period_ms == table->limit.period_ms && header->burst == table->limit.burst && header->last_ms >= 0 &&
           header->last_ms <= TIME_MAXIMUM_MS && header->offset_ms >= 0 && header->offset_ms <= TIME_MAXIMUM_MS &&
           rest % sizeof(struct entry) == 0 && header->entries == rest / sizeof(struct entry) &&
           (header->last_ms || !header->entries);
}

bool rate_table_restore(struct rate_table *table, struct slice saved)
{
    struct saved_header header;
    clear(table);
    if (saved.length < sizeof header)
        return false;
    memcpy(&header, saved.data, sizeof header);
    if (!header_is_ours(table, &header, saved.length - sizeof header))
        return false;
    if (!header.last_ms)
        return true;
    table->last_ms = header.last_ms;
    table->offset_ms = header.offset_ms;
    table->base_ms = header.last_ms > 1 ? header.last_ms - 1 : 1;
    uint64_t now = steps_at(table, table->last_ms);
    uint64_t most = capacity_of(table);
    for (uint64_t number = 0; number < header.entries; number++) {
        struct entry entry;
        memcpy(&entry, saved.data + sizeof header + number * sizeof entry, sizeof entry);
        if (entry.full_at == 0 || entry.full_at > most || find(table, entry.key)) {
            clear(table);
            return false;
        }
        entry.full_at += now;
        struct entry *place = place_for(table, entry.key, now, entry.full_at);
        if (place)
            *place = entry;
    }
    return true;
}
