/* A body is read once, by yyjson into a pool that is kept, and walked once: every key of the event and of its content
 * is looked at a single time, so that the cost does not grow with the number of modules that read the same field.
 *
 * Numbers stay raw text: no module has to pay for converting the numbers of an event it does not look at, and Python's
 * integers of any size pass. */
#include "filters/event.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/json_pool.h"
#include "base/memory.h"

/* Content keys longer than this are never declared by modules, so a bit set of lengths decides most look-ups. */
#define FIELD_LENGTH_BITS 64

struct field_table {
    char **keys;
    uint32_t *lengths;
    uint32_t count;
    uint64_t length_bits; /* bit (length mod 64) is set for each declared key */
};

struct field_table *field_table_create(void)
{
    return memory_allocate_zeroed(1, sizeof(struct field_table));
}

void field_table_destroy(struct field_table *table)
{
    if (!table)
        return;
    for (uint32_t slot = 0; slot < table->count; slot++)
        free(table->keys[slot]);
    free(table->keys);
    free(table->lengths);
    free(table);
}

/* The slot of `key`, or the count of slots if it is not declared. */
static inline uint32_t find_field(const struct field_table *table, const char *key, size_t length)
{
    if (!(table->length_bits >> (length % FIELD_LENGTH_BITS) & 1))
        return table->count;
    for (uint32_t slot = 0; slot < table->count; slot++)
        if (table->lengths[slot] == length && memcmp(table->keys[slot], key, length) == 0)
            return slot;
    return table->count;
}

uint32_t field_table_declare(struct field_table *table, struct slice key)
{
    uint32_t slot = find_field(table, key.data, key.length);
    if (slot < table->count)
        return slot;
    table->keys = memory_reallocate(table->keys, (table->count + 1) * sizeof *table->keys);
    table->lengths = memory_reallocate(table->lengths, (table->count + 1) * sizeof *table->lengths);
    table->keys[slot] = memory_copy_text(key.data, key.length);
    table->lengths[slot] = (uint32_t)key.length;
    table->length_bits |= 1ull << (key.length % FIELD_LENGTH_BITS);
    table->count++;
    return slot;
}

uint32_t field_table_count(const struct field_table *table)
{
    return table->count;
}

const char *event_read_status_text(enum event_read_status status)
{
    static const char *const texts[] = {
        [EVENT_READ_OK] = "the body was read",
        [EVENT_READ_NOT_JSON] = "the body is not valid JSON",
        [EVENT_READ_NOT_EVENT] = "the body is no JSON object with an object as its content",
        [EVENT_READ_TOO_LARGE] = "the body is larger than 16 MiB",
    };
    return texts[status];
}

struct event_reader {
    const struct field_table *fields;
    struct slice *content_strings;
    struct json_pool pool;
};

struct event_reader *event_reader_create(const struct field_table *fields)
{
    struct event_reader *reader = memory_allocate_zeroed(1, sizeof *reader);
    reader->fields = fields;
    reader->content_strings = memory_allocate_zeroed(fields->count, sizeof *reader->content_strings);
    return reader;
}

void event_reader_destroy(struct event_reader *reader)
{
    if (!reader)
        return;
    free(reader->content_strings);
    json_pool_free(&reader->pool);
    free(reader);
}

#define READ_FLAGS YYJSON_READ_NUMBER_AS_RAW

/* The keys of an event that are kept, in order of their length; `first_of_length` finds the run of one length. */
static const struct header_field {
    const char *key;
    size_t length;
    size_t offset;
} header_fields[] = {
    {"type", 4, offsetof(struct event, type)},
    {"sender", 6, offsetof(struct event, sender)},
    {"room_id", 7, offsetof(struct event, room_id)},
    {"redacts", 7, offsetof(struct event, redacts)},
    {"event_id", 8, offsetof(struct event, event_id)},
    {"state_key", 9, offsetof(struct event, state_key)},
    {NULL, 0, 0},
};
static const unsigned char first_of_length[10] = {6, 6, 6, 6, 0, 6, 1, 2, 4, 5};

static struct slice string_slice(yyjson_val *value)
{
    return yyjson_is_str(value) ? slice_of(unsafe_yyjson_get_str(value), unsafe_yyjson_get_len(value)) : SLICE_ABSENT;
}

static void read_content(struct event_reader *reader, yyjson_val *content)
{
    const struct field_table *fields = reader->fields;
    size_t left = unsafe_yyjson_get_len(content);
    yyjson_val *key = unsafe_yyjson_get_first(content);
    while (left--) {
        yyjson_val *value = key + 1;
        uint32_t slot = find_field(fields, unsafe_yyjson_get_str(key), unsafe_yyjson_get_len(key));
        if (slot < fields->count)
            reader->content_strings[slot] = string_slice(value);
        key = unsafe_yyjson_get_next(value);
    }
}

/* Keeps `value` if `key` is a header field; the last of several counts, but never against the stream row. */
static void read_header_field(struct event *event, yyjson_val *key, yyjson_val *value)
{
    size_t length = unsafe_yyjson_get_len(key);
    if (length >= sizeof first_of_length)
        return;
    for (const struct header_field *field = &header_fields[first_of_length[length]]; field->length == length; field++) {
        if (memcmp(unsafe_yyjson_get_str(key), field->key, length) == 0) {
            *(struct slice *)((char *)event + field->offset) = string_slice(value);
            return;
        }
    }
}

static inline void keep_row_field(struct slice *field, struct slice from_row)
{
    if (slice_present(from_row))
        *field = from_row;
}

enum event_read_status event_reader_read(struct event_reader *reader, struct slice body, struct event *event)
{
    event->has_body = false;
    if (body.length > EVENT_BODY_MAXIMUM)
        return EVENT_READ_TOO_LARGE;
    yyjson_doc *document = json_pool_read(&reader->pool, body, READ_FLAGS);
    if (!document)
        return EVENT_READ_NOT_JSON;
    yyjson_val *root = yyjson_doc_get_root(document);
    if (!yyjson_is_obj(root))
        return EVENT_READ_NOT_EVENT;
    struct event read = {0};
    yyjson_val *content = NULL;
    size_t left = unsafe_yyjson_get_len(root);
    yyjson_val *key = unsafe_yyjson_get_first(root);
    while (left--) {
        yyjson_val *value = key + 1;
        if (unsafe_yyjson_get_len(key) == 7 && memcmp(unsafe_yyjson_get_str(key), "content", 7) == 0)
            content = value;
        else
            read_header_field(&read, key, value);
        key = unsafe_yyjson_get_next(value);
    }
    if (content && !yyjson_is_obj(content))
        return EVENT_READ_NOT_EVENT;
    for (uint32_t slot = 0; slot < reader->fields->count; slot++)
        reader->content_strings[slot] = SLICE_ABSENT;
    if (content)
        read_content(reader, content);
    keep_row_field(&read.event_id, event->event_id);
    keep_row_field(&read.room_id, event->room_id);
    keep_row_field(&read.type, event->type);
    keep_row_field(&read.state_key, event->state_key);
    keep_row_field(&read.redacts, event->redacts);
    read.relates_to = event->relates_to;
    read.membership = event->membership;
    read.has_body = true;
    read.content_strings = reader->content_strings;
    *event = read;
    return EVENT_READ_OK;
}
