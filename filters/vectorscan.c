/* The library exports its implementations by their own names beside the one that chooses; a weak reference leaves a
 * library that has none (another processor, a build for one machine) as it is. */
#include "filters/vectorscan.h"

#include <stddef.h>

static const struct vectorscan chosen_by_library = {hs_scan, NULL};

#if defined(__x86_64__)
/* Named by the library. */
__attribute__((weak)) hs_error_t corei7_hs_scan(const hs_database_t *database, const char *data, unsigned int length,
                                                unsigned int flags, hs_scratch_t *scratch, match_event_handler on_event,
                                                void *context);

const struct vectorscan *vectorscan_implementation(void)
{
    static const hs_platform_info_t platform = {.cpu_features = 0};
    static const struct vectorscan sse = {corei7_hs_scan, &platform};
    return sse.scan && __builtin_cpu_supports("sse4.2") ? &sse : &chosen_by_library;
}
#else
const struct vectorscan *vectorscan_implementation(void)
{
    return &chosen_by_library;
}
#endif
