/* The scanner decodes escapes in place, so it walks a copy; what it finds is given as the same bytes of the original.
 */
#include "base/json_members.h"

#include "base/json_scan.h"

struct search {
    const char *const *names;
    size_t count;
    struct slice *values;
    const char *text; /* the original */
    const char *copy;
};

static inline char *take_member(void *context, struct slice key, char *value)
{
    const struct search *search = context;
    char *end = json_skip_value(value);
    for (size_t index = 0; end && index < search->count; index++)
        if (slice_equal(key, slice_from_string(search->names[index])))
            search->values[index] = slice_of(search->text + (value - search->copy), (size_t)(end - value));
    return end;
}

enum json_members_status json_members_find(struct slice text, const char *const *names, size_t count,
                                           struct slice *values, struct buffer *scratch)
{
    for (size_t index = 0; index < count; index++)
        values[index] = SLICE_ABSENT;
    buffer_clear(scratch);
    char *copy = buffer_reserve(scratch, text.length + JSON_SCAN_PADDING);
    if (text.length)
        memcpy(copy, text.data, text.length);
    memset(copy + text.length, 0, JSON_SCAN_PADDING);
    struct search search = {names, count, values, text.data, copy};
    char *at = json_skip_space(copy);
    bool object = *at == '{';
    at = object ? json_walk_object(at, take_member, &search) : json_skip_value(at);
    if (at && json_skip_space(at) == copy + text.length)
        return object ? JSON_MEMBERS_FOUND : JSON_MEMBERS_NOT_OBJECT;
    return JSON_MEMBERS_NOT_JSON;
}
