/* Rates that several engines keep together, as a module asks for them. What they share, and how, is the engine's
 * (engine/shared_rate.h); like every question to somebody outside it has a ticket, and the module that asked is handed
 * the answer (filters/service.h): `status` is the `number` of the bucket that lacked what it was to pay, or 0, and all
 * have paid. */
#ifndef WEIR_FILTERS_SHARED_RATES_H
#define WEIR_FILTERS_SHARED_RATES_H

#include "base/rate_table.h"
#include "base/slice.h"

/* Buckets that one question may concern. */
#define SHARED_BUCKETS_MAXIMUM 32u
/* A bucket that takes longer to fill cannot be shared: thirty-five thousand years. */
#define SHARED_FILL_MAXIMUM_MS (INT64_C(1) << 50)

struct shared_bucket {
    struct slice key;               /* the same in all engines, and in no other rule */
    const struct rate_limit *limit; /* of the bucket */
    int64_t cost;                   /* from 1 to the burst */
    int number;                     /* above 0 */
};

struct shared_question {
    /* What counts once: a key for it, the same in all engines. Who asks again within some minutes gets the same answer,
     * and pays nothing. Absent: it counts each time. */
    struct slice once;
    const struct shared_bucket *buckets;
    uint32_t count; /* at least 1 */
    int64_t now_ms; /* of the question */
};

struct shared_rates {
    void *context;
    /* A module that may ask is there, or gone. */
    void (*join)(void *context);
    void (*leave)(void *context);
    /* All is copied. The ticket, never 0; or 0 with a sentence in `*refusal` when nobody can be asked now. */
    uint64_t (*ask)(void *context, const struct shared_question *question, const char **refusal);
};

#endif
