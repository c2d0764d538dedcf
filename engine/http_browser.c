/* Names of hosts are compared without regard to case; everything else byte for byte. What cannot be read is foreign. */
#include "engine/http_browser.h"

#include <arpa/inet.h>
#include <strings.h>

static struct slice after(struct slice text, size_t count)
{
    return slice_of(text.data + count, text.length - count);
}

static struct slice trimmed(struct slice text)
{
    while (text.length && (*text.data == ' ' || *text.data == '\t'))
        text = after(text, 1);
    while (text.length && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

static size_t find(struct slice text, char byte)
{
    const char *found = text.length ? memchr(text.data, byte, text.length) : NULL;
    return found ? (size_t)(found - text.data) : text.length;
}

static struct slice unquoted(struct slice value)
{
    bool quoted = value.length >= 2 && value.data[0] == '"' && value.data[value.length - 1] == '"';
    return quoted ? slice_of(value.data + 1, value.length - 2) : value;
}

struct slice http_cookie_find(struct slice cookies, struct slice name)
{
    while (cookies.length) {
        size_t length = find(cookies, ';');
        struct slice pair = slice_of(cookies.data, length);
        size_t equals = find(pair, '=');
        if (equals < pair.length && slice_equal(trimmed(slice_of(pair.data, equals)), name))
            return unquoted(trimmed(after(pair, equals + 1)));
        cookies = after(cookies, length < cookies.length ? length + 1 : length);
    }
    return SLICE_ABSENT;
}

static bool equal_without_case(struct slice one, struct slice other)
{
    return one.length == other.length && strncasecmp(one.data, other.data, one.length) == 0;
}

static bool is_port(struct slice text)
{
    for (size_t index = 0; index < text.length; index++)
        if (text.data[index] < '0' || text.data[index] > '9')
            return false;
    return text.length > 0 && text.length <= 5;
}

/* Without the port; absent if what stands behind the last colon is none. */
static struct slice without_port(struct slice host)
{
    size_t end = host.length && *host.data == '[' ? find(host, ']') + 1 : find(host, ':');
    if (end >= host.length)
        return end == host.length ? host : SLICE_ABSENT;
    return host.data[end] == ':' && is_port(after(host, end + 1)) ? slice_of(host.data, end) : SLICE_ABSENT;
}

bool http_host_is_loopback(struct slice host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    struct slice name = slice_present(host) ? without_port(host) : SLICE_ABSENT;
    if (!slice_present(name))
        return false;
    if (equal_without_case(name, SLICE("localhost")) || slice_equal(name, SLICE("[::1]")))
        return true;
    if (name.length >= sizeof text || memchr(name.data, '\0', name.length))
        return false;
    memcpy(text, name.data, name.length);
    text[name.length] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool http_origin_is(struct slice origin, struct slice host)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t index = 0; index < sizeof schemes / sizeof *schemes; index++)
        if (slice_present(origin) && slice_present(host) && slice_starts_with(origin, schemes[index]))
            return equal_without_case(after(origin, schemes[index].length), host);
    return false;
}
