/* Any bytes as a configuration: it is refused with lines of text or accepted, never more. The first byte chooses the
 * purpose. Form feeds, which YAML does not have, part the texts of the files that it includes: 1.yaml, 2.yaml and so
 * on. No other file that it names is read. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/configuration_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes the text before the next form feed off `*rest`. */
static struct slice next_text(struct slice *rest)
{
    const char *end = rest->length ? memchr(rest->data, '\f', rest->length) : NULL;
    struct slice text = slice_of(rest->data, end ? (size_t)(end - rest->data) : rest->length);
    *rest = end ? slice_of(end + 1, rest->length - text.length - 1) : slice_of("", 0);
    return text;
}

static bool text_of(void *context, const char *path, struct buffer *text)
{
    struct slice rest = *(const struct slice *)context;
    if (*path < '1' || *path > '9' || strcmp(path + 1, ".yaml") != 0)
        return false;
    for (char number = '1'; number < *path; number++)
        next_text(&rest);
    buffer_append_slice(text, next_text(&rest));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of((const char *)data + 1, size - 1), text = next_text(&rest);
    struct buffer errors = {0}, warnings = {0};
    struct configuration *configuration = configuration_load_texts(
        "fuzz.yaml", text, (enum configuration_purpose)(data[0] % 3), text_of, &rest, &errors, &warnings);
    if ((configuration == NULL) != (errors.length > 0))
        abort();
    configuration_destroy(configuration);
    buffer_free(&errors);
    buffer_free(&warnings);
    return 0;
}
