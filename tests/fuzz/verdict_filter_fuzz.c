/* The filter of verdicts: a query, a line break, and a row. What fits any filter is JSON to yyjson as well, and an
 * empty filter fits exactly the objects. */
#include <stdlib.h>
#include <yyjson.h>

#include "base/json_scan.h"
#include "engine/verdict_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_object(struct slice row)
{
    yyjson_doc *document = yyjson_read(row.data, row.length, YYJSON_READ_NUMBER_AS_RAW);
    bool object = document && yyjson_is_obj(yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return object;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const others[] = {"limit", NULL};
    const char *text = (const char *)data;
    const char *line = size ? memchr(text, '\n', size) : NULL;
    size_t length = line ? (size_t)(line - text) : size;
    struct slice row = line ? slice_of(line + 1, size - length - 1) : SLICE("{}");
    struct verdict_filter filter = {0}, everything = {0};
    struct buffer problem = {0};
    bool parsed = verdict_filter_parse(&filter, slice_of(text, length), others, &problem);
    if (parsed == (problem.length > 0))
        abort();
    bool object = verdict_filter_match(&everything, row);
    /* Only nesting makes a difference between the two readers. */
    if (row.length < JSON_SCAN_DEPTH_MAXIMUM && object != is_object(row))
        abort();
    if (parsed && verdict_filter_match(&filter, row) && !object)
        abort();
    if (parsed && verdict_filter_is_empty(&filter) && verdict_filter_match(&filter, row) != object)
        abort();
    verdict_filter_free(&filter);
    verdict_filter_free(&everything);
    buffer_free(&problem);
    return 0;
}
