/* The globs are matched by hand: a list is read for one look, which compiled patterns are not worth. */
#include "filters/server_acl.h"

#include <arpa/inet.h>
#include <stdint.h>

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* `*` any run, `?` any one character; a server name has only ASCII. Each `*` is tried anew from the last one on, so
 * that it takes at most the product of the lengths. */
static bool matches(struct slice glob, struct slice name)
{
    size_t at = 0, star = SIZE_MAX, resume = 0;
    for (size_t index = 0; index < name.length;) {
        if (at < glob.length && glob.data[at] == '*') {
            star = at++;
            resume = index;
        } else if (at < glob.length && (glob.data[at] == '?' || lower(glob.data[at]) == lower(name.data[index]))) {
            at++;
            index++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            index = ++resume;
        } else {
            return false;
        }
    }
    while (at < glob.length && glob.data[at] == '*')
        at++;
    return at == glob.length;
}

static bool any_matches(const json_t *globs, struct slice name)
{
    size_t index;
    json_t *glob;
    json_array_foreach((json_t *)(uintptr_t)globs, index, glob)
    {
        if (json_is_string(glob) && matches(slice_of(json_string_value(glob), json_string_length(glob)), name))
            return true;
    }
    return false;
}

static bool is_ip_literal(struct slice host)
{
    char text[16];
    struct in_addr address;
    if (host.length && host.data[0] == '[')
        return true;
    if (host.length >= sizeof text)
        return false;
    memcpy(text, host.data, host.length);
    text[host.length] = '\0';
    return inet_pton(AF_INET, text, &address) == 1;
}

static struct slice without_port(struct slice name)
{
    size_t length = name.length;
    while (length && name.data[length - 1] >= '0' && name.data[length - 1] <= '9')
        length--;
    return length > 1 && length < name.length && name.data[length - 1] == ':' ? slice_of(name.data, length - 1) : name;
}

bool server_acl_allows(const json_t *content, struct slice server_name)
{
    struct slice host = without_port(server_name);
    const json_t *literals = json_object_get(content, "allow_ip_literals");
    if (json_is_false(literals) && is_ip_literal(host))
        return false;
    return !any_matches(json_object_get(content, "deny"), host) && any_matches(json_object_get(content, "allow"), host);
}
