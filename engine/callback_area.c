/* A question's ending is an answer of HTTP by a table; what the chain said is 200, also where a module failed. */
#include "engine/callback_area.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/callback_body.h"
#include "engine/http_questions.h"
#include "filters/parameter.h"

#define PREFIX SLICE(CALLBACK_AREA_PATH "/")
#define RETRY_AFTER_MS 1000

struct callback_area {
    struct questions *questions;
    struct http_questions *waiting;
    int64_t timeout_ms;
    struct buffer text;
};

/* The callback's name in a path; absent in that of the list. */
static struct slice name_in(struct slice path)
{
    return slice_starts_with(path, PREFIX) ? slice_of(path.data + PREFIX.length, path.length - PREFIX.length)
                                           : SLICE_ABSENT;
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    if (slice_equal(path, SLICE(CALLBACK_AREA_PATH)))
        return "GET";
    return name_in(path).length ? "POST" : NULL;
}

static void refuse_overloaded(struct callback_area *area, struct http_exchange *exchange)
{
    buffer_clear(&area->text);
    buffer_append_format(&area->text,
                         "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"error\":\"too many questions wait for an answer\","
                         "\"retry_after_ms\":%d}\n",
                         RETRY_AFTER_MS);
    http_exchange_header(exchange, "Retry-After", "1");
    http_exchange_answer(exchange, 429, NULL, buffer_slice(&area->text));
}

static void on_ended(void *context, const void *tag, struct http_exchange *exchange, const struct question_end *end)
{
    (void)tag;
    struct callback_area *area = context;
    if (!end) {
        http_exchange_refuse(exchange, 503, "M_UNKNOWN", "this server is shutting down");
        return;
    }
    switch (end->ending) {
    case QUESTION_ANSWERED:
    case QUESTION_RAISED:
        http_exchange_answer(exchange, 200, NULL, end->json);
        return;
    case QUESTION_MALFORMED:
        http_exchange_refuse(exchange, 400, "M_BAD_JSON", end->problem);
        return;
    case QUESTION_OVERLOADED:
        refuse_overloaded(area, exchange);
        return;
    case QUESTION_EXPIRED:
        http_exchange_refuse(exchange, 504, "M_UNKNOWN", "a module that waits for somebody had no answer in time");
        return;
    }
}

static void refuse_unknown(struct callback_area *area, struct http_exchange *exchange, struct slice name)
{
    const char *names[CALLBACK_COUNT + 1] = {0};
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        names[callback] = callback_definitions[callback].name;
    buffer_clear(&area->text);
    buffer_append_slice(&area->text, name);
    const char *nearest = nearest_word(buffer_string(&area->text), names);
    buffer_clear(&area->text);
    buffer_append_string(&area->text, "there is no such callback");
    if (nearest)
        buffer_append_format(&area->text, "; did you mean `%s`?", nearest);
    http_exchange_refuse(exchange, 404, "M_UNRECOGNIZED", buffer_string(&area->text));
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    struct callback_area *area = context;
    struct slice name = name_in(request->path);
    if (!slice_present(name)) {
        buffer_clear(&area->text);
        callback_area_append_list(questions_chain(area->questions), &area->text);
        http_exchange_answer(exchange, 200, NULL, buffer_slice(&area->text));
        return;
    }
    struct callback_body body;
    enum callback callback = callback_find(name);
    if (callback == CALLBACK_UNKNOWN) {
        refuse_unknown(area, exchange, name);
        return;
    }
    if (!callback_body_read(request->body, &body, &area->text)) {
        http_exchange_refuse(exchange, 400, body.errcode, body.problem);
        return;
    }
    int64_t timeout_ms = body.timeout_ms && body.timeout_ms < area->timeout_ms ? body.timeout_ms : area->timeout_ms;
    http_questions_ask(area->waiting, exchange, callback, body.args, request->client, timeout_ms, NULL);
}

static void append_arguments(const struct callback_definition *definition, struct buffer *json)
{
    static const char *const types[] = {
        [ARGUMENT_TEXT] = "text",       [ARGUMENT_TEXT_OR_NULL] = "text_or_null",
        [ARGUMENT_BOOLEAN] = "boolean", [ARGUMENT_INTEGER] = "integer",
        [ARGUMENT_JSON] = "json",       [ARGUMENT_SHARED] = "edited_object",
        [ARGUMENT_COPY] = "object",     [ARGUMENT_EVENT] = "event",
        [ARGUMENT_STATE] = "state",     [ARGUMENT_STATES] = "presence_states",
        [ARGUMENT_LIMIT] = "limit",     [ARGUMENT_REQUEST] = "request",
    };
    for (uint32_t index = 0; index < definition->argument_count; index++)
        buffer_append_format(json, "%s{\"name\":\"%s\",\"type\":\"%s\"}", index ? "," : "",
                             definition->arguments[index].name, types[definition->arguments[index].type]);
}

static void append_callback(const struct chain *chain, enum callback callback, struct buffer *json)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    bool exists = definition->rules[chain_semantics(chain)] != NULL;
    buffer_append_format(json, "{\"name\":\"%s\",\"family\":\"%s\",\"asked\":", definition->name,
                         callback_family_texts[definition->family]);
    buffer_append_json_string(json, slice_from_string(definition->summary));
    buffer_append_format(json, ",\"introduced\":\"1.%d\",\"removed\":", definition->introduced);
    if (definition->removed)
        buffer_append_format(json, "\"1.%d\"", definition->removed);
    else
        buffer_append_string(json, "null");
    buffer_append_string(json, ",\"arguments\":[");
    append_arguments(definition, json);
    buffer_append_format(json, "],\"exists\":%s,\"modules\":%u}", exists ? "true" : "false",
                         chain_callback_modules(chain, callback, NULL, 0));
}

void callback_area_append_list(const struct chain *chain, struct buffer *json)
{
    buffer_append_format(json, "{\"semantics\":\"%s\",\"callbacks\":[", semantics_texts[chain_semantics(chain)]);
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        buffer_append_string(json, callback ? ",\n" : "\n");
        append_callback(chain, (enum callback)callback, json);
    }
    buffer_append_string(json, "]}\n");
}

struct callback_area *callback_area_create(struct questions *questions, int64_t timeout_ms)
{
    struct callback_area *area = memory_allocate_zeroed(1, sizeof *area);
    area->questions = questions;
    area->timeout_ms = timeout_ms;
    area->waiting = http_questions_create(questions, on_ended, area);
    return area;
}

void callback_area_stop(struct callback_area *area)
{
    if (area)
        http_questions_stop(area->waiting);
}

void callback_area_destroy(struct callback_area *area)
{
    if (!area)
        return;
    http_questions_destroy(area->waiting);
    buffer_free(&area->text);
    free(area);
}

struct http_area callback_area_http(struct callback_area *area)
{
    return (struct http_area){
        .methods = methods, .handle = handle, .context = area, .body_maximum = HTTP_BODY_MAXIMUM, .closed = true};
}
