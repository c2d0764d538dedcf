/* Events of other servers, in every room version: what is signed of one does not change by being redacted, nor by what
 * is not signed; the id is made of it; and what is a well formed event has one. */
#include <stdlib.h>

#include "filters/event_format.h"
#include "filters/event_hash.h"
#include "filters/redaction.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_redacted(const json_t *event, const struct room_version *version, struct slice text)
{
    struct buffer again = {0};
    json_t *redacted = redaction_of(event, version);
    require(event_hash_reference_text(redacted, version, &again) && slice_equal(buffer_slice(&again), text));
    json_object_set_new(redacted, "unsigned", json_pack("{s:i}", "age", 1));
    json_object_set_new(redacted, "signatures", json_object());
    json_object_set_new(redacted, "org.example.unknown", json_integer(1));
    buffer_clear(&again);
    require(event_hash_reference_text(redacted, version, &again) && slice_equal(buffer_slice(&again), text));
    json_decref(redacted);
    buffer_free(&again);
}

static void check_event(const json_t *event, const struct room_version *version)
{
    unsigned char hash[EVENT_HASH_SIZE];
    struct buffer text = {0}, id = {0};
    const char *problem = event_format_problem(event, version);
    bool appended = event_hash_reference_text(event, version, &text);
    require(appended || (text.length == 0 && problem));
    if (appended) {
        event_hash_of(buffer_slice(&text), hash);
        event_hash_append_id(event, version, hash, &id);
        require(problem || id.length > 1);
        check_redacted(event, version, buffer_slice(&text));
    }
    event_hash_content_right(event);
    event_format_creates_room(event);
    buffer_free(&text);
    buffer_free(&id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *event = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
    for (size_t index = 0; json_is_object(event) && room_version_at(index); index++)
        check_event(event, room_version_at(index));
    json_decref(event);
    return 0;
}
