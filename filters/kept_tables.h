/* The tables of a module that remembers: made by it, and here saved, restored, handed over and ended as one.
 *
 * What is saved is a head with the version of the module's format and the seed of its hashes (base/parts.h), and then
 * each table behind its length, in the order in which they were added. */
#ifndef WEIR_FILTERS_KEPT_TABLES_H
#define WEIR_FILTERS_KEPT_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define KEPT_TABLES_MAXIMUM 8u

struct asked_once;
struct rate_table;
struct recent_table;
struct similar_texts;
struct wave_log;
struct window_table;

struct kept_tables {
    uint64_t version;
    uint64_t seed; /* for all hashes that are keys (base/keyed_hash.h); a snapshot brings its own */
    struct kept_table {
        const struct kept_kind *kind;
        void *place; /* the pointer to the table, in the module's state */
    } tables[KEPT_TABLES_MAXIMUM];
    unsigned count;
};

/* None yet, with the process's seed. `version` is the module's, for the layout of what it saves. */
struct kept_tables kept_tables_open(uint64_t version);
/* Ends them all. */
void kept_tables_free(struct kept_tables *tables);

/* Each puts `table` into `*place`, which does not move, and takes it over. A module adds the same kinds in the same
 * order wherever its configuration is the same; at most KEPT_TABLES_MAXIMUM. */
void kept_tables_add_asked_once(struct kept_tables *tables, struct asked_once **place, struct asked_once *table);
void kept_tables_add_rate(struct kept_tables *tables, struct rate_table **place, struct rate_table *table);
void kept_tables_add_recent(struct kept_tables *tables, struct recent_table **place, struct recent_table *table);
void kept_tables_add_similar(struct kept_tables *tables, struct similar_texts **place, struct similar_texts *table);
void kept_tables_add_wave_log(struct kept_tables *tables, struct wave_log **place, struct wave_log *table);
void kept_tables_add_window(struct kept_tables *tables, struct window_table **place, struct window_table *table);

void kept_tables_save(const struct kept_tables *tables, struct buffer *output);
/* All or nothing: false, and the tables are empty, for what they cannot read. */
bool kept_tables_restore(struct kept_tables *tables, struct slice saved);
/* Puts the tables of each into the other's places, and the seeds; both are of one configuration. */
void kept_tables_exchange(struct kept_tables *tables, struct kept_tables *others);

#endif
