/* Of an item that is not complete it is remembered how far it was read, so that one which comes in many pieces is not
 * read again from its beginning with each of them. Everything is kept as offsets: the bytes move to the front of the
 * buffer when more are to come, and to another buffer when a long message needs it. */
#include "engine/pubsub_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/redis_decoder.h"
#include "engine/redis_link.h"

/* Small enough to stay in a core's own cache from the socket to the verdict. */
#define ROOM_USUAL ((size_t)64 << 10)
#define ROOM_LEAST ((size_t)16 << 10)
/* A length or a number with its sign, type and line end. */
#define HEADER_MAXIMUM 24

enum message_kind { KIND_OTHER, KIND_MESSAGE, KIND_SUBSCRIBE, KIND_PONG };

/* A run of bytes, from the beginning of the item. */
struct span {
    size_t offset;
    size_t length;
    bool known;
};

struct pubsub_reader {
    char *bytes;
    size_t capacity;
    size_t begins; /* the item that is being read */
    size_t at;     /* what of it comes next */
    size_t ends;

    /* The array that is being read: its elements, how many of them were read, and what they said. */
    size_t elements;
    size_t index;
    enum message_kind kind;
    struct span channel, text;
    bool confirmed;

    const char *failure;
};

enum element_type {
    ELEMENT_INCOMPLETE,
    ELEMENT_BROKEN,
    ELEMENT_TEXT,
    ELEMENT_ERROR,
    ELEMENT_NUMBER,
    ELEMENT_NULL,
    ELEMENT_ARRAY
};

struct element {
    enum element_type type;
    int64_t number; /* of an array: its elements */
    struct slice text;
};

struct pubsub_reader *pubsub_reader_create(void)
{
    struct pubsub_reader *reader = memory_allocate_zeroed(1, sizeof *reader);
    reader->capacity = ROOM_USUAL;
    reader->bytes = memory_allocate(reader->capacity);
    return reader;
}

void pubsub_reader_destroy(struct pubsub_reader *reader)
{
    if (!reader)
        return;
    free(reader->bytes);
    free(reader);
}

char *pubsub_reader_room(struct pubsub_reader *reader, size_t *size)
{
    size_t held = reader->ends - reader->begins;
    if (held && reader->begins)
        memmove(reader->bytes, reader->bytes + reader->begins, held);
    reader->at -= reader->begins;
    reader->begins = 0;
    reader->ends = held;
    size_t capacity = reader->capacity;
    while (capacity - held < ROOM_LEAST)
        capacity *= 2;
    if (held < ROOM_USUAL - ROOM_LEAST)
        capacity = ROOM_USUAL; /* a long message shall not cost its memory for ever */
    if (capacity != reader->capacity) {
        reader->bytes = memory_reallocate(reader->bytes, capacity);
        reader->capacity = capacity;
    }
    *size = capacity - held;
    return reader->bytes + held;
}

void pubsub_reader_filled(struct pubsub_reader *reader, size_t count)
{
    reader->ends += count;
}

/* Elements. */

static struct element broken(struct pubsub_reader *reader, const char *failure)
{
    reader->failure = failure;
    return (struct element){.type = ELEMENT_BROKEN};
}

#define NOT_REDIS(what) "what answers does not speak Redis's protocol (" what ")"

/* A number as Redis writes it: no sign but `-`, no zero before other digits. False for any other, and for one of more
 * than 64 bits. */
static bool read_number(struct slice text, int64_t *number)
{
    const char *digit = text.data;
    const char *end = text.data + text.length;
    bool negative = digit < end && *digit == '-';
    digit += negative;
    if (digit == end || (*digit == '0' && (negative || end - digit > 1)))
        return false;
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t value = 0;
    for (; digit < end; digit++) {
        unsigned one = (unsigned char)*digit - (unsigned)'0';
        if (one > 9 || value > limit / 10 || value * 10 > limit - one)
            return false;
        value = value * 10 + one;
    }
    *number = (int64_t)(negative ? 0 - value : value);
    return true;
}

