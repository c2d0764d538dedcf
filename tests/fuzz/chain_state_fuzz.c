/* A snapshot that anything may have been done to. The checksums keep most inputs out, so each record's is put right
 * before it is read again, and what a module then took must be saved as a snapshot that says the same. */
#include <stdint.h>
#include <stdlib.h>
#include <xxhash.h>

#include "filters/chain_state.h"
#include "filters/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 16u
#define RECORD 96u /* its checksum last */

static void on_report(void *context, const char *path, const char *message)
{
    (void)context, (void)path, (void)message;
    abort();
}

static const struct {
    const char *module;
    const char *config;
} modules[] = {
#define RATE                                                                                                           \
    "{\"rules\": [{\"rate\": \"3/m\", \"capacity\": 1024}, {\"rate\": \"5/10s\", \"key\": \"room\", \"capacity\": "    \
    "1024}]}"
    {"rate", RATE},
    {"rate", RATE},
    {"repeat", "{\"similarity\": 0.7, \"capacity\": 1024}"},
    {"invite_guard", "{\"capacity\": 1024, \"new_rooms\": \"1d\", \"dm\": \"deny\"}"},
    {"newcomer", "{\"deny\": \"media\", \"capacity\": 1024}"},
    {"join_wave", "{\"per_server\": 0.5, \"capacity\": 1024}"},
    {"state_guard", "{\"min_interval\": \"1m\"}"},
    {"combine", "{\"rules\": [{\"module\": \"newcomer\", \"config\": {\"deny\": \"links\", \"capacity\": 1024}}, "
                "{\"module\": \"repeat\", \"config\": {\"capacity\": 1024}}], \"expression\": \"newcomer & repeat\"}"},
    {"hold", "{\"after\": 2, \"capacity\": 16}"},
    {"trust", "{\"sources\": [{\"power_level\": 50}, {\"member_of\": \"!r:x\"}, {\"min_messages\": 1}], "
              "\"capacity\": 1024}"},
    {"registration", "{}"},
    {"login", "{\"rate_ip\": \"3/m\", \"rate_user\": \"2/m\"}"},
    {"room_rules", "{\"rate\": \"2/h\"}"},
    {"presence_groups", "{\"groups\": [{\"from\": \"@s*\", \"to\": \"@*\"}], \"max_fanout\": 4}"},
    {"policy_list", "{\"rooms\": [\"!list:x\", {\"room\": \"!other:x\", \"apply\": \"ban\"}], \"capacity\": 1000}"},
};
#define MODULES (sizeof modules / sizeof *modules)

static struct chain *open_chain(void)
{
    const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "example.org"});
    for (size_t index = 0; index < MODULES; index++) {
        json_t *json = json_loads(modules[index].config, 0, NULL);
        if (!chain_append(chain, module_find(modules[index].module), json, NULL, &host))
            abort();
        json_decref(json);
    }
    if (!chain_seal(chain, NULL, NULL))
        abort();
    return chain;
}

static void put_checksums_right(char *text, size_t size)
{
    for (size_t at = HEAD; at + RECORD <= size;) {
        uint64_t length;
        memcpy(&length, text + at + RECORD - 16, sizeof length);
        if (length > size - at - RECORD)
            return;
        uint64_t before = XXH3_64bits(text + at, RECORD - 8);
        uint64_t checksum = XXH3_64bits_withSeed(text + at + RECORD, (size_t)length, before);
        memcpy(text + at + RECORD - 8, &checksum, sizeof checksum);
        at += RECORD + (size_t)length;
    }
}

static void restore(struct slice text)
{
    static const char *const bodies[] = {
        "{\"room_id\":\"!r:x\",\"sender\":\"@a:x\",\"type\":\"m.room.message\",\"content\":{\"body\":\"a text that is "
        "long enough to be looked at\"}}",
        "{\"room_id\":\"!r:x\",\"sender\":\"@a:x\",\"state_key\":\"@b:x\",\"type\":\"m.room.member\",\"content\":{"
        "\"membership\":\"invite\"}}",
        "{\"room_id\":\"!r:x\",\"sender\":\"@b:x\",\"state_key\":\"@b:x\",\"type\":\"m.room.member\",\"content\":{"
        "\"membership\":\"join\"}}"};
    struct chain *chain = open_chain(), *again = open_chain();
    struct chain_state_counts counts;
    const char *problem;
    struct buffer first = {0}, second = {0};
    if (!chain_state_restore(chain, text, &counts, &problem) && !problem)
        abort();
    chain_state_save(chain, &first);
    if (!chain_state_restore(again, buffer_slice(&first), &counts, &problem) || counts.restored != MODULES)
        abort();
    chain_state_save(again, &second);
    if (first.length != second.length)
        abort();
    struct judge *judge = judge_create(chain);
    judge_set_time(judge, 1700000000000, false);
    for (size_t index = 0; index < sizeof bodies / sizeof *bodies; index++) {
        struct event event = {.event_id = SLICE("$1")};
        if (judge_read(judge, slice_from_string(bodies[index]), &event) != EVENT_READ_OK)
            abort();
        judge_event(judge, &event, JUDGE_BOTH);
    }
    judge_destroy(judge);
    buffer_free(&first);
    buffer_free(&second);
    chain_destroy(chain);
    chain_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    restore(slice_of((const char *)data, size));
    char *text = malloc(size + 1);
    if (size)
        memcpy(text, data, size);
    put_checksums_right(text, size);
    restore(slice_of(text, size));
    free(text);
    return 0;
}
