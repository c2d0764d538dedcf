/* The target of a request line, and the header Authorization. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/http_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(struct slice part, struct slice whole)
{
    return part.data >= whole.data && part.data + part.length <= whole.data + whole.length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buffer scratch, again;
    struct slice text = slice_of((const char *)data, size), path, query, path_again, query_again;
    if (http_target_split(text, &scratch, &path, &query)) {
        if (!path.length || path.data[0] != '/' || memmem(path.data, path.length, "//", 2) ||
            memchr(path.data, '?', path.length) || memchr(query.data, '#', query.length))
            abort();
        if (!http_target_split(path, &again, &path_again, &query_again) || !slice_equal(path, path_again) ||
            query_again.length)
            abort();
    }
    struct slice token = http_bearer_token(text);
    if (slice_present(token) && (!token.length || !within(token, text)))
        abort();
    return 0;
}
