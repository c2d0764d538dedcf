/* `weir positions`: where a running engine stands in each stream of each writer. */
#include "engine/admin_command.h"
#include "engine/admin_tables.h"

#define TIMEOUT_MS 5000

struct positions_options {
    struct admin_options admin;
};

/* The writers alone, or a status of which they are a member. */
static yyjson_val *writers_of(const struct admin_command *command)
{
    yyjson_val *root = yyjson_doc_get_root(command->document);
    return yyjson_is_arr(root) ? root : yyjson_obj_get(root, "writers");
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct positions_options *options = filled;
    struct admin_command command;
    struct buffer text = {0};
    int code = admin_command_open(&command, "positions", &options->admin);
    if (code == EXIT_CODE_OK)
        code = admin_command_ask(&command,
                                 &(struct admin_question){.target = "/v1/positions", .timeout_ms = TIMEOUT_MS}, 200);
    if (code == EXIT_CODE_OK && options->admin.json) {
        code = admin_command_print_json(&command) ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    } else if (code == EXIT_CODE_OK) {
        admin_append_writers(writers_of(&command), 0, &text);
        code = admin_command_print(buffer_slice(&text)) ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    }
    buffer_free(&text);
    admin_command_close(&command);
    return code;
}

static const struct option_definition definitions[] = {
    ADMIN_OPTIONS(ADMIN_JSON_TEXT),
    {.name = NULL},
};

const struct subcommand subcommand_positions = {
    .name = "positions",
    .summary = "show where a running engine stands in each stream of each writer",
    .synopsis = "weir positions [-c FILE | --socket FILE] [--json]",
    .description =
        "Prints a line for each writer of each stream: the position that is judged, the newest that is known of it, "
        "how many rows or tokens lie between the two, how long a row takes from Synapse to its verdict, how many "
        "events were read and wait to be judged, and whether its rows come live, are being fetched because some were "
        "missed, or its position is not known yet (`waiting`).",
    .exit_status = ADMIN_EXIT_STATUS,
    .examples = " weir positions\n"
                " weir positions -c weir.yaml --json",
    .options = definitions,
    .options_size = sizeof(struct positions_options),
    .run = run,
};
