/* Any callback, asked of an administrator's own web service: a POST of
 *
 *   {"callback": NAME, "event_id": ID, "args": {ARGUMENT: VALUE, …}}
 *
 * with the arguments named as in Synapse's documentation, the event as the JSON that Synapse stored (without a source
 * of bodies: what the stream row tells; `event_id` stands beside it, for stored events do not hold it), and null for
 * what is not known, as the state of an observed event. The answer is JSON, and what it may be says
 * filters/service_reply.h. An answer of 2xx with {"raise": …} is the service's own failure, as if a module had raised;
 * anything else that goes wrong is answered by `on_error`.
 *
 * With `protocol: antispam` it is a server of synapse-http-antispam that is asked (filters/antispam_wire.h).
 *
 * What it said about an event counts for a while when the same callback asks about the same event again: a federated
 * event may be checked twice. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/antispam_wire.h"
#include "filters/asking.h"
#include "filters/kept_answers.h"
#include "filters/service_reply.h"

enum on_error { ON_ERROR_PASS, ON_ERROR_DENY };
static const char *const on_error_choices[] = {"pass", "deny", NULL};
enum protocol { PROTOCOL_JSON, PROTOCOL_ANTISPAM };
static const char *const protocol_choices[] = {"json", "antispam", NULL};

/* The buffer of the question is given back when one made it larger. */
#define QUESTION_KEPT ((size_t)256 << 10)

struct configuration {
    struct asking_configuration asking;
    struct text_list callbacks;
    struct text_list login_types;
    int on_error;
    int64_t cache;
    int protocol;
};

/* A login type with its fields, as a list that ends with NULL. */
struct login_type {
    char *text; /* holds the name and the fields */
    char **fields;
};

struct state {
    const struct module_services *services;
    struct service *service;   /* NULL where nobody can be asked */
    struct kept_answers *kept; /* NULL: none are kept */
    enum on_error on_error;
    enum protocol protocol;
    struct login_type *login_types;
    size_t login_type_count;
    struct buffer question;
};

static const struct parameter parameters[] = {
    {.name = "url",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, asking.url),
     .text = "Where the questions are posted: http:// or https://. Required."},
    {.name = "callbacks",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, callbacks),
     .text = "The names of the callbacks that it is asked about. Required."},
    {.name = "on_error",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, on_error),
     .fallback = "pass",
     .choices = on_error_choices,
     .text = "What counts as the answer when there is none, or none that can be read."},
    {.name = "login_types",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, login_types),
     .fallback = "m.login.password:password",
     .text = "For auth_checkers: each login type and the fields that a client must send, as `TYPE:FIELD,FIELD`."},
    {.name = "cache",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, cache),
     .fallback = "60",
     .minimum = 0,
     .maximum = 86400,
     .text = "For how many seconds an answer about an event counts when the same callback asks about it again; 0: the "
             "service is asked each time."},
    {.name = "protocol",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, protocol),
     .fallback = "json",
     .choices = protocol_choices,
     .text = "What it speaks: Weir's own questions and answers, or those of a server for synapse-http-antispam, whose "
             "`base_url` is then the URL."},
    ASKING_PARAMETERS(struct configuration, asking),
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    asking_close(state->services, state->service);
    kept_answers_destroy(state->kept);
    for (size_t index = 0; index < state->login_type_count; index++) {
        free(state->login_types[index].text);
        free(state->login_types[index].fields);
    }
    free(state->login_types);
    buffer_free(&state->question);
    free(state);
}

/* The question. */

struct bounded {
    struct buffer *output;
    size_t maximum;
};

static int append_bounded(const char *text, size_t length, void *context)
{
    const struct bounded *bounded = context;
    if (length > bounded->maximum - bounded->output->length)
        return -1;
    buffer_append(bounded->output, text, length);
    return 0;
}

/* What the stream row tells of an event. */
static void append_row(const struct event *event, struct buffer *output)
{
    const struct {
        const char *name;
        struct slice value;
    } members[] = {
        {"event_id", event->event_id},     {"room_id", event->room_id}, {"type", event->type},
        {"state_key", event->state_key},   {"sender", event->sender},   {"redacts", event->redacts},
        {"membership", event->membership},
    };
    char separator = '{';
    for (size_t index = 0; index < sizeof members / sizeof *members; index++) {
        if (!slice_present(members[index].value))
            continue;
        buffer_append_format(output, "%c\"%s\":", separator, members[index].name);
        buffer_append_json_string(output, members[index].value);
        separator = ',';
    }
    buffer_append_string(output, separator == '{' ? "{}" : "}");
}

