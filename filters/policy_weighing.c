/* The guard is asked last, since hardly any name is ever refused. */
#include "filters/policy_weighing.h"

/* What the rules of one kind add to the question. `name` may be absent. */
static void weigh(const struct policy_set *set, const unsigned *trust, enum policy_kind kind, struct slice name,
                  struct policy_weighing *weighing)
{
    struct policy_hits hits;
    if (weighing->ended || !policy_set_find(set, kind, name, &hits))
        return;
    for (uint64_t rest = hits.lists; rest && !weighing->ended; rest &= rest - 1) {
        uint32_t list = (uint32_t)__builtin_ctzll(rest);
        enum policy_recommendation recommendation = policy_set_rule(set, hits.rules[list]).recommendation;
        bool bans = recommendation == POLICY_BAN || recommendation == POLICY_TAKEDOWN;
        if (bans && !(weighing->counted >> list & 1)) {
            weighing->counted |= 1ull << list;
            weighing->trust += trust[list];
        }
        weighing->refused = bans && weighing->trust >= POLICY_WHOLE_TRUST;
        weighing->ended = !bans || weighing->refused;
        weighing->list = list;
        weighing->rule = hits.rules[list];
        weighing->name = name;
    }
}

static bool is_exempt(const struct policy_set *set, enum policy_kind kind, struct slice name)
{
    char folded[POLICY_ENTITY_MAXIMUM];
    return slice_present(name) && name.length <= sizeof folded &&
           policy_guard_exempts(policy_set_guard(set), kind, slice_of(folded, policy_fold(name, folded)));
}

bool policy_weighing_refuses(const struct policy_set *set, const unsigned *trust, enum policy_kind kind,
                             struct slice id, struct slice server, struct policy_weighing *weighing)
{
    *weighing = (struct policy_weighing){0};
    weigh(set, trust, kind, id, weighing);
    if (!weighing->ended) {
        weigh(set, trust, POLICY_SERVER, server, weighing);
        if (weighing->refused && is_exempt(set, POLICY_SERVER, server))
            return false;
    }
    return weighing->refused && !is_exempt(set, kind, id);
}
