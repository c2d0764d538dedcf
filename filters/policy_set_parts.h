/* How a policy set lies in memory: for policy_set.c, and policy_set_saved.c, which writes and reads snapshots. */
#ifndef WEIR_FILTERS_POLICY_SET_PARTS_H
#define WEIR_FILTERS_POLICY_SET_PARTS_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "filters/policy_anchor.h"
#include "filters/policy_index.h"
#include "filters/policy_set.h"

/* In the order in which they count within a list. */
enum form { FORM_NAME, FORM_HASH, FORM_GLOB, FORMS };

/* What stands at a place. */
enum standing {
    STANDING_GONE,  /* nothing */
    STANDING_EMPTY, /* an event without a rule; likewise the next two */
    STANDING_UNKNOWN,
    STANDING_BAD,
    STANDING_RULE,
    STANDINGS
};

struct entry {
    uint64_t place;
    uint64_t place_check; /* the other half of its hash */
    uint64_t event;       /* hash of its id */
    int64_t ordering;
    uint64_t key;              /* that it is linked under; 0: it is not */
    char *texts;               /* of a rule: entity or digest, reason, and the entity folded; NULL without one */
    uint32_t next_place, next; /* in the chains */
    uint16_t entity_length, reason_length, folded_length;
    uint8_t list;
    uint8_t kind : 2, spelling : 2, recommendation : 2, form : 2;
    uint8_t standing : 4, visible : 1, refused : 1;
    uint8_t anchor; /* enum policy_anchor_place of a glob that is linked */
};

struct policy_set {
    struct policy_set_settings settings;
    atomic_uint owners;
    unsigned apply[POLICY_LISTS_MAXIMUM];
    struct entry *entries;
    size_t count, room;
    size_t text_bytes;
    struct policy_index places;
    struct policy_index rules;
    uint32_t anchors[POLICY_KINDS][POLICY_ANCHOR_PLACES]; /* globs under each place */
    uint32_t anchor_places[POLICY_KINDS];                 /* a bit for each that has any */
    uint32_t hashed[POLICY_KINDS];
    struct policy_counts counts[POLICY_LISTS_MAXIMUM + 1]; /* the last: of all */
    EVP_MD *sha256;                                        /* fetched once: that takes longer than the hash */
    EVP_MD_CTX *digesting;
};

/* All that is known of an event, its texts as hashes: of one that comes, and of one that was saved. */
struct known {
    uint64_t place, place_check, event;
    int64_t ordering;
    uint32_t list;
    struct policy_type type;
    enum standing standing;
};

/* policy_set_put, of an event whose hashes are known. */
bool policy_set_put_known(struct policy_set *set, const struct known *known, const struct policy_rule *rule);

#endif
