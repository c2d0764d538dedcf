/* URLs of a Redis: no error may hold the password, and what was accepted can be described. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/redis_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = memory_copy_text((const char *)data, size);
    struct redis_address address;
    struct buffer text = {0};
    if (redis_address_parse(url, &address, &text)) {
        redis_address_describe(&address, &text);
        redis_address_free(&address);
    } else if (text.length == 0) {
        abort();
    }
    buffer_free(&text);
    free(url);
    return 0;
}
