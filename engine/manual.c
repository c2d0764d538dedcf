/* The texts here are those that no table has; they name nothing that a table would know better. */
#include "engine/manual.h"

#include <string.h>

#include "engine/configuration_reader.h"
#include "engine/option_parser.h"
#include "engine/reference.h"
#include "engine/roff.h"

static void append_name(struct buffer *output, const char *name, const char *summary)
{
    roff_append_section(output, "NAME");
    roff_append_escaped(output, name, strlen(name));
    buffer_append_string(output, " \\- ");
    roff_append_escaped(output, summary, strlen(summary));
    buffer_append_char(output, '\n');
}

static void append_option(struct buffer *output, const struct option_definition *option)
{
    struct buffer tag = {0}, note = {0};
    if (option->letter)
        buffer_append_format(&tag, "-%c, ", option->letter);
    buffer_append_format(&tag, "--%s", option->name);
    buffer_append_format(&note, "%s%s%s", option->argument ? option->argument : "",
                         option->required ? " (required)" : "",
                         option->type == OPTION_CONFIGURATION ? " (default: " OPTION_CONFIGURATION_DEFAULT ")" : "");
    roff_append_item(output, buffer_string(&tag), note.length ? buffer_string(&note) : NULL, option->text);
    buffer_free(&tag);
    buffer_free(&note);
}

static void append_subcommand(struct buffer *output, const struct subcommand *subcommand)
{
    struct buffer heading = {0};
    buffer_append_format(&heading, "weir %s", subcommand->name);
    roff_append_subsection(output, buffer_string(&heading));
    buffer_free(&heading);
    for (const char *line = subcommand->synopsis; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        buffer_append_string(output, line == subcommand->synopsis ? "" : ".br\n");
        roff_append_escaped(output, line, strcspn(line, "\n"));
        buffer_append_char(output, '\n');
    }
    buffer_append_string(output, ".PP\n");
    roff_append_text(output, subcommand->description);
    for (const struct option_definition *option = subcommand->options; option && option->name; option++)
        append_option(output, option);
    buffer_append_string(output, subcommand->exit_status || subcommand->examples ? ".PP\n" : "");
    if (subcommand->exit_status) {
        buffer_append_string(output, "Exit status:\n");
        roff_append_text(output, subcommand->exit_status);
        buffer_append_string(output, subcommand->examples ? ".PP\n" : "");
    }
    if (subcommand->examples) {
        buffer_append_string(output, "Examples:\n");
        roff_append_lines(output, subcommand->examples);
    }
}

void manual_append_program(struct buffer *output)
{
    roff_append_title(output, "WEIR", "1");
    append_name(output, "weir", "event-filter engine beside Synapse, the Matrix homeserver");
    roff_append_section(output, "SYNOPSIS");
    roff_append_lines(output,
                      "weir SUBCOMMAND [OPTION]... [ARGUMENT]...\nweir help [SUBCOMMAND]\nweir --help\nweir --version");
    roff_append_section(output, "DESCRIPTION");
    roff_append_text(output, option_weir_description);
    buffer_append_string(output, ".PP\n");
    roff_append_text(output, "Its configuration is described in weir.yaml(5), the modules in weir-modules(7).");
    roff_append_section(output, "OPTIONS");
    roff_append_item(output, "-h, --help", NULL,
                     "Shows the overview; behind a subcommand, the page of that subcommand, as `weir help` does.");
    roff_append_item(output, "-V, --version", NULL, "Does what `weir version` does.");
    buffer_append_string(output, ".PP\n");
    roff_append_text(output, "Options of a subcommand stand anywhere behind it: `--name value`, `--name=value`, "
                             "`-n value` or `-nvalue`. What follows `--` is no option.");
    roff_append_section(output, "SUBCOMMANDS");
    for (const struct subcommand *const *subcommand = subcommands; *subcommand; subcommand++)
        append_subcommand(output, *subcommand);
    roff_append_section(output, "EXIT STATUS");
    for (const struct option_exit_meaning *row = option_exit_meanings; row->meaning; row++)
        roff_append_item(output, (char[]){(char)('0' + row->code), '\0'}, NULL, row->meaning);
    roff_append_section(output, "FILES");
    roff_append_item(output, "/etc/weir/weir.yaml", NULL,
                     "The configuration, unless a subcommand is told of another with `--config`.");
    roff_append_item(output, "STATE_DIR/INSTANCE_NAME.sock", NULL,
                     "Where `weir status` and its like ask the engine, unless `admin_socket` says otherwise.");
    roff_append_item(output, "PREFIX/share/weir/profiles", NULL,
                     "Ready-made sets of modules, found from the program's own place.");
    roff_append_item(output, "PREFIX/share/weir/sample", NULL,
                     "A commented configuration, and a recording to try it on.");
    roff_append_section(output, "EXAMPLES");
    roff_append_lines(output, "weir check -c weir.yaml    # what a configuration does, or all that is wrong with it\n"
                              "weir run -c weir.yaml      # the engine\n"
                              "weir tail -c weir.yaml     # its verdicts, as they come");
    roff_append_section(output, "SEE ALSO");
    roff_append_text(output, "weir.yaml(5), weir-modules(7), redis-server(1)");
}

