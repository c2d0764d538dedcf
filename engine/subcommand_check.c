/* `weir check`: what a configuration means, before an engine runs with it. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration.h"
#include "engine/option.h"

struct check_options {
    const char *configuration;
    const char *purpose;
};

static const struct option_definition check_options[] = {
    {.name = "config",
     .letter = 'c',
     .type = OPTION_TEXT,
     .offset = offsetof(struct check_options, configuration),
     .argument = "FILE",
     .required = true,
     .text = "The configuration."},
    {.name = "for",
     .type = OPTION_TEXT,
     .offset = offsetof(struct check_options, purpose),
     .argument = "PURPOSE",
     .text = "What the configuration is needed for: `run` (the default), `replay` (needs no Redis and no source of "
             "bodies) or `client` (play and tail; modules are not looked at)."},
    {.name = NULL},
};

static bool parse_purpose(const char *name, enum configuration_purpose *purpose)
{
    static const struct {
        const char *name;
        enum configuration_purpose purpose;
    } purposes[] = {
        {"run", CONFIGURATION_FOR_RUN}, {"replay", CONFIGURATION_FOR_REPLAY}, {"client", CONFIGURATION_FOR_CLIENT}};
    for (size_t index = 0; index < sizeof purposes / sizeof *purposes; index++) {
        if (strcmp(purposes[index].name, name) == 0) {
            *purpose = purposes[index].purpose;
            return true;
        }
    }
    return false;
}

static void append_callback(struct buffer *output, const struct chain *chain, enum callback callback)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    uint32_t *indices = memory_allocate((chain_module_count(chain) + 1) * sizeof *indices);
    uint32_t count = chain_callback_modules(chain, callback, indices, chain_module_count(chain));
    buffer_append_format(output, "\n%s (%s)\n", definition->name, callback_family_texts[definition->family]);
    for (uint32_t place = 0; place < count; place++) {
        const struct module_definition *module = chain_module(chain, indices[place]);
        buffer_append_format(output, "  %3u. %-16s modules[%u], %s\n", place + 1, module->name, indices[place],
                             module->needs_body ? "needs the event's body" : "needs the stream row only");
    }
    if (count == 0) {
        buffer_append_string(output, "  no module: every event passes\n");
    } else {
        buffer_append_format(output, "  rule: %s\n  when a module fails: %s\n",
                             callback_rule_text(callback, chain_semantics(chain)), raise_class_text(definition->raise));
    }
    free(indices);
}

static void append_bodies(struct buffer *output, const struct configuration *configuration)
{
    const struct postgres_settings *postgres = &configuration->postgres;
    switch (configuration->body_source) {
    case BODY_SOURCE_FILE:
        buffer_append_format(output, "  bodies    from the file %s\n", configuration->bodies_file);
        break;
    case BODY_SOURCE_POSTGRES:
        buffer_append_format(output, "  bodies    from PostgreSQL, database %s at %s\n",
                             postgres->dbname ? postgres->dbname : "(libpq's default)",
                             postgres->host ? postgres->host : "(libpq's default)");
        break;
    case BODY_SOURCE_NONE:
        buffer_append_string(output, "  bodies    none\n");
        break;
    }
}

static void append_configuration(struct buffer *output, const struct configuration *configuration)
{
    buffer_append_format(output, "%s is good.\n\n  server    %s\n  instance  %s\n", configuration->path,
                         configuration->server_name, configuration->instance_name);
    buffer_append_string(output, "  redis     ");
    if (configuration->redis_configured)
        redis_address_describe(&configuration->redis, output);
    else
        buffer_append_string(output, "none");
    buffer_append_char(output, '\n');
    append_bodies(output, configuration);
    buffer_append_format(output, "  http      %s\n  publish   %s\n",
                         configuration->http_listen ? configuration->http_listen : "none",
                         configuration->publish_all ? "the verdicts of all events" : "the verdicts that deny");
    if (!configuration->chain)
        return;
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        append_callback(output, configuration->chain, (enum callback)callback);
}

static int check_run(const void *options_, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct check_options *options = options_;
    enum configuration_purpose purpose = CONFIGURATION_FOR_RUN;
    if (options->purpose && !parse_purpose(options->purpose, &purpose)) {
        fprintf(stderr, "weir check: --for must be one of: run, replay, client\n");
        return EXIT_CODE_USAGE;
    }
    struct buffer errors = {0}, warnings = {0}, output = {0};
    struct configuration *configuration = configuration_load(options->configuration, purpose, &errors, &warnings);
    fputs(buffer_string(&errors), stderr);
    for (const char *line = buffer_string(&warnings); *line;) {
        size_t length = strcspn(line, "\n");
        fprintf(stderr, "warning: %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
    int code = configuration ? EXIT_CODE_OK : EXIT_CODE_CONFIGURATION;
    if (configuration) {
        append_configuration(&output, configuration);
        if (fwrite(output.data, 1, output.length, stdout) != output.length || fflush(stdout) != 0)
            code = EXIT_CODE_FAILED;
    }
    configuration_destroy(configuration);
    buffer_free(&errors);
    buffer_free(&warnings);
    buffer_free(&output);
    return code;
}

const struct subcommand subcommand_check = {
    .name = "check",
    .summary = "check a configuration and show the chain that it makes",
    .synopsis = "weir check -c FILE [--for run|replay|client]",
    .description =
        "Reads the configuration with everything that it names: Synapse's own file, the modules' lists, their "
        "patterns. "
        "All errors are told at once, a line each, as FILE:LINE:COLUMN: KEY: what is wrong, and, where a name is "
        "unknown, which known one is the nearest.\n\n"
        "For a good configuration it prints, for each callback, the modules in the order in which they are asked, the "
        "rule that combines their answers, and what a module's failure means. Warnings go to stderr and do not change "
        "the exit status. Nothing is connected to.",
    .examples = " weir check -c /etc/weir/weir.yaml\n weir check -c weir.yaml --for replay",
    .options = check_options,
    .options_size = sizeof(struct check_options),
    .run = check_run,
};
