/* What is not configured is left out, and with it left to libpq's own defaults. */
#include "engine/postgres_parameters.h"

struct postgres_parameters postgres_parameters(const struct postgres_settings *settings)
{
    const struct {
        const char *keyword;
        const char *value;
    } all[] = {{"host", settings->host},   {"port", settings->port},         {"dbname", settings->dbname},
               {"user", settings->user},   {"password", settings->password}, {"application_name", "weir"},
               {"client_encoding", "UTF8"}};
    _Static_assert(sizeof all / sizeof *all < POSTGRES_PARAMETERS_MAXIMUM, "raise POSTGRES_PARAMETERS_MAXIMUM");
    struct postgres_parameters parameters = {0};
    size_t count = 0;
    for (size_t index = 0; index < sizeof all / sizeof *all; index++) {
        if (!all[index].value)
            continue;
        parameters.keywords[count] = all[index].keyword;
        parameters.values[count++] = all[index].value;
    }
    return parameters;
}
