/* What no rule of a policy list may hit, whatever a list says: a slip of a list's moderator, or a list taken over, must
 * not shut out the homeserver's own people. */
#ifndef WEIR_FILTERS_POLICY_GUARD_H
#define WEIR_FILTERS_POLICY_GUARD_H

#include "filters/parameter.h"
#include "filters/policy_rule.h"

struct guarded {
    enum policy_kind kind;
    bool whole_only; /* a rule for all of them is refused; single ones may be matched */
    struct slice text;
};

struct policy_guard {
    struct guarded *entries;
    size_t count;
};

/* `never`: names and globs, of users those with `@`, of rooms those with `!`, the others of servers. `server_name` is
 * the homeserver's, which is guarded always, as are all its users together. */
void policy_guard_open(struct policy_guard *guard, const struct text_list *never, struct slice server_name);
void policy_guard_free(struct policy_guard *guard);

/* Whether a rule is refused, since it would match all that an entry stands for. `entity` is folded (policy_fold). */
bool policy_guard_refuses(const struct policy_guard *guard, enum policy_kind kind, struct slice entity);
/* Whether no rule may match `name`, which is folded likewise. */
bool policy_guard_exempts(const struct policy_guard *guard, enum policy_kind kind, struct slice name);

/* Writes `text` (valid UTF-8) to `output`, which has room for its length, without regard to case; returns the length.
 */
size_t policy_fold(struct slice text, char *output);

#endif
