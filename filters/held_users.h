/* Who is held, until when and for what: a list in bounded memory, which people may read and clear.
 *
 * All are held for the same time, so that those whose hold began last are let go last; of a full list the first of them
 * goes before its time, and is counted. A user takes some 300 bytes, and nothing where nobody is held. Not for several
 * threads. */
#ifndef WEIR_FILTERS_HELD_USERS_H
#define WEIR_FILTERS_HELD_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

/* No user id or room id that is longer is held. */
#define HELD_USERS_ID_MAXIMUM 1024u

struct held_user {
    struct slice user;
    struct slice room;   /* empty: everywhere */
    struct slice module; /* whose refusal it was at last */
    uint32_t refusals;   /* that led to it */
    int64_t until_ms;
};

struct held_users;

/* `maximum`: how many are held at most, at least 1. `span_ms`: how long each is, above 0. */
struct held_users *held_users_create(uint32_t maximum, int64_t span_ms, uint64_t seed);
void held_users_destroy(struct held_users *users);

/* The user who is held now, in that room (an empty one: everywhere); NULL if it is not. Whoever would be held for
 * longer than anybody can was held by a clock that was set back, and is free. */
const struct held_user *held_users_find(const struct held_users *users, struct slice user, struct slice room,
                                        int64_t now_ms);
/* Holds the user from now on, also if it is held. Its texts are copied. Lets those go whose time is over. */
void held_users_hold(struct held_users *users, const struct held_user *user, int64_t now_ms);
/* Lets a user go everywhere; an absent one: all. Returns how many holds that were. */
uint32_t held_users_release(struct held_users *users, struct slice user);

/* The next one in the list, from those held last to those held first; NULL behind the end, and for an empty list. With
 * NULL the first. Its time may be over. */
const struct held_user *held_users_next(const struct held_users *users, const struct held_user *user);
uint32_t held_users_count(const struct held_users *users);
/* How many were let go because the list was full. */
uint64_t held_users_forgotten(const struct held_users *users);

/* Appends all that the list holds, but for the seed. */
void held_users_save(const struct held_users *users, struct buffer *output);
/* Takes the place of all that the list holds; `seed` is for the hashes from now on. False, and the list is empty, if no
 * list has saved that. */
bool held_users_restore(struct held_users *users, struct slice saved, uint64_t seed);

#endif
