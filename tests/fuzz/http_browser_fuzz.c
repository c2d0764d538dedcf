/* What browsers say of themselves: the headers Cookie, Host and Origin. The first line of the input is one, the rest
 * another. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/http_browser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool within(struct slice part, struct slice whole)
{
    return part.data >= whole.data && part.data + part.length <= whole.data + whole.length;
}

static void check_cookie(struct slice header)
{
    struct slice value = http_cookie_find(header, SLICE("weir_session"));
    if (!slice_present(value))
        return;
    require(within(value, header) && !(value.length && memchr(value.data, ';', value.length)));
    require(memmem(header.data, header.length, "weir_session", 12) != NULL);
}

/* A host that is this machine begins as one, and holds nothing that could name another. */
static void check_host(struct slice host)
{
    if (!http_host_is_loopback(host))
        return;
    require(host.length <= sizeof "127.255.255.255:65535");
    require(slice_starts_with(host, SLICE("127.")) || slice_starts_with(host, SLICE("[::1]")) || host.data[0] == 'l' ||
            host.data[0] == 'L');
    require(!memchr(host.data, '@', host.length) && !memchr(host.data, '/', host.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    const char *end = size ? memchr(text.data, '\n', size) : NULL;
    struct slice first = end ? slice_of(text.data, (size_t)(end - text.data)) : text;
    struct slice second = end ? slice_of(end + 1, size - first.length - 1) : SLICE("");
    check_cookie(text);
    check_host(first);
    check_host(second);
    if (http_origin_is(first, second))
        require(first.length == second.length + 7 || first.length == second.length + 8);
    return 0;
}
