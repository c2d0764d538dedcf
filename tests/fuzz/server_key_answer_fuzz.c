/* What a notary says of keys, for the server and the key that the first lines name; and the record that is made of it.
 * A good answer needs a signature, which no fuzzer finds: one is put in where the bytes ask for it. */
#include <jansson.h>
#include <stdlib.h>

#include "engine/server_key_answer.h"
#include "filters/event_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Signs each of the answers with a known key, for itself. */
static char *sign_answers(struct slice text, const char *server_name)
{
    struct buffer error = {0}, signed_text = {0}, signature = {0};
    struct signing_key *key = signing_key_read(SLICE("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"), &error);
    json_t *json = json_loadb(text.data, text.length, JSON_ALLOW_NUL, NULL), *answer;
    size_t index;
    json_array_foreach(json_object_get(json, "server_keys"), index, answer)
    {
        json_t *keys = json_object_get(answer, "verify_keys");
        if (!json_is_object(keys))
            continue;
        json_object_set_new(keys, "ed25519:1", json_pack("{s:s}", "key", signing_key_public(key)));
        buffer_clear(&signed_text);
        buffer_clear(&signature);
        if (!event_hash_signed_text(answer, &signed_text))
            continue;
        signing_key_sign(key, buffer_slice(&signed_text), &signature);
        json_object_set_new(answer, "signatures",
                            json_pack("{s:{s:s}}", server_name, "ed25519:1", buffer_string(&signature)));
    }
    char *result = json ? json_dumps(json, 0) : NULL;
    json_decref(json);
    signing_key_destroy(key);
    buffer_free(&error);
    buffer_free(&signed_text);
    buffer_free(&signature);
    return result;
}

static void check(struct slice text)
{
    struct buffer record = {0};
    unsigned char key[SIGNING_KEY_PUBLIC_SIZE];
    const char *problem = server_key_answer_read(text, SLICE("a.example"), &record);
    require(problem ? record.length == 0 : record.length > sizeof(int64_t));
    if (!problem)
        require(server_key_record_until(buffer_slice(&record)) > INT64_MIN);
    server_key_record_find(buffer_slice(&record), SLICE("ed25519:1"), key);
    require(!server_key_record_find(buffer_slice(&record), SLICE("ed25519"), key));
    buffer_free(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    check(text);
    char *signed_text = sign_answers(text, "a.example");
    if (signed_text)
        check(slice_from_string(signed_text));
    free(signed_text);
    return 0;
}
