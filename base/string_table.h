/* A set of byte strings, each with a number: id lists, domain lists, the index of recorded bodies.
 *
 * Open addressing over XXH3 with the strings in one arena: 1,000,000 Matrix ids take about 50 MiB, a look-up that
 * misses one cache line. The table owns copies of its strings. Not for hostile growth: the owner bounds the count. */
#ifndef WEIR_BASE_STRING_TABLE_H
#define WEIR_BASE_STRING_TABLE_H

#include <stdint.h>

#include "base/slice.h"

#define STRING_TABLE_NONE UINT32_MAX

struct string_table;

struct string_table *string_table_create(void);
void string_table_destroy(struct string_table *table);

/* Adds `key` with `value` unless it is there; true if it was added. `value` must not be STRING_TABLE_NONE. */
bool string_table_add(struct string_table *table, struct slice key, uint32_t value);

/* The value stored with `key`, or STRING_TABLE_NONE. */
uint32_t string_table_find(const struct string_table *table, struct slice key);

/* The table's own copy of `key`, or an absent slice; lives until the next addition. */
struct slice string_table_stored(const struct string_table *table, struct slice key);

size_t string_table_count(const struct string_table *table);

/* Gives back what was allocated for growth: for a table that is complete. */
void string_table_trim(struct string_table *table);

/* Bytes allocated, for the metrics. */
size_t string_table_memory(const struct string_table *table);

#endif
