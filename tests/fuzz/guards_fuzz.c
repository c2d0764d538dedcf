/* What the modules that guard rooms and media read: an event in the first line, the room's state or a media question's
 * arguments in the second. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/chain.h"

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    (void)path;
    (void)message;
    abort();
}

static struct chain *open_chain(void)
{
    static const struct {
        const char *module;
        const char *configuration;
    } modules[] = {
        {"trust", "{\"sources\": [{\"power_level\": 50}, {\"users\": \"@g*\", \"min_messages\": 1}]}"},
        {"hold", "{\"after\": 2, \"capacity\": 16}"},
        {"state_guard",
         "{\"rules\": [{\"types\": \"m.room.topic\", \"power\": 60, \"users\": \"@g*\", \"servers\": \"s\"}, "
         "{\"types\": "
         "[\"m.room.name\", \"*/a\"], \"action\": \"freeze\"}], \"protect\": [\"power_levels\", \"tombstone\"], "
         "\"min_interval\": \"1s\"}"},
        {"media_hash", "{\"sha256\": \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\", \"mxc\": "
                       "[\"mxc://a.b/c\", \"mxc://bad.example/*\"]}"},
        {"event_types", "{\"deny\": \"m.room.member/@spam*\", \"sticky\": \"deny\", \"malformed\": \"deny\"}"},
    };
    struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    for (size_t index = 0; index < sizeof modules / sizeof *modules; index++) {
        json_t *values = json_loads(modules[index].configuration, 0, NULL);
        if (!values || !chain_append(chain, module_find(modules[index].module), values, NULL, &host))
            abort();
        json_decref(values);
    }
    if (!chain_seal(chain, NULL, NULL))
        abort();
    return chain;
}

static void ask(const struct chain *chain, enum callback callback, struct callback_arguments question)
{
    static int64_t now_ms = 1000000;
    struct outcome outcome = {0};
    question.callback = callback;
    question.now_ms = now_ms += 100;
    chain_run(chain, callback, &question, &outcome);
    if (outcome.kind == OUTCOME_FAILED)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chain *chain;
    static struct event_reader *reader;
    if (!chain) {
        chain = open_chain();
        reader = event_reader_create(chain_fields(chain));
    }
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t length = line ? (size_t)(line - data) : size;
    char *copy = memory_copy_text((const char *)data, length); /* of its own size, so that ASan sees its end */
    json_t *other = line ? json_loadb((const char *)line + 1, size - length - 1, 0, NULL) : NULL;
    struct arena arena = {0};
    struct event event = {0};
    if (event_reader_read(reader, slice_of(copy, length), &event) == EVENT_READ_OK) {
        struct value values[CALLBACK_ARGUMENTS_MAXIMUM] = {{0}, value_json(other)};
        struct callback_arguments question = {
            .event = &event, .values = other ? values : NULL, .count = other ? 2 : 1, .arena = &arena};
        ask(chain, CALLBACK_check_event_allowed, question);
        question.count = 1;
        ask(chain, CALLBACK_check_event_for_spam, question);
    }
    static const enum callback callbacks[] = {CALLBACK_check_media_file_for_spam, CALLBACK_user_may_send_state_event};
    for (size_t index = 0; index < 2; index++) {
        struct callback_arguments question = {0};
        const char *problem;
        if (callback_read_arguments(callbacks[index], other, &arena, &question, &problem))
            ask(chain, callbacks[index], question);
    }
    arena_free(&arena);
    json_decref(other);
    free(copy);
    return 0;
}
