/* The whole answer is looked over before anything of it is handed on: a wrong answer (one to another question, say, out
 * of Synapse's cache of answers by request id) must not move a position. */
#include "replication/row_answer.h"

#include <stdlib.h>

#include "base/memory.h"
#include "replication/json.h"

/* Of each text of an error. */
#define ERROR_TEXT_MAXIMUM 120u

static const char no_answer[] = "it is not the JSON object that Synapse answers with";

/* NULL if `object` is none, or NULL. Of a repeated key the last value counts, as in Python. */
static yyjson_val *find_member(yyjson_val *object, const char *key)
{
    yyjson_val *found = NULL, *name, *value;
    size_t index, count;
    if (!yyjson_is_obj(object))
        return NULL;
    yyjson_obj_foreach(object, index, count, name, value)
    {
        if (yyjson_equals_str(name, key))
            found = value;
    }
    return found;
}

static bool read_integer(yyjson_val *value, int64_t *integer)
{
    if (!yyjson_is_int(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
        return false;
    *integer = yyjson_get_sint(value);
    return true;
}

/* The token of an update that was looked over. */
static int64_t token_of(yyjson_val *update)
{
    return yyjson_get_sint(yyjson_arr_get_first(update));
}

/* What is wrong with the tokens; NULL if nothing is. `*last` begins as the position asked from. */
static const char *check_updates(yyjson_val *updates, int64_t *last)
{
    yyjson_val *update;
    size_t index, count;
    yyjson_arr_foreach(updates, index, count, update)
    {
        int64_t token;
        if (yyjson_arr_size(update) != 2 || !read_integer(yyjson_arr_get_first(update), &token))
            return "one of its rows is no pair of a token and a row";
        if (index == 0 && token <= *last)
            return "its rows begin at or below the position that was asked from";
        if (token < *last)
            return "the tokens of its rows go back";
        *last = token;
    }
    return NULL;
}

/* Fills `*answer` and looks the rows over; what is wrong, or NULL. */
static const char *check_answer(yyjson_val *root, int64_t from, struct row_answer *answer)
{
    yyjson_val *updates = find_member(root, "updates"), *limited = find_member(root, "limited");
    int64_t named, last = from;
    if (!yyjson_is_arr(updates) || !yyjson_is_bool(limited) || !read_integer(find_member(root, "upto_token"), &named))
        return no_answer;
    const char *problem = check_updates(updates, &last);
    if (problem)
        return problem;
    answer->limited = yyjson_get_bool(limited);
    if (answer->limited && named <= from)
        return "it says that there is more, but goes no further than the position that was asked from";
    if (named < from)
        return "the position that it names lies below the one that was asked from";
    answer->reached = named > last ? named : last;
    return NULL;
}

/* The rows of one token, whose texts lie one behind the other. */
struct group {
    struct buffer text;
    struct slice *rows;
    size_t capacity;
    uint32_t count;
};

static void group_add(struct group *group, size_t length)
{
    if (group->count == group->capacity) {
        group->capacity = group->capacity ? group->capacity * 2 : 16;
        group->rows = memory_reallocate(group->rows, group->capacity * sizeof *group->rows);
    }
    group->rows[group->count++].length = length;
}

static void group_hand_on(struct group *group, struct position_rows *rows, const struct row_answer_receiver *receiver)
{
    const char *data = group->text.data;
    for (uint32_t row = 0; row < group->count; row++) {
        group->rows[row].data = data;
        data += group->rows[row].length;
    }
    rows->rows = group->rows;
    rows->count = group->count;
    receiver->rows(receiver->context, rows);
    buffer_clear(&group->text);
    group->count = 0;
}

static const char *hand_on(yyjson_val *updates, const struct row_request *request,
                           const struct row_answer_receiver *receiver)
{
    struct group group = {0};
    struct position_rows rows = {.stream = request->stream, .writer = request->writer};
    const char *problem = NULL;
    yyjson_val *update;
    size_t index, count;
    yyjson_arr_foreach(updates, index, count, update)
    {
        if (group.count && rows.token != token_of(update))
            group_hand_on(&group, &rows, receiver);
        rows.token = token_of(update);
        size_t before = group.text.length;
        if (!json_write(yyjson_arr_get(update, 1), &group.text, &problem))
            break;
        group_add(&group, group.text.length - before);
    }
    if (group.count && !problem)
        group_hand_on(&group, &rows, receiver);
    buffer_free(&group.text);
    free(group.rows);
    return problem;
}

void row_answer_read(struct slice text, const struct row_request *request, const struct row_answer_receiver *receiver,
                     struct row_answer *answer)
{
    *answer = (struct row_answer){.reached = request->from};
    yyjson_doc *document = json_read(text, NULL, &answer->failure);
    if (!document)
        return;
    yyjson_val *root = yyjson_doc_get_root(document);
    answer->failure = check_answer(root, request->from, answer);
    if (!answer->failure)
        answer->failure = hand_on(find_member(root, "updates"), request, receiver);
    yyjson_doc_free(document);
}

static struct slice text_of(yyjson_val *value)
{
    size_t length = yyjson_get_len(value);
    return slice_of(yyjson_get_str(value), length < ERROR_TEXT_MAXIMUM ? length : ERROR_TEXT_MAXIMUM);
}

bool row_answer_error(struct slice text, struct buffer *sentence)
{
    const char *problem;
    yyjson_doc *document = json_read(text, NULL, &problem);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *code = find_member(root, "errcode"), *error = find_member(root, "error");
    bool good = yyjson_is_str(code) && yyjson_is_str(error);
    if (good) {
        struct slice name = text_of(code);
        bool plain = name.length > 0;
        for (size_t index = 0; index < name.length; index++)
            plain = plain && (name.data[index] == '_' || (name.data[index] >= 'A' && name.data[index] <= 'Z'));
        if (plain)
            buffer_append_slice(sentence, name);
        else
            buffer_append_json_string(sentence, name);
        buffer_append_char(sentence, ' ');
        buffer_append_json_string(sentence, text_of(error));
    }
    yyjson_doc_free(document);
    return good;
}
