/* What get_users_for_states asks about and answers: the presence states, each once, as in Python's sets, and the users
 * who get some of them. */
#ifndef WEIR_FILTERS_PRESENCE_BATCH_H
#define WEIR_FILTERS_PRESENCE_BATCH_H

#include "filters/value.h"

struct presence_batch {
    struct value *states; /* of the kind VALUE_STATE */
    uint32_t count;
};

/* The distinct states of `updates`, a list, in its order and in `arena`; anything else in it is left aside. */
struct presence_batch presence_batch_collect(const struct value *updates, struct arena *arena);

/* The answer: which states each user gets. */
struct presence_routes {
    struct value *items; /* a user and a set of states in turn */
    uint32_t users;
};

/* Room for that many users, in `arena`. */
struct presence_routes presence_routes_open(uint32_t most, struct arena *arena);
/* One more user, a text that was none of the others; `set` has the states. */
void presence_routes_add(struct presence_routes *routes, struct value user, struct value set);
/* A dict, or whatever passes if nobody gets anything. */
struct value presence_routes_answer(const struct presence_routes *routes);

#endif
