/* The rows are our own, but whoever may write to Redis may have put others there. */
#include "engine/verdict_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

#include "replication/command.h"
#include "replication/stream.h"

#define WRITER_MAXIMUM 255u

void verdict_log_raise(struct positions_copy *positions, struct slice name, int64_t token)
{
    int64_t before;
    struct slice value = positions_copy_find(positions, name);
    if (slice_present(value) && command_parse_integer(value, &before) && before >= token)
        return;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRId64, token);
    positions_copy_set(positions, name, slice_of(digits, (size_t)length));
}

static bool take(struct positions_copy *positions, const char *instance_name, yyjson_val *root)
{
    yyjson_val *stream = yyjson_obj_get(root, "stream"), *writer = yyjson_obj_get(root, "instance"),
               *token = yyjson_obj_get(root, "token");
    if (!yyjson_is_str(stream) || !yyjson_is_str(writer) || yyjson_get_len(writer) > WRITER_MAXIMUM ||
        !yyjson_is_uint(token) || yyjson_get_uint(token) > INT64_MAX)
        return false;
    enum stream known = stream_find(slice_of(yyjson_get_str(stream), yyjson_get_len(stream)));
    if (known == STREAM_UNKNOWN)
        return false;
    struct buffer name = {0};
    buffer_append_format(&name, "%s %s ", instance_name, stream_definitions[known].name);
    buffer_append(&name, yyjson_get_str(writer), yyjson_get_len(writer));
    verdict_log_raise(positions, buffer_slice(&name), yyjson_get_sint(token));
    buffer_free(&name);
    return true;
}

bool verdict_log_take_row(struct positions_copy *positions, const char *instance_name, struct slice row)
{
    yyjson_doc *document = yyjson_read(row.data, row.length, YYJSON_READ_NOFLAG);
    bool taken = document && take(positions, instance_name, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return taken;
}
