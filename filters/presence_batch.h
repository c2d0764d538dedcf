/* The presence states that get_users_for_states asks about, each once, as in Python's sets. */
#ifndef WEIR_FILTERS_PRESENCE_BATCH_H
#define WEIR_FILTERS_PRESENCE_BATCH_H

#include "filters/value.h"

struct presence_batch {
    struct value *states; /* of the kind VALUE_STATE */
    uint32_t count;
};

/* The distinct states of `updates`, a list, in its order and in `arena`; anything else in it is left aside. */
struct presence_batch presence_batch_collect(const struct value *updates, struct arena *arena);

#endif
