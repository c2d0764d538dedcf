#include "engine/server_key_answer.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/base64.h"
#include "filters/event_hash.h"

#define SEED "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
#define OTHER_KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* What a server says of itself, signed with the key of SEED under `id`. */
static json_t *keys_of(const char *server_name, const char *id, int64_t until)
{
    struct buffer error = {0}, text = {0}, signature = {0};
    struct signing_key *key = signing_key_read(SLICE("ed25519 1 " SEED), &error);
    json_t *answer = json_pack("{s:s, s:I, s:{s:{s:s}, s:{s:s}}, s:{}}", "server_name", server_name, "valid_until_ts",
                               (json_int_t)until, "verify_keys", "ed25519:1", "key", signing_key_public(key),
                               "ed25519:other", "key", OTHER_KEY, "old_verify_keys");
    cr_assert(event_hash_signed_text(answer, &text));
    signing_key_sign(key, buffer_slice(&text), &signature);
    json_object_set_new(answer, "signatures", json_pack("{s:{s:s}}", server_name, id, buffer_string(&signature)));
    signing_key_destroy(key);
    buffer_free(&error);
    buffer_free(&text);
    buffer_free(&signature);
    return answer;
}

/* Takes the list over. */
static const char *read_list(json_t *list, struct buffer *record)
{
    json_t *json = json_pack("{s:o}", "server_keys", list);
    char *text = json_dumps(json, 0);
    const char *problem = server_key_answer_read(slice_from_string(text), SLICE("a.example"), record);
    free(text);
    json_decref(json);
    return problem;
}

Test(server_key_answer, reads)
{
    struct buffer record = {0};
    unsigned char key[SIGNING_KEY_PUBLIC_SIZE], expected[SIGNING_KEY_PUBLIC_SIZE];
    json_t *list = json_pack("[o, o, o]", keys_of("b.example", "ed25519:1", 9000),
                             keys_of("a.example", "ed25519:1", 1000), keys_of("a.example", "ed25519:1", 2000));
    const char *problem = read_list(list, &record);
    cr_assert_null(problem, "%s", problem);
    cr_expect_eq(server_key_record_until(buffer_slice(&record)), 2000);
    cr_expect(server_key_record_find(buffer_slice(&record), SLICE("ed25519:1"), key));
    cr_assert(base64_read(SLICE("XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI"), expected, sizeof expected));
    cr_expect_arr_eq(key, expected, sizeof key);
    cr_expect(server_key_record_find(buffer_slice(&record), SLICE("ed25519:other"), key));
    cr_expect_not(server_key_record_find(buffer_slice(&record), SLICE("ed25519:2"), key));
    cr_expect_not(server_key_record_find(buffer_slice(&record), SLICE(""), key));
    buffer_free(&record);
}

Test(server_key_answer, only_what_the_server_signed)
{
    static const char sentence[] = "the server has not signed its keys, as the notary gives them";
    struct buffer record = {0};
    json_t *answer = keys_of("a.example", "ed25519:1", 2000);
    json_object_set_new(answer, "valid_until_ts", json_integer(3000));
    cr_expect_str_eq(read_list(json_pack("[o]", answer), &record), sentence);
    cr_expect_str_eq(read_list(json_pack("[o]", keys_of("a.example", "ed25519:gone", 2000)), &record), sentence);
    cr_expect_str_eq(read_list(json_pack("[o]", keys_of("a.example", "ed25519:other", 2000)), &record), sentence);
    answer = keys_of("a.example", "ed25519:1", 2000);
    json_object_del(answer, "signatures");
    cr_expect_str_eq(read_list(json_pack("[o]", answer), &record), sentence);
    cr_expect_str_eq(read_list(json_pack("[o]", keys_of("b.example", "ed25519:1", 2000)), &record),
                     "the notary knows no keys of the server");
    cr_expect_eq(record.length, 0u);
    buffer_free(&record);
}

Test(server_key_answer, nonsense)
{
    static const char *const texts[] = {"", "{", "[]", "{}", "{\"server_keys\": {}}", "{\"server_keys\": 1}"};
    struct buffer record = {0};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        cr_expect_str_eq(server_key_answer_read(slice_from_string(texts[index]), SLICE("a.example"), &record),
                         "the notary's answer is no JSON with `server_keys`");
    cr_expect_not_null(read_list(json_pack("[i, s, {}, {s:s}]", 1, "x", "server_name", "a.example"), &record));
    cr_expect_eq(record.length, 0u);
    buffer_free(&record);
}
