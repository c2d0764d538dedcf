/* Speeds as people write them: a factor, perhaps with an x, or `max`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/player.h"

bool player_speed_parse(const char *text, double *speed)
{
    if (strcmp(text, "max") == 0) {
        *speed = 0;
        return true;
    }
    char *end;
    if (strspn(text, "0123456789.") == 0)
        return false;
    *speed = strtod(text, &end);
    if (*end == 'x')
        end++;
    return *end == '\0' && isfinite(*speed) && *speed >= 1e-6 && *speed <= 1e9;
}
