/* A file of one line or more. Of each line that the parser takes, the index must give exactly the value that the parser
 * sees, and hold nothing else that is JSON. */
#include <stdlib.h>
#include <yyjson.h>

#include "replication/body_file.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static yyjson_val *last_of(yyjson_val *object, const char *name)
{
    yyjson_val *found = NULL;
    size_t index, size;
    yyjson_val *key, *value;
    if (!object)
        return NULL;
    yyjson_obj_foreach(object, index, size, key, value)
    {
        if (yyjson_equals_str(key, name))
            found = value;
    }
    return found;
}

/* One line alone, so that no other line has its id. */
static void check_line(struct slice line)
{
    struct buffer content = {0};
    buffer_append_slice(&content, line);
    struct body_file *file = body_file_from_memory(content);
    yyjson_doc *document = line.length ? yyjson_read(line.data, line.length, YYJSON_READ_BIGNUM_AS_RAW) : NULL;
    yyjson_val *id = last_of(yyjson_doc_get_root(document), "event_id");
    yyjson_val *json = last_of(yyjson_doc_get_root(document), "json");
    if (yyjson_is_str(id) && yyjson_is_obj(json)) {
        struct slice body = body_file_find(file, slice_of(yyjson_get_str(id), yyjson_get_len(id)));
        require(slice_present(body) && body_file_count(file) == 1 && body_file_bad_lines(file) == 0);
        yyjson_doc *found = yyjson_read(body.data, body.length, YYJSON_READ_BIGNUM_AS_RAW);
        char *left = yyjson_val_write(yyjson_doc_get_root(found), 0, NULL);
        char *right = yyjson_val_write(json, 0, NULL);
        require(left && right && strcmp(left, right) == 0);
        free(left);
        free(right);
        yyjson_doc_free(found);
    } else if (document) {
        require(body_file_count(file) == 0);
    }
    yyjson_doc_free(document);
    body_file_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *cursor = (const char *)data;
    const char *end = cursor + size;
    struct buffer content = {0};
    buffer_append(&content, cursor, size);
    body_file_close(body_file_from_memory(content));
    while (cursor < end) {
        const char *found = memchr(cursor, '\n', (size_t)(end - cursor));
        check_line(slice_of(cursor, (size_t)((found ? found : end) - cursor)));
        cursor = found ? found + 1 : end;
    }
    return 0;
}
