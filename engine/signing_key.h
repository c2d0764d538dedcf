/* Ed25519 keys: one of our own, as Synapse keeps its signing key in a file, and those of others, to check what they
 * signed. */
#ifndef WEIR_ENGINE_SIGNING_KEY_H
#define WEIR_ENGINE_SIGNING_KEY_H

#include "base/buffer.h"

#define SIGNING_KEY_PUBLIC_SIZE 32
#define SIGNING_KEY_SIGNATURE_SIZE 64
#define SIGNING_KEY_FILE_MAXIMUM ((size_t)64 << 10)

struct signing_key;

/* Reads the text of a key file: lines of `ed25519 VERSION SEED`, the seed in Base64, of which the first is taken, as
 * Synapse does. NULL with a sentence in `error`. */
struct signing_key *signing_key_read(struct slice text, struct buffer *error);
/* Reads the file; NULL likewise. */
struct signing_key *signing_key_load(const char *path, struct buffer *error);
void signing_key_destroy(struct signing_key *key);

/* Makes a new key and writes it to a file that must not exist yet, which only its owner can read. NULL with a sentence
 * in `error`. */
struct signing_key *signing_key_make(const char *path, const char *version, struct buffer *error);

/* The public key in unpadded Base64; lives as long as the key. */
const char *signing_key_public(const struct signing_key *key);
/* Appends the signature of `text` in unpadded Base64. */
void signing_key_sign(const struct signing_key *key, struct slice text, struct buffer *signature);

/* Whether `signature` (Base64) is that of `text` by the owner of the public key. */
bool signing_key_verify(const unsigned char public[static SIGNING_KEY_PUBLIC_SIZE], struct slice text,
                        struct slice signature);

#endif
