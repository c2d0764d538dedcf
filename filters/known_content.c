/* One table of keys. Nearly all events are well-formed, and that can be told from the strings that the reader keeps and
 * from what it says of other values; only where a key may be of a wrong kind, or should hold no string, the body is
 * parsed (event_content.h).
 *
 * The table holds what clients read, not all that the specification lists, and takes what Synapse and old clients have
 * always sent: null for "none", an empty content for a name that was taken away. */
#include "filters/known_content.h"

#include <stdlib.h>

#include "base/memory.h"
#include "filters/event_content.h"

enum kind { KIND_TEXT, KIND_TEXT_OR_NULL, KIND_OBJECT, KIND_LIST, KIND_BOOLEAN };
static const char *const wanted_texts[] = {"a text", "a text or null", "an object", "a list", "true or false"};

static const struct known_key {
    struct slice type;
    struct slice key;
    enum kind kind;
    bool required;
} keys[] = {
#define KEY(type, key, kind, required)                                                                                 \
    {                                                                                                                  \
        {type, sizeof(type) - 1}, {key, sizeof(key) - 1}, KIND_##kind, required                                        \
    }
    KEY("m.room.message", "msgtype", TEXT, true),
    KEY("m.room.message", "body", TEXT, true),
    KEY("m.room.message", "format", TEXT, false),
    KEY("m.room.message", "formatted_body", TEXT, false),
    KEY("m.room.message", "filename", TEXT, false),
    KEY("m.room.message", "url", TEXT, false),
    KEY("m.room.message", "geo_uri", TEXT, false),
    KEY("m.room.message", "file", OBJECT, false),
    KEY("m.room.message", "info", OBJECT, false),
    KEY("m.room.message", "m.mentions", OBJECT, false),
    KEY("m.room.message", "m.relates_to", OBJECT, false),
    KEY("m.room.message", "m.new_content", OBJECT, false),
    KEY("m.sticker", "body", TEXT, true),
    KEY("m.sticker", "url", TEXT, false),
    KEY("m.sticker", "info", OBJECT, false),
    KEY("m.reaction", "m.relates_to", OBJECT, true),
    KEY("m.room.encrypted", "algorithm", TEXT, true),
    KEY("m.room.encrypted", "m.relates_to", OBJECT, false),
    KEY("m.room.redaction", "redacts", TEXT, false),
    KEY("m.room.redaction", "reason", TEXT_OR_NULL, false),
    KEY("m.room.member", "membership", TEXT, true),
    KEY("m.room.member", "displayname", TEXT_OR_NULL, false),
    KEY("m.room.member", "avatar_url", TEXT_OR_NULL, false),
    KEY("m.room.member", "reason", TEXT_OR_NULL, false),
    KEY("m.room.name", "name", TEXT_OR_NULL, false),
    KEY("m.room.topic", "topic", TEXT_OR_NULL, false),
    KEY("m.room.avatar", "url", TEXT_OR_NULL, false),
    KEY("m.room.canonical_alias", "alias", TEXT_OR_NULL, false),
    KEY("m.room.canonical_alias", "alt_aliases", LIST, false),
    KEY("m.room.join_rules", "join_rule", TEXT, true),
    KEY("m.room.join_rules", "allow", LIST, false),
    KEY("m.room.history_visibility", "history_visibility", TEXT, true),
    KEY("m.room.guest_access", "guest_access", TEXT, false),
    KEY("m.room.power_levels", "users", OBJECT, false),
    KEY("m.room.power_levels", "events", OBJECT, false),
    KEY("m.room.server_acl", "allow", LIST, false),
    KEY("m.room.server_acl", "deny", LIST, false),
    KEY("m.room.server_acl", "allow_ip_literals", BOOLEAN, false),
    KEY("m.room.pinned_events", "pinned", LIST, false),
    KEY("m.room.tombstone", "replacement_room", TEXT, false),
    KEY("m.room.encryption", "algorithm", TEXT, false),
#undef KEY
};
#define KEYS (sizeof keys / sizeof *keys)

void known_content_create(struct known_content *known, struct field_table *table)
{
    known->slots = memory_allocate(KEYS * sizeof *known->slots);
    for (size_t index = 0; index < KEYS; index++)
        known->slots[index] = field_table_declare(table, keys[index].key);
}

void known_content_free(struct known_content *known)
{
    free(known->slots);
    known->slots = NULL;
}

static bool is_kind(yyjson_val *value, enum kind kind)
{
    switch (kind) {
    case KIND_TEXT:
        return yyjson_is_str(value);
    case KIND_TEXT_OR_NULL:
        return yyjson_is_str(value) || yyjson_is_null(value);
    case KIND_OBJECT:
        return yyjson_is_obj(value);
    case KIND_LIST:
        return yyjson_is_arr(value);
    case KIND_BOOLEAN:
        return yyjson_is_bool(value);
    }
    return true;
}

/* Whether the key is as it should be. That it holds neither a string nor anything else means that it is missing, or an
 * object or list with nothing in it. */
static bool is_good(const struct event *event, const struct known_key *key, uint32_t slot)
{
    bool is_text = slice_present(event_content_string(event, slot));
    if (is_text && (key->kind == KIND_TEXT || key->kind == KIND_TEXT_OR_NULL))
        return true;
    if (!is_text && !key->required && !event_content_other(event, slot))
        return true;
    yyjson_val *content = event_content(event);
    yyjson_val *value = content_member(content, key->key);
    if (!content)
        return true; /* too large to be looked into */
    return value ? is_kind(value, key->kind) : !key->required;
}

/* Whether it has no content but what a redaction leaves. */
static bool is_bare(const struct event *event)
{
    return !slice_present(event->state_key) && yyjson_obj_size(event_content(event)) == 0;
}

struct slice known_content_fault(const struct known_content *known, const struct event *event, const char **wanted)
{
    if (!event->has_body)
        return SLICE_ABSENT;
    for (size_t index = 0; index < KEYS; index++) {
        if (!slice_equal(keys[index].type, event->type) || is_good(event, &keys[index], known->slots[index]))
            continue;
        if (is_bare(event))
            return SLICE_ABSENT;
        *wanted = wanted_texts[keys[index].kind];
        return keys[index].key;
    }
    return SLICE_ABSENT;
}
