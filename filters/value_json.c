/* Values as JSON: tagged, as they go over Redis and HTTP, by a table with a row for each kind; and plain, as Python's
 * json would write them. Reading is in value_read.c. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "filters/value.h"

typedef void value_writer(const struct value *value, struct buffer *output);

static void append_object(const json_t *object, struct buffer *output)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY) : NULL;
    buffer_append_string(output, text ? text : "{}");
    free(text);
}

static void append_number(double number, struct buffer *output)
{
    if (!isfinite(number)) {
        buffer_append_string(output, "null");
        return;
    }
    char text[40];
    snprintf(text, sizeof text, "%.17g", number);
    buffer_append_string(output, text);
    if (!strpbrk(text, ".e"))
        buffer_append_string(output, ".0");
}

static void write_none(const struct value *value, struct buffer *output)
{
    (void)value;
    buffer_append_string(output, "{\"none\":true}");
}

static void write_boolean(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, value->boolean ? "{\"bool\":true}" : "{\"bool\":false}");
}

static void write_integer(const struct value *value, struct buffer *output)
{
    buffer_append_format(output, "{\"int\":%" PRId64 "}", value->integer);
}

static void write_float(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"float\":");
    append_number(value->number, output);
    buffer_append_char(output, '}');
}

static void append_tagged_text(const char *opening, struct slice text, struct buffer *output)
{
    buffer_append_string(output, opening);
    buffer_append_json_string(output, text);
    buffer_append_char(output, '}');
}

static void write_text(const struct value *value, struct buffer *output)
{
    append_tagged_text("{\"str\":", value->text, output);
}

static void write_not_spam(const struct value *value, struct buffer *output)
{
    (void)value;
    buffer_append_string(output, "\"NOT_SPAM\"");
}

static void write_code(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"code\":");
    buffer_append_json_string(output, value->text);
    buffer_append_string(output, ",\"fields\":");
    append_object(value->object, output);
    buffer_append_char(output, '}');
}

static void write_behaviour(const struct value *value, struct buffer *output)
{
    append_tagged_text("{\"behaviour\":", value->text, output);
}

static void append_items(const char *opening, const struct value *value, struct buffer *output)
{
    buffer_append_string(output, opening);
    for (uint32_t index = 0; index < value->count; index++) {
        if (index)
            buffer_append_char(output, ',');
        value_append_json(&value->items[index], output);
    }
    buffer_append_string(output, "]}");
}

static void write_tuple(const struct value *value, struct buffer *output)
{
    append_items("{\"tuple\":[", value, output);
}

static void write_list(const struct value *value, struct buffer *output)
{
    append_items("{\"list\":[", value, output);
}

/* Texts stand in a set as they are, and states as objects. */
static void write_set(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"set\":[");
    for (uint32_t index = 0; index < value->count; index++) {
        const struct value *item = &value->items[index];
        if (index)
            buffer_append_char(output, ',');
        if (item->kind == VALUE_TEXT)
            buffer_append_json_string(output, item->text);
        else if (item->kind == VALUE_STATE)
            presence_state_append_json(item->state, output);
        else
            value_append_json(item, output);
    }
    buffer_append_string(output, "]}");
}

static void write_dict(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"dict\":{");
    for (uint32_t index = 0; index < value->count; index++) {
        const struct value *key = &value->items[2 * index];
        if (index)
            buffer_append_char(output, ',');
        buffer_append_json_string(output, key->kind == VALUE_TEXT ? key->text : SLICE(""));
        buffer_append_char(output, ':');
        value_append_json(&value->items[2 * index + 1], output);
    }
    buffer_append_string(output, "}}");
}

static void write_json(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"json\":");
    append_object(value->object, output);
    buffer_append_char(output, '}');
}

static void write_event(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"event\":");
    append_object(value->object, output);
    buffer_append_char(output, '}');
}

static void write_state(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"state\":");
    presence_state_append_json(value->state, output);
    buffer_append_char(output, '}');
}

static void write_callable(const struct value *value, struct buffer *output)
{
    (void)value;
    buffer_append_string(output, "{\"callable\":true}");
}

static void write_limit(const struct value *value, struct buffer *output)
{
    buffer_append_format(output, "{\"limit\":[%" PRId64 ",%" PRId64 "]}", value->limit.max_bytes,
                         value->limit.time_period_ms);
}

static void write_override(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"override\":[");
    append_number(value->override.per_second, output);
    buffer_append_format(output, ",%" PRId64 "]}", value->override.burst_count);
}

static void write_foreign(const struct value *value, struct buffer *output)
{
    append_tagged_text("{\"object\":", value->text, output);
}

const char *raised_kind_text(enum raised_kind kind)
{
    static const char *const texts[] = {
        [RAISED_OTHER] = "Exception",
        [RAISED_SYNAPSE_ERROR] = "SynapseError",
        [RAISED_MODULE_FAILED] = "ModuleFailedException",
        [RAISED_CANCELLED] = "CancelledError",
        [RAISED_KEY_ERROR] = "KeyError",
    };
    return texts[kind];
}

