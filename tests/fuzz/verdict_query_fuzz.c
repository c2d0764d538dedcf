/* What a query of the log comes to: a limit within its bounds, and ids that are read again as they were written. */
#include <stdlib.h>

#include "engine/verdict_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(struct stream_id id)
{
    char text[STREAM_ID_SIZE];
    struct stream_id again;
    stream_id_write(id, text);
    if (!stream_id_parse(slice_from_string(text), &again) || again.ms != id.ms || again.number != id.number)
        abort();
    if (stream_id_step_back(&again) && !stream_id_before(again, id))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verdict_query query = {0};
    struct buffer problem = {0};
    bool read = verdict_query_parse(&query, slice_of((const char *)data, size), 1795700000000, &problem);
    if (read == (problem.length > 0))
        abort();
    if (read && (query.limit < 1 || query.limit > VERDICT_QUERY_LIMIT_MAXIMUM))
        abort();
    check_id(query.oldest);
    check_id(query.newest);
    verdict_query_free(&query);
    buffer_free(&problem);
    return 0;
}
