/* The live chain is asked, in one turn of the loop: with the shared state that its modules have now. What the chain
 * counts of its modules is set back afterwards, so that whoever tries things out raises no alarm. */
#include "engine/explain_area.h"

#include <stdlib.h>

#include "base/json_members.h"
#include "base/memory.h"
#include "base/query_string.h"
#include "engine/explain.h"

/* What is asked: texts of the body. */
struct explain_body {
    struct slice callback;
    struct slice args;
    struct slice event;
};

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(EXPLAIN_AREA_PATH)) ? "POST" : NULL;
}

/* A JSON text of a name: no callback has an escape in it. */
static enum callback callback_named(struct slice json)
{
    return json.length > 2 && *json.data == '"' ? callback_find(slice_of(json.data + 1, json.length - 2))
                                                : CALLBACK_UNKNOWN;
}

/* NULL, or what is wrong with the body, with its errcode. */
static const char *read_body(struct slice text, struct explain_body *body, const char **errcode)
{
    static const char *const names[] = {"callback", "args", "event"};
    struct slice values[3];
    struct buffer scratch = {0};
    enum json_members_status status = json_members_find(text, names, 3, values, &scratch);
    buffer_free(&scratch);
    *body = (struct explain_body){values[0], values[1], values[2]};
    *errcode = status == JSON_MEMBERS_NOT_JSON ? "M_NOT_JSON" : "M_BAD_JSON";
    if (status == JSON_MEMBERS_NOT_JSON)
        return "the body is not valid JSON";
    if (status == JSON_MEMBERS_NOT_OBJECT || (!slice_present(body->callback) && !slice_present(body->event)))
        return "the body must be an object with `event`, or with `callback` and `args`";
    if (slice_present(body->args) && !slice_present(body->callback))
        return "`args` belongs to `callback`";
    if (slice_present(body->callback) && callback_named(body->callback) == CALLBACK_UNKNOWN)
        return "`callback` names no callback of Synapse's module API";
    return NULL;
}

static bool explain(const struct explain_settings *settings, const struct explain_body *body, struct buffer *output,
                    struct buffer *problem)
{
    if (!slice_present(body->callback))
        return explain_event(settings, body->event, SLICE_ABSENT, output, problem);
    json_t *args = slice_present(body->args)
                       ? json_loadb(body->args.data, body->args.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
                       : NULL;
    bool good = explain_callback(settings, callback_named(body->callback), args, body->event, output, problem);
    json_decref(args);
    return good;
}

static struct module_counts *keep_counts(const struct chain *chain)
{
    uint32_t count = chain_module_count(chain);
    struct module_counts *counts = memory_allocate_zeroed(count + 1, sizeof *counts);
    for (uint32_t index = 0; index < count; index++)
        counts[index] = chain_module_counts(chain, index);
    return counts;
}

static void set_counts_back(struct chain *chain, struct module_counts *counts)
{
    for (uint32_t index = 0; index < chain_module_count(chain); index++)
        chain_set_module_counts(chain, index, &counts[index]);
    free(counts);
}

static bool wants_text(struct slice query)
{
    struct buffer format = {0};
    bool text = query_string_find(query, SLICE("format"), &format) && slice_equal(buffer_slice(&format), SLICE("text"));
    buffer_free(&format);
    return text;
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    const struct explain_area *area = context;
    struct chain *chain = questions_chain(area->questions);
    const struct explain_settings settings = {.chain = chain,
                                              .instance_name = area->instance_name,
                                              .as_synapse = *area->as_synapse,
                                              .json = !wants_text(request->query)};
    struct explain_body body;
    const char *errcode, *wrong = read_body(request->body, &body, &errcode);
    if (wrong) {
        http_exchange_refuse(exchange, 400, errcode, wrong);
        return;
    }
    struct buffer output = {0}, problem = {0};
    struct module_counts *counts = keep_counts(chain);
    if (explain(&settings, &body, &output, &problem))
        http_exchange_answer(exchange, 200, settings.json ? NULL : "text/plain; charset=utf-8", buffer_slice(&output));
    else
        http_exchange_refuse(exchange, 400, "M_BAD_JSON", buffer_string(&problem));
    set_counts_back(chain, counts);
    buffer_free(&output);
    buffer_free(&problem);
}

struct http_area explain_area_http(struct explain_area *area)
{
    return (struct http_area){
        .methods = methods, .handle = handle, .context = area, .body_maximum = HTTP_BODY_MAXIMUM, .closed = true};
}
