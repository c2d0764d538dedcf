/* The rules as one table: which keys stay, from which room version's rules on and up to which. */
#include "filters/redaction.h"

#include <limits.h>
#include <stdint.h>

struct kept_key {
    const char *type; /* of the event; NULL: of every event, a key of the event itself */
    const char *key;  /* of its content; NULL: the whole content */
    int since;
    int until;
};

#define ALWAYS 1, INT_MAX
static const struct kept_key kept_keys[] = {
    {NULL, "event_id", ALWAYS},
    {NULL, "type", ALWAYS},
    {NULL, "room_id", ALWAYS},
    {NULL, "sender", ALWAYS},
    {NULL, "state_key", ALWAYS},
    {NULL, "hashes", ALWAYS},
    {NULL, "signatures", ALWAYS},
    {NULL, "depth", ALWAYS},
    {NULL, "prev_events", ALWAYS},
    {NULL, "auth_events", ALWAYS},
    {NULL, "origin_server_ts", ALWAYS},
    {NULL, "prev_state", 1, 10},
    {NULL, "origin", 1, 10},
    {NULL, "membership", 1, 10},
    {"m.room.member", "membership", ALWAYS},
    {"m.room.member", "join_authorised_via_users_server", 9, INT_MAX},
    {"m.room.create", "creator", 1, 10},
    {"m.room.create", NULL, 11, INT_MAX},
    {"m.room.join_rules", "join_rule", ALWAYS},
    {"m.room.join_rules", "allow", 8, INT_MAX},
    {"m.room.power_levels", "ban", ALWAYS},
    {"m.room.power_levels", "events", ALWAYS},
    {"m.room.power_levels", "events_default", ALWAYS},
    {"m.room.power_levels", "invite", 11, INT_MAX},
    {"m.room.power_levels", "kick", ALWAYS},
    {"m.room.power_levels", "redact", ALWAYS},
    {"m.room.power_levels", "state_default", ALWAYS},
    {"m.room.power_levels", "users", ALWAYS},
    {"m.room.power_levels", "users_default", ALWAYS},
    {"m.room.aliases", "aliases", 1, 5},
    {"m.room.history_visibility", "history_visibility", ALWAYS},
    {"m.room.redaction", "redacts", 11, INT_MAX},
};

/* Keeps `signed` alone; what is no object is dropped altogether, as Synapse does. */
static void keep_third_party_invite(const json_t *content, json_t *kept)
{
    const json_t *invite = json_object_get(content, "third_party_invite");
    if (!json_is_object(invite))
        return;
    json_t *left = json_object();
    json_object_set(left, "signed", json_object_get(invite, "signed")); /* nothing happens without it */
    json_object_set_new(kept, "third_party_invite", left);
}

/* `type` NULL: the keys of the event itself. */
static void keep(const json_t *from, const char *type, int rules, json_t *kept)
{
    for (size_t index = 0; index < sizeof kept_keys / sizeof *kept_keys; index++) {
        const struct kept_key *row = &kept_keys[index];
        bool applies = row->type && type ? strcmp(row->type, type) == 0 : row->type == type;
        if (!applies || rules < row->since || rules > row->until)
            continue;
        if (row->key)
            json_object_set(kept, row->key, json_object_get(from, row->key));
        else
            json_object_update(kept, (json_t *)(uintptr_t)from);
    }
}

/* NULL for what is no text, and for one with a NUL in it, which must not pass for the type that its start is. */
static const char *plain_text(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

json_t *redaction_of(const json_t *event, const struct room_version *version)
{
    const char *type = plain_text(json_object_get(event, "type"));
    const json_t *content = json_object_get(event, "content");
    json_t *kept = json_object(), *kept_content = json_object();
    keep(event, NULL, version->redaction, kept);
    if (type && json_is_object(content)) {
        keep(content, type, version->redaction, kept_content);
        if (version->redaction >= 11 && strcmp(type, "m.room.member") == 0)
            keep_third_party_invite(content, kept_content);
    }
    if (type && version->room_id_is_hash && strcmp(type, "m.room.create") == 0)
        json_object_del(kept, "room_id");
    json_object_set_new(kept, "content", kept_content);
    return kept;
}
