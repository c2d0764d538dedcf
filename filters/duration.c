/* The units are Synapse's (synapse/config/_base.py, parse_duration), with `ms` beside them. */
#include "filters/duration.h"

#include <stdlib.h>

/* Digits of a number, and the most it may come to in milliseconds: ten thousand years. */
#define DIGITS_MAXIMUM 15
#define DURATION_MAXIMUM_MS ((int64_t)315360000000000)

static const struct unit {
    const char *name;
    int64_t milliseconds;
} units[] = {{"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* Takes the number at the front of the text; false if there is none. */
static bool take_number(const char **text, int64_t *number)
{
    size_t digits = strspn(*text, "0123456789");
    if (!digits || digits > DIGITS_MAXIMUM)
        return false;
    *number = strtoll(*text, NULL, 10);
    *text += digits;
    return true;
}

static bool take_unit(const char *text, int64_t number, int64_t *milliseconds)
{
    for (size_t index = 0; index < sizeof units / sizeof *units; index++) {
        if (strcmp(text, units[index].name) != 0)
            continue;
        if (number > DURATION_MAXIMUM_MS / units[index].milliseconds)
            return false;
        *milliseconds = number * units[index].milliseconds;
        return true;
    }
    return false;
}

bool duration_read(const char *text, int64_t *milliseconds)
{
    int64_t number;
    return take_number(&text, &number) && take_unit(text, number, milliseconds);
}

void duration_append(struct buffer *output, int64_t milliseconds)
{
    size_t index = 0;
    while (units[index].milliseconds > 1 && (milliseconds == 0 || milliseconds % units[index].milliseconds != 0))
        index++;
    buffer_append_integer(output, milliseconds / units[index].milliseconds);
    buffer_append_string(output, units[index].name);
}

bool rate_read(const char *text, struct rate *rate)
{
    int64_t count, periods = 1, period_ms;
    if (!take_number(&text, &count) || count < 1 || *text++ != '/')
        return false;
    if (*text >= '0' && *text <= '9' && !take_number(&text, &periods))
        return false;
    if (!take_unit(text, periods, &period_ms) || period_ms < 1)
        return false;
    *rate = (struct rate){count, period_ms};
    return true;
}
