/* Both the status and the answer to a reload list what was wrong. */
#include "engine/json_lines.h"

void json_append_lines(struct buffer *json, const char *member, struct slice lines)
{
    buffer_append_format(json, ",\"%s\":[", member);
    for (bool first = true; lines.length; first = false) {
        const char *end = memchr(lines.data, '\n', lines.length);
        struct slice line = slice_of(lines.data, end ? (size_t)(end - lines.data) : lines.length);
        buffer_append_string(json, first ? "" : ",");
        buffer_append_json_string(json, line);
        size_t taken = line.length + (end != NULL);
        lines = slice_of(lines.data + taken, lines.length - taken);
    }
    buffer_append_char(json, ']');
}
