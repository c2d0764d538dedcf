/* A heap with the fewest counts on top says who gives way; a chained hash table finds a text. Of several with the
 * fewest the one that was added first gives way, so that a table is the same each time. */
#include "engine/top_table.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/utf8.h"

#define NONE UINT32_MAX

struct entry {
    uint64_t counts[TOP_TABLE_COUNTS];
    uint64_t unsure;
    uint64_t total; /* all of them */
    uint64_t order; /* when it was added */
    uint64_t hash;
    uint32_t next; /* in its bucket */
    uint32_t heap_place;
    char *key;
    uint32_t length;
};

struct top_table {
    struct entry *entries;
    uint32_t *heap;
    uint32_t *buckets;
    uint32_t capacity;
    uint32_t count;
    uint32_t bucket_count;
    uint64_t error;
    uint64_t added;
};

struct top_table *top_table_create(uint32_t capacity)
{
    struct top_table *table = memory_allocate_zeroed(1, sizeof *table);
    table->capacity = capacity;
    table->bucket_count = capacity * 2;
    table->entries = memory_allocate_zeroed(capacity, sizeof *table->entries);
    table->heap = memory_allocate_zeroed(capacity, sizeof *table->heap);
    table->buckets = memory_allocate(table->bucket_count * sizeof *table->buckets);
    for (uint32_t bucket = 0; bucket < table->bucket_count; bucket++)
        table->buckets[bucket] = NONE;
    return table;
}

void top_table_destroy(struct top_table *table)
{
    if (!table)
        return;
    for (uint32_t index = 0; index < table->count; index++)
        free(table->entries[index].key);
    free(table->entries);
    free(table->heap);
    free(table->buckets);
    free(table);
}

static bool gives_way_before(const struct entry *left, const struct entry *right)
{
    return left->total != right->total ? left->total < right->total : left->order < right->order;
}

static void put(struct top_table *table, uint32_t place, uint32_t entry)
{
    table->heap[place] = entry;
    table->entries[entry].heap_place = place;
}

static void sift_up(struct top_table *table, uint32_t place)
{
    uint32_t entry = table->heap[place];
    while (place) {
        uint32_t parent = (place - 1) / 2;
        if (!gives_way_before(&table->entries[entry], &table->entries[table->heap[parent]]))
            break;
        put(table, place, table->heap[parent]);
        place = parent;
    }
    put(table, place, entry);
}

static void sift_down(struct top_table *table, uint32_t place)
{
    uint32_t entry = table->heap[place];
    for (;;) {
        uint32_t child = place * 2 + 1;
        if (child + 1 < table->count &&
            gives_way_before(&table->entries[table->heap[child + 1]], &table->entries[table->heap[child]]))
            child++;
        if (child >= table->count || !gives_way_before(&table->entries[table->heap[child]], &table->entries[entry]))
            break;
        put(table, place, table->heap[child]);
        place = child;
    }
    put(table, place, entry);
}

static uint32_t *bucket_of(const struct top_table *table, uint64_t hash)
{
    return &table->buckets[hash % table->bucket_count];
}

static void unlink_entry(struct top_table *table, uint32_t number)
{
    uint32_t *link = bucket_of(table, table->entries[number].hash);
    while (*link != number)
        link = &table->entries[*link].next;
    *link = table->entries[number].next;
}

static struct entry *find(const struct top_table *table, struct slice key, uint64_t hash)
{
    for (uint32_t number = *bucket_of(table, hash); number != NONE; number = table->entries[number].next) {
        struct entry *entry = &table->entries[number];
        if (entry->hash == hash && slice_equal(slice_of(entry->key, entry->length), key))
            return entry;
    }
    return NULL;
}

/* A place for a new text: a free one, or that of the text with the fewest counts. */
static struct entry *take_place(struct top_table *table, struct slice key, uint64_t hash)
{
    uint64_t unsure = 0;
    uint32_t number;
    if (table->count < table->capacity) {
        number = table->count++;
        put(table, number, number);
    } else {
        number = table->heap[0];
        unsure = table->entries[number].total;
        table->error = unsure > table->error ? unsure : table->error;
        unlink_entry(table, number);
        free(table->entries[number].key);
    }
    struct entry *entry = &table->entries[number];
    uint32_t place = entry->heap_place;
    *entry = (struct entry){.unsure = unsure,
                            .total = unsure,
                            .order = table->added++,
                            .hash = hash,
                            .next = *bucket_of(table, hash),
                            .heap_place = place,
                            .key = memory_copy_text(key.data, key.length),
                            .length = (uint32_t)key.length};
    *bucket_of(table, hash) = number;
    if (unsure == 0)
        sift_up(table, place);
    return entry;
}

/* At the border of a character, where it has some. */
static struct slice cut(struct slice key)
{
    if (key.length <= TOP_TABLE_KEY_MAXIMUM)
        return slice_of(key.data ? key.data : "", key.length);
    size_t length = TOP_TABLE_KEY_MAXIMUM;
    while (length > TOP_TABLE_KEY_MAXIMUM - 4 && ((unsigned char)key.data[length] & 0xc0) == 0x80)
        length--;
    return slice_of(key.data, length);
}

void top_table_add(struct top_table *table, struct slice key, unsigned which, uint64_t amount)
{
    key = cut(key);
    uint64_t hash = XXH3_64bits(key.data, key.length);
    struct entry *entry = find(table, key, hash);
    if (!entry)
        entry = take_place(table, key, hash);
    entry->counts[which] += amount;
    entry->total += amount;
    sift_down(table, entry->heap_place);
}

static int compare(const void *left, const void *right)
{
    const struct entry *one = *(const struct entry *const *)left, *other = *(const struct entry *const *)right;
    if (one->total != other->total)
        return one->total > other->total ? -1 : 1;
    size_t shorter = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->key, other->key, shorter);
    if (order)
        return order;
    return (one->length > other->length) - (one->length < other->length);
}

uint32_t top_table_list(const struct top_table *table, struct top_entry *entries, uint32_t room)
{
    const struct entry **sorted = memory_allocate_zeroed(table->count + 1, sizeof(const struct entry *));
    for (uint32_t index = 0; index < table->count; index++)
        sorted[index] = &table->entries[index];
    qsort(sorted, table->count, sizeof *sorted, compare);
    uint32_t count = table->count < room ? table->count : room;
    for (uint32_t index = 0; index < count; index++) {
        const struct entry *entry = sorted[index];
        entries[index] = (struct top_entry){.key = slice_of(entry->key, entry->length), .unsure = entry->unsure};
        memcpy(entries[index].counts, entry->counts, sizeof entry->counts);
    }
    free(sorted);
    return count;
}

uint32_t top_table_count(const struct top_table *table)
{
    return table->count;
}

uint64_t top_table_error(const struct top_table *table)
{
    return table->error;
}