static bool append_event(const struct event *event, struct buffer *output)
{
    struct bounded bounded = {output, SERVICE_QUESTION_MAXIMUM};
    if (!event)
        buffer_append_string(output, "null");
    else if (event->has_body)
        return append_bounded(event->body.data, event->body.length, &bounded) == 0;
    else
        append_row(event, output);
    return true;
}

/* Failures, functions and requests have no form in JSON: null. */
static bool append_value(const struct value *value, struct buffer *output)
{
    struct bounded bounded = {output, SERVICE_QUESTION_MAXIMUM};
    json_t *json = value ? value_to_json(value) : NULL;
    bool good = json ? json_dump_callback(json, append_bounded, &bounded, JSON_COMPACT | JSON_ENCODE_ANY) == 0
                     : append_bounded("null", 4, &bounded) == 0;
    json_decref(json);
    return good;
}

/* False if it is larger than a question may be. */
static bool append_question(const struct callback_arguments *arguments, struct buffer *output)
{
    const struct callback_definition *definition = &callback_definitions[arguments->callback];
    buffer_append_format(output, "{\"callback\":\"%s\"", definition->name);
    if (arguments->event && slice_present(arguments->event->event_id)) {
        buffer_append_string(output, ",\"event_id\":");
        buffer_append_json_string(output, arguments->event->event_id);
    }
    buffer_append_string(output, ",\"args\":{");
    for (uint32_t index = 0; index < definition->argument_count && index < arguments->count; index++) {
        const struct argument_definition *argument = &definition->arguments[index];
        buffer_append_format(output, "%s\"%s\":", index ? "," : "", argument->name);
        bool good = argument->type == ARGUMENT_EVENT
                        ? append_event(arguments->event, output)
                        : append_value(arguments->values ? &arguments->values[index] : NULL, output);
        if (!good)
            return false;
    }
    buffer_append_string(output, "}}");
    return output->length <= SERVICE_QUESTION_MAXIMUM;
}

/* No answer, or none that can be read. */
static void fail(const struct state *state, const char *problem, struct result *result)
{
    result->value = (struct value){.kind = state->on_error == ON_ERROR_DENY ? VALUE_REFUSE : VALUE_PASS};
    result->rule = SLICE("on_error");
    result->reason = slice_from_string(problem);
}

static bool read_json(const struct state *state, const struct callback_arguments *arguments,
                      const struct service_answer *answered, struct value *value, const char **problem)
{
    json_t *reply = asking_read(state->services, state->service, answered, arguments->arena, problem);
    bool good = reply && service_reply_read(arguments, reply, value, problem);
    if (reply && !good)
        asking_complain(state->services, state->service, *problem);
    json_decref(reply);
    return good;
}

static bool read_antispam(const struct state *state, const struct callback_arguments *arguments,
                          const struct service_answer *answered, struct value *value, const char **problem)
{
    if (!answered->arrived) {
        *problem = arena_copy(arguments->arena, answered->error).data;
        return false;
    }
    bool good = antispam_wire_read(arguments, answered, value, problem);
    if (!good)
        asking_complain(state->services, state->service, *problem);
    return good;
}

/* Whether the answer says something; if not, why is in `*problem`. */
static bool read_answer(const struct state *state, const struct callback_arguments *arguments,
                        const struct service_answer *answered, struct result *result, const char **problem)
{
    bool good = (state->protocol == PROTOCOL_ANTISPAM ? read_antispam : read_json)(state, arguments, answered,
                                                                                   &result->value, problem);
    if (good)
        result->reason = SLICE("the web service said so");
    return good;
}

static bool answer_from_kept(const struct state *state, const struct callback_arguments *arguments,
                             struct result *result)
{
    struct service_answer kept;
    const char *problem;
    return state->kept && kept_answers_find(state->kept, arguments, &kept) &&
           read_answer(state, arguments, &kept, result, &problem);
}

static bool make_question(struct state *state, const struct callback_arguments *arguments)
{
    buffer_clear(&state->question);
    if (state->protocol == PROTOCOL_ANTISPAM)
        return antispam_wire_append_question(arguments, SERVICE_QUESTION_MAXIMUM, &state->question);
    return append_question(arguments, &state->question);
}

static void ask(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    const char *problem = "the question is larger than 1 MiB";
    if (answer_from_kept(state, arguments, result))
        return;
    struct slice path = state->protocol == PROTOCOL_ANTISPAM ? antispam_wire_path(arguments) : SLICE("");
    if (!make_question(state, arguments))
        asking_complain(state->services, state->service, problem);
    else if (asking_post(state->services, state->service, path, buffer_slice(&state->question), &result->value,
                         &problem))
        problem = NULL;
    if (problem)
        fail(state, problem, result);
    if (state->question.capacity > QUESTION_KEPT)
        buffer_free(&state->question);
}

