/* `weir status`: how a running engine is, on one screen. */
#include "engine/admin_command.h"
#include "engine/status_text.h"

#include <stdio.h>

#define TIMEOUT_MS 5000

struct status_options {
    struct admin_options admin;
};

static int tell(struct admin_command *command)
{
    yyjson_val *status = yyjson_doc_get_root(command->document);
    struct buffer text = {0};
    bool printed;
    if (command->options->json) {
        printed = admin_command_print_json(command);
    } else if (status_text_append(status, admin_command_colours(), &text)) {
        printed = admin_command_print(buffer_slice(&text));
    } else {
        fputs("weir status: the engine's answer is no status\n", stderr);
        printed = false;
    }
    buffer_free(&text);
    return !printed ? EXIT_CODE_FAILED : status_text_is_ready(status) ? EXIT_CODE_OK : EXIT_CODE_NOT_READY;
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct status_options *options = filled;
    struct admin_command command;
    int code = admin_command_open(&command, "status", &options->admin);
    if (code == EXIT_CODE_OK)
        code = admin_command_ask(&command, &(struct admin_question){.target = "/v1/status", .timeout_ms = TIMEOUT_MS},
                                 200);
    if (code == EXIT_CODE_OK)
        code = tell(&command);
    admin_command_close(&command);
    return code;
}

static const struct option_definition definitions[] = {
    ADMIN_OPTIONS(ADMIN_JSON_TEXT),
    {.name = NULL},
};

const struct subcommand subcommand_status = {
    .name = "status",
    .summary = "tell whether a running engine does its job, and if not, what to do",
    .synopsis = "weir status [-c FILE | --socket FILE] [--json]",
    .description =
        "Asks the engine over its admin socket, and prints whether it is ready, what is missing and what can be done "
        "about it; then Redis, the source of event bodies, the catch-up, events, requests, the last reload, each "
        "module with its counts, and each writer with its position and how far behind it is.\n\n"
        "Counts begin with the process. `asked` and `ns` (nanoseconds for each question) of modules are estimated from "
        "every 256th event.",
    .exit_status = "0: it is ready, to do the job or to take it over. 5: it runs, and is not ready. " ADMIN_EXIT_STATUS,
    .examples = " weir status\n"
                " weir status -c weir.yaml\n"
                " weir status --json | jq .writers",
    .options = definitions,
    .options_size = sizeof(struct status_options),
    .run = run,
};
