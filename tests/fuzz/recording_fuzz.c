/* A line of a recording: what the quick reader makes of it is what the parser sees, and both refuse the same lines. The
 * first byte chooses the lines of a file instead, read through a pipe of our own. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yyjson.h>

#include "replication/recording.h"

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

static bool is_text(yyjson_val *value, struct slice text)
{
    return slice_equal(slice_of(yyjson_get_str(value), yyjson_get_len(value)), text);
}

static void read_message(struct slice line)
{
    struct recording_reader *reader = recording_reader_create();
    struct recording_message message;
    const char *problem = NULL;
    bool good = recording_read(reader, line, &message, &problem);
    yyjson_doc *document = line.length ? yyjson_read(line.data, line.length, YYJSON_READ_ALLOW_INVALID_UNICODE) : NULL;
    yyjson_val *channel = last_of(yyjson_doc_get_root(document), "ch");
    yyjson_val *data = last_of(yyjson_doc_get_root(document), "data");
    require(good || problem);
    if (good)
        require(is_text(channel, message.channel) && is_text(data, message.data));
    yyjson_doc_free(document);
    document = line.length ? yyjson_read(line.data, line.length, 0) : NULL;
    if (yyjson_is_str(last_of(yyjson_doc_get_root(document), "ch")) &&
        yyjson_is_str(last_of(yyjson_doc_get_root(document), "data")))
        require(good);
    yyjson_doc_free(document);
    struct buffer plain = {0};
    if (recording_read_escaped(reader, line, &message, &problem) != good)
        abort();
    struct slice text = good && message.escaped ? recording_unescape(message.data, &plain) : message.data;
    document = line.length ? yyjson_read(line.data, line.length, YYJSON_READ_ALLOW_INVALID_UNICODE) : NULL;
    if (good)
        require(is_text(last_of(yyjson_doc_get_root(document), "data"), text) &&
                is_text(last_of(yyjson_doc_get_root(document), "ch"), message.channel));
    yyjson_doc_free(document);
    buffer_free(&plain);
    recording_reader_destroy(reader);
}

static void read_file(const char *data, size_t size)
{
    char path[64];
    int descriptor = memfd_create("recording", 0);
    struct buffer error = {0};
    struct slice line;
    require(descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size);
    lseek(descriptor, 0, SEEK_SET);
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    struct line_reader *reader = line_reader_open(path, &error);
    require(reader != NULL);
    enum line_status status;
    uint64_t total = 0;
    while ((status = line_reader_next(reader, &line, &error)) == LINE_OK && total < 1 << 20) {
        total += line.length + 1;
        require(!memchr(line.data, '\n', line.length));
    }
    require((status == LINE_FAILED) == (error.length > 0));
    line_reader_close(reader);
    buffer_free(&error);
    close(descriptor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 'F')
        read_file((const char *)data + 1, size - 1);
    else
        read_message(slice_of((const char *)data, size));
    return 0;
}
