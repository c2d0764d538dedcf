/* Bodies of POST /v1/explain, explained by a chain with a module for every callback. What is told must be one JSON
 * object, and for people text without control characters; what is refused must have a reason. */
#include <stdlib.h>
#include <yyjson.h>

#include "engine/explain_request.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Answers by the length of what it is asked about, and shows parts of it. */
static void answer(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    size_t length = 0;
    for (uint32_t index = 0; arguments->values && index < arguments->count; index++) {
        if (arguments->values[index].kind != VALUE_TEXT)
            continue;
        result->rule = arguments->values[index].text;
        length += result->rule.length;
    }
    if (arguments->event) {
        length += arguments->event->sender.length;
        result->reason = arguments->event->sender;
        result->evidence = arguments->event->sender;
    }
    if (length % 5 == 1)
        result->value = (struct value){.kind = VALUE_PENDING, .ticket = 1};
    else if (length % 5 == 2)
        result->value = value_raise(arguments->arena, RAISED_OTHER, "failed at %zu", length);
    else
        result->value.kind = length % 5 == 3 ? VALUE_REFUSE : VALUE_PASS;
}

static void take_answer(void *state, const struct callback_arguments *arguments, const struct service_answer *answered,
                        struct result *result)
{
    (void)state, (void)arguments, (void)answered;
    result->value.kind = VALUE_PASS;
}

static void *create(const struct module_setup *setup)
{
    static int state;
    static const char *const fields[] = {"password", NULL};
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        struct module_callback row = {.callback = (enum callback)callback, .function = answer};
        if (!callback_definitions[callback].rules[SEMANTICS_LATEST])
            continue;
        if (callback == CALLBACK_auth_checkers) {
            row.login_type = "m.login.password";
            row.login_fields = fields;
        }
        module_register(setup, &row);
    }
    return &state;
}

/* Several callbacks may have one module only. */
static void *create_for_messages(const struct module_setup *setup)
{
    static int state;
    module_register(setup, &(struct module_callback){.callback = CALLBACK_check_event_for_spam, .function = answer});
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
    static const struct module_definition definition = {
        .name = "everything", .create = create, .destroy = destroy, .answer = take_answer};
    static const struct module_definition trying = {
        .name = "trying", .create = create_for_messages, .destroy = destroy, .answer = take_answer};
    static const struct module_options dry_run = {.dry_run = true};
    static const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    require(chain_append(chain, &trying, NULL, &dry_run, &host) &&
            chain_append(chain, &definition, NULL, NULL, &host) && chain_seal(chain, NULL, NULL));
    return chain;
}

static void check_text(struct slice text)
{
    for (size_t index = 0; index < text.length; index++)
        require((unsigned char)text.data[index] >= ' ' || text.data[index] == '\n');
}

static void check_event_id(struct slice body)
{
    struct buffer event_id = {0};
    bool named = explain_request_event_id(body, &event_id);
    require(event_id.length <= body.length && (named || !event_id.length));
    buffer_free(&event_id);
}

static void explain(struct chain *chain, struct slice body, bool json)
{
    const struct explain_settings settings = {
        .chain = chain, .instance_name = "weir1", .json = json, .as_synapse = body.length % 2};
    struct buffer output = {0}, problem = {0};
    const char *errcode = NULL;
    if (explain_request(&settings, body, &output, &errcode, &problem)) {
        yyjson_doc *doc = json ? yyjson_read(output.data, output.length, 0) : NULL;
        require(!json || yyjson_is_obj(yyjson_doc_get_root(doc)));
        if (!json)
            check_text(buffer_slice(&output));
        yyjson_doc_free(doc);
    } else {
        require(errcode && problem.length && !output.length);
    }
    buffer_free(&output);
    buffer_free(&problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chain *chain;
    if (!chain)
        chain = make_chain();
    check_event_id(slice_of((const char *)data, size));
    explain(chain, slice_of((const char *)data, size), true);
    explain(chain, slice_of((const char *)data, size), false);
    return 0;
}
