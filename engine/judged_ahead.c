/* Rows come in the order of their tokens, and so does what the record leaves out: looking up is walking along. */
#include "engine/judged_ahead.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/memory.h"

static bool read_item(yyjson_val *item, struct left_out *left_out)
{
    yyjson_val *token = yyjson_is_arr(item) ? yyjson_arr_get(item, 0) : item;
    yyjson_val *event_id = yyjson_arr_get(item, 1);
    if (!yyjson_is_int(token) || (yyjson_is_uint(token) && yyjson_get_uint(token) > INT64_MAX))
        return false;
    if (yyjson_is_arr(item) && (yyjson_arr_size(item) != 2 || !yyjson_is_str(event_id)))
        return false;
    size_t length = yyjson_get_len(event_id);
    left_out->token = yyjson_get_sint(token);
    left_out->event_id = event_id ? slice_of(memory_copy_text(yyjson_get_str(event_id), length), length) : SLICE_ABSENT;
    return true;
}

static bool read_items(struct judged_ahead *ahead, yyjson_val *root)
{
    size_t index, size;
    yyjson_val *item;
    struct left_out read;
    if (!yyjson_is_arr(root) || !yyjson_is_int(yyjson_arr_get_first(root)))
        return false;
    ahead->left_out = memory_allocate_zeroed(yyjson_arr_size(root), sizeof *ahead->left_out);
    yyjson_arr_foreach(root, index, size, item)
    {
        if (!read_item(item, &read))
            return false;
        if (index == 0)
            ahead->upto = read.token;
        else
            ahead->left_out[ahead->count++] = read;
        if (index > 0 && (read.token > ahead->upto || (index > 1 && read.token < ahead->left_out[index - 2].token)))
            return false;
    }
    ahead->known = true;
    return true;
}

bool judged_ahead_read(struct judged_ahead *ahead, struct slice text, const char **problem)
{
    yyjson_doc *document =
        text.length <= JUDGED_AHEAD_MAXIMUM ? yyjson_read(text.data, text.length, YYJSON_READ_NOFLAG) : NULL;
    bool read = document && read_items(ahead, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    if (!read) {
        judged_ahead_free(ahead);
        *problem = "it is no list of a token and of what is left out up to it";
    }
    return read;
}

void judged_ahead_free(struct judged_ahead *ahead)
{
    for (size_t index = 0; index < ahead->count; index++)
        free((char *)(uintptr_t)ahead->left_out[index].event_id.data);
    free(ahead->left_out);
    *ahead = (struct judged_ahead){0};
}

bool judged_ahead_has(struct judged_ahead *ahead, int64_t token, struct slice event_id)
{
    if (!ahead->known || token > ahead->upto)
        return false;
    while (ahead->next < ahead->count && ahead->left_out[ahead->next].token < token)
        ahead->next++;
    for (size_t index = ahead->next; index < ahead->count && ahead->left_out[index].token == token; index++)
        if (!slice_present(ahead->left_out[index].event_id) || slice_equal(ahead->left_out[index].event_id, event_id))
            return false;
    return true;
}

void judged_ahead_append(struct buffer *record, int64_t token, struct slice event_id)
{
    buffer_append_string(record, slice_present(event_id) ? ",[" : ",");
    buffer_append_integer(record, token);
    if (!slice_present(event_id))
        return;
    buffer_append_char(record, ',');
    buffer_append_json_string(record, event_id);
    buffer_append_char(record, ']');
}

void judged_ahead_append_above(const struct judged_ahead *ahead, int64_t token, struct buffer *record)
{
    for (size_t index = ahead->next; index < ahead->count; index++)
        if (ahead->left_out[index].token > token)
            judged_ahead_append(record, ahead->left_out[index].token, ahead->left_out[index].event_id);
}
