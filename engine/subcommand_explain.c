/* `weir explain`: what the configured modules do with one event, or with one question to any callback. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/explain.h"
#include "engine/explain_body.h"
#include "engine/explain_services.h"
#include "engine/option.h"
#include "engine/report.h"

#define REPETITIONS_DEFAULT 200
#define TIMEOUT_DEFAULT_MS 10000
#define TIMEOUT_MAXIMUM_MS 600000

struct explain_options {
    const char *configuration;
    const char *event_id;
    const char *callback;
    const char *arguments;
    const char *repeat;
    const char *timeout;
    bool json;
};

static const struct option_definition options[] = {
    {"config", 'c', OPTION_CONFIGURATION, offsetof(struct explain_options, configuration), "FILE", false,
     "the configuration"},
    {"event-id", 'e', OPTION_TEXT, offsetof(struct explain_options, event_id), "ID", false,
     "the event with this id, from the configured source of bodies (`bodies`)"},
    {"callback", 'b', OPTION_TEXT, offsetof(struct explain_options, callback), "CALLBACK", false,
     "ask this callback, instead of those that an observed event is asked of"},
    {"args", 'a', OPTION_TEXT, offsetof(struct explain_options, arguments), "JSON", false,
     "with --callback: its arguments, a JSON object by the names of Synapse's documentation; `event` may be in it"},
    {"repeat", 'n', OPTION_TEXT, offsetof(struct explain_options, repeat), "COUNT", false,
     "how often the question is put again, for the median of each module's time; 200 unless told otherwise, 0: never"},
    {"timeout", 't', OPTION_TEXT, offsetof(struct explain_options, timeout), "MS", false,
     "how long the database is waited for, in milliseconds; 10000 unless told otherwise"},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct explain_options, json),
     .text = "print a JSON object, as POST /v1/explain answers with"},
    {0},
};

static bool parse_number(const char *name, const char *text, int64_t maximum, int64_t *number)
{
    char *end;
    if (!text)
        return true;
    long long parsed = strtoll(text, &end, 10);
    if (end != text && !*end && parsed >= 0 && parsed <= maximum) {
        *number = parsed;
        return true;
    }
    fprintf(stderr, "weir explain: --%s must be a whole number from 0 to %" PRId64 "\n", name, maximum);
    return false;
}

/* What is asked. */
struct question {
    enum callback callback; /* CALLBACK_UNKNOWN: what an observed event is asked */
    json_t *arguments;
    int64_t repetitions;
    int64_t timeout_ms;
};

static bool find_callback(const char *name, enum callback *callback)
{
    const char *names[CALLBACK_COUNT + 1] = {0};
    for (size_t index = 0; index < CALLBACK_COUNT; index++)
        names[index] = callback_definitions[index].name;
    *callback = callback_find(slice_from_string(name));
    if (*callback != CALLBACK_UNKNOWN)
        return true;
    const char *nearest = nearest_word(name, names);
    fprintf(stderr, "weir explain: unknown callback `%s`", name);
    fprintf(stderr, nearest ? "; did you mean `%s`?\n" : "\n", nearest);
    return false;
}

/* False, told, if the command line makes no sense. */
static bool take_options(const struct explain_options *chosen, size_t operand_count, struct question *question)
{
    question->callback = CALLBACK_UNKNOWN;
    if (operand_count && chosen->event_id) {
        fprintf(stderr, "weir explain: either a file with the event or --event-id, not both\n");
        return false;
    }
    if (!operand_count && !chosen->event_id && !chosen->callback) {
        fprintf(stderr, "weir explain: which event? Name a file, `-` for standard input, or --event-id ID\n");
        return false;
    }
    if (chosen->arguments && !chosen->callback) {
        fprintf(stderr, "weir explain: --args belongs to --callback\n");
        return false;
    }
    if (!parse_number("repeat", chosen->repeat, EXPLAIN_REPETITIONS_MAXIMUM, &question->repetitions) ||
        !parse_number("timeout", chosen->timeout, TIMEOUT_MAXIMUM_MS, &question->timeout_ms) ||
        (chosen->callback && !find_callback(chosen->callback, &question->callback)))
        return false;
    json_error_t problem;
    if (chosen->arguments && !(question->arguments = json_loads(chosen->arguments, JSON_ALLOW_NUL, &problem))) {
        fprintf(stderr, "weir explain: --args is not valid JSON: %s (at byte %d)\n", problem.text, problem.position);
        return false;
    }
    return true;
}

