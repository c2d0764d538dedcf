/* The finder of links against links_next: of http and https it finds the same, and whatever it finds lies in the text
 * and has a form of valid UTF-8 that fits. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "filters/link_list.h"
#include "filters/links.h"

static const struct slice schemes[] = {{"http", 4}, {"https", 5}, {"matrix", 6}};

static void check(bool good)
{
    if (!good)
        abort();
}

static bool lies_in(struct slice part, struct slice text)
{
    return !part.data || (part.data >= text.data && part.data + part.length <= text.data + text.length);
}

static void check_link(const struct link *link, struct slice text)
{
    char memory[LINK_FORM_ROOM];
    check(lies_in(link->text, text) && lies_in(link->host, text) && lies_in(link->rest, text));
    check(link->rest.length <= LINK_REST_MAXIMUM);
    for (int punycode = 0; punycode < 2; punycode++) {
        struct link_form form = link_form_of(link, punycode, memory);
        check(form.whole.length <= sizeof memory && utf8_valid(form.whole) && utf8_valid(form.place));
        check(lies_in(form.host, form.whole) && lies_in(form.place, form.whole));
    }
}

/* Both walks see the links with `://` in the same order. A backslash in the authority is what they differ in. */
static void compare(struct slice text, bool bare)
{
    const struct link_kinds kinds = {schemes, sizeof schemes / sizeof *schemes, bare};
    struct link_walk walk = {0};
    struct link link;
    size_t position = 0;
    struct slice host;
    while (link_finder_next(&kinds, text, &walk, &link)) {
        check_link(&link, text);
        if (!link.host.data || link.scheme.length > 5 || !link.scheme.data) /* matrix */
            continue;
        check(links_next(text, &position, &host));
        check(memchr(text.data, '\\', text.length) || (host.data == link.host.data && host.length == link.host.length));
    }
    check(!links_next(text, &position, &host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    struct link link;
    if (size == 0 || !utf8_valid(text))
        return 0;
    compare(text, false);
    compare(text, true);
    const struct link_kinds kinds = {schemes, sizeof schemes / sizeof *schemes, true};
    if (link_finder_reference(&kinds, text, &link))
        check_link(&link, text);
    return 0;
}
