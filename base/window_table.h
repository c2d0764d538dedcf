/* How often something happened lately, for each of many keys, in fixed memory: texts that come again, joins of a room.
 *
 * The window is counted in eighths: what happened counts for at least the window, and for at most an eighth longer.
 * Unlike a token bucket (rate_table.h), nothing comes back before that.
 *
 * A key may lie in one group of eight places, 40 bytes each; of a full group a key whose window has passed gives way,
 * or else the one that was counted least, of those the one that was seen longest ago. A flood of keys that come once
 * each so pushes out its like, not what is being counted. Memory that was never touched takes no room. Not for several
 * threads. */
#ifndef WEIR_BASE_WINDOW_TABLE_H
#define WEIR_BASE_WINDOW_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define WINDOW_TABLE_BYTES_EACH 40 /* for each of `places` */
/* Counts stand still there. */
#define WINDOW_TABLE_COUNT_MAXIMUM 65535u

struct window_table;

/* `window_ms` is at least 8, `places` at least 8. */
struct window_table *window_table_create(int64_t window_ms, uint32_t places);
void window_table_destroy(struct window_table *table);

/* The time of both is in milliseconds, above 0. One that is older than the last of the key is taken for the last; one
 * that is older by more than the window, for a clock that was set back: the count begins anew. Keys are hashes
 * (base/keyed_hash.h). */

/* How often the key was added within the window; changes nothing. */
uint32_t window_table_count(const struct window_table *table, uint64_t key, int64_t now_ms);
/* Adds it once more; returns the count with this one. */
uint32_t window_table_add(struct window_table *table, uint64_t key, int64_t now_ms);

/* The key's count is 0 from now on. */
void window_table_forget(struct window_table *table, uint64_t key);

/* Keys that had to give way to another before their window had passed. */
uint64_t window_table_forgotten(const struct window_table *table);

/* Bytes reserved, whether touched or not. */
size_t window_table_memory(const struct window_table *table);

/* Appends all that the table holds. */
void window_table_save(const struct window_table *table, struct buffer *output);
/* Takes the place of all that the table holds, from what a table of the same window has saved. False, and the table is
 * empty, if it is not that. */
bool window_table_restore(struct window_table *table, struct slice saved);

#endif
