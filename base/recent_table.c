/* The age of an entry is how many others were put in since, counted in 32 bits that may wrap round: an entry that is
 * four billion old would pass for a new one, but its group has then long been written over. */
#include "base/recent_table.h"

#include <stdlib.h>

#include "base/memory.h"

#define GROUP 8
#define VERSION 1

struct entry {
    uint64_t key;
    uint32_t value;
    uint32_t stamp; /* 0: free */
};

struct group {
    struct entry entries[GROUP];
};

struct recent_table {
    struct group *groups;
    uint32_t group_count;
    uint32_t stamp; /* of the newest; 0: nothing was ever put in */
    uint64_t used;
    uint64_t forgotten;
};

struct recent_table *recent_table_create(uint32_t places)
{
    struct recent_table *table = memory_allocate_zeroed(1, sizeof *table);
    table->group_count = places < GROUP ? 1 : places / GROUP;
    table->groups = memory_map_zeroed(table->group_count * sizeof *table->groups);
    return table;
}

void recent_table_destroy(struct recent_table *table)
{
    if (!table)
        return;
    memory_unmap(table->groups, table->group_count * sizeof *table->groups);
    free(table);
}

static struct group *group_of(const struct recent_table *table, uint64_t key)
{
    return &table->groups[(key >> 32) * table->group_count >> 32];
}

static struct entry *find(const struct recent_table *table, uint64_t key)
{
    struct group *group = group_of(table, key);
    for (int index = 0; index < GROUP; index++)
        if (group->entries[index].key == key && group->entries[index].stamp)
            return &group->entries[index];
    return NULL;
}

bool recent_table_find(const struct recent_table *table, uint64_t key, uint32_t *value)
{
    const struct entry *entry = find(table, key);
    if (entry)
        *value = entry->value;
    return entry != NULL;
}

static uint32_t age_of(const struct recent_table *table, const struct entry *entry)
{
    return entry->stamp ? table->stamp - entry->stamp : UINT32_MAX;
}

static struct entry *oldest_of(const struct recent_table *table, struct group *group)
{
    struct entry *oldest = &group->entries[0];
    for (int index = 1; index < GROUP; index++)
        if (age_of(table, &group->entries[index]) > age_of(table, oldest))
            oldest = &group->entries[index];
    return oldest;
}

void recent_table_put(struct recent_table *table, uint64_t key, uint32_t value)
{
    struct entry *entry = find(table, key);
    if (!entry) {
        entry = oldest_of(table, group_of(table, key));
        table->used += !entry->stamp;
        table->forgotten += entry->stamp != 0;
    }
    table->stamp = table->stamp == UINT32_MAX ? 1 : table->stamp + 1;
    *entry = (struct entry){key, value, table->stamp};
}

uint64_t recent_table_used(const struct recent_table *table)
{
    return table->used;
}

uint64_t recent_table_count(const struct recent_table *table, uint32_t least)
{
    uint64_t count = 0;
    for (uint32_t number = 0; table->used && number < table->group_count; number++)
        for (int index = 0; index < GROUP; index++) {
            const struct entry *entry = &table->groups[number].entries[index];
            count += entry->stamp && entry->value >= least;
        }
    return count;
}

uint64_t recent_table_forgotten(const struct recent_table *table)
{
    return table->forgotten;
}

size_t recent_table_memory(const struct recent_table *table)
{
    return sizeof *table + table->group_count * sizeof *table->groups;
}

/* ---- snapshots: a header and the entries, in the machine's order */

struct saved_header {
    uint32_t version;
    uint32_t stamp;
    uint64_t entries;
};

void recent_table_save(const struct recent_table *table, struct buffer *output)
{
    size_t start = output->length;
    struct saved_header header = {.version = VERSION, .stamp = table->stamp};
    buffer_append(output, (const char *)&header, sizeof header);
    for (uint32_t number = 0; table->stamp && number < table->group_count; number++) {
        for (int index = 0; index < GROUP; index++) {
            const struct entry *entry = &table->groups[number].entries[index];
            if (!entry->stamp)
                continue;
            buffer_append(output, (const char *)entry, sizeof *entry);
            header.entries++;
        }
    }
    memcpy(output->data + start, &header, sizeof header);
}

static void clear(struct recent_table *table)
{
    if (table->stamp) {
        memory_unmap(table->groups, table->group_count * sizeof *table->groups);
        table->groups = memory_map_zeroed(table->group_count * sizeof *table->groups);
    }
    table->stamp = 0;
    table->used = 0;
}

bool recent_table_restore(struct recent_table *table, struct slice saved)
{
    struct saved_header header;
    clear(table);
    if (saved.length < sizeof header)
        return false;
    memcpy(&header, saved.data, sizeof header);
    size_t rest = saved.length - sizeof header;
    if (header.version != VERSION || rest % sizeof(struct entry) != 0 ||
        header.entries != rest / sizeof(struct entry) || (!header.stamp && header.entries))
        return false;
    table->stamp = header.stamp;
    for (uint64_t number = 0; number < header.entries; number++) {
        struct entry entry;
        memcpy(&entry, saved.data + sizeof header + number * sizeof entry, sizeof entry);
        if (!entry.stamp || find(table, entry.key)) {
            clear(table);
            return false;
        }
        struct entry *place = oldest_of(table, group_of(table, entry.key));
        if (age_of(table, &entry) > age_of(table, place))
            continue;
        table->used += !place->stamp;
        *place = entry;
    }
    return true;
}
