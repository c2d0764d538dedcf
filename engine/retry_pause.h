/* How long to wait before the next attempt at something that failed. */
#ifndef WEIR_ENGINE_RETRY_PAUSE_H
#define WEIR_ENGINE_RETRY_PAUSE_H

#include <stdint.h>

/* Milliseconds: `first`, doubled for each of `attempts` that failed before, at most `last`; less up to half of it by
 * chance, so that those who failed together do not try again together. */
uint32_t retry_pause_ms(uint32_t first, uint32_t last, uint32_t attempts);

#endif
