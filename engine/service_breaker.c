/* Questions that were out when the breaker opened may still be answered while it is open: a success then closes it, for
 * the service evidently answers; a failure then changes nothing. */
#include "engine/service_breaker.h"

bool service_breaker_admits(struct service_breaker *breaker, uint64_t now_ns)
{
    if (breaker->state == BREAKER_OPEN && now_ns >= breaker->open_until_ns) {
        breaker->state = BREAKER_HALF_OPEN;
        return true;
    }
    return breaker->state == BREAKER_CLOSED;
}

bool service_breaker_succeeded(struct service_breaker *breaker)
{
    bool closes = breaker->state != BREAKER_CLOSED;
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    return closes;
}

bool service_breaker_failed(struct service_breaker *breaker, uint64_t now_ns)
{
    breaker->failures++;
    bool opens = breaker->state == BREAKER_HALF_OPEN || (breaker->state == BREAKER_CLOSED && breaker->threshold > 0 &&
                                                         breaker->failures >= breaker->threshold);
    if (opens) {
        breaker->state = BREAKER_OPEN;
        breaker->open_until_ns = now_ns + breaker->pause_ns;
    }
    return opens;
}
