/* Tables differ in their types only, so each kind is a row with its three functions. */
#include "filters/kept_tables.h"

#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/parts.h"
#include "base/rate_table.h"
#include "base/recent_table.h"
#include "base/window_table.h"
#include "filters/asked_once.h"
#include "filters/similar_texts.h"

struct kept_kind {
    void (*destroy)(void *table);
    void (*save)(const void *table, struct buffer *output);
    bool (*restore)(void *table, struct slice saved);
};

/* kept_<kind>, and the row that it adds a table with. */
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
    struct type *kept_##kind(struct kept_tables *tables, struct type *table)                                           \
    {                                                                                                                  \
        return add(tables, &kind_##kind, table);                                                                       \
    }

static void *add(struct kept_tables *tables, const struct kept_kind *kind, void *table)
{
    if (tables->count == KEPT_TABLES_MAXIMUM)
        abort(); /* a module has as many as its source says */
    tables->tables[tables->count++] = (struct kept_table){kind, table};
    return table;
}

KIND(asked_once, asked_once)
KIND(rate, rate_table)
KIND(recent, recent_table)
KIND(similar_texts, similar_texts)
KIND(window, window_table)

struct kept_tables kept_tables_open(uint64_t version)
{
    return (struct kept_tables){.version = version, .seed = keyed_hash_seed};
}

void kept_tables_free(struct kept_tables *tables)
{
    for (unsigned index = 0; index < tables->count; index++)
        tables->tables[index].kind->destroy(tables->tables[index].table);
    tables->count = 0;
}

void kept_tables_save(const struct kept_tables *tables, struct buffer *output)
{
    parts_put_head(output, tables->version, tables->seed);
    for (unsigned index = 0; index < tables->count; index++) {
        size_t start = parts_begin(output);
        tables->tables[index].kind->save(tables->tables[index].table, output);
        parts_end(output, start);
    }
}

bool kept_tables_restore(struct kept_tables *tables, struct slice saved)
{
    uint64_t seed = 0;
    bool good = parts_take_head(&saved, tables->version, &seed);
    for (unsigned index = 0; good && index < tables->count; index++)
        good = tables->tables[index].kind->restore(tables->tables[index].table, parts_take(&saved));
    if (good && saved.length == 0) {
        tables->seed = seed;
        return true;
    }
    for (unsigned index = 0; index < tables->count; index++)
        (void)tables->tables[index].kind->restore(tables->tables[index].table, SLICE(""));
    return false;
}
