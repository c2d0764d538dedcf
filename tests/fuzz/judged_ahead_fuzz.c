/* What an earlier run is said to have stored: whatever is read must be written as a record that says the same. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/judged_ahead.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buffer record;
    struct judged_ahead first = {0}, second = {0};
    const char *problem = NULL;
    if (!judged_ahead_read(&first, slice_of((const char *)data, size), &problem)) {
        if (!problem || first.known || first.left_out)
            abort();
        return 0;
    }
    buffer_clear(&record);
    buffer_append_char(&record, '[');
    buffer_append_integer(&record, first.upto);
    for (size_t index = 0; index < first.count; index++)
        judged_ahead_append(&record, first.left_out[index].token, first.left_out[index].event_id);
    buffer_append_char(&record, ']');
    if (!judged_ahead_read(&second, buffer_slice(&record), &problem) || second.upto != first.upto ||
        second.count != first.count)
        abort();
    for (size_t index = 0; index < first.count; index++) {
        const struct left_out *left_out = &first.left_out[index];
        if (judged_ahead_has(&second, left_out->token, left_out->event_id))
            abort();
    }
    judged_ahead_free(&first);
    judged_ahead_free(&second);
    return 0;
}
