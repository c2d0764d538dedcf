/* One rate: what has a bucket of its own, how large the buckets are, and what is said of who goes beyond. For modules
 * that bound how often, or how much of, something happens: a rule of `rate`, and filters/request_rates.h.
 *
 * Trust. Where a rule has a trusted factor, who bears a module's tag has buckets of its own, of so many times the rate
 * and the burst: of a room, too, those that are trusted share one, which the others cannot empty.
 *
 * Memory is fixed by `capacity`: RATE_TABLE_BYTES_EACH for each key, once more for the trusted, of which only what is
 * touched takes room (base/rate_table.h). Not for several threads. */
#ifndef WEIR_FILTERS_RATE_RULE_H
#define WEIR_FILTERS_RATE_RULE_H

#include "base/rate_table.h"
#include "filters/duration.h"
#include "filters/module.h"

enum rate_key {
    RATE_KEY_SENDER,
    RATE_KEY_ROOM,
    RATE_KEY_SERVER,
    RATE_KEY_SENDER_ROOM,
    RATE_KEY_IP,      /* an IPv4 address, the /64 of an IPv6 one */
    RATE_KEY_NETWORK, /* the /24 of an IPv4 address, the /64 of an IPv6 one */
};

enum rate_trust { RATE_OTHERS, RATE_TRUSTED, RATE_TRUSTS };

struct rate_rule_settings {
    enum rate_key key;
    struct rate rate;
    int64_t burst;     /* 0: as many as come back in one period */
    const char *name;  /* what verdicts call it; NULL: the rate and the key */
    const char *unit;  /* of what is counted, with a blank before it: " bytes"; "" for one each */
    uint32_t capacity; /* keys */
    int64_t trusted_factor;
};

struct rate_rule {
    enum rate_key key;
    struct rate_table *tables[RATE_TRUSTS]; /* RATE_TRUSTED is NULL where trust changes nothing */
    struct rate_limit limits[RATE_TRUSTS];
    struct buffer name;
    struct buffer reasons[RATE_TRUSTS];
    uint64_t refused; /* questions */
};

/* The settings are copied. A zeroed rule may be freed too. */
void rate_rule_open(struct rate_rule *rule, const struct rate_rule_settings *settings);
void rate_rule_free(struct rate_rule *rule);

/* What a question is to pay by a rule. */
struct rate_due {
    struct rate_rule *rule;
    enum rate_trust trust;
    struct slice text; /* that has the bucket; of RATE_KEY_SENDER_ROOM the sender */
    uint64_t key;      /* the hash of that */
    int64_t cost;
};

/* The text that has the bucket; of RATE_KEY_SENDER_ROOM the sender. Absent: the question does not tell it. Of several
 * addresses it is the last, whose request is the one that decides. */
struct slice rate_key_text(enum rate_key key, const struct callback_arguments *arguments);
/* What of an address has the bucket, in `bytes`: the first 64 bits of an IPv6 one, four bytes of IPv4, three if `wide`;
 * what is no address, itself. */
struct slice rate_network(struct slice address, bool wide, unsigned char bytes[16]);
/* The bucket that the question concerns, with a cost of 1; false: none. `seed` is that of the hashes. */
bool rate_rule_concerns(struct rate_rule *rule, const struct callback_arguments *arguments, uint64_t seed, bool trusted,
                        struct rate_due *due);

/* Holds the question against all its dues: the place of the first that is beyond its rate, plus one; 0: none. */
uint32_t rate_dues_look(const struct rate_due *dues, uint32_t count, const struct callback_arguments *arguments);
/* Takes from all buckets what is due, also from those that lack it; nothing in a trial. */
void rate_dues_pay(const struct rate_due *dues, uint32_t count, const struct callback_arguments *arguments);
/* Looks, and if none is beyond its rate, pays; else counts the refusal. */
uint32_t rate_dues_settle(const struct rate_due *dues, uint32_t count, const struct callback_arguments *arguments);
/* Rule, reason and evidence of a refusal. */
void rate_due_explain(const struct rate_due *due, struct result *result);

/* Two parts at most (base/parts.h). Restoring takes them off `parts`; false: they are no such parts, and the rule may
 * hold some of them: empty it with rate_rule_clear. */
void rate_rule_save(const struct rate_rule *rule, struct buffer *output);
bool rate_rule_restore(struct rate_rule *rule, struct slice *parts);
void rate_rule_clear(struct rate_rule *rule);
/* module_definition.take_over of a rule with the same settings. */
void rate_rule_take_over(struct rate_rule *rule, struct rate_rule *from);

/* module_definition.figures of modules with such rules: keys, refused, forgotten. */
void rate_rules_figures(const struct rate_rule *const *rules, uint32_t count, module_figure_function *figure,
                        void *context);

#endif
