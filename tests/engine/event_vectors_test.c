/* Signatures, hashes and ids: the vectors of the Matrix specification (appendices, "Cryptographic Test Vectors"), and
 * those recorded from Synapse for every room version (tests/programs/event_vectors.py). */
#include <criterion/criterion.h>

#include "engine/signing_key.h"
#include "filters/event_format.h"
#include "filters/event_hash.h"
#include "replication/recording.h"

#define KEY_FILE "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n"

static struct signing_key *specified_key(void)
{
    struct buffer error = {0};
    struct signing_key *key = signing_key_read(SLICE(KEY_FILE), &error);
    cr_assert_not_null(key, "%s", buffer_string(&error));
    buffer_free(&error);
    return key;
}

static void expect_signature(struct slice text, const char *expected)
{
    struct signing_key *key = specified_key();
    struct buffer signature = {0};
    signing_key_sign(key, text, &signature);
    cr_expect_str_eq(buffer_string(&signature), expected);
    buffer_free(&signature);
    signing_key_destroy(key);
}

Test(event_vectors, json_as_specified)
{
    static const char *const cases[][2] = {
        {"{}", "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"},
        {"{\"one\": 1, \"two\": \"Two\"}",
         "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"},
        {"{\"two\": \"Two\", \"one\": 1, \"unsigned\": {\"a\": 1}, \"signatures\": {}}",
         "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"},
    };
    struct buffer text = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        json_t *json = json_loads(cases[index][0], 0, NULL);
        buffer_clear(&text);
        cr_assert(event_hash_signed_text(json, &text));
        expect_signature(buffer_slice(&text), cases[index][1]);
        json_decref(json);
    }
    buffer_free(&text);
}

/* The content hash is put in, then the event is signed, as a server does that makes an event. */
static void expect_event(const char *event_text, const char *hash, const char *signature)
{
    json_t *event = json_loads(event_text, 0, NULL);
    struct buffer text = {0};
    cr_assert_not_null(event);
    cr_expect_not(event_hash_content_right(event));
    json_object_set_new(event, "hashes", json_pack("{s:s}", "sha256", hash));
    cr_expect(event_hash_content_right(event));
    cr_assert(event_hash_reference_text(event, room_version_find(SLICE("1")), &text));
    expect_signature(buffer_slice(&text), signature);
    buffer_free(&text);
    json_decref(event);
}

Test(event_vectors, events_as_specified)
{
    expect_event(
        "{\"room_id\": \"!x:domain\", \"sender\": \"@a:domain\", \"origin\": \"domain\", \"origin_server_ts\": "
        "1000000, \"signatures\": {}, \"hashes\": {}, \"type\": \"X\", \"content\": {}, \"prev_events\": [], "
        "\"auth_events\": [], \"depth\": 3, \"unsigned\": {\"age_ts\": 1000000}}",
        "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
        "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg");
    expect_event("{\"content\": {\"body\": \"Here is the message content\"}, \"event_id\": \"$0:domain\", \"origin\": "
                 "\"domain\", \"origin_server_ts\": 1000000, \"type\": \"m.room.message\", \"room_id\": \"!r:domain\", "
                 "\"sender\": \"@u:domain\", \"signatures\": {}, \"unsigned\": {\"age_ts\": 1000000}}",
                 "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
                 "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA");
}

static void run_vector(struct slice line, const struct signing_key *key)
{
    const char *version_name, *event_id, *signature;
    json_t *event;
    unsigned char hash[EVENT_HASH_SIZE];
    struct buffer text = {0}, id = {0}, made = {0};
    json_t *json = json_loadb(line.data, line.length, JSON_ALLOW_NUL, NULL);
    cr_assert_eq(json_unpack(json, "{s:s, s:o, s:s, s:s}", "version", &version_name, "event", &event, "event_id",
                             &event_id, "signature", &signature),
                 0);
    const struct room_version *version = room_version_find(slice_from_string(version_name));
    cr_assert_not_null(version);
    const char *problem = event_format_problem(event, version);
    cr_expect_null(problem, "version %s: %s", version_name, problem);
    cr_expect(event_hash_content_right(event), "version %s: %s", version_name, event_id);
    cr_assert(event_hash_reference_text(event, version, &text));
    event_hash_of(buffer_slice(&text), hash);
    event_hash_append_id(event, version, hash, &id);
    cr_expect_str_eq(buffer_string(&id), event_id, "version %s: %s", version_name, buffer_string(&text));
    signing_key_sign(key, buffer_slice(&text), &made);
    cr_expect_str_eq(buffer_string(&made), signature, "version %s: %s", version_name, buffer_string(&text));
    buffer_free(&text);
    buffer_free(&id);
    buffer_free(&made);
    json_decref(json);
}

Test(event_vectors, as_synapse)
{
    struct buffer error = {0};
    struct slice line;
    unsigned count = 0;
    struct signing_key *key = specified_key();
    struct line_reader *reader = line_reader_open("tests/data/event-vectors.jsonl.zst", &error);
    cr_assert_not_null(reader, "%s", buffer_string(&error));
    while (line_reader_next(reader, &line, &error) == LINE_OK) {
        run_vector(line, key);
        count++;
    }
    cr_expect_eq(count, 360u);
    line_reader_close(reader);
    signing_key_destroy(key);
    buffer_free(&error);
}
