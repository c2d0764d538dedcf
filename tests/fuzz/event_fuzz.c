/* Bodies: any bytes. What is refused must be what yyjson refuses, and what is read must be what a look into its tree
 * finds. Only texts of more bytes than the deepest nesting may differ, since yyjson has no limit there. */
#include <stdlib.h>
#include <yyjson.h>

#include "base/json_scan.h"
#include "filters/event.h"

/* The last value of `key`, as Python's json takes a repeated key. */
static yyjson_val *last_of(yyjson_val *object, const char *key)
{
    yyjson_val *found = NULL;
    if (!yyjson_is_obj(object))
        return NULL;
    size_t index, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(object, index, count, name, value)
    {
        if (yyjson_equals_str(name, key))
            found = value;
    }
    return found;
}

static void require(struct slice got, yyjson_val *wanted)
{
    if (!yyjson_is_str(wanted) ? slice_present(got)
                               : !slice_equal(got, slice_of(yyjson_get_str(wanted), yyjson_get_len(wanted))))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct field_table *fields = field_table_create();
    uint32_t slot = field_table_declare(fields, SLICE("body"));
    struct event_reader *reader = event_reader_create(fields);
    struct event event = {0};
    enum event_read_status status = event_reader_read(reader, slice_of((const char *)data, size), &event);
    yyjson_doc *document = yyjson_read((const char *)data, size, YYJSON_READ_NUMBER_AS_RAW);
    bool too_deep = document && status == EVENT_READ_NOT_JSON && size > JSON_SCAN_DEPTH_MAXIMUM;
    if (!document != (status == EVENT_READ_NOT_JSON) && !too_deep)
        abort();
    if (status == EVENT_READ_OK) {
        yyjson_val *root = yyjson_doc_get_root(document);
        require(event.sender, last_of(root, "sender"));
        require(event.type, last_of(root, "type"));
        require(event.state_key, last_of(root, "state_key"));
        require(event_content_string(&event, slot), last_of(last_of(root, "content"), "body"));
    }
    yyjson_doc_free(document);
    event_reader_destroy(reader);
    field_table_destroy(fields);
    return 0;
}
