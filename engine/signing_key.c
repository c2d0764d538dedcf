/* The seed is wiped from every buffer of ours that held it; OpenSSL does so with its own. */
#include "engine/signing_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/memory.h"

#define SEED_SIZE 32
#define WORDS 3

struct signing_key {
    EVP_PKEY *pair;
    char public[SIGNING_KEY_PUBLIC_SIZE * 4 / 3 + 2];
};

static struct signing_key *from_seed(const unsigned char seed[static SEED_SIZE])
{
    unsigned char bytes[SIGNING_KEY_PUBLIC_SIZE];
    size_t length = sizeof bytes;
    struct signing_key *key = memory_allocate_zeroed(1, sizeof *key);
    key->pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED_SIZE);
    if (!key->pair || EVP_PKEY_get_raw_public_key(key->pair, bytes, &length) != 1)
        abort(); /* no memory, as in base/memory.h */
    struct buffer text = {0};
    base64_append(&text, bytes, sizeof bytes, BASE64_STANDARD);
    memcpy(key->public, text.data, text.length);
    buffer_free(&text);
    return key;
}

void signing_key_destroy(struct signing_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pair);
    free(key);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\f' || byte == '\v';
}

/* Takes the next word off the line; empty behind the last. */
static struct slice take_word(struct slice *line)
{
    size_t start = 0;
    while (start < line->length && is_space(line->data[start]))
        start++;
    size_t end = start;
    while (end < line->length && !is_space(line->data[end]))
        end++;
    struct slice word = slice_of(line->data + start, end - start);
    *line = slice_of(line->data + end, line->length - end);
    return word;
}

static struct slice take_line(struct slice *text)
{
    const char *end = text->length ? memchr(text->data, '\n', text->length) : NULL;
    size_t length = end ? (size_t)(end - text->data) : text->length;
    struct slice line = slice_of(text->data, length);
    size_t taken = length + (end ? 1 : 0);
    *text = slice_of(text->data + taken, text->length - taken);
    return line;
}

/* Never what the line says: it may be the key. */
static struct signing_key *read_line(struct slice line, unsigned number, struct buffer *error)
{
    struct slice words[WORDS];
    unsigned char seed[SEED_SIZE];
    for (size_t index = 0; index < WORDS; index++)
        words[index] = take_word(&line);
    struct signing_key *key = NULL;
    if (!words[WORDS - 1].length || take_word(&line).length)
        buffer_append_format(error, "line %u is no signing key: it must be `ed25519 VERSION KEY`", number);
    else if (!slice_equal(words[0], SLICE("ed25519")))
        buffer_append_format(error, "line %u has a key of another kind than ed25519", number);
    else if (!base64_read(words[2], seed, sizeof seed))
        buffer_append_format(error, "line %u has a key that is not 32 bytes in Base64", number);
    else
        key = from_seed(seed);
    explicit_bzero(seed, sizeof seed);
    return key;
}

struct signing_key *signing_key_read(struct slice text, struct buffer *error)
{
    for (unsigned number = 1; text.length; number++) {
        struct slice line = take_line(&text);
        struct slice rest = line;
        if (take_word(&rest).length)
            return read_line(line, number, error);
    }
    buffer_append_string(error, "it holds no signing key");
    return NULL;
}

struct signing_key *signing_key_load(const char *path, struct buffer *error)
{
    char *text = memory_allocate(SIGNING_KEY_FILE_MAXIMUM);
    struct signing_key *key = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t length = file < 0 ? -1 : read(file, text, SIGNING_KEY_FILE_MAXIMUM);
    if (length < 0)
        buffer_append_format(error, "\"%s\" cannot be read: %m", path);
    else
        key = signing_key_read(slice_of(text, (size_t)length), error);
    if (file >= 0)
        close(file);
    explicit_bzero(text, SIGNING_KEY_FILE_MAXIMUM);
    free(text);
    return key;
}

/* A file that could not be written whole does not stay. */
static bool write_file(const char *path, struct slice text, struct buffer *error)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        buffer_append_format(error, "\"%s\" cannot be made: %s", path,
                             errno == EEXIST ? "it is there already, and a key is never written over"
                                             : strerror(errno));
        return false;
    }
    bool written = write(file, text.data, text.length) == (ssize_t)text.length && fsync(file) == 0;
    int reason = errno;
    written = close(file) == 0 && written;
    if (!written) {
        buffer_append_format(error, "\"%s\" cannot be written: %s", path, strerror(reason));
        unlink(path);
    }
    return written;
}

struct signing_key *signing_key_make(const char *path, const char *version, struct buffer *error)
{
    unsigned char seed[SEED_SIZE];
    struct buffer line = {0};
    struct signing_key *key = NULL;
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        buffer_append_string(error, "the system gives no random numbers for a key");
        return NULL;
    }
    buffer_reserve(&line, strlen(version) + 128); /* so that no copy of the key is left behind by growing */
    buffer_append_format(&line, "ed25519 %s ", version);
    base64_append(&line, seed, sizeof seed, BASE64_STANDARD);
    buffer_append_char(&line, '\n');
    if (write_file(path, buffer_slice(&line), error))
        key = from_seed(seed);
    explicit_bzero(seed, sizeof seed);
    explicit_bzero(line.data, line.length);
    buffer_free(&line);
    return key;
}

const char *signing_key_public(const struct signing_key *key)
{
    return key->public;
}

void signing_key_sign(const struct signing_key *key, struct slice text, struct buffer *signature)
{
    unsigned char bytes[SIGNING_KEY_SIGNATURE_SIZE];
    size_t length = sizeof bytes;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair) != 1 ||
        EVP_DigestSign(context, bytes, &length, (const unsigned char *)text.data, text.length) != 1)
        abort(); /* no memory, as in base/memory.h */
    EVP_MD_CTX_free(context);
    base64_append(signature, bytes, length, BASE64_STANDARD);
}

bool signing_key_verify(const unsigned char public[static SIGNING_KEY_PUBLIC_SIZE], struct slice text,
                        struct slice signature)
{
    unsigned char bytes[SIGNING_KEY_SIGNATURE_SIZE];
    if (!base64_read(signature, bytes, sizeof bytes))
        return false;
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, SIGNING_KEY_PUBLIC_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool right = key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                 EVP_DigestVerify(context, bytes, sizeof bytes, (const unsigned char *)text.data, text.length) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return right;
}
