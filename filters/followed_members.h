/* Who is in the rooms that a module follows: one bit for each user in each room, with the place of the event that said
 * so, since events come out of order. In memory that grows with the users, 16 to 32 bytes for each who was ever seen
 * there, up to a bound; beyond it, whoever is new is taken for somebody who is not there. Not for several threads. */
#ifndef WEIR_FILTERS_FOLLOWED_MEMBERS_H
#define WEIR_FILTERS_FOLLOWED_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct followed_members;

/* `maximum`: how many users in rooms are known, at least 1. */
struct followed_members *followed_members_create(uint32_t maximum);
void followed_members_destroy(struct followed_members *members);

/* A membership event: `key` is a hash of room and user (base/keyed_hash.h), `ordering` as `state_event` has it
 * (filters/module.h). False if there was no room for it. */
bool followed_members_see(struct followed_members *members, uint64_t key, int64_t ordering, bool joined);
bool followed_members_has(const struct followed_members *members, uint64_t key);
/* How many are known, whether they are there or were. */
uint32_t followed_members_count(const struct followed_members *members);

/* Appends all that the table holds. */
void followed_members_save(const struct followed_members *members, struct buffer *output);
/* Takes the place of all that the table holds; false, and the table is empty, if no table has saved that. */
bool followed_members_restore(struct followed_members *members, struct slice saved);

#endif
