/* evhttp reads "//user_may_invite" as the host user_may_invite without a path, as a relative reference would be read.
 * But synapse-http-antispam joins its base_url and the callback's name with a slash, whatever the base_url ends with
 * (peers.md, section 2.1), so that such targets are common and mean a path. */
#include "engine/http_target.h"

#include <strings.h>

static struct slice after(struct slice text, size_t count)
{
    return slice_of(text.data + count, text.length - count);
}

static size_t find_any(struct slice text, const char *bytes)
{
    size_t index = 0;
    while (index < text.length && !memchr(bytes, text.data[index], strlen(bytes)))
        index++;
    return index;
}

/* What stands behind scheme and host; absent if there is no scheme that we serve. */
static struct slice without_host(struct slice target)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t index = 0; index < sizeof schemes / sizeof *schemes; index++) {
        if (target.length < schemes[index].length ||
            strncasecmp(target.data, schemes[index].data, schemes[index].length) != 0)
            continue;
        struct slice rest = after(target, schemes[index].length);
        return after(rest, find_any(rest, "/?#"));
    }
    return SLICE_ABSENT;
}

static struct slice with_single_slashes(struct slice path, struct buffer *scratch)
{
    buffer_clear(scratch);
    buffer_reserve(scratch, path.length);
    for (size_t index = 0; index < path.length; index++)
        if (path.data[index] != '/' || index == 0 || path.data[index - 1] != '/')
            scratch->data[scratch->length++] = path.data[index];
    return buffer_slice(scratch);
}

bool http_target_split(struct slice target, struct buffer *scratch, struct slice *path, struct slice *query)
{
    if (target.length == 0 || target.data[0] != '/') {
        target = without_host(target);
        if (!slice_present(target))
            return false;
    }
    target.length = find_any(target, "#");
    size_t length = find_any(target, "?");
    *query = length < target.length ? after(target, length + 1) : SLICE("");
    *path = length ? slice_of(target.data, length) : SLICE("/");
    if (memmem(path->data, path->length, "//", 2))
        *path = with_single_slashes(*path, scratch);
    return true;
}

struct slice http_bearer_token(struct slice authorization)
{
    static const struct slice scheme = {"Bearer", 6};
    if (!slice_present(authorization) || authorization.length <= scheme.length ||
        strncasecmp(authorization.data, scheme.data, scheme.length) != 0 || authorization.data[scheme.length] != ' ')
        return SLICE_ABSENT;
    struct slice token = after(authorization, scheme.length);
    while (token.length && (*token.data == ' ' || *token.data == '\t'))
        token = after(token, 1);
    while (token.length && (token.data[token.length - 1] == ' ' || token.data[token.length - 1] == '\t'))
        token.length--;
    return token.length ? token : SLICE_ABSENT;
}