/* The length of the line that begins at `line`, without its end; SIZE_MAX if the end is not within `limit` bytes. */
static size_t find_line_end(const char *line, size_t limit)
{
    const char *end = memmem(line, limit, "\r\n", 2);
    return end ? (size_t)(end - line) : SIZE_MAX;
}

static struct element read_line(struct pubsub_reader *reader, enum element_type type)
{
    const char *line = reader->bytes + reader->at + 1;
    size_t left = reader->ends - reader->at - 1;
    size_t limit = left < PUBSUB_LINE_MAXIMUM ? left : PUBSUB_LINE_MAXIMUM;
    size_t length = find_line_end(line, limit);
    if (length == SIZE_MAX)
        return limit < left ? broken(reader, NOT_REDIS("a line without an end"))
                            : (struct element){.type = ELEMENT_INCOMPLETE};
    reader->at += 1 + length + 2;
    return (struct element){.type = type, .text = slice_of(line, length)};
}

/* The number behind a type and the line's end; `*next` is what follows. */
static enum element_type read_header(struct pubsub_reader *reader, int64_t *number, size_t *next)
{
    const char *line = reader->bytes + reader->at + 1;
    size_t left = reader->ends - reader->at - 1;
    size_t limit = left < HEADER_MAXIMUM ? left : HEADER_MAXIMUM;
    size_t length = 0;
    while (length < limit && line[length] != '\r')
        length++;
    if (length + 1 >= left && length < HEADER_MAXIMUM)
        return ELEMENT_INCOMPLETE;
    if (length + 1 >= limit || line[length + 1] != '\n' || !read_number(slice_of(line, length), number))
        return broken(reader, NOT_REDIS("a length or number that is none")).type;
    *next = reader->at + 1 + length + 2;
    return ELEMENT_NUMBER;
}

static struct element read_bulk(struct pubsub_reader *reader, int64_t length, size_t next)
{
    if (length < -1)
        return broken(reader, NOT_REDIS("a negative length"));
    if (length == -1) {
        reader->at = next;
        return (struct element){.type = ELEMENT_NULL};
    }
    if (length > REDIS_MESSAGE_MAXIMUM)
        return broken(reader, "Redis sent a message larger than 128 MiB");
    if (reader->ends - next < (size_t)length + 2)
        return (struct element){.type = ELEMENT_INCOMPLETE};
    const char *text = reader->bytes + next;
    if (text[length] != '\r' || text[length + 1] != '\n')
        return broken(reader, NOT_REDIS("a text without its end"));
    reader->at = next + (size_t)length + 2;
    return (struct element){.type = ELEMENT_TEXT, .text = slice_of(text, (size_t)length)};
}

static struct element read_element(struct pubsub_reader *reader)
{
    struct element element = {.type = ELEMENT_INCOMPLETE};
    size_t next;
    if (reader->at == reader->ends)
        return element;
    char type = reader->bytes[reader->at];
    if (type == '+' || type == '-')
        return read_line(reader, type == '-' ? ELEMENT_ERROR : ELEMENT_TEXT);
    if (type != '$' && type != ':' && type != '*')
        return broken(reader, NOT_REDIS("an answer of no known type"));
    element.type = read_header(reader, &element.number, &next);
    if (element.type != ELEMENT_NUMBER)
        return element;
    if (type == '$')
        return read_bulk(reader, element.number, next);
    if (type == '*') {
        if (element.number < -1)
            return broken(reader, NOT_REDIS("a negative length"));
        if (element.number > REDIS_ELEMENTS_MAXIMUM)
            return broken(reader, "Redis sent an answer with too many elements");
        element.type = ELEMENT_ARRAY;
    }
    reader->at = next;
    return element;
}

/* Items. */

static enum message_kind classify(struct slice name)
{
    if (slice_equal(name, SLICE("message")))
        return KIND_MESSAGE;
    if (slice_equal(name, SLICE("subscribe")))
        return KIND_SUBSCRIBE;
    return slice_equal(name, SLICE("pong")) ? KIND_PONG : KIND_OTHER;
}

static struct span span_of(const struct pubsub_reader *reader, struct slice text)
{
    return (struct span){(size_t)(text.data - reader->bytes) - reader->begins, text.length, true};
}

