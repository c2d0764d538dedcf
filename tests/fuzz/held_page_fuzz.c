/* What somebody sends to the page of `hold`: the query in the first line, the body behind it. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/judge.h"

static void on_report(void *context, const char *path, const char *message)
{
    (void)context, (void)path, (void)message;
    abort();
}

/* @a:x and @b:x are held each time anew. */
static struct chain *open_chain(void)
{
    static const char *const modules[][2] = {{"hold", "{\"scope\": \"room\"}"}, {"keywords", "{\"words\": \"cheap\"}"}};
    const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    for (size_t index = 0; index < 2; index++) {
        json_t *values = json_loads(modules[index][1], 0, NULL);
        if (!chain_append(chain, module_find(modules[index][0]), values, NULL, &host))
            abort();
        json_decref(values);
    }
    if (!chain_seal(chain, NULL, NULL))
        abort();
    return chain;
}

static void hold(struct judge *judge)
{
    static const char *const events[] = {
        "{\"room_id\":\"!r:x\",\"type\":\"m.room.message\",\"sender\":\"@a:x\",\"content\":{\"body\":\"cheap\"}}",
        "{\"room_id\":\"!\\\"s:x\",\"type\":\"m.room.message\",\"sender\":\"@b:x\",\"content\":{\"body\":\"cheap\"}}"};
    judge_set_time(judge, 1700000000000, false);
    for (size_t index = 0; index < 2; index++) {
        struct event event = {0};
        if (judge_read(judge, slice_from_string(events[index]), &event) != EVENT_READ_OK)
            abort();
        judge_event(judge, &event, JUDGE_EVENT_FOR_SPAM);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chain *chain;
    static struct judge *judge;
    static struct buffer output;
    void *state;
    if (!chain) {
        chain = open_chain();
        judge = judge_create(chain);
    }
    hold(judge);
    const struct web_resource *page = chain_resource(chain, SLICE("/_weir/held"), &state);
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t length = line ? (size_t)(line - data) : size;
    char *query = memory_copy_text((const char *)data, length);
    char *body = line ? memory_copy_text((const char *)line + 1, size - length - 1) : NULL;
    static const char *const methods[] = {"GET", "POST", "GET"};
    for (size_t index = 0; index < sizeof methods / sizeof *methods; index++) {
        struct web_response response = {.status = 200, .body = &output};
        buffer_clear(&output);
        page->serve(state,
                    &(struct web_request){slice_from_string(methods[index]), slice_of(query, length),
                                          slice_of(body ? body : "", body ? size - length - 1 : 0)},
                    &response);
        json_t *json = json_loadb(output.data, output.length, 0, NULL);
        if (!json_is_object(json))
            abort();
        json_decref(json);
    }
    free(query);
    free(body);
    return 0;
}
