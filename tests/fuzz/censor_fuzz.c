/* Any event of ours, through censors that replace and strip all they can: what comes out must be an event, and censored
 * again it must stay as it is. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/judge.h"

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    (void)path;
    (void)message;
    abort();
}

static struct judge *open_judge(const char *configuration)
{
    struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    json_t *values = json_loads(configuration, 0, NULL);
    if (!values || !chain_append(chain, module_find("censor"), values, NULL, &host))
        abort();
    json_decref(values);
    chain_seal(chain, NULL, NULL);
    return judge_create(chain);
}

/* What the judge makes of the event, in its dict's `content`; NULL: nothing. */
static json_t *censored(struct judge *judge, struct slice body)
{
    struct event event = {0};
    if (judge_read(judge, body, &event) != EVENT_READ_OK)
        return NULL;
    const struct outcome *outcome = judge_event(judge, &event, JUDGE_EVENT_ALLOWED);
    return outcome->kind == OUTCOME_CHANGED ? json_deep_copy(outcome->result.value.items[1].object) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct judge *judges[2];
    if (!judges[0]) {
        judges[0] = open_judge(
            "{\"rules\": [{\"list\": [\"darn\", \"a b\"], \"whole\": false, \"replace\": \"remove\"}, {\"match\": "
            "\"links\"}, {\"match\": \"regex\", \"list\": [\"[0-9]{2,}\", \"(?<=x)y*\"], \"replace\": \"text\", "
            "\"text\": \"x\"}], \"strip\": [\"inline_images\", \"via_links\", \"custom_keys\"], "
            "\"fields\": [\"body\", \"formatted_body\", \"m.text\", \"info/x\"]}");
        judges[1] = open_judge("{\"rules\": [{\"list\": [\"darn\", \"спам\"]}], \"strip\": [\"formatted_body\"], "
                               "\"mask_char\": \"█\"}");
    }
    for (size_t index = 0; index < 2; index++) {
        char *copy = memory_copy_text((const char *)data, size); /* of its own size, so that ASan sees its end */
        json_t *members = censored(judges[index], slice_of(copy, size));
        json_t *event = members ? json_loadb(copy, size, 0, NULL) : NULL;
        if (event && json_object_update(event, members) == 0) {
            char *text = json_dumps(event, JSON_COMPACT);
            if (!text || censored(judges[index], slice_from_string(text)))
                abort();
            free(text);
        }
        json_decref(event);
        json_decref(members);
        free(copy);
    }
    return 0;
}
