/* Written anew from the parsed event: what is kept is kept by name, so that a key nobody has thought of is masked. */
#include "engine/record_content.h"

#include <yyjson.h>

/* Keys of `content` whose texts are no writing of people, but what modules and state resolution go by. */
static const char *const kept_texts[] = {
    "membership",   "msgtype",        "rel_type",    "event_id",  "redacts", "join_rule", "history_visibility",
    "guest_access", "room_version",   "mimetype",    "algorithm", "format",  "creator",   "type",
    "url",          "recommendation", "predecessor", "user_ids",
};

/* A key longer than this, or with other characters than names and ids have, is text. */
#define KEY_MAXIMUM 100

static bool is_name(struct slice key)
{
    if (key.length > KEY_MAXIMUM)
        return false;
    for (size_t index = 0; index < key.length; index++) {
        unsigned char byte = (unsigned char)key.data[index];
        if (byte <= ' ' || byte > '~')
            return false;
    }
    return true;
}

static bool is_kept(struct slice key)
{
    for (size_t index = 0; index < sizeof kept_texts / sizeof *kept_texts; index++)
        if (slice_equal(key, slice_from_string(kept_texts[index])))
            return true;
    return false;
}

void record_content_append_masked(struct slice text, struct buffer *output)
{
    buffer_append_char(output, '"');
    for (size_t index = 0; index < text.length; index++) {
        unsigned char byte = (unsigned char)text.data[index];
        if (byte == '\n')
            buffer_append_string(output, "\\n");
        else if (byte == ' ')
            buffer_append_char(output, ' ');
        else if ((byte & 0xc0) != 0x80) /* the first byte of a character */
            buffer_append_char(output, 'x');
    }
    buffer_append_char(output, '"');
}

static struct slice text_of(yyjson_val *value)
{
    return slice_of(yyjson_get_str(value), yyjson_get_len(value));
}

/* An address of media says where something lies and not what was written, but the rest of a URL may. */
static bool keeps_text(struct slice key, yyjson_val *value)
{
    if (slice_equal(key, SLICE("url")))
        return slice_starts_with(text_of(value), SLICE("mxc://"));
    return is_kept(key) && is_name(text_of(value));
}

static void append_scalar(struct slice key, yyjson_val *value, bool masked, struct buffer *output)
{
    if (yyjson_is_str(value) && masked && !keeps_text(key, value))
        record_content_append_masked(text_of(value), output);
    else if (yyjson_is_str(value))
        buffer_append_json_string(output, text_of(value));
    else if (yyjson_is_raw(value))
        buffer_append(output, yyjson_get_raw(value), yyjson_get_len(value));
    else if (yyjson_is_bool(value))
        buffer_append_string(output, yyjson_is_true(value) ? "true" : "false");
    else
        buffer_append_string(output, "null");
}

static bool append_value(struct slice key, yyjson_val *value, bool masked, unsigned depth, struct buffer *output);

static bool append_object(yyjson_val *object, bool masked, unsigned depth, struct buffer *output)
{
    size_t index, count;
    yyjson_val *key, *value;
    buffer_append_char(output, '{');
    yyjson_obj_foreach(object, index, count, key, value)
    {
        struct slice name = text_of(key);
        bool opens = slice_equal(name, SLICE("content")) || slice_equal(name, SLICE("unsigned"));
        if (index)
            buffer_append_char(output, ',');
        if (masked && !is_name(name))
            record_content_append_masked(name, output);
        else
            buffer_append_json_string(output, name);
        buffer_append_char(output, ':');
        if (!append_value(name, value, masked || (depth == 0 && opens), depth + 1, output))
            return false;
    }
    buffer_append_char(output, '}');
    return true;
}

static bool append_array(struct slice key, yyjson_val *array, bool masked, unsigned depth, struct buffer *output)
{
    size_t index, count;
    yyjson_val *value;
    buffer_append_char(output, '[');
    yyjson_arr_foreach(array, index, count, value)
    {
        if (index)
            buffer_append_char(output, ',');
        if (!append_value(key, value, masked, depth + 1, output))
            return false;
    }
    buffer_append_char(output, ']');
    return true;
}

static bool append_value(struct slice key, yyjson_val *value, bool masked, unsigned depth, struct buffer *output)
{
    if (depth > RECORD_CONTENT_DEPTH_MAXIMUM)
        return false;
    if (yyjson_is_obj(value))
        return append_object(value, masked, depth, output);
    if (yyjson_is_arr(value))
        return append_array(key, value, masked, depth, output);
    append_scalar(key, value, masked, output);
    return true;
}

bool record_content_append(struct slice body, struct buffer *output)
{
    yyjson_doc *document = yyjson_read(body.data, body.length, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(document);
    bool good = yyjson_is_obj(root) && append_object(root, false, 0, output);
    yyjson_doc_free(document);
    return good;
}
