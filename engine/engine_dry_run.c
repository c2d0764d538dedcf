/* POST /v1/dry-run (docs/admin-api.md): a module of the chain in use is put into dry_run, or taken out, until the file
 * is read again. Nothing is written down: the file is what holds, and who wants it to stay says so there. */
#include <jansson.h>

#include "engine/engine_parts.h"
#include "engine/log.h"

#define DRY_RUN_PATH "/v1/dry-run"
#define BODY_MAXIMUM 4096u
#define SWITCH_IS_LOST "this module had been switched by hand; what the file says of `dry_run` holds again"

struct wish {
    json_int_t module;
    struct slice label;
    bool dry_run;
};

static bool read_wish(const json_t *body, struct wish *wish)
{
    const json_t *module = json_object_get(body, "module"), *label = json_object_get(body, "label");
    const json_t *dry_run = json_object_get(body, "dry_run");
    if (!json_is_integer(module) || !json_is_string(label) || !json_is_boolean(dry_run))
        return false;
    *wish = (struct wish){json_integer_value(module), slice_of(json_string_value(label), json_string_length(label)),
                          json_is_true(dry_run)};
    return true;
}

static bool is_there(const struct engine *engine, const struct wish *wish)
{
    return wish->module >= 0 && wish->module < chain_module_count(engine->configuration->chain) &&
           slice_equal(wish->label, slice_from_string(observer_module_label(engine->observer, (uint32_t)wish->module)));
}

static void answer_module(const struct engine *engine, struct http_exchange *exchange, uint32_t index)
{
    struct buffer json = {0};
    engine_append_module(engine, index, &json);
    buffer_append_char(&json, '\n');
    http_exchange_answer(exchange, 200, NULL, buffer_slice(&json));
    buffer_free(&json);
}

static void switch_module(struct engine *engine, struct http_exchange *exchange, const struct wish *wish,
                          struct slice client)
{
    struct chain *chain = engine->configuration->chain;
    uint32_t index = (uint32_t)wish->module;
    struct buffer problem = {0};
    bool differs = chain_module_in_dry_run(chain, index) != wish->dry_run;
    if (differs && !chain_set_dry_run(chain, index, wish->dry_run, &problem)) {
        http_exchange_refuse(exchange, 422, "M_INVALID_PARAM", buffer_string(&problem));
    } else {
        if (differs) {
            questions_forget_answers(engine->questions);
            log_warning(wish->dry_run ? "a module was switched to dry_run until the next reload: it refuses nothing"
                                      : "a module was switched out of dry_run until the next reload: what it refuses "
                                        "counts",
                        LOG_TEXT("module", wish->label), LOG_INTEGER("place", index + 1), LOG_TEXT("by", client));
        }
        answer_module(engine, exchange, index);
    }
    buffer_free(&problem);
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    struct engine *engine = context;
    struct wish wish;
    json_t *body = json_loadb(request->body.data, request->body.length, 0, NULL);
    if (!read_wish(body, &wish))
        http_exchange_refuse(exchange, 400, body ? "M_BAD_JSON" : "M_NOT_JSON",
                             "the body must be an object with `module` (its place, from 0), `label` and `dry_run`");
    else if (!is_there(engine, &wish))
        http_exchange_refuse(exchange, 409, "M_CONFLICT",
                             "the chain has no module with this label there: it was loaded anew meanwhile");
    else
        switch_module(engine, exchange, &wish, request->client);
    json_decref(body);
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(DRY_RUN_PATH)) ? "POST" : NULL;
}

struct http_area engine_dry_run_http(struct engine *engine)
{
    return (struct http_area){
        .methods = methods, .handle = handle, .context = engine, .body_maximum = BODY_MAXIMUM, .closed = true};
}

void engine_dry_run_warn_lost(const struct engine *engine, struct buffer *warnings)
{
    const struct configuration *configuration = engine->configuration;
    const struct chain *chain = configuration->chain;
    for (uint32_t index = 0; index < chain_module_count(chain); index++) {
        if (chain_module_in_dry_run(chain, index) == chain_module_options(chain, index)->dry_run)
            continue;
        const char *label = observer_module_label(engine->observer, index);
        log_warning(SWITCH_IS_LOST, LOG_STRING("module", label), LOG_INTEGER("place", index + 1));
        buffer_append_format(warnings, "%s: %s: %s\n", configuration->path, label, SWITCH_IS_LOST);
    }
}
