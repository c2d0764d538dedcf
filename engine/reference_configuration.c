/* The page of the configuration's keys: a table for the top, one for each section. */
#include "engine/configuration_reader.h"
#include "engine/reference.h"

static void append_row(struct buffer *output, const struct setting *setting)
{
    buffer_append_format(output, "| `%s` | ", setting->name);
    configuration_describe_type(setting, output);
    buffer_append_format(output, " | %s | %s |\n", setting->fallback ? setting->fallback : "", setting->text);
}

/* The table of `settings`, then those of the sections in it; `path` is theirs, "" for the top. */
static void append_section(struct buffer *output, const char *path, const struct setting *settings)
{
    buffer_append_string(output, "\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
    for (const struct setting *setting = settings; setting->name; setting++)
        append_row(output, setting);
    for (const struct setting *setting = settings; setting->name; setting++) {
        if (!setting->children)
            continue;
        struct buffer inner = {0};
        buffer_append_format(&inner, "%s%s%s", path, *path ? "." : "", setting->name);
        buffer_append_format(output, "\n## %s\n", buffer_string(&inner));
        append_section(output, buffer_string(&inner), setting->children);
        buffer_free(&inner);
    }
}

void reference_append_configuration(struct buffer *output)
{
    buffer_append_string(output,
                         "# The configuration\n\n"
                         "Every key of `weir.yaml`. Keys that Synapse has are called and shaped as in homeserver.yaml. "
                         "Paths are relative to the file that holds them; durations are a whole number with one of the "
                         "units ms, s, m, h, d, or of milliseconds without one. Where there is no default, the key is "
                         "left out, or must be there, as its text says. The modules are in [modules.md](modules.md), "
                         "a commented file to start from in [sample/weir.yaml](../../deploy/sample/weir.yaml).\n\n"
                         "This page is printed by `weir manual configuration.md`.\n");
    append_section(output, "", configuration_settings);
}
