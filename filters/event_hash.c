/* The members that are left out are those of Synapse's synapse/crypto/event_signing.py: more than the specification
 * names, but what other servers hash is what Synapse hashes. */
#include "filters/event_hash.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/base64.h"
#include "filters/canonical_json.h"
#include "filters/redaction.h"

/* `left_out` ends with NULL. */
static bool append_without(const json_t *object, const char *const *left_out, struct buffer *text)
{
    json_t *rest = json_copy((json_t *)(uintptr_t)object);
    for (; *left_out; left_out++)
        json_object_del(rest, *left_out);
    bool appended = canonical_json_append(rest, EVENT_HASH_TEXT_MAXIMUM, text);
    json_decref(rest);
    return appended;
}

bool event_hash_signed_text(const json_t *object, struct buffer *text)
{
    static const char *const left_out[] = {"signatures", "unsigned", NULL};
    return append_without(object, left_out, text);
}

bool event_hash_reference_text(const json_t *event, const struct room_version *version, struct buffer *text)
{
    json_t *redacted = redaction_of(event, version);
    bool appended = event_hash_signed_text(redacted, text);
    json_decref(redacted);
    return appended;
}

void event_hash_of(struct slice text, unsigned char hash[static EVENT_HASH_SIZE])
{
    if (EVP_Digest(text.data, text.length, hash, NULL, EVP_sha256(), NULL) != 1)
        abort(); /* no memory, as in base/memory.h */
}

bool event_hash_of_content(const json_t *event, unsigned char hash[static EVENT_HASH_SIZE])
{
    static const char *const left_out[] = {"age_ts",  "unsigned",     "signatures", "hashes",
                                           "outlier", "destinations", NULL};
    struct buffer text = {0};
    bool appended = append_without(event, left_out, &text);
    if (appended)
        event_hash_of(buffer_slice(&text), hash);
    buffer_free(&text);
    return appended;
}

bool event_hash_content_right(const json_t *event)
{
    unsigned char expected[EVENT_HASH_SIZE], found[EVENT_HASH_SIZE];
    const json_t *given = json_object_get(json_object_get(event, "hashes"), "sha256");
    return json_is_string(given) &&
           base64_read(slice_of(json_string_value(given), json_string_length(given)), found, sizeof found) &&
           event_hash_of_content(event, expected) && memcmp(expected, found, sizeof found) == 0;
}

void event_hash_append_id(const json_t *event, const struct room_version *version,
                          const unsigned char hash[static EVENT_HASH_SIZE], struct buffer *id)
{
    const json_t *given = json_object_get(event, "event_id");
    if (version->event_id == EVENT_ID_GIVEN) {
        if (json_is_string(given))
            buffer_append(id, json_string_value(given), json_string_length(given));
        return;
    }
    buffer_append_char(id, '$');
    base64_append(id, hash, EVENT_HASH_SIZE,
                  version->event_id == EVENT_ID_HASH_STANDARD ? BASE64_STANDARD : BASE64_URL_SAFE);
}
