/* Which of the two forms it is, the first byte says: a list begins with a bracket, an event with a brace. */
#include "filters/policy_files.h"

#include <inttypes.h>

#include "base/json_pool.h"

static struct slice without_space(struct slice text)
{
    while (text.length && memchr(" \t\r\n", text.data[0], 4))
        text = slice_of(text.data + 1, text.length - 1);
    return text;
}

static bool read_list(struct slice text, policy_event_function *each, void *context, struct buffer *problem)
{
    yyjson_read_err error;
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)text.data, text.length, 0, NULL, &error);
    if (!document) {
        buffer_append_format(problem, "is no JSON: %s, at byte %zu", error.msg, error.pos);
        return false;
    }
    yyjson_arr_iter items = yyjson_arr_iter_with(yyjson_doc_get_root(document));
    yyjson_val *item;
    bool goes_on = true;
    while (goes_on && (item = yyjson_arr_iter_next(&items)))
        goes_on = each(context, item);
    yyjson_doc_free(document);
    return true;
}

static bool read_lines(struct slice text, policy_event_function *each, void *context, struct buffer *problem)
{
    struct json_pool pool = {0};
    bool good = true, goes_on = true;
    for (uint64_t line = 1; text.length && good && goes_on; line++) {
        const char *stop = memchr(text.data, '\n', text.length);
        size_t length = stop ? (size_t)(stop - text.data) : text.length;
        struct slice event = without_space(slice_of(text.data, length));
        text = slice_of(text.data + length + (stop != NULL), text.length - length - (stop != NULL));
        if (!event.length)
            continue;
        yyjson_doc *document = json_pool_read(&pool, event, 0);
        yyjson_val *root = document ? yyjson_doc_get_root(document) : NULL;
        good = yyjson_is_obj(root);
        if (good)
            goes_on = each(context, root);
        else
            buffer_append_format(problem, "is neither a JSON list nor a JSON object a line: line %" PRIu64 " is none",
                                 line);
    }
    json_pool_free(&pool);
    return good;
}

bool policy_file_read(struct slice text, policy_event_function *each, void *context, struct buffer *problem)
{
    struct slice rest = without_space(text);
    if (rest.length && rest.data[0] == '[')
        return read_list(rest, each, context, problem);
    return read_lines(text, each, context, problem);
}
