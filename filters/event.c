/* A body whose shape is known is not parsed: its fields are slices of it. Any other is copied once, where it is
 * followed by room for the scanner, and walked once: every byte is checked, the fields that some module asked for are
 * kept as slices of the copy, the rest is passed over. The cost does not grow with the number of modules that read the
 * same field. */
#include "filters/event.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/json_scan.h"
#include "base/memory.h"
#include "filters/event_shapes.h"

/* The first sixteen bytes of a key as two words, NULs behind its end: two keys of up to sixteen bytes and equal length
 * are equal if their words are. */
struct key_words {
    uint64_t words[2];
};

struct field_table {
    char **keys;
    uint32_t *lengths;
    struct key_words *words;
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
    free(table->words);
    free(table);
}

/* The words of a key that sixteen readable bytes follow. */
static inline struct key_words key_words_of(struct slice key)
{
    static const uint64_t masks[17][2] = {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MASK(bytes) ((bytes) >= 8 ? ~0ull : (1ull << 8 * ((bytes)&7)) - 1)
#else
#define MASK(bytes) ((bytes) >= 8 ? ~0ull : (bytes) == 0 ? 0 : ~0ull << (64 - 8 * ((bytes)&7)))
#endif
#define ROW(bytes) {MASK(bytes), MASK((bytes) > 8 ? (bytes)-8 : 0)}
        ROW(0),
        ROW(1),
        ROW(2),
        ROW(3),
        ROW(4),
        ROW(5),
        ROW(6),
        ROW(7),
        ROW(8),
        ROW(9),
        ROW(10),
        ROW(11),
        ROW(12),
        ROW(13),
        ROW(14),
        ROW(15),
        ROW(16)
#undef ROW
#undef MASK
    };
    struct key_words key_words;
    size_t length = key.length < 16 ? key.length : 16;
    memcpy(&key_words, key.data, sizeof key_words);
    key_words.words[0] &= masks[length][0];
    key_words.words[1] &= masks[length][1];
    return key_words;
}

static inline bool same_words(const struct key_words *left, const struct key_words *right)
{
    return left->words[0] == right->words[0] && left->words[1] == right->words[1];
}

/* The slot of a key in a padded text, or the count of slots if it is not declared. */
static inline uint32_t find_field(const struct field_table *table, struct slice key)
{
    if (!(table->length_bits >> key.length % 64 & 1))
        return table->count;
    struct key_words words = key_words_of(key);
    for (uint32_t slot = 0; slot < table->count; slot++)
        if (table->lengths[slot] == key.length && same_words(&table->words[slot], &words) &&
            (key.length <= 16 || memcmp(table->keys[slot], key.data, key.length) == 0))
            return slot;
    return table->count;
}

uint32_t field_table_declare(struct field_table *table, struct slice key)
{
    char *copy = memory_allocate_zeroed(key.length + sizeof(struct key_words), 1);
    memcpy(copy, key.data, key.length);
    struct slice padded = slice_of(copy, key.length);
    uint32_t slot = find_field(table, padded);
    if (slot < table->count) {
        free(copy);
        return slot;
    }
    table->keys = memory_reallocate(table->keys, (table->count + 1) * sizeof *table->keys);
    table->lengths = memory_reallocate(table->lengths, (table->count + 1) * sizeof *table->lengths);
    table->words = memory_reallocate(table->words, (table->count + 1) * sizeof *table->words);
    table->keys[slot] = copy;
    table->lengths[slot] = (uint32_t)key.length;
    table->words[slot] = key_words_of(padded);
    table->length_bits |= 1ull << key.length % 64;
    table->count++;
    return slot;
}

uint32_t field_table_count(const struct field_table *table)
{
    return table->count;
}

struct slice field_table_key(const struct field_table *table, uint32_t slot)
{
    return slice_of(table->keys[slot], table->lengths[slot]);
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
    struct event_shapes *shapes;
    struct buffer text;  /* the copy of the body, or its strings that had escapes */
    struct event *event; /* that is being read */
    uint64_t others;
    uint64_t looked_into;
    bool content_is_object;
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
    buffer_free(&reader->text);
    free(reader);
}

void event_reader_use_shapes(struct event_reader *reader, struct event_shapes *shapes)
{
    reader->shapes = shapes;
}

