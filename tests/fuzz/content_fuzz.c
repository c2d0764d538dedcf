/* Any event, asked of the modules that look into content, with strict parameters: both callbacks must say the same, and
 * the same again when the event is read anew. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/event_media.h"
#include "filters/judge.h"

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    (void)path;
    (void)message;
    abort();
}

static struct judge *open_judge(void)
{
    static const struct {
        const char *module;
        const char *configuration;
    } modules[] = {
        {"shape",
         "{\"max_json\": 4000, \"max_body\": 200, \"max_lines\": 20, \"max_density\": 0.9, \"density_from\": 20, "
         "\"max_caps\": 0.6, \"max_repeat_char\": 5, \"max_combining\": 2, \"max_rtl_overrides\": 1}"},
        {"mentions", "{\"max\": 1, \"room_mention\": \"deny\", \"require_m_mentions\": true}"},
        {"media", "{\"deny\": [\"voice\", \"sticker\"], \"deny_mimetypes\": \"video/*\", \"deny_extensions\": \"exe\", "
                  "\"max_bytes\": 1000, \"max_inline_height\": 32, \"max_per_event\": 2}"},
        {"event_types", "{\"deny\": \"m.room.member/@spam*\", \"sticky\": \"deny\", \"malformed\": \"deny\"}"},
        {"keywords", "{\"words\": [\"buy now\", \"a\", \"спам\"], \"min_hits\": 2}"},
        {"keywords",
         "{\"words\": [\"spam\", \"pamphlet\"], \"match\": \"substring\", \"fold\": \"case\", \"html\": \"raw\"}"},
        {"repeat", "{\"min_bytes\": 8, \"similarity\": 0.5, \"capacity\": 1024}"},
    };
    struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    for (size_t index = 0; index < sizeof modules / sizeof *modules; index++) {
        json_t *values = json_loads(modules[index].configuration, 0, NULL);
        if (!values || !chain_append(chain, module_find(modules[index].module), values, NULL, &host))
            abort();
        json_decref(values);
    }
    chain_seal(chain, NULL, NULL);
    struct judge *judge = judge_create(chain);
    judge_set_time(judge, 1700000000000, true); /* modules that remember say the same each time */
    return judge;
}

/* Which module says no, or NULL. */
static const char *ask(struct judge *judge, const struct event *event, unsigned callback)
{
    const struct outcome *outcome = judge_event(judge, event, callback);
    return outcome->kind == OUTCOME_PASSED ? NULL : outcome->module;
}

/* What the event names as media, for a bot that shall take it away. */
static void look_for_media(const struct event *event)
{
    struct slice uris[EVENT_MEDIA_MAXIMUM];
    uint32_t count = event_media(event, uris);
    for (uint32_t index = 0; index < count; index++)
        if (!slice_starts_with(uris[index], SLICE("mxc://")) ||
            !memchr(uris[index].data + 6, '/', uris[index].length - 6))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct judge *judge;
    if (!judge)
        judge = open_judge();
    const char *before = NULL;
    for (int time = 0; time < 2; time++) {
        char *copy = memory_copy_text((const char *)data, size); /* of its own size, so that ASan sees its end */
        struct event event = {0};
        if (judge_read(judge, slice_of(copy, size), &event) == EVENT_READ_OK) {
            const char *spam = ask(judge, &event, JUDGE_EVENT_FOR_SPAM);
            if (spam != ask(judge, &event, JUDGE_EVENT_ALLOWED) || (time && spam != before))
                abort();
            before = spam;
            look_for_media(&event);
        }
        free(copy);
    }
    return 0;
}
