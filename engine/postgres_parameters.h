/* How the configuration's database is reached, in libpq's own keywords, for each of those who connect to it. */
#ifndef WEIR_ENGINE_POSTGRES_PARAMETERS_H
#define WEIR_ENGINE_POSTGRES_PARAMETERS_H

#include "engine/configuration.h"

#define POSTGRES_PARAMETERS_MAXIMUM 8

/* Both lists end with NULL; the texts are those of `settings`. */
struct postgres_parameters {
    const char *keywords[POSTGRES_PARAMETERS_MAXIMUM];
    const char *values[POSTGRES_PARAMETERS_MAXIMUM];
};

struct postgres_parameters postgres_parameters(const struct postgres_settings *settings);

#endif
