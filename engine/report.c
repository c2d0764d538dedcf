/* One wording for a broken configuration, whatever subcommand met it. */
#include "engine/report.h"

#include <stdio.h>

struct configuration *report_configuration_load_with(const char *subcommand,
                                                     const struct configuration_loading *loading)
{
    struct buffer errors = {0};
    struct buffer warnings = {0};
    struct configuration *configuration = configuration_load_with(loading, &errors, &warnings);
    fputs(buffer_string(&warnings), stderr);
    if (!configuration) {
        fputs(buffer_string(&errors), stderr);
        fprintf(stderr, "weir %s: the configuration is wrong; nothing was done\n", subcommand);
    }
    buffer_free(&errors);
    buffer_free(&warnings);
    return configuration;
}

struct configuration *report_configuration_load(const char *subcommand, const char *path,
                                                enum configuration_purpose purpose,
                                                const struct module_services *services)
{
    const struct configuration_loading loading = {.path = path, .purpose = purpose, .services = services};
    return report_configuration_load_with(subcommand, &loading);
}
