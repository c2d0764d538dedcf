/* Synapse's rows are positional, so one table of field names reads them all; only `events`, whose rows are wrapped in
 * their kind, and the two streams whose older forms are no prefix of the newer have entries of their own. */
#include "replication/stream.h"

#include "replication/command.h"

const struct stream_definition stream_definitions[STREAM_COUNT] = {
#define STREAM(name, can_go_back, secret, fields) {#name, can_go_back, secret, fields},
#include "replication/streams.def"
#undef STREAM
};

static const uint8_t name_lengths[STREAM_COUNT] = {
#define STREAM(name, can_go_back, secret, fields) sizeof(#name) - 1,
#include "replication/streams.def"
#undef STREAM
};

/* Forms of a row that are not the newer form cut short (replication.md, section 4), told by their length. */
struct older_form {
    enum stream stream;
    uint32_t count;
    const char *fields;
};

static const struct older_form older_forms[] = {
    {STREAM_device_lists, 1, "entity"},
    {STREAM_receipts, 5, "room_id receipt_type user_id event_id data"},
};

static const struct event_kind {
    struct slice name;
    uint32_t required; /* elements of the oldest form */
    const char *fields;
} event_kinds[] = {
    [EVENT_ROW_EV] = {{"ev", 2}, 8, "event_id room_id type state_key redacts relates_to membership rejected | outlier"},
    [EVENT_ROW_STATE] = {{"state", 5}, 4, "room_id type state_key event_id"},
    [EVENT_ROW_STATE_ALL] = {{"state-all", 9}, 1, "room_id"},
};

static const char wrong_count[] = "the row has a wrong number of elements";
static const char no_array[] = "the row is no array";

enum stream stream_find(struct slice name)
{
    /* The first letter spares the comparison with most names of the same length. */
    for (size_t index = 0; index < STREAM_COUNT && name.length; index++)
        if (name_lengths[index] == name.length && stream_definitions[index].name[0] == name.data[0] &&
            memcmp(stream_definitions[index].name, name.data, name.length) == 0)
            return (enum stream)index;
    return STREAM_UNKNOWN;
}

static struct slice string_of(yyjson_val *value)
{
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value)) : SLICE_ABSENT;
}

/* Gives the array's elements the names in `fields`. The array must have as many elements as there are names, or as many
 * as stand before one of the `|`; with `newer` more are allowed and said there. */
static bool read_fields(const char *fields, yyjson_val *array, struct stream_row *result, bool *newer,
                        const char **problem)
{
    size_t size = yyjson_arr_size(array);
    yyjson_val *element = yyjson_arr_get_first(array);
    bool complete = false;
    const char *cursor = fields;
    while (*cursor) {
        size_t length = strcspn(cursor, " ");
        if (*cursor == '|') {
            complete = result->count == size;
        } else {
            if (result->count == size)
                break;
            result->names[result->count] = slice_of(cursor, length);
            result->values[result->count++] = element;
            element = unsafe_yyjson_get_next(element);
        }
        if (complete)
            break;
        cursor += length;
        cursor += *cursor == ' ';
    }
    complete = complete || *cursor == '\0';
    if (complete && result->count < size && newer)
        *newer = true;
    else if (!complete || result->count != size) {
        *problem = wrong_count;
        return false;
    }
    return true;
}

/* The kind of a row of `events`, and its inner array. */
static bool read_event_kind(yyjson_val *row, enum event_row_kind *kind, yyjson_val **inner, const char **problem)
{
    if (yyjson_arr_size(row) != 2) {
        *problem = yyjson_is_arr(row) ? wrong_count : no_array;
        return false;
    }
    struct slice name = string_of(yyjson_arr_get_first(row));
    *inner = yyjson_arr_get(row, 1);
    for (size_t index = 0; index < sizeof event_kinds / sizeof *event_kinds; index++) {
        if (!slice_equal(name, event_kinds[index].name))
            continue;
        *kind = (enum event_row_kind)index;
        if (yyjson_is_arr(*inner))
            return true;
        *problem = no_array;
        return false;
    }
    *problem = "the row of `events` is of an unknown kind";
    return false;
}

