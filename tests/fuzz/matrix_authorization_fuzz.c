/* The header X-Matrix: what is read from it is a part of it, and writing it again is read as the same. */
#include <stdlib.h>

#include "engine/matrix_authorization.h"
#include "filters/server_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void append_parameter(struct buffer *header, const char *name, struct slice value)
{
    if (!slice_present(value))
        return;
    buffer_append_format(header, "%s%s=\"", header->data[header->length - 1] == ' ' ? "" : ",", name);
    for (size_t index = 0; index < value.length; index++) {
        buffer_append_char(header, '\\');
        buffer_append_char(header, value.data[index]);
    }
    buffer_append_char(header, '"');
}

static void check_again(const struct matrix_authorization *read)
{
    struct buffer header = {0};
    struct arena arena = {0};
    struct matrix_authorization again;
    buffer_append_string(&header, "X-Matrix ");
    append_parameter(&header, "origin", read->origin);
    append_parameter(&header, "destination", read->destination);
    append_parameter(&header, "key", read->key);
    append_parameter(&header, "sig", read->signature);
    if (header.length <= MATRIX_AUTHORIZATION_MAXIMUM) {
        require(!matrix_authorization_read(buffer_slice(&header), &arena, &again));
        require(slice_equal(again.origin, read->origin) && slice_equal(again.destination, read->destination));
        require(slice_equal(again.key, read->key) && slice_equal(again.signature, read->signature));
    }
    buffer_free(&header);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *header = malloc(size + 1); /* so that a byte too far is seen */
    memcpy(header, data, size);
    struct arena arena = {0};
    struct buffer text = {0};
    struct matrix_authorization read;
    if (!matrix_authorization_read(slice_of(header, size), &arena, &read)) {
        struct matrix_request request = {"POST", read.key, read.signature, NULL};
        require(server_name_valid(read.origin));
        require(read.key.length <= size && read.signature.length <= size && read.destination.length <= size);
        check_again(&read);
        if (!matrix_authorization_text(&request, read.origin, &text))
            require(text.length == 0);
    }
    buffer_free(&text);
    arena_free(&arena);
    free(header);
    return 0;
}
