/* Pauses between attempts: they double up to a longest one, less up to half by chance, so that those who lost the same
 * server do not all come back at once. */
#ifndef WEIR_ENGINE_RETRY_PAUSE_H
#define WEIR_ENGINE_RETRY_PAUSE_H

#include <stdint.h>

/* Milliseconds to wait after `attempts` attempts that failed (0: after the first). `first` and `longest` are positive.
 */
uint32_t retry_pause_ms(uint32_t first, uint32_t longest, uint32_t attempts);

#endif
