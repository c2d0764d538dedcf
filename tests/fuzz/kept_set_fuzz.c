/* The envelope of a kept pattern set, which lies on a disk. The checksum is made to fit for every other input, so that
 * what comes behind it is reached; vectorscan itself is handed nothing here. */
#include <stdlib.h>

#include "filters/kept_set.h"

#define COUNT 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct kept_set *kept, struct slice content)
{
    size_t known = 0;
    for (uint32_t index = 0; index < COUNT; index++)
        if (kept->routes[index] > ROUTE_ALONE)
            abort();
    for (enum part part = 0; part < PART_COUNT; part++) {
        struct slice database = kept->databases[part];
        if (database.length &&
            (database.data < content.data || database.data + database.length > content.data + content.length))
            abort();
        known += database.length;
    }
    if (known + COUNT > content.length)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pattern patterns[COUNT];
    char name[KEPT_SET_NAME_SIZE];
    for (uint32_t index = 0; index < COUNT; index++)
        patterns[index] = (struct pattern){SLICE("spam"), PATTERN_LITERAL, index % 2};
    kept_set_name(patterns, COUNT, name);
    if (size == 0)
        return 0;
    struct buffer content = {0};
    struct kept_set kept;
    buffer_append(&content, (const char *)data + 1, size - 1);
    if (data[0] & 1)
        (void)kept_set_seal(&content, name);
    if (!kept_set_read(buffer_slice(&content), name, COUNT, &kept))
        use(&kept, buffer_slice(&content));
    buffer_free(&content);
    return 0;
}
