/* Tables differ in their types only, so each kind is a row with its three functions. The module's own pointers are the
 * only ones, so that two modules may exchange their tables. */
#include "filters/kept_tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"
#include "base/rate_table.h"
#include "base/recent_table.h"
#include "base/window_table.h"
#include "filters/asked_once.h"
#include "filters/similar_texts.h"
#include "filters/wave_log.h"

struct kept_kind {
    void (*destroy)(void *table);
    void (*save)(const void *table, struct buffer *output);
    bool (*restore)(void *table, struct slice saved);
};

/* The pointers have types of their own, so that they are read as bytes. */
static void *table_at(const struct kept_table *kept)
{
    void *table;
    memcpy(&table, kept->place, sizeof table);
    return table;
}

static void add(struct kept_tables *tables, const struct kept_kind *kind, void *place)
{
    if (tables->count == KEPT_TABLES_MAXIMUM)
        abort(); /* a module has as many as its source says */
    tables->tables[tables->count++] = (struct kept_table){kind, place};
}

/* kept_tables_add_<kind>, and the row that it adds a table with. */
#define KIND(kind, type)                                                                                               \
    static void destroy_##kind(void *table)                                                                            \
    {                                                                                                                  \
        type##_destroy(table);                                                                                         \
    }                                                                                                                  \
    static void save_##kind(const void *table, struct buffer *output)                                                  \
    {                                                                                                                  \
        type##_save(table, output);                                                                                    \
    }                                                                                                                  \
    static bool restore_##kind(void *table, struct slice saved)                                                        \
    {                                                                                                                  \
        return type##_restore(table, saved);                                                                           \
    }                                                                                                                  \
    static const struct kept_kind kind_##kind = {destroy_##kind, save_##kind, restore_##kind};                         \
    void kept_tables_add_##kind(struct kept_tables *tables, struct type **place, struct type *table)                   \
    {                                                                                                                  \
        *place = table;                                                                                                \
        add(tables, &kind_##kind, (void *)place);                                                                      \
    }

KIND(asked_once, asked_once)
KIND(rate, rate_table)
KIND(recent, recent_table)
KIND(similar, similar_texts)
KIND(wave_log, wave_log)
KIND(window, window_table)

struct kept_tables kept_tables_open(uint64_t version)
{
    return (struct kept_tables){.version = version, .seed = keyed_hash_seed};
}

void kept_tables_free(struct kept_tables *tables)
{
    for (unsigned index = 0; index < tables->count; index++)
        tables->tables[index].kind->destroy(table_at(&tables->tables[index]));
    tables->count = 0;
}

void kept_tables_save(const struct kept_tables *tables, struct buffer *output)
{
    parts_put_head(output, tables->version, tables->seed);
    for (unsigned index = 0; index < tables->count; index++) {
        size_t start = parts_begin(output);
        tables->tables[index].kind->save(table_at(&tables->tables[index]), output);
        parts_end(output, start);
    }
}

bool kept_tables_restore(struct kept_tables *tables, struct slice saved)
{
    uint64_t seed = 0;
    bool good = parts_take_head(&saved, tables->version, &seed);
    for (unsigned index = 0; good && index < tables->count; index++)
        good = tables->tables[index].kind->restore(table_at(&tables->tables[index]), parts_take(&saved));
    if (good && saved.length == 0) {
        tables->seed = seed;
        return true;
    }
    for (unsigned index = 0; index < tables->count; index++)
        (void)tables->tables[index].kind->restore(table_at(&tables->tables[index]), SLICE(""));
    return false;
}

void kept_tables_exchange(struct kept_tables *tables, struct kept_tables *others)
{
    memory_exchange(&tables->seed, &others->seed, sizeof tables->seed);
    for (unsigned index = 0; index < tables->count && index < others->count; index++)
        memory_exchange(tables->tables[index].place, others->tables[index].place, sizeof(void *));
}
