/* The rules of several policy lists, made so that one question costs the same whatever their number: names and hashes
 * in a hash map, globs under a run of their bytes (policy_anchor.h). A rule comes or goes in about a microsecond;
 * nothing is compiled.
 *
 * The set knows each list's state by kind of rule and state key, in all three spellings of the types, of which the
 * newest that is there hides the others, also when it is empty. For each it takes 64 bytes and about 70 of indexes, and
 * the texts of entity and reason (at most 2,304 bytes); they are counted against a maximum. */
#ifndef WEIR_FILTERS_POLICY_SET_H
#define WEIR_FILTERS_POLICY_SET_H

#include "base/buffer.h"
#include "filters/policy_guard.h"
#include "filters/policy_rule.h"

struct policy_set;

/* Lists have numbers from 0, in the order in which they count. */
#define POLICY_LISTS_MAXIMUM 64u

struct policy_set_settings {
    uint32_t lists;
    const unsigned *apply;     /* by list: a bit for each recommendation that is followed. Copied */
    bool ignore_case;          /* of users and rooms; servers never have any */
    size_t capacity;           /* events known at most */
    struct policy_guard guard; /* the set takes it over */
};

struct policy_set *policy_set_create(const struct policy_set_settings *settings);
/* One more owner, for which policy_set_destroy is to be called as well; that may be from another thread. */
struct policy_set *policy_set_share(struct policy_set *set);
void policy_set_destroy(struct policy_set *set);

const struct policy_guard *policy_set_guard(const struct policy_set *set);

/* An event of a list's state. */
struct policy_place {
    uint32_t list;
    struct policy_type type;
    struct slice state_key;
    struct slice event_id; /* absent: nothing stands there any more */
    int64_t ordering;      /* in the stream of events; one older than the known one changes nothing */
};
/* Takes it in; `rule` counts for a status of POLICY_RULE_READ. False if the set is full, and nothing was changed. */
bool policy_set_put(struct policy_set *set, const struct policy_place *place, enum policy_rule_status status,
                    const struct policy_rule *rule);

/* For each list with a rule that matches, the one that counts: a name before a hash before globs; of several the newest
 * one. */
struct policy_hits {
    uint64_t lists; /* a bit for each list */
    uint32_t rules[POLICY_LISTS_MAXIMUM];
};
/* Looks for the rules of one kind. `name` is valid UTF-8; of a server without its port. False if there are none. */
bool policy_set_find(const struct policy_set *set, enum policy_kind kind, struct slice name, struct policy_hits *hits);

/* A rule that was found; its texts live until the set changes. */
struct policy_found {
    enum policy_recommendation recommendation;
    struct slice entity; /* as in the event; of a hashed one the digest's bytes */
    bool hashed;
    struct slice reason; /* absent without one */
};
struct policy_found policy_set_rule(const struct policy_set *set, uint32_t rule);

/* How many there are now. */
struct policy_counts {
    uint64_t rules;   /* that are followed */
    uint64_t unknown; /* with a recommendation that is not known */
    uint64_t bad;     /* that could not be read */
    uint64_t refused; /* that the guard refuses */
};
/* Of one list; of all for a number behind the last. */
struct policy_counts policy_set_counts(const struct policy_set *set, uint32_t list);
/* Events known. */
size_t policy_set_size(const struct policy_set *set);
/* Bytes allocated. */
size_t policy_set_memory(const struct policy_set *set);

/* All that came from the stream of events (ordering above 0), for a set with the same lists. */
void policy_set_save(const struct policy_set *set, struct buffer *output);
/* Takes that in, as if each event came now. False if it is damaged, and nothing was changed. */
bool policy_set_restore(struct policy_set *set, struct slice saved);

#endif