void event_reader_move(struct event_reader *reader, struct slice body, struct slice copy)
{
    for (uint32_t slot = 0; slot < reader->fields->count; slot++) {
        struct slice *text = &reader->content_strings[slot];
        if (slice_present(*text) && text->data >= body.data && text->data + text->length <= body.data + body.length)
            text->data = copy.data + (text->data - body.data);
    }
}

/* The keys of an event that are kept, in order of their length; `first_of_length` finds the run of one length. */
static const struct header_field {
    char key[16];
    size_t length;
    size_t offset;
} header_fields[] = {
    {"type", 4, offsetof(struct event, type)},
    {"sender", 6, offsetof(struct event, sender)},
    {"room_id", 7, offsetof(struct event, room_id)},
    {"redacts", 7, offsetof(struct event, redacts)},
    {"event_id", 8, offsetof(struct event, event_id)},
    {"state_key", 9, offsetof(struct event, state_key)},
    {"", SIZE_MAX, 0}, /* ends the table: no key is that long, and the empty one is no field */
};
static const unsigned char first_of_length[10] = {6, 6, 6, 6, 0, 6, 1, 2, 4, 5};

/* Reads a string, or passes over a value that is none and leaves `*value` absent. */
static inline char *read_if_string(char *at, struct slice *value)
{
    if (*at == '"')
        return json_read_string(at, value);
    *value = SLICE_ABSENT;
    return json_skip_value(at);
}

/* Whether the value at `at` is an object or an array with nothing in it. */
static inline bool is_empty(char *at)
{
    return (*at == '{' && *json_skip_space(at + 1) == '}') || (*at == '[' && *json_skip_space(at + 1) == ']');
}

static inline char *read_content_member(void *context, struct slice key, char *value)
{
    struct event_reader *reader = context;
    uint32_t slot = find_field(reader->fields, key);
    if (slot >= reader->fields->count)
        return json_skip_value(value);
    uint64_t bit = EVENT_FIELD_BIT(EVENT_HEADER_FIELDS + slot);
    if (*value != '"' && !is_empty(value))
        reader->others |= bit;
    else if (EVENT_HEADER_FIELDS + slot < 63)
        reader->others &= ~bit;
    return read_if_string(value, &reader->content_strings[slot]);
}

static char *read_content(struct event_reader *reader, char *value)
{
    for (uint32_t slot = 0; slot < reader->fields->count; slot++)
        reader->content_strings[slot] = SLICE_ABSENT;
    reader->others = 0;
    reader->content_is_object = *value == '{';
    return reader->content_is_object ? json_walk_object(value, read_content_member, reader) : json_skip_value(value);
}

/* The last of several equal keys counts, as in Python. */
static inline char *read_event_member(void *context, struct slice key, char *value)
{
    struct event_reader *reader = context;
    if (key.length >= sizeof first_of_length)
        return json_skip_value(value);
    struct key_words words = key_words_of(key);
    static const char content_key[16] = "content";
    struct key_words content = key_words_of(slice_of(content_key, 7));
    if (key.length == 7 && same_words(&words, &content))
        return read_content(reader, value);
    for (const struct header_field *field = &header_fields[first_of_length[key.length]]; field->length == key.length;
         field++) {
        struct key_words known = key_words_of(slice_of(field->key, field->length));
        if (same_words(&words, &known))
            return read_if_string(value, (struct slice *)((char *)reader->event + field->offset));
    }
    return json_skip_value(value);
}

#define HEADER_FIELDS EVENT_HEADER_FIELDS
_Static_assert(sizeof header_fields / sizeof *header_fields - 1 == EVENT_HEADER_FIELDS, "as event.h says");

/* A header field is its place in the table above; a key of `content` its slot, behind them. */
static uint32_t field_of(void *context, bool in_content, struct slice key)
{
    const struct event_reader *reader = context;
    if (in_content) {
        for (uint32_t slot = 0; slot < reader->fields->count; slot++)
            if (slice_equal(key, field_table_key(reader->fields, slot)))
                return HEADER_FIELDS + slot;
        return EVENT_FIELD_NONE;
    }
    if (slice_equal(key, SLICE("content")))
        return EVENT_FIELD_CONTENT;
    for (uint32_t field = 0; field < HEADER_FIELDS; field++)
        if (slice_equal(key, slice_of(header_fields[field].key, header_fields[field].length)))
            return field;
    return EVENT_FIELD_NONE;
}

/* A string with escapes, decoded into the reader's memory, which has room: what it stands for is never longer. The
 * index has checked them. */
