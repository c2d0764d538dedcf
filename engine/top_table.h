/* The texts that occur most often, in bounded memory: rooms, senders, rules ("Space-Saving", Metwally, Agrawal and El
 * Abbadi 2005).
 *
 * A table of `capacity` texts. While no more different ones came, all counts are exact. Then a new text takes the place
 * of one with the fewest: what that had becomes the new one's `unsure`, by which it may be counted too low. Any text
 * that came more often than (all that came) / capacity is in the table. What it holds depends on the order of what
 * came, and on nothing else. */
#ifndef WEIR_ENGINE_TOP_TABLE_H
#define WEIR_ENGINE_TOP_TABLE_H

#include <stdint.h>

#include "base/slice.h"

/* Longer texts are cut, and those that are then alike count as one. */
#define TOP_TABLE_KEY_MAXIMUM 255u
#define TOP_TABLE_COUNTS 2u

struct top_table;

struct top_entry {
    struct slice key; /* lives until the next top_table_add */
    /* Since it is in the table: each is exact, or too low by `unsure` at most, all together. */
    uint64_t counts[TOP_TABLE_COUNTS];
    uint64_t unsure;
};

/* `capacity` is 1 or more. */
struct top_table *top_table_create(uint32_t capacity);
void top_table_destroy(struct top_table *table);

/* Adds `amount` to one of the text's counts. */
void top_table_add(struct top_table *table, struct slice key, unsigned which, uint64_t amount);

/* The entries, most counts (with what is unsure) first, equal ones by their text: as many as there is `room` for.
 * Returns how many. */
uint32_t top_table_list(const struct top_table *table, struct top_entry *entries, uint32_t room);
/* How many different texts it holds. */
uint32_t top_table_count(const struct top_table *table);
/* By how much any count may be too low; 0: all are exact. */
uint64_t top_table_error(const struct top_table *table);

#endif
