/* Which of vectorscan's implementations scans.
 *
 * The library of Debian 12 (5.4.9) holds one for each generation of processors and picks the newest that runs. Those
 * with vectors of more than sixteen bytes miss matches: the AVX-512 one does not find a single "k" behind the 64th byte
 * of a text, the AVX2 one not always `ab$` at the end of one. Held against planted matches, the SSE4.2 one misses none,
 * so that is taken where the library has it. */
#ifndef WEIR_FILTERS_VECTORSCAN_H
#define WEIR_FILTERS_VECTORSCAN_H

#include <hs/hs.h>

/* hs_scan of one implementation, and the platform to compile databases for (NULL: this machine's). */
struct vectorscan {
    hs_error_t (*scan)(const hs_database_t *database, const char *data, unsigned int length, unsigned int flags,
                       hs_scratch_t *scratch, match_event_handler on_event, void *context);
    const hs_platform_info_t *platform;
};

/* The implementation for this machine. */
const struct vectorscan *vectorscan_implementation(void);

#endif
