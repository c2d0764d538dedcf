/* HTML of strangers: whatever it is, its text is no longer than it, its tags come one after another, and text that has
 * neither tags, references nor white space stays what it is. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/html.h"

static struct slice copy_of(const char *data, size_t size)
{
    char *copy = memory_allocate(size ? size : 1); /* of its own size, so that a look behind its end is seen */
    if (size)
        memcpy(copy, data, size);
    return slice_of(copy, size);
}

static void read_text(struct slice html, bool without_code, bool plain)
{
    char *output = memory_allocate(html.length ? html.length : 1);
    struct slice text = slice_of(output, html_text(html, without_code, output));
    if (text.length > html.length || (plain && !slice_equal(text, html)))
        abort();
    free(output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice html = copy_of((const char *)data, size);
    bool plain = true;
    for (size_t index = 0; index < size; index++)
        plain &= !strchr("<& \t\r\n\f", data[index]) || !data[index];
    read_text(html, false, plain);
    read_text(html, true, plain);
    size_t position = 0;
    size_t before = 0;
    struct html_tag tag;
    while (html_next(html, &position, &tag)) {
        if (position <= before || position > size)
            abort();
        before = position;
        (void)html_tag_is(&tag, "img");
        (void)html_attribute(tag.attributes, "src");
        (void)html_attribute(tag.attributes, "none");
    }
    free((char *)(uintptr_t)html.data);
    return 0;
}
