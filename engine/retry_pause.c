#include "engine/retry_pause.h"

#include <sys/random.h>

#include "engine/clock.h"

uint32_t retry_pause_ms(uint32_t first, uint32_t last, uint32_t attempts)
{
    uint32_t pause = first;
    for (uint32_t attempt = 0; attempt < attempts && pause < last; attempt++)
        pause *= 2;
    if (pause > last)
        pause = last;
    uint32_t noise = 0;
    if (getrandom(&noise, sizeof noise, GRND_NONBLOCK) != (ssize_t)sizeof noise)
        noise = (uint32_t)clock_now_ns();
    return pause - noise % (pause / 2 + 1);
}
