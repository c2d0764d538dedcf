/* Query strings: every parameter decodes to no more than was sent, and is found by its decoded name. */
#include <stdlib.h>

#include "base/query_string.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice query = slice_of((const char *)data, size);
    struct slice rest = query;
    struct query_parameter parameter;
    struct buffer name = {0}, value = {0}, found = {0};
    size_t seen = 0;
    while (query_string_next(&rest, &parameter)) {
        buffer_clear(&name);
        buffer_clear(&value);
        query_string_decode(parameter.name, &name);
        query_string_decode(parameter.value, &value);
        if (name.length > parameter.name.length || value.length > parameter.value.length)
            abort();
        buffer_clear(&found);
        if (!query_string_find(query, buffer_slice(&name), &found))
            abort();
        /* The first parameter of all is the first of its name; bounded, since each step looks from the beginning. */
        if (seen++ == 0 && !slice_equal(buffer_slice(&found), buffer_slice(&value)))
            abort();
        if (seen == 64)
            break;
    }
    buffer_free(&name);
    buffer_free(&value);
    buffer_free(&found);
    return 0;
}