static bool get_body(struct explain_body *body, const struct configuration *configuration,
                     const struct explain_options *chosen, const struct question *question, char **operands,
                     size_t operand_count, struct buffer *error)
{
    if (operand_count)
        return explain_body_read(body, operands[0], error);
    if (chosen->event_id)
        return explain_body_find(body, configuration, chosen->event_id, question->timeout_ms, error);
    return true;
}

static int explain(const struct configuration *configuration, struct explain_services *services,
                   const struct explain_options *chosen, const struct question *question, char **operands,
                   size_t operand_count)
{
    struct buffer output = {0}, error = {0};
    struct explain_body body = {0};
    const struct explain_settings settings = {.chain = configuration->chain,
                                              .instance_name = configuration->instance_name,
                                              .repetitions = (uint32_t)question->repetitions,
                                              .as_synapse = configuration->observe_as_synapse,
                                              .wait = explain_services_wait,
                                              .wait_context = services,
                                              .json = chosen->json};
    bool good = get_body(&body, configuration, chosen, question, operands, operand_count, &error);
    if (good && question->callback == CALLBACK_UNKNOWN)
        good = explain_event(&settings, body.text, body.event_id, &output, &error);
    else if (good)
        good = explain_callback(&settings, question->callback, question->arguments, body.text, &output, &error);
    if (!good)
        fprintf(stderr, "weir explain: %s\n", buffer_string(&error));
    else if (fwrite(output.data, 1, output.length, stdout) != output.length || fflush(stdout) != 0)
        good = false;
    explain_body_free(&body);
    buffer_free(&output);
    buffer_free(&error);
    return good ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    const struct explain_options *chosen = filled;
    struct question question = {.repetitions = REPETITIONS_DEFAULT, .timeout_ms = TIMEOUT_DEFAULT_MS};
    int code = EXIT_CODE_USAGE;
    if (take_options(chosen, operand_count, &question)) {
        struct explain_services *services = explain_services_create();
        struct configuration *configuration = report_configuration_load(
            "explain", chosen->configuration, CONFIGURATION_FOR_REPLAY, explain_services_interface(services));
        code = EXIT_CODE_CONFIGURATION;
        if (configuration) {
            log_open(configuration->log_level);
            code = explain(configuration, services, chosen, &question, operands, operand_count);
        }
        configuration_destroy(configuration);
        explain_services_destroy(services);
    }
    json_decref(question.arguments);
    return code;
}

const struct subcommand subcommand_explain = {
    .name = "explain",
    .summary = "tell what each module says of one event, why, and how fast",
    .synopsis = "weir explain [-c FILE] EVENT.json|-|--event-id ID [--callback CALLBACK] [--args JSON] [--repeat "
                "COUNT] [--json]",
    .description =
        "Asks the configured modules about one event, and prints for each callback which modules were asked and which "
        "were not, and why; what each said, by which rule, for which reason, on which bytes of the event; and how many "
        "nanoseconds it took, once and as the median of some hundred repetitions. It also says which callbacks Synapse "
        "itself would have asked about such an event. The last row is the one that `weir replay` would write.\n\n"
        "EVENT.json holds an event as the client-server or the federation API have it, or a line of a file of recorded "
        "bodies; `-` is standard input.\n\n"
        "With --callback it asks that callback instead, with the arguments of --args: this is how to try presence "
        "routers, auth providers and everything else that is not about events. Nothing is published, but modules do "
        "what they do: those that count count, and those that ask a service ask it.",
    .examples = "weir explain -c weir.yaml event.json\n"
                "weir explain -c weir.yaml --event-id '$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg'\n"
                "weir explain -c weir.yaml --callback user_may_join_room \\\n"
                "    --args '{\"user\": \"@a:hs\", \"room\": \"!r:hs\", \"is_invited\": false}'",
    .options = options,
    .options_size = sizeof(struct explain_options),
    .operand = "FILE|-",
    .minimum_operands = 0,
    .maximum_operands = 1,
    .run = run,
};