static struct slice decode_string(struct event_reader *reader, struct slice raw)
{
    char *begin = reader->text.data + reader->text.length;
    char *output = begin;
    const char *end = raw.data + raw.length;
    for (const char *at = raw.data; at < end;) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((backslash ? backslash : end) - at);
        memcpy(output, at, plain);
        output += plain;
        at = backslash ? json_read_escape(backslash, end, &output) : end;
        if (!at)
            break;
    }
    reader->text.length += (size_t)(output - begin);
    return slice_of(begin, (size_t)(output - begin));
}

/* Reads a body whose shape is known. */
static void read_shape(struct event_reader *reader, const struct event_shape *shape, struct slice body,
                       struct event *event)
{
    const struct json_index *index = event_shapes_index(reader->shapes);
    reader->others = shape->others;
    if (index->has_escapes)
        (void)buffer_reserve(&reader->text, body.length);
    for (uint32_t number = 0; number < shape->capture_count; number++) {
        const struct event_capture *capture = &shape->captures[number];
        uint32_t begin = index->places[capture->token] + 1u;
        struct slice text = slice_of(body.data + begin, index->places[capture->token + 1] - begin);
        if (index->has_escapes && text.length && memchr(text.data, '\\', text.length))
            text = decode_string(reader, text);
        if (capture->field >= HEADER_FIELDS) {
            reader->content_strings[capture->field - HEADER_FIELDS] = text;
            continue;
        }
        struct slice *field = (struct slice *)((char *)event + header_fields[capture->field].offset);
        if (!slice_present(*field)) /* the row's comes first */
            *field = text;
    }
}

static enum event_read_status read_text(struct event_reader *reader, struct event *event)
{
    char *end = reader->text.data + reader->text.length;
    char *at = json_skip_space(reader->text.data);
    bool is_object = *at == '{';
    reader->event = event;
    reader->others = 0;
    reader->content_is_object = true;
    at = is_object ? json_walk_object(at, read_event_member, reader) : json_skip_value(at);
    if (!at || json_skip_space(at) != end)
        return EVENT_READ_NOT_JSON;
    return is_object && reader->content_is_object ? EVENT_READ_OK : EVENT_READ_NOT_EVENT;
}

static inline void keep_row_field(struct slice *field, struct slice from_row)
{
    if (slice_present(from_row))
        *field = from_row;
}

/* By the scanner; what it learns makes the next one of its kind known. */
static enum event_read_status read_unknown(struct event_reader *reader, struct slice body, struct event *event)
{
    char *copy = buffer_reserve(&reader->text, body.length + JSON_SCAN_PADDING);
    memcpy(copy, body.data, body.length);
    memset(copy + body.length, 0, JSON_SCAN_PADDING);
    reader->text.length = body.length;
    struct event row = *event;
    enum event_read_status status = read_text(reader, event);
    if (status != EVENT_READ_OK) {
        *event = row;
        return status;
    }
    keep_row_field(&event->event_id, row.event_id);
    keep_row_field(&event->room_id, row.room_id);
    keep_row_field(&event->type, row.type);
    keep_row_field(&event->state_key, row.state_key);
    keep_row_field(&event->redacts, row.redacts);
    if (reader->shapes)
        event_shapes_learn(reader->shapes, body, field_of, reader);
    return status;
}

enum event_read_status event_reader_read(struct event_reader *reader, struct slice body, struct event *event)
{
    event->has_body = false;
    event->sender = SLICE_ABSENT;
    if (body.length > EVENT_BODY_MAXIMUM)
        return EVENT_READ_TOO_LARGE;
    buffer_clear(&reader->text);
    for (uint32_t slot = 0; slot < reader->fields->count; slot++)
        reader->content_strings[slot] = SLICE_ABSENT;
    const struct event_shape *shape = reader->shapes ? event_shapes_find(reader->shapes, body) : NULL;
    enum event_read_status status = EVENT_READ_OK;
    if (shape)
        read_shape(reader, shape, body, event);
    else
        status = read_unknown(reader, body, event);
    if (status != EVENT_READ_OK)
        return status;
    event->has_body = true;
    event->body = body;
    event->content_strings = reader->content_strings;
    event->content_others = reader->others;
    reader->looked_into = 0;
    event->looked_into = &reader->looked_into;
    return EVENT_READ_OK;
}