static void answer(void *pointer, const struct callback_arguments *arguments, const struct service_answer *answered,
                   struct result *result)
{
    struct state *state = pointer;
    const char *problem;
    if (!read_answer(state, arguments, answered, result, &problem))
        fail(state, problem, result);
    else if (state->kept && result->value.kind != VALUE_RAISED)
        kept_answers_put(state->kept, arguments, answered);
}

/* Takes `TYPE:FIELD,FIELD` apart; false if it is no such text. */
static bool split_login_type(struct login_type *type)
{
    char *colon = strrchr(type->text, ':');
    char *rest = NULL;
    size_t count = 0;
    if (!colon || colon == type->text)
        return false;
    *colon = '\0';
    for (char *field = strtok_r(colon + 1, ", ", &rest); field; field = strtok_r(NULL, ", ", &rest))
        type->fields[count++] = field;
    return count > 0;
}

static bool read_login_types(struct state *state, const struct module_host *host, const struct text_list *list)
{
    bool good = true;
    state->login_types = memory_allocate_zeroed(list->count + 1, sizeof *state->login_types);
    for (size_t item = 0; item < list->count; item++) {
        struct login_type *type = &state->login_types[state->login_type_count++];
        size_t length = strlen(list->items[item]);
        type->text = memory_copy_text(list->items[item], length);
        type->fields = memory_allocate_zeroed(length + 1, sizeof *type->fields);
        if (split_login_type(type))
            continue;
        char path[64];
        snprintf(path, sizeof path, "login_types[%zu]", item);
        module_host_report(host, path, "must be `TYPE:FIELD,FIELD`, for example `m.login.password:password`");
        good = false;
    }
    return good;
}

static void report_unknown(const struct module_host *host, const char *path, const char *name)
{
    const char *names[CALLBACK_COUNT + 1] = {NULL};
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        names[callback] = callback_definitions[callback].name;
    const char *nearest = nearest_word(name, names);
    if (nearest)
        module_host_report(host, path, "there is no callback `%s`; did you mean `%s`?", name, nearest);
    else
        module_host_report(host, path, "there is no callback `%s`", name);
}

static void register_callback(const struct module_setup *setup, const struct state *state, enum callback callback)
{
    struct module_callback row = {.callback = callback, .function = ask};
    if (callback != CALLBACK_auth_checkers) {
        module_register(setup, &row);
        return;
    }
    for (size_t index = 0; index < state->login_type_count; index++) {
        row.login_type = state->login_types[index].text;
        row.login_fields = (const char *const *)state->login_types[index].fields;
        module_register(setup, &row);
    }
}

static bool speaks_of(const struct state *state, enum callback callback)
{
    return state->protocol == PROTOCOL_JSON || antispam_wire_asks(callback);
}

static bool register_callbacks(const struct module_setup *setup, const struct state *state,
                               const struct text_list *list)
{
    bool seen[CALLBACK_COUNT] = {false};
    bool good = list->count > 0;
    if (!good)
        module_host_report(setup->host, "", "has no `callbacks: [NAME, …]`");
    for (size_t item = 0; item < list->count; item++) {
        char path[64];
        const char *name = list->items[item];
        enum callback callback = callback_find(slice_from_string(name));
        snprintf(path, sizeof path, "callbacks[%zu]", item);
        bool fits = callback != CALLBACK_UNKNOWN && callback_definitions[callback].rules[setup->semantics];
        if (callback == CALLBACK_UNKNOWN)
            report_unknown(setup->host, path, name);
        else if (!fits)
            module_host_report(setup->host, path, "`%s` does not exist with `semantics: %s`", name,
                               semantics_texts[setup->semantics]);
        else if (!(fits = speaks_of(state, callback)))
            module_host_report(setup->host, path, "synapse-http-antispam does not ask `%s`", name);
        else if (!seen[callback])
            register_callback(setup, state, callback);
        good = good && fits;
        if (callback != CALLBACK_UNKNOWN)
            seen[callback] = true;
    }
    return good;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->services = setup->host->services;
    state->on_error = (enum on_error)configuration->on_error;
    state->protocol = (enum protocol)configuration->protocol;
    if (configuration->cache > 0)
        state->kept = kept_answers_create(configuration->cache * 1000);
    bool good = read_login_types(state, setup->host, &configuration->login_types);
    good = register_callbacks(setup, state, &configuration->callbacks) && good;
    good = asking_open(setup, "url", &configuration->asking, &state->service) && good;
    if (good)
        return state;
    destroy(state);
    return NULL;
}

extern const struct module_definition module_http_service;
const struct module_definition module_http_service = {
    .name = "http_service",
    .summary = "Asks a web service of your own about any callback.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .uses_body = true,
    .reads_state = true,
    .create = create,
    .destroy = destroy,
    .answer = answer,
};
