/* A record: the end (8 bytes), then for each key one byte with the length of its id, the id, and the key.
 *
 * As Synapse's keyring (process_v2_response), an answer counts if one of the keys in it has signed it, for then it was
 * made by the server itself; that the notary is the right one, its address and TLS say. */
#include "engine/server_key_answer.h"

#include <jansson.h>

#include "base/base64.h"
#include "filters/event_hash.h"

#define ID_MAXIMUM 255u

static struct slice text_of(const json_t *value)
{
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value)) : SLICE_ABSENT;
}

static bool read_key(const json_t *verify_keys, const char *id, unsigned char key[static SIGNING_KEY_PUBLIC_SIZE])
{
    struct slice text = text_of(json_object_get(json_object_get(verify_keys, id), "key"));
    return slice_present(text) && base64_read(text, key, SIGNING_KEY_PUBLIC_SIZE);
}

static bool is_ed25519(const char *id)
{
    return strncmp(id, "ed25519:", strlen("ed25519:")) == 0 && strlen(id) <= ID_MAXIMUM;
}

static bool signed_by_itself(const json_t *answer, const char *server_name)
{
    const json_t *verify_keys = json_object_get(answer, "verify_keys");
    json_t *signatures = json_object_get(json_object_get(answer, "signatures"), server_name);
    unsigned char key[SIGNING_KEY_PUBLIC_SIZE];
    struct buffer text = {0};
    const char *id;
    json_t *signature;
    bool good = false;
    unsigned tried = 0;
    if (!event_hash_signed_text(answer, &text))
        return false;
    json_object_foreach(signatures, id, signature)
    {
        if (tried == SERVER_KEY_COUNT_MAXIMUM || good)
            break;
        if (!is_ed25519(id) || !json_is_string(signature) || !read_key(verify_keys, id, key))
            continue;
        tried++;
        good = signing_key_verify(key, buffer_slice(&text), text_of(signature));
    }
    buffer_free(&text);
    return good;
}

static void append_record(const json_t *answer, struct buffer *record)
{
    unsigned char key[SIGNING_KEY_PUBLIC_SIZE];
    json_t *verify_keys = json_object_get(answer, "verify_keys");
    int64_t until = json_integer_value(json_object_get(answer, "valid_until_ts"));
    const char *id;
    json_t *value;
    unsigned count = 0;
    buffer_append(record, (const char *)&until, sizeof until);
    json_object_foreach(verify_keys, id, value)
    {
        if (count == SERVER_KEY_COUNT_MAXIMUM)
            break;
        if (!is_ed25519(id) || !read_key(verify_keys, id, key))
            continue;
        count++;
        buffer_append_char(record, (char)strlen(id));
        buffer_append_string(record, id);
        buffer_append(record, (const char *)key, sizeof key);
    }
}

/* `server_name` NUL-terminated. */
static const char *choose(const json_t *answers, const char *server_name, const json_t **chosen)
{
    const char *problem = "the notary knows no keys of the server";
    int64_t longest = INT64_MIN;
    size_t index;
    json_t *answer;
    json_array_foreach((json_t *)(uintptr_t)answers, index, answer)
    {
        const json_t *until = json_object_get(answer, "valid_until_ts");
        if (!slice_equal(text_of(json_object_get(answer, "server_name")), slice_from_string(server_name)))
            continue;
        if (index >= SERVER_KEY_COUNT_MAXIMUM)
            break;
        if (!json_is_integer(until) || !signed_by_itself(answer, server_name)) {
            problem = "the server has not signed its keys, as the notary gives them";
            continue;
        }
        if (json_integer_value(until) > longest) {
            longest = json_integer_value(until);
            *chosen = answer;
        }
    }
    return *chosen ? NULL : problem;
}

const char *server_key_answer_read(struct slice body, struct slice server_name, struct buffer *record)
{
    if (body.length > SERVER_KEY_ANSWER_MAXIMUM)
        return "the notary's answer is too large";
    json_t *json = json_loadb(body.data, body.length, JSON_ALLOW_NUL, NULL);
    const json_t *answers = json_object_get(json, "server_keys"), *chosen = NULL;
    const char *problem = "the notary's answer is no JSON with `server_keys`";
    struct buffer name = {0};
    buffer_append_slice(&name, server_name);
    if (json_is_array(answers))
        problem = choose(answers, buffer_string(&name), &chosen);
    if (!problem)
        append_record(chosen, record);
    buffer_free(&name);
    json_decref(json);
    return problem;
}

int64_t server_key_record_until(struct slice record)
{
    int64_t until = INT64_MIN;
    if (record.length >= sizeof until)
        memcpy(&until, record.data, sizeof until);
    return until;
}

bool server_key_record_find(struct slice record, struct slice key_id,
                            unsigned char public[static SIGNING_KEY_PUBLIC_SIZE])
{
    for (size_t at = sizeof(int64_t); at < record.length;) {
        size_t length = (unsigned char)record.data[at++];
        if (slice_equal(slice_of(record.data + at, length), key_id)) {
            memcpy(public, record.data + at + length, SIGNING_KEY_PUBLIC_SIZE);
            return true;
        }
        at += length + SIGNING_KEY_PUBLIC_SIZE;
    }
    return false;
}
