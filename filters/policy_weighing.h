/* What policy lists come to about somebody, or about a room: one question to all of them.
 *
 * The lists speak in their order. One that makes an exception ends the question; one that bans adds its trust, and at a
 * sum of 1 that is a refusal. Each list counts once, for the name and its server together. */
#ifndef WEIR_FILTERS_POLICY_WEIGHING_H
#define WEIR_FILTERS_POLICY_WEIGHING_H

#include "filters/policy_set.h"

/* Trust is in thousandths. */
#define POLICY_WHOLE_TRUST 1000u

struct policy_weighing {
    uint64_t counted; /* lists whose trust is in `trust` */
    unsigned trust;
    bool ended; /* an exception, or a refusal */
    bool refused;
    uint32_t list; /* the one that spoke last: of a refusal, whose it is */
    uint32_t rule;
    struct slice name; /* that it matched */
};

/* Whether `id`, of that kind, or its `server` (without a port; absent: not asked about) is refused: then `weighing`
 * says by what. `trust` is that of each list. */
bool policy_weighing_refuses(const struct policy_set *set, const unsigned *trust, enum policy_kind kind,
                             struct slice id, struct slice server, struct policy_weighing *weighing);

#endif
