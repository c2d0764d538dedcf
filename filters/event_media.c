/* By the text and not by the key: clients and bridges put media under keys that no list would hold. */
#include "filters/event_media.h"

#include "filters/event_content.h"

#define MXC SLICE("mxc://")

/* Servers have letters, digits, dots, hyphens, colons and brackets; ids letters, digits, `-` and `_`. */
static bool is_of_uri(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte && strchr("-._~:[]/", byte));
}

/* The URI that begins at `start`; absent if it has not both of server and id. */
static struct slice uri_at(const char *start, const char *end)
{
    const char *stop = start + MXC.length;
    while (stop < end && is_of_uri(*stop))
        stop++;
    const char *server = start + MXC.length;
    const char *slash = memchr(server, '/', (size_t)(stop - server));
    if (!slash || slash == server)
        return SLICE_ABSENT;
    const char *id = slash + 1;
    const char *more = memchr(id, '/', (size_t)(stop - id));
    if (more)
        stop = more;
    return stop > id ? slice_of(start, (size_t)(stop - start)) : SLICE_ABSENT;
}

static uint32_t add(struct slice uri, struct slice *uris, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        if (slice_equal(uris[index], uri))
            return count;
    uris[count] = uri;
    return count + 1;
}

static uint32_t add_of_text(struct slice text, struct slice *uris, uint32_t count)
{
    const char *at = text.data, *end = at + text.length;
    while (count < EVENT_MEDIA_MAXIMUM && (at = memmem(at, (size_t)(end - at), MXC.data, MXC.length))) {
        struct slice uri = uri_at(at, end);
        if (slice_present(uri))
            count = add(uri, uris, count);
        at += MXC.length;
    }
    return count;
}

uint32_t event_media(const struct event *event, struct slice uris[static EVENT_MEDIA_MAXIMUM])
{
    uint32_t count = 0;
    yyjson_val *content = event->has_body ? event_content(event) : NULL;
    if (!content)
        return 0;
    /* All values of a parsed object, and those inside of them, lie behind it in a row. */
    const yyjson_val *end = unsafe_yyjson_get_next(content);
    for (yyjson_val *value = content; value < end && count < EVENT_MEDIA_MAXIMUM; value++)
        if (yyjson_is_str(value))
            count = add_of_text(slice_of(yyjson_get_str(value), yyjson_get_len(value)), uris, count);
    return count;
}
