/* Everything that is made of the engine's answers on a terminal, from any JSON. What reaches the terminal holds no
 * control characters but line breaks. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/admin_tables.h"
#include "engine/log_query.h"
#include "engine/status_text.h"
#include "engine/top_frame.h"

static void expect_harmless(struct slice text)
{
    for (size_t index = 0; index < text.length; index++)
        if (((unsigned char)text.data[index] < ' ' && text.data[index] != '\n') || text.data[index] == 0x7f)
            abort();
}

static void show_top(yyjson_val *root, yyjson_val *previous)
{
    struct top_samples samples = top_samples_of(root, previous);
    struct top_frame frame = {0};
    for (enum top_sort sort = TOP_SORT_PLACE; sort < TOP_SORTS; sort++) {
        struct top_view view = {.sort = sort, .selected = 1, .every = sort ? "2s" : NULL};
        top_frame_fill(&frame, &samples, &view, 4u * sort);
        expect_harmless(buffer_slice(&frame.text));
    }
    buffer_clear(&frame.text);
    top_figures_append_json(&samples, &frame.text);
    yyjson_doc *written = yyjson_read(frame.text.data, frame.text.length, 0);
    if (!written)
        abort();
    yyjson_doc_free(written);
    top_frame_free(&frame);
}

static void show_rows(yyjson_val *root, struct buffer *output)
{
    struct tail_format text = {.json = false}, json = {.json = true, .escape = true};
    size_t index, count;
    yyjson_val *row;
    yyjson_arr_foreach(yyjson_obj_get(root, "rows"), index, count, row)
    {
        log_query_append_row(&text, row, output);
        log_query_append_row(&json, row, output);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Two documents, parted by a zero: a status, and one from before. */
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t first = zero ? (size_t)(zero - data) : size;
    yyjson_doc *document = yyjson_read((const char *)data, first, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_doc *before = zero ? yyjson_read((const char *)zero + 1, size - first - 1, YYJSON_READ_NUMBER_AS_RAW) : NULL;
    yyjson_val *root = document ? yyjson_doc_get_root(document) : NULL;
    struct buffer output = {0};
    if (root) {
        status_text_append(root, false, &output);
        admin_append_writers(root, 1, &output);
        show_rows(root, &output);
        expect_harmless(buffer_slice(&output));
        show_top(root, before ? yyjson_doc_get_root(before) : root);
    }
    buffer_free(&output);
    yyjson_doc_free(document);
    yyjson_doc_free(before);
    return 0;
}
