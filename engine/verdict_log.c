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

static struct slice text_of(yyjson_val *value)
{
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value)) : SLICE_ABSENT;
}

static bool read_root(yyjson_val *root, verdict_log_take_function *take, void *context)
{
    struct slice stream = text_of(yyjson_obj_get(root, "stream")), writer = text_of(yyjson_obj_get(root, "instance")),
                 event_id = text_of(yyjson_obj_get(root, "event_id"));
    yyjson_val *token = yyjson_obj_get(root, "token");
    if (!slice_present(stream) || !slice_present(writer) || writer.length > WRITER_MAXIMUM || !yyjson_is_uint(token) ||
        yyjson_get_uint(token) > INT64_MAX)
        return false;
    enum stream known = stream_find(stream);
    if (known == STREAM_UNKNOWN)
        return false;
    take(context, known, writer, yyjson_get_sint(token), event_id);
    return true;
}

bool verdict_log_read_row(struct slice row, verdict_log_take_function *take, void *context)
{
    yyjson_doc *document = yyjson_read(row.data, row.length, YYJSON_READ_NOFLAG);
    bool taken = document && read_root(yyjson_doc_get_root(document), take, context);
    yyjson_doc_free(document);
    return taken;
}

struct raising {
    struct positions_copy *positions;
    const char *instance_name;
};

static void raise_position(void *context, enum stream stream, struct slice writer, int64_t token, struct slice event_id)
{
    (void)event_id;
    const struct raising *raising = context;
    struct buffer name = {0};
    buffer_append_format(&name, "%s %s ", raising->instance_name, stream_definitions[stream].name);
    buffer_append_slice(&name, writer);
    verdict_log_raise(raising->positions, buffer_slice(&name), token);
    buffer_free(&name);
}

bool verdict_log_take_row(struct positions_copy *positions, const char *instance_name, struct slice row)
{
    struct raising raising = {positions, instance_name};
    return verdict_log_read_row(row, raise_position, &raising);
}
