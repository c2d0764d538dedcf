/* Rows of the durable stream, which anybody with access to Redis may have written: none may give a position that is no
 * token of a stream that is known. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/verdict_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct positions_copy positions = {0};
    struct slice row = slice_of((const char *)data, size);
    bool taken = verdict_log_take_row(&positions, "weir1", row);
    int64_t token;
    if (taken != (positions.count == 1))
        abort();
    if (taken && (!positions_copy_number(&positions.fields[0], &token) || token < 0 ||
                  !slice_starts_with(positions.fields[0].name, SLICE("weir1 "))))
        abort();
    positions_copy_free(&positions);
    return 0;
}
