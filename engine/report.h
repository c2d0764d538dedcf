/* Loading the configuration for a subcommand: errors and warnings go to standard error as lines for people. */
#ifndef WEIR_ENGINE_REPORT_H
#define WEIR_ENGINE_REPORT_H

#include "engine/configuration.h"

/* NULL if the file is wrong; every reason has been printed. `subcommand` begins the closing line. */
struct configuration *report_configuration_load(const char *subcommand, const char *path,
                                                enum configuration_purpose purpose,
                                                const struct module_services *services);

/* The same, as configuration_load_with. */
struct configuration *report_configuration_load_with(const char *subcommand,
                                                     const struct configuration_loading *loading);

#endif
