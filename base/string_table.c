/* Lists of a million ids are asked about once for each event, so a miss has to cost one hash and one cache line: the
 * slots hold 32 bits of the hash beside the entry's number, and the string itself is touched only when those agree. */
#include "base/string_table.h"

#include <stdlib.h>
/* Inlined: keys are short, and a call through the library costs as much as the hash. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"

struct slot {
    uint32_t hash;
    uint32_t entry; /* number of the entry plus one; 0 = free */
};

struct entry {
    uint64_t offset; /* of the text in the arena */
    uint32_t length;
    uint32_t value;
};

struct string_table {
    struct slot *slots;
    size_t slot_mask;
    struct entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    char *arena;
    size_t arena_length;
    size_t arena_capacity;
};

struct string_table *string_table_create(void)
{
    struct string_table *table = memory_allocate_zeroed(1, sizeof *table);
    table->slot_mask = 15;
    table->slots = memory_allocate_zeroed(table->slot_mask + 1, sizeof *table->slots);
    return table;
}

void string_table_destroy(struct string_table *table)
{
    if (!table)
        return;
    free(table->slots);
    free(table->entries);
    free(table->arena);
    free(table);
}

static uint64_t hash_of(struct slice key)
{
    return XXH3_64bits(key.data ? key.data : "", key.length);
}

/* The slot that holds `key`, or the free one where it would go. */
static struct slot *find_slot(const struct string_table *table, struct slice key, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    for (size_t index = hash & table->slot_mask;; index = (index + 1) & table->slot_mask) {
        struct slot *slot = &table->slots[index];
        if (slot->entry == 0)
            return slot;
        if (slot->hash != tag)
            continue;
        const struct entry *entry = &table->entries[slot->entry - 1];
        if (entry->length == key.length &&
            (key.length == 0 || memcmp(table->arena + entry->offset, key.data, key.length) == 0))
            return slot;
    }
}

static void grow_slots(struct string_table *table)
{
    size_t count = (table->slot_mask + 1) * 2;
    free(table->slots);
    table->slots = memory_allocate_zeroed(count, sizeof *table->slots);
    table->slot_mask = count - 1;
    for (size_t number = 0; number < table->entry_count; number++) {
        const struct entry *entry = &table->entries[number];
        uint64_t hash = hash_of(slice_of(table->arena + entry->offset, entry->length));
        size_t index = hash & table->slot_mask;
        while (table->slots[index].entry)
            index = (index + 1) & table->slot_mask;
        table->slots[index] = (struct slot){(uint32_t)(hash >> 32), (uint32_t)number + 1};
    }
}

static void *room_for(void *memory, size_t *capacity, size_t needed, size_t element)
{
    if (needed <= *capacity)
        return memory;
    size_t grown = *capacity ? *capacity : 64;
    while (grown < needed)
        grown += grown / 2;
    *capacity = grown;
    return memory_reallocate(memory, grown * element);
}

bool string_table_add(struct string_table *table, struct slice key, uint32_t value)
{
    uint64_t hash = hash_of(key);
    if (find_slot(table, key, hash)->entry)
        return false;
    if ((table->entry_count + 1) * 2 > table->slot_mask + 1)
        grow_slots(table);
    table->entries = room_for(table->entries, &table->entry_capacity, table->entry_count + 1, sizeof *table->entries);
    table->arena = room_for(table->arena, &table->arena_capacity, table->arena_length + key.length, 1);
    if (key.length)
        memcpy(table->arena + table->arena_length, key.data, key.length);
    table->entries[table->entry_count++] = (struct entry){table->arena_length, (uint32_t)key.length, value};
    table->arena_length += key.length;
    *find_slot(table, key, hash) = (struct slot){(uint32_t)(hash >> 32), (uint32_t)table->entry_count};
    return true;
}

uint32_t string_table_find(const struct string_table *table, struct slice key)
{
    const struct slot *slot = find_slot(table, key, hash_of(key));
    return slot->entry ? table->entries[slot->entry - 1].value : STRING_TABLE_NONE;
}

struct slice string_table_stored(const struct string_table *table, struct slice key)
{
    const struct slot *slot = find_slot(table, key, hash_of(key));
    if (!slot->entry)
        return SLICE_ABSENT;
    const struct entry *entry = &table->entries[slot->entry - 1];
    return slice_of(table->arena + entry->offset, entry->length);
}

void string_table_trim(struct string_table *table)
{
    table->entries = memory_reallocate(table->entries, table->entry_count * sizeof *table->entries);
    table->entry_capacity = table->entry_count;
    table->arena = memory_reallocate(table->arena, table->arena_length);
    table->arena_capacity = table->arena_length;
}

size_t string_table_count(const struct string_table *table)
{
    return table->entry_count;
}

size_t string_table_memory(const struct string_table *table)
{
    return sizeof *table + (table->slot_mask + 1) * sizeof *table->slots +
           table->entry_capacity * sizeof *table->entries + table->arena_capacity;
}
