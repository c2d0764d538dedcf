/* What was lately said about each of many keys: a number for a hash, in fixed memory, from which the oldest go first.
 * For an event that is asked about several times, which shall count once.
 *
 * A key may lie in one group of eight places, 16 bytes each; of a full group the key that was put in longest ago gives
 * way. With n places the last n / 4 keys are there but for about one in a thousand. Memory that was never touched takes
 * no room. Not for several threads. */
#ifndef WEIR_BASE_RECENT_TABLE_H
#define WEIR_BASE_RECENT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct recent_table;

/* `places` is at least 8. */
struct recent_table *recent_table_create(uint32_t places);
void recent_table_destroy(struct recent_table *table);

/* Whether the key (base/keyed_hash.h) is there; what was put in last is in `*value`. */
bool recent_table_find(const struct recent_table *table, uint64_t key, uint32_t *value);
/* Puts the key in as the newest, over what it has. */
void recent_table_put(struct recent_table *table, uint64_t key, uint32_t value);

/* Keys that are there. */
uint64_t recent_table_used(const struct recent_table *table);
/* Those of them with `least` or more as their value: looks at every place. */
uint64_t recent_table_count(const struct recent_table *table, uint32_t least);
/* Keys that had to give way to another. */
uint64_t recent_table_forgotten(const struct recent_table *table);

/* Bytes reserved, whether touched or not. */
size_t recent_table_memory(const struct recent_table *table);

/* Appends all that the table holds. */
void recent_table_save(const struct recent_table *table, struct buffer *output);
/* Takes the place of all that the table holds; false, and the table is empty, if no table has saved that. */
bool recent_table_restore(struct recent_table *table, struct slice saved);

#endif