/* An item for each key, those of sections behind it as `section.key`. */
static void append_settings(struct buffer *output, const char *path, const struct setting *setting)
{
    struct buffer name = {0}, note = {0};
    for (; setting->name; setting++) {
        buffer_clear(&name);
        buffer_clear(&note);
        buffer_append_format(&name, "%s%s%s", path, *path ? "." : "", setting->name);
        configuration_describe_type(setting, &note);
        if (setting->fallback)
            buffer_append_format(&note, "; default %s", setting->fallback);
        roff_append_item(output, buffer_string(&name), buffer_string(&note), setting->text);
        if (setting->children)
            append_settings(output, buffer_string(&name), setting->children);
    }
    buffer_free(&name);
    buffer_free(&note);
}

void manual_append_configuration(struct buffer *output)
{
    roff_append_title(output, "WEIR.YAML", "5");
    append_name(output, "weir.yaml", "configuration of weir");
    roff_append_section(output, "DESCRIPTION");
    roff_append_text(
        output, "A file in YAML, which `weir run -c FILE` and most other subcommands of weir(1) read. Keys that "
                "Synapse has are called and shaped as in homeserver.yaml, and may be taken from there by "
                "`synapse_config`.\n\nPaths are relative to the file that holds them. Durations are a whole number "
                "with one of the units ms, s, m, h, d, or of milliseconds without one. Where no default is told, "
                "the key is left out, or must be there, as its text says.\n\nSIGHUP loads the file again; what "
                "needs a restart the log says. `weir check` tells every error at once, with line and column.");
    roff_append_section(output, "KEYS");
    append_settings(output, "", configuration_settings);
    roff_append_section(output, "FILES");
    roff_append_item(output, "/etc/weir/weir.yaml", NULL, "Where it usually stands.");
    roff_append_section(output, "EXAMPLES");
    roff_append_lines(output, "server_name: example.org\n"
                              "redis: {host: 127.0.0.1, port: 6379}\n"
                              "bodies: {postgres: {host: /run/postgresql, dbname: synapse, user: weir}}\n"
                              "http: {listen: 127.0.0.1:9180}\n"
                              "modules:\n"
                              "  - module: sender_list\n"
                              "    config: {users: [\"@spam*:bad.example\"]}\n"
                              "  - include: public-homeserver\n"
                              "    dry_run: true");
    roff_append_section(output, "SEE ALSO");
    roff_append_text(output, "weir(1), weir-modules(7)");
}

/* Likewise, as `map.key` and `list[].key`. */
static void append_parameters(struct buffer *output, const char *prefix, const struct parameter *table, size_t count)
{
    struct buffer name = {0}, note = {0};
    for (size_t index = 0; index < count; index++) {
        const struct parameter *parameter = &table[index];
        buffer_clear(&name);
        buffer_clear(&note);
        buffer_append_format(&name, "%s%s", prefix, parameter->name);
        parameter_describe_type(parameter, &note);
        if (parameter->fallback)
            buffer_append_format(&note, "; default %s", parameter->fallback);
        roff_append_item(output, buffer_string(&name), buffer_string(&note), parameter->text);
        buffer_append_string(&name, parameter->type == PARAMETER_FIELDS ? "." : "[].");
        append_parameters(output, buffer_string(&name), parameter->fields, parameter->field_count);
    }
    buffer_free(&name);
    buffer_free(&note);
}

static void append_module(struct buffer *output, const struct module_definition *module)
{
    struct buffer callbacks = {0};
    buffer_append_string(&callbacks, "Callbacks: ");
    for (size_t index = 0; index < module->callback_count; index++) {
        const struct module_callback *row = &module->callbacks[index];
        buffer_append_format(&callbacks, "%s`%s`", index ? ", " : "", callback_definitions[row->callback].name);
        if (row->login_type)
            buffer_append_format(&callbacks, " of `%s`", row->login_type);
    }
    buffer_append_string(&callbacks, module->callback_count ? "." : "as its configuration says.");
    if (module_judges_events(module))
        buffer_append_format(&callbacks, " It needs %s.", module_reads_text(module));
    roff_append_subsection(output, module->name);
    roff_append_text(output, module->summary);
    buffer_append_string(output, ".PP\n");
    roff_append_text(output, buffer_string(&callbacks));
    append_parameters(output, "", module->parameters, module->parameter_count);
    buffer_free(&callbacks);
}

void manual_append_modules(struct buffer *output)
{
    roff_append_title(output, "WEIR-MODULES", "7");
    append_name(output, "weir-modules", "the modules of weir, and the callbacks that they answer");
    roff_append_section(output, "DESCRIPTION");
    roff_append_text(output, reference_modules_introduction);
    roff_append_section(output, "MODULES");
    for (size_t index = 0; module_registry[index]; index++)
        append_module(output, module_registry[index]);
    roff_append_section(output, "CALLBACKS");
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        struct buffer text = {0};
        buffer_append_format(&text, "Asked %s.", callback_definitions[callback].summary);
        roff_append_item(output, callback_definitions[callback].name, NULL, buffer_string(&text));
        buffer_free(&text);
    }
    roff_append_section(output, "EXAMPLES");
    roff_append_lines(output, "modules:\n"
                              "  - module: keywords\n"
                              "    config: {patterns: [\"cheap followers\"]}\n"
                              "    except: {senders: [\"@admin:example.org\"]}\n"
                              "  - module: room_rules\n"
                              "    dry_run: true");
    roff_append_section(output, "SEE ALSO");
    roff_append_text(output,
                     "weir(1), weir.yaml(5). `weir callbacks` has the callbacks with their arguments and rules.");
}
