/* Chance comes from the kernel: engines that were started together must not share it. */
#include "engine/retry_pause.h"

#include <sys/random.h>

#include "engine/clock.h"

uint32_t retry_pause_ms(uint32_t first, uint32_t longest, uint32_t attempts)
{
    uint32_t pause = first;
    for (uint32_t attempt = 0; attempt < attempts && pause < longest; attempt++)
        pause = pause > longest / 2 ? longest : pause * 2;
    if (pause > longest)
        pause = longest;
    uint32_t noise = 0;
    if (getrandom(&noise, sizeof noise, GRND_NONBLOCK) != (ssize_t)sizeof noise)
        noise = (uint32_t)clock_now_ns();
    return pause - noise % (pause / 2 + 1);
}
