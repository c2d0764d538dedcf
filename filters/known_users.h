/* Users that were lately seen, with a number for each: in bounded memory, from which those go first who were not seen
 * for long.
 *
 * There are two generations. Whoever is seen belongs to the younger one; when that is half of what is allowed, it
 * becomes the older, and what that was is forgotten. So the last half of all users is always there. A user takes some
 * 150 bytes. Not for several threads. */
#ifndef WEIR_FILTERS_KNOWN_USERS_H
#define WEIR_FILTERS_KNOWN_USERS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/string_table.h"

struct known_user {
    char *id; /* NULL: moved to the younger generation */
    uint32_t length;
    uint64_t mark;
};

struct known_generation {
    struct string_table *places;
    struct known_user *users;
    uint32_t count;
};

struct known_users {
    struct known_generation young, old;
    uint32_t half;
};

/* `maximum`: how many users there are at most, at least 2. Free with known_users_free. */
void known_users_create(struct known_users *users, uint32_t maximum);
void known_users_free(struct known_users *users);

/* The user was seen: `id` is copied, `mark` kept. Ids of other users may move or go. */
void known_users_see(struct known_users *users, struct slice id, uint64_t mark);
bool known_users_find(const struct known_users *users, struct slice id, uint64_t *mark);

/* The next user from `*place` on, 0 at first, those seen last first; NULL at the end. None may be seen meanwhile. */
const struct known_user *known_users_next(const struct known_users *users, uint32_t *place);

/* Appends the ids, those that are forgotten first before the others. Read them with parts_take (base/parts.h). */
void known_users_save(const struct known_users *users, struct buffer *output);

#endif
