/* Digests are compared, not texts: their length tells nothing, and where they first differ tells nothing either. */
#include "engine/http_secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/memory.h"

#define DIGEST_SIZE 32u

struct http_secret {
    EVP_MD *method;
    EVP_MD_CTX *context;
    unsigned char digest[DIGEST_SIZE];
    bool known;
};

static bool digest_of(struct http_secret *secret, struct slice text, unsigned char digest[DIGEST_SIZE])
{
    return EVP_DigestInit_ex(secret->context, secret->method, NULL) == 1 &&
           EVP_DigestUpdate(secret->context, text.data, text.length) == 1 &&
           EVP_DigestFinal_ex(secret->context, digest, NULL) == 1;
}

struct http_secret *http_secret_create(const char *text)
{
    struct http_secret *secret = memory_allocate_zeroed(1, sizeof *secret);
    secret->method = EVP_MD_fetch(NULL, "SHA256", NULL);
    secret->context = EVP_MD_CTX_new();
    secret->known = secret->method && secret->context && digest_of(secret, slice_from_string(text), secret->digest);
    return secret;
}

void http_secret_destroy(struct http_secret *secret)
{
    if (!secret)
        return;
    EVP_MD_CTX_free(secret->context);
    EVP_MD_free(secret->method);
    OPENSSL_cleanse(secret->digest, sizeof secret->digest);
    free(secret);
}

bool http_secret_matches(struct http_secret *secret, struct slice token)
{
    unsigned char digest[DIGEST_SIZE];
    return secret->known && digest_of(secret, token, digest) && CRYPTO_memcmp(digest, secret->digest, DIGEST_SIZE) == 0;
}
