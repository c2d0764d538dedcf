/* Requests, six lines each: callback, args, reply_to, id, deadline, lines. A module registers every callback and
 * answers at once, later or not at all, by the length of what it is asked about. Every request must be settled once,
 * and an answer must be one line on a channel of replies. */
#include <stdlib.h>

#include "engine/answerer.h"
#include "engine/log.h"

static uint64_t tickets;

static void answer(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    size_t length = 0;
    for (uint32_t index = 0; arguments->values && index < arguments->count; index++)
        if (arguments->values[index].kind == VALUE_TEXT)
            length += arguments->values[index].text.length;
    if (arguments->event)
        length += arguments->event->sender.length + arguments->event->membership.length;
    if (length % 4 == 1)
        result->value = (struct value){.kind = VALUE_PENDING, .ticket = ++tickets};
    else if (length % 4 == 2)
        result->value = value_raise(arguments->arena, RAISED_OTHER, "failed");
    else
        result->value.kind = length % 4 == 3 ? VALUE_REFUSE : VALUE_PASS;
}

static void take_answer(void *state, const struct callback_arguments *arguments, const struct service_answer *answered,
                        struct result *result)
{
    (void)state, (void)arguments;
    result->value.kind = answered->arrived ? VALUE_PASS : VALUE_REFUSE;
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
    static const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    if (!chain_append(chain, &definition, NULL, NULL, &host) || !chain_seal(chain, NULL, NULL))
        abort();
    return chain;
}

static void on_settle(void *context, const struct answer *answer)
{
    struct slice entry = answer->entry, reply_to = answer->reply_to, message = answer->message;
    uint64_t *settled = context;
    ++*settled;
    if (entry.length != 4 || slice_present(reply_to) != slice_present(message))
        abort();
    if (!slice_present(message))
        return;
    if (!slice_starts_with(reply_to, SLICE("lab.test/weir/replies/")) ||
        !slice_starts_with(message, SLICE("VERDICT ")) || memchr(message.data, '\n', message.length))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chain *chain;
    if (!chain)
        chain = make_chain();
    log_threshold = LOG_ERROR + 1;
    tickets = 0;
    uint64_t settled = 0;
    struct metrics *metrics = metrics_create();
    struct answerer_callbacks callbacks = {.context = &settled, .settle = on_settle};
    struct questions_settings settings = {
        .waiting = 8, .waiting_per_asker = 4, .waiting_per_room = 2, .cache = 4, .cache_for_ms = 1000};
    struct event_base *base = event_base_new();
    struct questions *questions = questions_create(base, chain, &settings, metrics);
    struct answerer *answerer = answerer_create(questions, "lab.test", &callbacks, metrics);
    char entry[] = "00-0"; /* each entry has a name of its own, as in Redis */
    const char *text = (const char *)data;
    const char *end = text + size;
    while (text < end) {
        struct request_fields fields = {.entry = slice_from_string(entry)};
        struct slice *const places[] = {&fields.callback, &fields.args,     &fields.reply_to,
                                        &fields.id,       &fields.deadline, &fields.lines};
        if (++entry[1] == 'z' && ++entry[0])
            entry[1] = '0';
        if (entry[0] == 'z')
            break;
        for (size_t index = 0; index < sizeof places / sizeof *places && text < end; index++) {
            const char *stop = memchr(text, '\n', (size_t)(end - text));
            if (!stop)
                stop = end;
            *places[index] = slice_of(text, (size_t)(stop - text));
            text = stop + 1;
        }
        answerer_take(answerer, &fields);
    }
    if (answerer_counts(answerer).requests != settled + answerer_counts(answerer).waiting)
        abort();
    if (tickets % 2)
        questions_use_chain(questions, chain);
    for (uint64_t ticket = 1; ticket <= tickets; ticket++)
        questions_resume(questions, ticket, &(struct service_answer){.arrived = ticket % 3});
    if (answerer_counts(answerer).waiting || answerer_counts(answerer).requests != settled)
        abort();
    answerer_destroy(answerer);
    questions_destroy(questions);
    event_base_free(base);
    metrics_destroy(metrics);
    return 0;
}
