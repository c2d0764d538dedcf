/* One rule of a policy list, as a state event of the list's room gives it (Matrix specification, "Moderation policy
 * lists"; MSC4204 for takedowns, MSC4205 for hashed entities; the older and unstable names that bots still write).
 *
 * A rule borrows its texts from the event that it was read from. */
#ifndef WEIR_FILTERS_POLICY_RULE_H
#define WEIR_FILTERS_POLICY_RULE_H

#include <stdint.h>
#include <yyjson.h>

#include "base/slice.h"

enum policy_kind { POLICY_USER, POLICY_ROOM, POLICY_SERVER, POLICY_KINDS };

enum policy_recommendation { POLICY_BAN, POLICY_TAKEDOWN, POLICY_ALLOW, POLICY_UNBAN, POLICY_RECOMMENDATIONS };
/* "ban", …, NULL: by enum policy_recommendation. */
extern const char *const policy_recommendation_names[];

/* Each kind of rule has three spellings of its event's type; 0 is the newest. */
#define POLICY_SPELLINGS 3u
struct policy_type {
    enum policy_kind kind;
    uint8_t spelling;
};
/* False if `type` is not that of a rule. */
bool policy_type_read(struct slice type, struct policy_type *found);

/* No entity is longer; Matrix allows ids of 255 bytes. Of a reason that many bytes are kept. */
#define POLICY_ENTITY_MAXIMUM 1024u
#define POLICY_REASON_MAXIMUM 256u
#define POLICY_DIGEST_SIZE 32u

struct policy_rule {
    enum policy_recommendation recommendation;
    bool hashed;         /* `digest` is the entity's SHA-256 */
    struct slice entity; /* a name or a glob: `*` any run of characters, `?` one; absent if hashed */
    unsigned char digest[POLICY_DIGEST_SIZE]; /* zeroed unless hashed */
    struct slice reason;                      /* cut off at POLICY_REASON_MAXIMUM; absent without one */
};

enum policy_rule_status {
    POLICY_RULE_READ,
    POLICY_RULE_EMPTY,   /* no content: there is no rule any more, or it was redacted */
    POLICY_RULE_UNKNOWN, /* a recommendation that nobody here knows what to do with */
    POLICY_RULE_BAD,     /* no entity, no recommendation, or none that can be read */
};

/* Reads the event's `content`; NULL is taken as an empty one. */
enum policy_rule_status policy_rule_read(yyjson_val *content, struct policy_rule *rule);

#endif
