#include "filters/tag_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void tag_names_free(struct tag_names *tags)
{
    for (unsigned bit = 0; bit < TAGS_MAXIMUM; bit++)
        free(tags->names[bit]);
    *tags = (struct tag_names){0};
}

uint64_t tag_names_bit(struct tag_names *tags, const char *name)
{
    for (unsigned bit = 0; bit < TAGS_MAXIMUM; bit++) {
        if (!tags->names[bit])
            tags->names[bit] = memory_copy_text(name, strlen(name));
        if (strcmp(tags->names[bit], name) == 0)
            return 1ull << bit;
    }
    return 0;
}

const char *tag_names_at(const struct tag_names *tags, unsigned bit)
{
    return bit < TAGS_MAXIMUM ? tags->names[bit] : NULL;
}
