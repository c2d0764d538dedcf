#include "engine/signing_key.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"

#define SEED "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"

static void expect_refused(const char *text, const char *sentence)
{
    struct buffer error = {0};
    struct signing_key *key = signing_key_read(slice_from_string(text), &error);
    cr_expect_null(key);
    cr_expect_str_eq(buffer_string(&error), sentence);
    buffer_free(&error);
    signing_key_destroy(key);
}

Test(signing_key, refuses)
{
    expect_refused("", "it holds no signing key");
    expect_refused("\n \n", "it holds no signing key");
    expect_refused("ed25519 1\n", "line 1 is no signing key: it must be `ed25519 VERSION KEY`");
    expect_refused("\ned25519 1 " SEED " 1234\n", "line 2 is no signing key: it must be `ed25519 VERSION KEY`");
    expect_refused("curve25519 1 " SEED, "line 1 has a key of another kind than ed25519");
    expect_refused("ed25519 1 " SEED "AAAA", "line 1 has a key that is not 32 bytes in Base64");
    expect_refused("ed25519 1 abc!", "line 1 has a key that is not 32 bytes in Base64");
}

Test(signing_key, reads_what_synapse_writes)
{
    static const char *const texts[] = {"ed25519 a_AbCd " SEED "\n", "\n  ed25519\t1   " SEED "=\r\n",
                                        "ed25519 1 " SEED, "ed25519 1 " SEED "\ned25519 2 nonsense\n"};
    struct buffer error = {0};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        struct signing_key *key = signing_key_read(slice_from_string(texts[index]), &error);
        cr_assert_not_null(key, "%s", buffer_string(&error));
        cr_expect_str_eq(signing_key_public(key), "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI");
        signing_key_destroy(key);
    }
    buffer_free(&error);
}

Test(signing_key, verifies)
{
    struct buffer error = {0}, signature = {0};
    unsigned char public[SIGNING_KEY_PUBLIC_SIZE];
    struct signing_key *key = signing_key_read(SLICE("ed25519 1 " SEED), &error);
    signing_key_sign(key, SLICE("text"), &signature);
    cr_assert(base64_read(slice_from_string(signing_key_public(key)), public, sizeof public));
    cr_expect(signing_key_verify(public, SLICE("text"), buffer_slice(&signature)));
    cr_expect_not(signing_key_verify(public, SLICE("texT"), buffer_slice(&signature)));
    cr_expect_not(signing_key_verify(public, SLICE("text"), SLICE("AAAA")));
    cr_expect_not(signing_key_verify(public, SLICE("text"), SLICE("")));
    signature.data[3] ^= 1;
    cr_expect_not(signing_key_verify(public, SLICE("text"), buffer_slice(&signature)));
    public[0] ^= 1;
    cr_expect_not(signing_key_verify(public, SLICE("text"), buffer_slice(&signature)));
    signing_key_destroy(key);
    buffer_free(&signature);
    buffer_free(&error);
}

Test(signing_key, made_once_and_for_its_owner_alone)
{
    char folder[] = "/tmp/weir-key.XXXXXX", path[64];
    struct stat status;
    struct buffer error = {0};
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/policy.key", folder);
    struct signing_key *made = signing_key_make(path, "policy_server", &error);
    cr_assert_not_null(made, "%s", buffer_string(&error));
    cr_expect_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    struct signing_key *loaded = signing_key_load(path, &error);
    cr_assert_not_null(loaded, "%s", buffer_string(&error));
    cr_expect_str_eq(signing_key_public(loaded), signing_key_public(made));
    cr_expect_null(signing_key_make(path, "policy_server", &error));
    cr_expect_not_null(strstr(buffer_string(&error), "is there already"));
    signing_key_destroy(made);
    signing_key_destroy(loaded);
    buffer_clear(&error);
    unlink(path);
    cr_expect_null(signing_key_load(path, &error));
    cr_expect_not_null(strstr(buffer_string(&error), "cannot be read: No such file"));
    cr_expect_null(signing_key_load(folder, &error));
    rmdir(folder);
    buffer_free(&error);
}
