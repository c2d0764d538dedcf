/* What may stand in an event comes in several spellings, so that each is a row of a table. */
#include "filters/policy_rule.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "filters/event_content.h"

const char *const policy_recommendation_names[] = {
    [POLICY_BAN] = "ban", [POLICY_TAKEDOWN] = "takedown", [POLICY_ALLOW] = "allow", [POLICY_UNBAN] = "unban", NULL};

/* The newest first. */
static const struct slice type_prefixes[POLICY_SPELLINGS] = {
    {"m.policy.rule.", 14}, {"m.room.rule.", 12}, {"org.matrix.mjolnir.rule.", 24}};
static const struct slice kind_names[POLICY_KINDS] = {
    [POLICY_USER] = {"user", 4}, [POLICY_ROOM] = {"room", 4}, [POLICY_SERVER] = {"server", 6}};

static const struct {
    struct slice name;
    enum policy_recommendation meaning;
} recommendations[] = {
    {{"m.ban", 5}, POLICY_BAN},
    {{"org.matrix.mjolnir.ban", 22}, POLICY_BAN},
    {{"m.takedown", 10}, POLICY_TAKEDOWN},
    {{"org.matrix.msc4204.takedown", 27}, POLICY_TAKEDOWN},
    {{"org.matrix.mjolnir.allow", 24}, POLICY_ALLOW},
    {{"fi.mau.meowlnir.unban", 21}, POLICY_UNBAN},
};

static const struct slice hashes_names[] = {{"hashes", 6}, {"org.matrix.msc4205.hashes", 25}};

bool policy_type_read(struct slice type, struct policy_type *found)
{
    for (uint8_t spelling = 0; spelling < POLICY_SPELLINGS; spelling++) {
        struct slice prefix = type_prefixes[spelling];
        if (type.length <= prefix.length || memcmp(type.data, prefix.data, prefix.length) != 0)
            continue;
        struct slice name = slice_of(type.data + prefix.length, type.length - prefix.length);
        for (int kind = 0; kind < POLICY_KINDS; kind++) {
            if (!slice_equal(name, kind_names[kind]))
                continue;
            *found = (struct policy_type){(enum policy_kind)kind, spelling};
            return true;
        }
    }
    return false;
}

static bool read_recommendation(struct slice name, enum policy_recommendation *meaning)
{
    for (size_t index = 0; index < sizeof recommendations / sizeof *recommendations; index++) {
        if (!slice_equal(name, recommendations[index].name))
            continue;
        *meaning = recommendations[index].meaning;
        return true;
    }
    return false;
}

static bool read_digest(yyjson_val *content, unsigned char digest[static POLICY_DIGEST_SIZE])
{
    for (size_t index = 0; index < sizeof hashes_names / sizeof *hashes_names; index++) {
        yyjson_val *hashes = content_member(content, hashes_names[index]);
        struct slice text = content_string(hashes, SLICE("sha256"));
        if (slice_present(text) && base64_read(text, digest, POLICY_DIGEST_SIZE))
            return true;
    }
    return false;
}

/* The longest beginning of `text` that fits, not cut off within a character. */
static struct slice cut_off(struct slice text)
{
    if (text.length <= POLICY_REASON_MAXIMUM)
        return text;
    size_t length = POLICY_REASON_MAXIMUM;
    while (length && ((unsigned char)text.data[length] & 0xc0u) == 0x80u)
        length--;
    return slice_of(text.data, length);
}

enum policy_rule_status policy_rule_read(yyjson_val *content, struct policy_rule *rule)
{
    *rule = (struct policy_rule){0};
    if (!content || yyjson_obj_size(content) == 0)
        return POLICY_RULE_EMPTY;
    struct slice recommendation = content_string(content, SLICE("recommendation"));
    rule->entity = content_string(content, SLICE("entity"));
    rule->hashed = !slice_present(rule->entity);
    if (rule->hashed ? !read_digest(content, rule->digest)
                     : rule->entity.length == 0 || rule->entity.length > POLICY_ENTITY_MAXIMUM)
        return POLICY_RULE_BAD;
    if (!slice_present(recommendation))
        return POLICY_RULE_BAD;
    if (!read_recommendation(recommendation, &rule->recommendation))
        return POLICY_RULE_UNKNOWN;
    rule->reason = cut_off(content_string(content, SLICE("reason")));
    return POLICY_RULE_READ;
}
