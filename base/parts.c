/* The length is filled in when the part is there: nobody has to know it before. */
#include "base/parts.h"

size_t parts_begin(struct buffer *output)
{
    static const uint64_t nothing;
    size_t start = output->length;
    buffer_append(output, (const char *)&nothing, sizeof nothing);
    return start;
}

void parts_end(struct buffer *output, size_t start)
{
    uint64_t length = output->length - start - sizeof length;
    memcpy(output->data + start, &length, sizeof length);
}

struct slice parts_take(struct slice *parts)
{
    uint64_t length;
    if (parts->length < sizeof length)
        return SLICE_ABSENT;
    memcpy(&length, parts->data, sizeof length);
    if (length > parts->length - sizeof length)
        return SLICE_ABSENT;
    struct slice part = slice_of(parts->data + sizeof length, (size_t)length);
    *parts = slice_of(part.data + length, parts->length - sizeof length - (size_t)length);
    return part;
}

struct head {
    uint64_t version;
    uint64_t seed;
};

void parts_put_head(struct buffer *output, uint64_t version, uint64_t seed)
{
    struct head head = {version, seed};
    buffer_append(output, (const char *)&head, sizeof head);
}

bool parts_take_head(struct slice *parts, uint64_t version, uint64_t *seed)
{
    struct head head;
    if (parts->length < sizeof head)
        return false;
    memcpy(&head, parts->data, sizeof head);
    if (head.version != version)
        return false;
    *seed = head.seed;
    *parts = slice_of(parts->data + sizeof head, parts->length - sizeof head);
    return true;
}
