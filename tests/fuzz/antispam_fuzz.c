/* Requests of synapse-http-antispam: a path in the first line, the body behind it. What is made of a body must be
 * arguments; what is answered must be understood as it is meant: JSON without the members that break Synapse for a pass
 * or a refusal, no JSON where there is no verdict. */
#include <stdlib.h>

#include "engine/antispam.h"
#include "engine/chain_question.h"
#include "engine/log.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Answers by the length of what it is asked about; refusals carry what stands in the arguments. */
static void answer(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    size_t length = 0;
    json_t *fields = NULL;
    for (uint32_t index = 0; arguments->values && index < arguments->count; index++) {
        const struct value *value = &arguments->values[index];
        length += value->kind == VALUE_TEXT ? value->text.length : 0;
        fields = value->kind == VALUE_JSON && json_is_object(value->object) ? value->object : fields;
    }
    if (arguments->event)
        length += arguments->event->sender.length + arguments->event->body.length;
    switch (length % 6) {
    case 0:
        result->value = (struct value){.kind = VALUE_PASS};
        return;
    case 1:
        result->value = value_raise(arguments->arena, RAISED_OTHER, "failed");
        return;
    case 2:
        result->value = value_raise_error(arguments->arena, 404, SLICE("M_SAFETY"), SLICE("\xff said"));
        return;
    case 3:
        result->value = value_text(arguments->event ? arguments->event->body : SLICE("text"));
        return;
    default:
        result->value = value_code(SLICE("M_FORBIDDEN"));
        result->value.object = fields;
    }
}

static void *create(const struct module_setup *setup)
{
    static int state;
    for (size_t index = 0; index < antispam_endpoint_count; index++) {
        struct module_callback row = {.callback = antispam_endpoints[index].callback, .function = answer};
        if (row.callback != CALLBACK_UNKNOWN)
            module_register(setup, &row);
    }
    return &state;
}

static void destroy(void *state)
{
    (void)state;
}

static void on_report(void *context, const char *path, const char *message)
{
    (void)context, (void)path, (void)message;
    abort();
}

static struct chain *make_chain(void)
{
    static const struct module_definition definition = {.name = "everything", .create = create, .destroy = destroy};
    static const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    require(chain_append(chain, &definition, NULL, NULL, &host) && chain_seal(chain, NULL, NULL));
    return chain;
}

static void check_answer(enum antispam_ending ending, const struct antispam_answer *given)
{
    json_t *json = json_loadb(given->body->data, given->body->length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool verdict = ending == ANTISPAM_PASSED || ending == ANTISPAM_REFUSED || ending == ANTISPAM_MALFORMED;
    require(verdict == json_is_object(json) && verdict == (json != NULL));
    require((ending == ANTISPAM_REFUSED) == (given->status == 403) && (given->status >= 500) == !verdict);
    if (ending == ANTISPAM_REFUSED)
        require(json_is_string(json_object_get(json, "errcode")) && json_is_string(json_object_get(json, "error")) &&
                !json_object_get(json, "msg") && !json_object_get(json, "code"));
    json_decref(json);
}

static void ask(const struct chain *chain, const struct antispam_endpoint *endpoint, struct slice args)
{
    struct chain_question question = {0};
    struct outcome outcome;
    struct buffer body = {0};
    struct antispam_answer given = {.body = &body};
    struct question_end end = {.ending = QUESTION_ANSWERED, .outcome = &outcome};
    end.problem = chain_question_read(&question, chain, endpoint->callback, args);
    if (end.problem)
        end.ending = QUESTION_MALFORMED;
    else
        chain_run(chain, endpoint->callback, &question.arguments, &outcome);
    check_answer(antispam_answer(endpoint, &end, &given), &given);
    chain_question_free(&question);
    buffer_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chain *chain;
    struct buffer text = {0}, scratch = {0};
    struct slice name, args, whole = slice_of((const char *)data, size);
    const char *line = size ? memchr(whole.data, '\n', size) : NULL;
    if (!chain)
        chain = make_chain();
    log_threshold = LOG_ERROR + 1;
    if (!line || !antispam_path(slice_of(whole.data, (size_t)(line - whole.data)), &name))
        return 0;
    struct slice body = slice_of(line + 1, size - (size_t)(line + 1 - whole.data));
    const struct antispam_endpoint *endpoint = antispam_find(name);
    require(name.length && !memchr(name.data, '/', name.length));
    if (endpoint) {
        bool changes = endpoint->changes[0].argument != NULL;
        enum antispam_reading reading = antispam_arguments(endpoint, body, &args, &text, &scratch);
        json_t *object =
            changes && reading == ANTISPAM_READ ? json_loadb(args.data, args.length, JSON_ALLOW_NUL, NULL) : NULL;
        require(changes || (reading == ANTISPAM_READ && args.data == body.data && args.length == body.length));
        /* jansson refuses numbers that are too large for it, and deep nesting. */
        require(!object || json_is_object(object));
        json_decref(object);
        if (endpoint->callback != CALLBACK_UNKNOWN)
            ask(chain, endpoint, args);
    }
    buffer_clear(&text);
    if (antispam_answer_ping(body, &text, &scratch)) {
        json_t *pong = json_loadb(text.data, text.length, JSON_ALLOW_NUL, NULL);
        require(json_is_string(json_object_get(pong, "id")));
        json_decref(pong);
    }
    buffer_free(&text);
    buffer_free(&scratch);
    return 0;
}
