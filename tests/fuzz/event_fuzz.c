/* Bodies: any bytes, several in a row, split at 0x1e, read twice, so that shapes learnt from one are tried on the
 * others and on itself. What is refused must be what yyjson refuses, and what is read must be what a look into its tree
 * finds. Only texts of more bytes than the deepest nesting may differ, since yyjson has no limit there. */
#include <stdlib.h>
#include <yyjson.h>

#include "base/json_scan.h"
#include "base/memory.h"
#include "filters/event.h"
#include "filters/event_shapes.h"

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

/* A value that is no string may be one that is announced; one that is announced must be none or such a value. */
static void require_other(const struct event *event, uint32_t slot, yyjson_val *value)
{
    bool empty =
        (yyjson_is_obj(value) && yyjson_obj_size(value) == 0) || (yyjson_is_arr(value) && yyjson_arr_size(value) == 0);
    if (event_content_other(event, slot) != (value && !yyjson_is_str(value) && !empty))
        abort();
}

static void read_body(struct event_reader *reader, const uint32_t slots[2], const char *data, size_t size)
{
    /* A copy of its own size, so that a look behind its end is seen. */
    char *copy = memory_allocate(size);
    if (size)
        memcpy(copy, data, size);
    struct event event = {0};
    enum event_read_status status = event_reader_read(reader, slice_of(copy, size), &event);
    yyjson_doc *document = yyjson_read(data, size, YYJSON_READ_NUMBER_AS_RAW);
    bool too_deep = document && status == EVENT_READ_NOT_JSON && size > JSON_SCAN_DEPTH_MAXIMUM;
    if (!document != (status == EVENT_READ_NOT_JSON) && !too_deep)
        abort();
    if (status == EVENT_READ_OK) {
        yyjson_val *root = yyjson_doc_get_root(document);
        yyjson_val *content = last_of(root, "content");
        require(event.sender, last_of(root, "sender"));
        require(event.type, last_of(root, "type"));
        require(event.state_key, last_of(root, "state_key"));
        require(event.room_id, last_of(root, "room_id"));
        require(event_content_string(&event, slots[0]), last_of(content, "body"));
        require(event_content_string(&event, slots[1]), last_of(content, "a.key.of.more.than.sixteen.bytes"));
        require_other(&event, slots[0], last_of(content, "body"));
        require_other(&event, slots[1], last_of(content, "a.key.of.more.than.sixteen.bytes"));
    }
    yyjson_doc_free(document);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct field_table *fields = field_table_create();
    const uint32_t slots[2] = {field_table_declare(fields, SLICE("body")),
                               field_table_declare(fields, SLICE("a.key.of.more.than.sixteen.bytes"))};
    struct event_reader *reader = event_reader_create(fields);
    struct event_shapes *shapes = event_shapes_create();
    event_reader_use_shapes(reader, shapes);
    for (int pass = 0; pass < 2; pass++) {
        const char *at = (const char *)data;
        const char *end = at + size;
        for (int body = 0; at && body < 16; body++) {
            const char *split = at < end ? memchr(at, 0x1e, (size_t)(end - at)) : NULL;
            read_body(reader, slots, at, (size_t)((split ? split : end) - at));
            at = split ? split + 1 : NULL;
        }
    }
    event_reader_destroy(reader);
    event_shapes_destroy(shapes);
    field_table_destroy(fields);
    return 0;
}
