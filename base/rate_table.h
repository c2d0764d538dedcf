/* Token buckets, one for each key, in memory that is fixed when the table is made: floods of each sender, room, server.
 *
 * A bucket holds `burst` tokens and gets `count` of them back in each `period_ms`, evenly. It is kept as one number,
 * the moment at which it will be full again, in steps of 1/count ms, so that the arithmetic is exact. A bucket that is
 * full says nothing and takes no room: entries age by themselves.
 *
 * Each key takes 16 bytes, in a table of twice as many places as keys that it is made for: 32 MB for 1,000,000. A key
 * may lie in two groups of four places; where all eight are taken by buckets that are not full, the one that will be
 * full first is forgotten, which can only let too much pass, and is counted. With as many keys as the table was made
 * for, all with buckets that are not full, that is about one in ten thousand; beyond that, the buckets that were
 * emptied most are the last to go.
 *
 * Memory that was never touched takes no room. Not for several threads. */
#ifndef WEIR_BASE_RATE_TABLE_H
#define WEIR_BASE_RATE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define RATE_COUNT_MAXIMUM 4000000
#define RATE_PERIOD_MAXIMUM_MS ((int64_t)7 * 86400 * 1000)
#define RATE_BURST_MAXIMUM 1000000000
#define RATE_TABLE_BYTES_EACH 32 /* for each of `capacity` */

struct rate_limit {
    int64_t count;     /* tokens in each period; from 1 to RATE_COUNT_MAXIMUM */
    int64_t period_ms; /* from 1 to RATE_PERIOD_MAXIMUM_MS */
    int64_t burst;     /* tokens in a full bucket; from 1 to RATE_BURST_MAXIMUM */
};

struct rate_table;

/* `capacity`: how many keys it is made for, at least 1. */
struct rate_table *rate_table_create(const struct rate_limit *limit, uint32_t capacity);
void rate_table_destroy(struct rate_table *table);

/* All times are in milliseconds since 1970, above 0. One that is older than the last is taken for the last; one
 * that is older by more than RATE_SETBACK_MS is taken for a clock that was set back, and time goes on from there. Keys
 * are hashes (base/keyed_hash.h). A cost of 0 or less is always there; one above the burst never. */
#define RATE_SETBACK_MS 300000

/* Whether the bucket has `cost` tokens; changes nothing. */
bool rate_table_has(const struct rate_table *table, uint64_t key, int64_t cost, int64_t now_ms);
/* Takes them; false, and nothing is taken, if they are not there. */
bool rate_table_take(struct rate_table *table, uint64_t key, int64_t cost, int64_t now_ms);
/* Takes them even if they are not there, because somebody else has let it pass: the bucket then lacks more than it
 * holds, at most twice as much, which is forgotten by a snapshot. */
void rate_table_charge(struct rate_table *table, uint64_t key, int64_t cost, int64_t now_ms);
/* Puts `cost` of what was taken back; never more than the bucket holds. */
void rate_table_give_back(struct rate_table *table, uint64_t key, int64_t cost, int64_t now_ms);
/* Tokens that are there, whole ones; below 0 after a charge beyond what was there. */
int64_t rate_table_tokens(const struct rate_table *table, uint64_t key, int64_t now_ms);

/* Buckets that are not full, as of the last time: exact in a table of up to 16,384 places, of a larger one an estimate
 * from so many of them, which keys fill evenly: to within 3 % where a tenth is taken. Touches no other memory. */
uint64_t rate_table_keys(const struct rate_table *table);
/* Buckets that were forgotten before they were full. */
uint64_t rate_table_forgotten(const struct rate_table *table);
/* Bytes reserved, whether touched or not. */
size_t rate_table_memory(const struct rate_table *table);

/* Appends the buckets that are not full. */
void rate_table_save(const struct rate_table *table, struct buffer *output);
/* Takes the place of all that the table holds, from what a table of the same limit has saved; the capacity may differ.
 * False, and the table is empty, if it is not that. */
bool rate_table_restore(struct rate_table *table, struct slice saved);

#endif