static void write_raised(const struct value *value, struct buffer *output)
{
    const struct raised *raised = value->raised;
    buffer_append_format(output, "{\"raise\":{\"type\":\"%s\"", raised_kind_text(raised->kind));
    if (raised->kind == RAISED_SYNAPSE_ERROR) {
        buffer_append_format(output, ",\"code\":%d,\"errcode\":", raised->status);
        buffer_append_json_string(output, raised->errcode);
    }
    buffer_append_string(output, ",\"msg\":");
    buffer_append_json_string(output, raised->text);
    if (raised->fields) {
        buffer_append_string(output, ",\"fields\":");
        append_object(raised->fields, output);
    }
    buffer_append_string(output, "}}");
}

static void write_pass(const struct value *value, struct buffer *output)
{
    (void)value;
    buffer_append_string(output, "{\"pass\":true}");
}

static void write_refuse(const struct value *value, struct buffer *output)
{
    buffer_append_string(output, "{\"refuse\":");
    buffer_append_json_string(output, slice_present(value->text) ? value->text : SLICE("M_FORBIDDEN"));
    buffer_append_string(output, ",\"fields\":");
    append_object(value->object, output);
    buffer_append_char(output, '}');
}

static void write_pending(const struct value *value, struct buffer *output)
{
    buffer_append_format(output, "{\"pending\":%" PRIu64 "}", value->ticket);
}

void value_append_json(const struct value *value, struct buffer *output)
{
    static value_writer *const writers[VALUE_KINDS] = {
        [VALUE_NONE] = write_none,       [VALUE_BOOLEAN] = write_boolean,
        [VALUE_INTEGER] = write_integer, [VALUE_FLOAT] = write_float,
        [VALUE_TEXT] = write_text,       [VALUE_NOT_SPAM] = write_not_spam,
        [VALUE_CODE] = write_code,       [VALUE_BEHAVIOUR] = write_behaviour,
        [VALUE_TUPLE] = write_tuple,     [VALUE_LIST] = write_list,
        [VALUE_SET] = write_set,         [VALUE_DICT] = write_dict,
        [VALUE_JSON] = write_json,       [VALUE_EVENT] = write_event,
        [VALUE_STATE] = write_state,     [VALUE_CALLABLE] = write_callable,
        [VALUE_LIMIT] = write_limit,     [VALUE_OVERRIDE] = write_override,
        [VALUE_OBJECT] = write_foreign,  [VALUE_RAISED] = write_raised,
        [VALUE_PASS] = write_pass,       [VALUE_REFUSE] = write_refuse,
        [VALUE_PENDING] = write_pending,
    };
    writers[value->kind](value, output);
}

static json_t *plain(const struct value *value, unsigned depth);

static json_t *plain_array(const struct value *value, unsigned depth)
{
    json_t *array = json_array();
    for (uint32_t index = 0; index < value->count; index++) {
        if (json_array_append_new(array, plain(&value->items[index], depth)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *plain_object(const struct value *value, unsigned depth)
{
    json_t *object = json_object();
    for (uint32_t index = 0; index < value->count; index++) {
        const struct value *key = &value->items[2 * index];
        json_t *member = plain(&value->items[2 * index + 1], depth);
        /* Keys come with a NUL behind them: from JSON, or copied into an arena. */
        if (key->kind != VALUE_TEXT || json_object_set_new(object, key->text.data, member) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *plain_state(const struct presence_state *state)
{
    struct buffer text = {0};
    presence_state_append_json(state, &text);
    json_t *object = json_loadb(text.data, text.length, 0, NULL);
    buffer_free(&text);
    return object;
}

static json_t *plain(const struct value *value, unsigned depth)
{
    if (depth == VALUE_DEPTH_MAXIMUM)
        return NULL;
    switch (value->kind) {
    case VALUE_NONE:
        return json_null();
    case VALUE_BOOLEAN:
        return json_boolean(value->boolean);
    case VALUE_INTEGER:
        return json_integer(value->integer);
    case VALUE_FLOAT:
        return json_real(value->number);
    case VALUE_NOT_SPAM:
        return json_string("NOT_SPAM");
    case VALUE_TEXT:
    case VALUE_BEHAVIOUR:
    case VALUE_CODE:
        return json_stringn(value->text.data, value->text.length);
    case VALUE_TUPLE:
    case VALUE_LIST:
    case VALUE_SET:
        return plain_array(value, depth + 1);
    case VALUE_DICT:
        return plain_object(value, depth + 1);
    case VALUE_JSON:
    case VALUE_EVENT:
        return json_incref(value->object);
    case VALUE_STATE:
        return plain_state(value->state);
    case VALUE_LIMIT:
        return json_pack("{s:I,s:I}", "max_bytes", (json_int_t)value->limit.max_bytes, "time_period_ms",
                         (json_int_t)value->limit.time_period_ms);
    case VALUE_OVERRIDE:
        return json_pack("{s:f,s:I}", "per_second", value->override.per_second, "burst_count",
                         (json_int_t)value->override.burst_count);
    default:
        return NULL;
    }
}

json_t *value_to_json(const struct value *value)
{
    return plain(value, 0);
}
