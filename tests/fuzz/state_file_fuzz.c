/* A state file that anything may have been done to: what is read must be written as a file that says the same. The
 * checksum keeps most inputs out, so the positions are also taken from the input directly, and written and read. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/state_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct state_owner owner = {"lab.test", "weir1"};

static void write_and_read(struct positions_copy *positions, bool exactly)
{
    static struct buffer text;
    struct positions_copy again = {0};
    const char *problem = NULL;
    buffer_clear(&text);
    state_file_append(&text, &owner, positions);
    if (!state_file_parse(buffer_slice(&text), &owner, &again, &problem) ||
        (exactly && again.count != positions->count))
        abort();
    for (size_t index = 0; index < again.count; index++)
        if (!slice_equal(positions_copy_find(positions, again.fields[index].name),
                         buffer_slice(&again.fields[index].value)))
            abort();
    positions_copy_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    struct positions_copy positions = {0};
    const char *problem = NULL;
    if (state_file_parse(text, &owner, &positions, &problem))
        write_and_read(&positions, true);
    else if (!problem || positions.fields)
        abort();
    positions_copy_free(&positions);
    /* Lines "name=value". */
    while (text.length) {
        const char *end = memchr(text.data, '\n', text.length);
        size_t length = end ? (size_t)(end - text.data) : text.length;
        const char *equal = memchr(text.data, '=', length);
        if (equal)
            positions_copy_set(&positions, slice_of(text.data, (size_t)(equal - text.data)),
                               slice_of(equal + 1, length - (size_t)(equal - text.data) - 1));
        text = slice_of(text.data + length + !!end, text.length - length - !!end);
    }
    write_and_read(&positions, false);
    positions_copy_free(&positions);
    return 0;
}