static struct slice slice_of_span(const struct pubsub_reader *reader, struct span span)
{
    return slice_of(reader->bytes + reader->begins + span.offset, span.length);
}

static void take_element(struct pubsub_reader *reader, const struct element *element)
{
    bool is_text = element->type == ELEMENT_TEXT || element->type == ELEMENT_ERROR;
    if (reader->index == 0 && is_text)
        reader->kind = classify(element->text);
    else if (reader->index == 1 && is_text)
        reader->channel = span_of(reader, element->text);
    else if (reader->index == 2 && is_text)
        reader->text = span_of(reader, element->text);
    else if (reader->index == 2)
        reader->confirmed = element->type == ELEMENT_NUMBER;
}

static void begin_array(struct pubsub_reader *reader, int64_t elements)
{
    reader->elements = elements > 0 ? (size_t)elements : 0;
    reader->index = 0;
    reader->kind = KIND_OTHER;
    reader->channel = reader->text = (struct span){0};
    reader->confirmed = false;
}

/* What the array that was read says; PUBSUB_MORE: nothing of interest. */
static struct pubsub_item item_of_array(const struct pubsub_reader *reader)
{
    struct pubsub_item item = {.kind = PUBSUB_MORE};
    if (!reader->channel.known)
        return item;
    item.channel = slice_of_span(reader, reader->channel);
    if (reader->kind == KIND_MESSAGE && reader->text.known) {
        item.kind = PUBSUB_MESSAGE;
        item.text = slice_of_span(reader, reader->text);
    } else if (reader->kind == KIND_SUBSCRIBE && reader->confirmed) {
        item.kind = PUBSUB_SUBSCRIBED;
    } else if (reader->kind == KIND_PONG) {
        item.kind = PUBSUB_ANSWER;
        item.text = SLICE("PONG");
    }
    return item;
}

/* Elements of an array, as far as they are there. True: all of them. */
static bool read_array(struct pubsub_reader *reader, struct pubsub_item *item)
{
    for (; reader->index < reader->elements; reader->index++) {
        struct element element = read_element(reader);
        if (element.type == ELEMENT_INCOMPLETE)
            return false;
        if (element.type == ELEMENT_ARRAY)
            element = broken(reader, NOT_REDIS("an array within a subscriber's message"));
        if (element.type == ELEMENT_BROKEN) {
            item->kind = PUBSUB_BROKEN;
            return false;
        }
        take_element(reader, &element);
    }
    *item = item_of_array(reader);
    reader->elements = 0;
    return true;
}

static bool read_item(struct pubsub_reader *reader, struct pubsub_item *item)
{
    item->kind = PUBSUB_MORE;
    if (reader->elements)
        return read_array(reader, item);
    reader->begins = reader->at;
    struct element element = read_element(reader);
    switch (element.type) {
    case ELEMENT_INCOMPLETE:
        return false;
    case ELEMENT_BROKEN:
        item->kind = PUBSUB_BROKEN;
        return false;
    case ELEMENT_ARRAY:
        begin_array(reader, element.number);
        return reader->elements == 0 || read_array(reader, item);
    case ELEMENT_TEXT:
    case ELEMENT_ERROR:
        *item = (struct pubsub_item){element.type == ELEMENT_ERROR ? PUBSUB_ERROR : PUBSUB_ANSWER, SLICE_ABSENT,
                                     element.text};
        return true;
    default:
        return true;
    }
}

struct pubsub_item pubsub_reader_next(struct pubsub_reader *reader)
{
    struct pubsub_item item = {.kind = PUBSUB_BROKEN};
    while (!reader->failure && read_item(reader, &item))
        if (item.kind != PUBSUB_MORE)
            return item;
    if (!reader->failure && reader->ends - reader->begins > REDIS_MESSAGE_MAXIMUM)
        reader->failure = "Redis sent a message larger than 128 MiB";
    if (reader->failure)
        item = (struct pubsub_item){.kind = PUBSUB_BROKEN, .text = slice_from_string(reader->failure)};
    return item;
}
