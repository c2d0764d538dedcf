/* `weir reload`: has a running engine load its configuration again, and waits for what comes of it. */
#include <stdio.h>

#include "engine/admin_command.h"
#include "engine/tail_format.h"

/* Patterns by the ten thousand are compiled for some seconds, lists of millions read for longer; another reload may be
 * before this one. */
#define TIMEOUT_MS 600000

struct reload_options {
    struct admin_options admin;
};

static void print_lines(yyjson_val *lines, const char *before)
{
    size_t index, count;
    yyjson_val *line;
    struct buffer text = {0};
    yyjson_arr_foreach(lines, index, count, line)
    {
        buffer_append_string(&text, before);
        tail_append_visible(&text, slice_of(yyjson_is_str(line) ? yyjson_get_str(line) : "", yyjson_get_len(line)));
        buffer_append_char(&text, '\n');
    }
    fputs(buffer_string(&text), stderr);
    buffer_free(&text);
}

/* A number as the engine wrote it. */
static const char *raw(yyjson_val *object, const char *name)
{
    const char *text = yyjson_get_raw(yyjson_obj_get(object, name));
    return text ? text : "?";
}

static int tell(const struct admin_command *command)
{
    yyjson_val *result = yyjson_doc_get_root(command->document);
    print_lines(yyjson_obj_get(result, "errors"), "");
    print_lines(yyjson_obj_get(result, "warnings"), "warning: ");
    if (command->status != 200) {
        fputs("weir reload: the configuration was not loaded; the old one goes on\n", stderr);
        return EXIT_CODE_CONFIGURATION;
    }
    struct buffer text = {0};
    const char *modules = raw(result, "modules");
    buffer_append_format(&text, "loaded in %s s: %s module%s; events waited %s ms\n", raw(result, "seconds"), modules,
                         strcmp(modules, "1") == 0 ? "" : "s", raw(result, "stall_ms"));
    bool printed = admin_command_print(buffer_slice(&text));
    buffer_free(&text);
    return printed ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct reload_options *options = filled;
    struct admin_command command;
    int code = admin_command_open(&command, "reload", &options->admin);
    if (code == EXIT_CODE_OK)
        code = admin_command_ask(
            &command, &(struct admin_question){.target = "/v1/reload", .body = "{}", .timeout_ms = TIMEOUT_MS}, 422);
    if (code == EXIT_CODE_OK && options->admin.json)
        code = !admin_command_print_json(&command) ? EXIT_CODE_FAILED
               : command.status == 200             ? EXIT_CODE_OK
                                                   : EXIT_CODE_CONFIGURATION;
    else if (code == EXIT_CODE_OK)
        code = tell(&command);
    admin_command_close(&command);
    return code;
}

static const struct option_definition definitions[] = {
    ADMIN_OPTIONS(ADMIN_JSON_TEXT),
    {.name = NULL},
};

const struct subcommand subcommand_reload = {
    .name = "reload",
    .summary = "load the configuration of a running engine again, and tell what came of it",
    .synopsis = "weir reload [-c FILE | --socket FILE] [--json]",
    .description = "Asks the engine to load its configuration, as SIGHUP does, and waits until it works with it or has "
                   "refused it. A configuration with an error changes nothing: every error is printed with its file, "
                   "line and column, and the old configuration goes on.\n\n"
                   "The engine reads the file that it was started with, which need not be the one of --config.",
    .exit_status = "3 also when the engine refused its configuration. " ADMIN_EXIT_STATUS,
    .examples = " weir reload\n"
                " weir reload -c weir.yaml\n"
                " weir reload --socket /var/lib/weir/weir1.sock --json",
    .options = definitions,
    .options_size = sizeof(struct reload_options),
    .run = run,
};
