/* Time is counted in slices of an eighth of the window. An entry has a ring of nine: the newest, which is not over yet,
 * and eight before it, so that nothing is forgotten before the window is over. */
#include "base/window_table.h"

#include <stdlib.h>

#include "base/memory.h"

#define GROUP 8
#define PARTS 8
#define SLICES (PARTS + 1)
#define VERSION 1

struct entry {
    uint64_t key;
    uint64_t slice; /* the number of the newest; 0: free */
    uint16_t counts[SLICES];
    uint16_t unused[3]; /* snapshots hold no byte that nobody has written */
};
_Static_assert(sizeof(struct entry) == WINDOW_TABLE_BYTES_EACH, "as the header says");

struct group {
    struct entry entries[GROUP];
};

struct window_table {
    struct group *groups;
    uint32_t group_count;
    int64_t slice_ms;
    uint64_t forgotten;
};

struct window_table *window_table_create(int64_t window_ms, uint32_t places)
{
    struct window_table *table = memory_allocate_zeroed(1, sizeof *table);
    table->slice_ms = (window_ms + PARTS - 1) / PARTS;
    table->group_count = places < GROUP ? 1 : places / GROUP;
    table->groups = memory_map_zeroed(table->group_count * sizeof *table->groups);
    return table;
}

void window_table_destroy(struct window_table *table)
{
    if (!table)
        return;
    memory_unmap(table->groups, table->group_count * sizeof *table->groups);
    free(table);
}

/* Numbers begin high enough for a whole ring before the first. */
static uint64_t slice_at(const struct window_table *table, int64_t now_ms)
{
    return SLICES + (now_ms > 0 ? (uint64_t)(now_ms / table->slice_ms) : 0);
}

static struct group *group_of(const struct window_table *table, uint64_t key)
{
    return &table->groups[(key >> 32) * table->group_count >> 32];
}

static struct entry *find(const struct window_table *table, uint64_t key)
{
    struct group *group = group_of(table, key);
    for (int index = 0; index < GROUP; index++)
        if (group->entries[index].key == key && group->entries[index].slice)
            return &group->entries[index];
    return NULL;
}

/* Whether nothing of the entry is within the window, or it is of a time that the clock has not reached. */
static bool is_over(const struct entry *entry, uint64_t slice)
{
    return entry->slice + PARTS < slice || entry->slice > slice + PARTS;
}

static uint32_t count_of(const struct entry *entry, uint64_t slice)
{
    if (!entry->slice || is_over(entry, slice))
        return 0;
    uint64_t age = entry->slice < slice ? slice - entry->slice : 0;
    uint32_t count = 0;
    for (uint64_t back = 0; back + age < SLICES; back++)
        count += entry->counts[(entry->slice - back) % SLICES];
    return count < WINDOW_TABLE_COUNT_MAXIMUM ? count : WINDOW_TABLE_COUNT_MAXIMUM;
}

uint32_t window_table_count(const struct window_table *table, uint64_t key, int64_t now_ms)
{
    const struct entry *entry = find(table, key);
    return entry ? count_of(entry, slice_at(table, now_ms)) : 0;
}

static struct entry *least_of(struct group *group, uint64_t slice)
{
    struct entry *least = &group->entries[0];
    for (int index = 1; index < GROUP; index++) {
        struct entry *entry = &group->entries[index];
        uint32_t count = count_of(entry, slice), fewest = count_of(least, slice);
        if (count < fewest || (count == fewest && entry->slice < least->slice))
            least = entry;
    }
    return least;
}

/* Empties the slices that have passed since the entry was last counted. */
static void move_on(struct entry *entry, uint64_t slice)
{
    if (is_over(entry, slice)) {
        *entry = (struct entry){.key = entry->key, .slice = slice};
        return;
    }
    while (entry->slice < slice)
        entry->counts[++entry->slice % SLICES] = 0;
}

uint32_t window_table_add(struct window_table *table, uint64_t key, int64_t now_ms)
{
    uint64_t slice = slice_at(table, now_ms);
    struct entry *entry = find(table, key);
    if (!entry) {
        entry = least_of(group_of(table, key), slice);
        table->forgotten += count_of(entry, slice) > 0;
        *entry = (struct entry){.key = key, .slice = slice};
    }
    move_on(entry, slice);
    uint16_t *count = &entry->counts[entry->slice % SLICES];
    if (*count < WINDOW_TABLE_COUNT_MAXIMUM)
        ++*count;
    return count_of(entry, slice);
}

void window_table_forget(struct window_table *table, uint64_t key)
{
    struct entry *entry = find(table, key);
    if (entry)
        *entry = (struct entry){0};
}

uint64_t window_table_forgotten(const struct window_table *table)
{
    return table->forgotten;
}

size_t window_table_memory(const struct window_table *table)
{
    return sizeof *table + table->group_count * sizeof *table->groups;
}

/* ---- snapshots: a header and the entries, in the machine's order */

struct saved_header {
    uint64_t version;
    int64_t slice_ms;
};

void window_table_save(const struct window_table *table, struct buffer *output)
{
    struct saved_header header = {VERSION, table->slice_ms};
    buffer_append(output, (const char *)&header, sizeof header);
    for (uint32_t number = 0; number < table->group_count; number++)
        for (int index = 0; index < GROUP; index++) {
            const struct entry *entry = &table->groups[number].entries[index];
            if (entry->slice)
                buffer_append(output, (const char *)entry, sizeof *entry);
        }
}

static void clear(struct window_table *table)
{
    memory_unmap(table->groups, table->group_count * sizeof *table->groups);
    table->groups = memory_map_zeroed(table->group_count * sizeof *table->groups);
}

bool window_table_restore(struct window_table *table, struct slice saved)
{
    struct saved_header header = {0};
    clear(table);
    if (saved.length < sizeof header)
        return false;
    memcpy(&header, saved.data, sizeof header);
    size_t rest = saved.length - sizeof header;
    if (header.version != VERSION || header.slice_ms != table->slice_ms || rest % sizeof(struct entry) != 0)
        return false;
    for (size_t number = 0; number < rest / sizeof(struct entry); number++) {
        struct entry entry;
        memcpy(&entry, saved.data + sizeof header + number * sizeof entry, sizeof entry);
        if (entry.slice < SLICES || entry.slice > UINT64_MAX / 2 || find(table, entry.key)) {
            clear(table);
            return false;
        }
        /* In a smaller table the newest stay. */
        struct entry *place = least_of(group_of(table, entry.key), entry.slice);
        *place = entry;
    }
    return true;
}