static bool is_string_at(yyjson_val *array, size_t index)
{
    return yyjson_is_str(yyjson_arr_get(array, index));
}

/* Only a row that still looks like its kind is taken for one of a newer version. */
static bool read_event_fields(yyjson_val *row, struct stream_row *result, const char **problem)
{
    enum event_row_kind kind;
    yyjson_val *inner;
    if (!read_event_kind(row, &kind, &inner, problem))
        return false;
    result->kind = event_kinds[kind].name;
    bool readable = is_string_at(inner, 0) && (kind == EVENT_ROW_STATE_ALL || is_string_at(inner, 1));
    return read_fields(event_kinds[kind].fields, inner, result, readable ? &result->newer : NULL, problem);
}

bool stream_row_read(enum stream stream, yyjson_val *row, struct stream_row *result, const char **problem)
{
    result->kind = SLICE_ABSENT;
    result->count = 0;
    result->newer = false;
    if (stream >= STREAM_COUNT) {
        *problem = "the stream is not known";
        return false;
    }
    if (stream == STREAM_events)
        return read_event_fields(row, result, problem);
    if (!yyjson_is_arr(row)) {
        *problem = no_array;
        return false;
    }
    const char *fields = stream_definitions[stream].fields;
    for (size_t index = 0; index < sizeof older_forms / sizeof *older_forms; index++)
        if (older_forms[index].stream == stream && older_forms[index].count == yyjson_arr_size(row))
            fields = older_forms[index].fields;
    return read_fields(fields, row, result, NULL, problem);
}

static void take_string(yyjson_val **element, struct slice *field)
{
    *field = string_of(*element);
    *element = unsafe_yyjson_get_next(*element);
}

static void read_ev(yyjson_val *element, size_t size, struct event_row *result)
{
    struct slice *const fields[] = {&result->event_id, &result->room_id,    &result->type,      &result->state_key,
                                    &result->redacts,  &result->relates_to, &result->membership};
    for (size_t index = 0; index < sizeof fields / sizeof *fields; index++)
        take_string(&element, fields[index]);
    result->rejected = yyjson_is_true(element);
    result->outlier = size > 8 && yyjson_is_true(unsafe_yyjson_get_next(element));
    result->newer = size > 9;
}

static void read_state(yyjson_val *element, size_t size, struct event_row *result)
{
    struct slice *const fields[] = {&result->room_id, &result->type, &result->state_key, &result->event_id};
    for (size_t index = 0; index < sizeof fields / sizeof *fields; index++)
        take_string(&element, fields[index]);
    result->newer = size > 4;
}

bool event_row_read(yyjson_val *row, struct event_row *result, const char **problem)
{
    *result = (struct event_row){0};
    yyjson_val *inner;
    if (!read_event_kind(row, &result->kind, &inner, problem))
        return false;
    size_t size = yyjson_arr_size(inner);
    if (size < event_kinds[result->kind].required) {
        *problem = wrong_count;
        return false;
    }
    yyjson_val *first = yyjson_arr_get_first(inner);
    if (result->kind == EVENT_ROW_EV) {
        read_ev(first, size, result);
        if (!slice_present(result->event_id) || !slice_present(result->room_id) || !slice_present(result->type)) {
            *problem = "the event id, room id or type of the row is no text";
            return false;
        }
    } else if (result->kind == EVENT_ROW_STATE) {
        read_state(first, size, result);
    } else {
        result->room_id = string_of(first);
        result->newer = size > 1;
    }
    return true;
}

bool event_row_parse(struct slice json, struct json_pool *pool, struct event_row *row, const char **problem)
{
    if (event_row_scan(json, row))
        return true;
    struct command command = {.name = COMMAND_RDATA, .json = json};
    yyjson_alc allocator = json_pool_allocator(pool, json.length, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_doc *document = command_json(&command, &allocator, problem);
    return document && event_row_read(yyjson_doc_get_root(document), row, problem);
}
