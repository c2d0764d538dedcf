/* A circuit breaker: a service that fails many times in a row is left alone for a while, so that questions to it fail
 * at once instead of waiting for its time limit, and it can recover. Time is the caller's, in monotonic nanoseconds. */
#ifndef WEIR_ENGINE_SERVICE_BREAKER_H
#define WEIR_ENGINE_SERVICE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum service_breaker_state {
    BREAKER_CLOSED,    /* all is well */
    BREAKER_OPEN,      /* nothing is let through until the pause is over */
    BREAKER_HALF_OPEN, /* one question is out, and decides */
};

struct service_breaker {
    int64_t threshold; /* failures in a row that open it; 0: it never opens */
    uint64_t pause_ns;
    enum service_breaker_state state;
    int64_t failures; /* in a row */
    uint64_t open_until_ns;
};

/* Whether a question may be asked now. The first one after the pause makes the breaker half open, and must be followed
 * by one of the next two calls. */
bool service_breaker_admits(struct service_breaker *breaker, uint64_t now_ns);
/* True if this closed the breaker. */
bool service_breaker_succeeded(struct service_breaker *breaker);
/* True if this opened the breaker. */
bool service_breaker_failed(struct service_breaker *breaker, uint64_t now_ns);

#endif
