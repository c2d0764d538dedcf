/* Files of signing keys: what is taken signs, and its signature is good; what is not taken has a reason, which never
 * tells the key. */
#include <stdlib.h>

#include "base/base64.h"
#include "engine/signing_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char public[SIGNING_KEY_PUBLIC_SIZE];
    struct buffer error = {0}, signature = {0};
    struct slice text = slice_of((const char *)data, size);
    struct signing_key *key = signing_key_read(text, &error);
    require(key ? error.length == 0 : error.length > 0 && error.length < 128);
    if (key) {
        signing_key_sign(key, text, &signature);
        require(base64_read(slice_from_string(signing_key_public(key)), public, sizeof public));
        require(signing_key_verify(public, text, buffer_slice(&signature)));
    }
    signing_key_destroy(key);
    buffer_free(&error);
    buffer_free(&signature);
    return 0;
}
