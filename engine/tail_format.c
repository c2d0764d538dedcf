/* What is shown was written by strangers: an event's sender or a rule's text may hold escape sequences that would
 * repaint the administrator's terminal, or overrides that turn the reading direction. They are shown as escapes. */
#include "engine/tail_format.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/utf8.h"

#define WIDTH_MAXIMUM 48
#define STATES_SHOWN 8

static const size_t least_widths[TAIL_COLUMNS] = {6, 11, 12, 8, 16, 16, 12};

struct cell {
    struct slice text;
    const char *colour; /* NULL: plain */
};

#define RED "\033[31m"
#define GREEN "\033[32m"
#define CYAN "\033[36m"
#define DIM "\033[2m"

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c || point == 0x200e || point == 0x200f ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

void tail_append_visible(struct buffer *output, struct slice text)
{
    const unsigned char *cursor = (const unsigned char *)text.data;
    const unsigned char *end = cursor + text.length;
    while (cursor < end) {
        const unsigned char *start = cursor;
        uint32_t point = utf8_decode(&cursor, end);
        bool broken = point == UTF8_REPLACEMENT && cursor - start == 1;
        if (broken || (is_control(point) && point < 0x100))
            buffer_append_format(output, "\\x%02x", broken ? *start : (unsigned)point);
        else if (is_control(point))
            buffer_append_format(output, "\\u%04x", (unsigned)point);
        else
            buffer_append(output, (const char *)start, (size_t)(cursor - start));
    }
}

static size_t columns_of(struct slice text)
{
    size_t columns = 0;
    for (size_t index = 0; index < text.length; index++)
        columns += ((unsigned char)text.data[index] & 0xc0) != 0x80;
    return columns;
}

static void append_cells(struct tail_format *format, const struct cell *cells, size_t count, struct buffer *output)
{
    for (size_t index = 0; index < count; index++) {
        bool coloured = format->colour && cells[index].colour;
        if (coloured)
            buffer_append_string(output, cells[index].colour);
        size_t start = output->length;
        if (slice_present(cells[index].text))
            tail_append_visible(output, cells[index].text);
        else
            buffer_append_char(output, '-');
        size_t shown = columns_of(slice_of(output->data + start, output->length - start));
        if (coloured)
            buffer_append_string(output, "\033[0m");
        if (index + 1 == count)
            break;
        if (index < TAIL_COLUMNS) {
            size_t *width = &format->widths[index];
            *width = *width < least_widths[index] ? least_widths[index] : *width;
            *width = *width < shown && shown <= WIDTH_MAXIMUM ? shown : *width;
            for (; shown < *width; shown++)
                buffer_append_char(output, ' ');
        }
        buffer_append(output, "  ", 2);
    }
    buffer_append_char(output, '\n');
}

static struct slice text_of(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value)) : SLICE_ABSENT;
}

/* "-> redact, ban", or "would redact". */
static void append_actions(yyjson_val *row, struct buffer *output)
{
    yyjson_val *actions = yyjson_obj_get(row, "actions");
    yyjson_val *tried = actions ? NULL : yyjson_obj_get(row, "would_actions");
    const char *before = actions ? "-> " : "would ";
    bool follows = output->length > 0;
    size_t index, count;
    yyjson_val *action;
    yyjson_arr_foreach(actions ? actions : tried, index, count, action)
    {
        struct slice type = text_of(action, "type");
        if (index == 0 && follows)
            buffer_append_char(output, ' ');
        buffer_append_string(output, index ? ", " : before);
        buffer_append_slice(output, slice_present(type) ? type : SLICE("?"));
    }
}

static bool append_verdict(struct tail_format *format, struct slice token, yyjson_val *row, struct buffer *output)
{
    if (!yyjson_is_obj(row))
        return false;
    yyjson_val *result = yyjson_obj_get(row, "result");
    struct slice code = yyjson_is_obj(result) ? text_of(result, "code") : text_of(row, "result");
    char *written = NULL;
    size_t length = 0;
    if (!slice_present(code) && result && (written = yyjson_val_write(result, 0, &length)))
        code = slice_of(written, length);
    bool passed = slice_equal(code, SLICE("NOT_SPAM"));
    bool dry_run = yyjson_is_true(yyjson_obj_get(row, "dry_run"));
    bool request = slice_equal(text_of(row, "origin"), SLICE("request"));
    struct buffer marks = {0};
    if (request) {
        buffer_append_string(&marks, "(asked: ");
        buffer_append_slice(&marks, text_of(row, "callback"));
        buffer_append_string(&marks, dry_run ? ", dry run)" : ")");
    } else if (dry_run) {
        buffer_append_string(&marks, "(dry run)");
    }
    append_actions(row, &marks);
    struct cell cells[] = {
        {token, DIM},
        {code, passed ? GREEN : RED},
        {text_of(row, "module"), NULL},
        {text_of(row, "rule"), CYAN},
        {text_of(row, "sender"), NULL},
        {text_of(row, "room_id"), DIM},
        {text_of(row, "event_id"), DIM},
        {text_of(row, "reason"), NULL},
        {buffer_slice(&marks), DIM},
    };
    size_t count = sizeof cells / sizeof cells[0];
    append_cells(format, cells, marks.length ? count : count - 1, output);
    buffer_free(&marks);
    free(written);
    return true;
}

/* [destination, [state, …]] */
static bool append_presence(struct tail_format *format, struct slice token, yyjson_val *row, struct buffer *output)
{
    yyjson_val *destination = yyjson_arr_get(row, 0);
    yyjson_val *states = yyjson_arr_get(row, 1);
    if (!yyjson_is_str(destination) || !yyjson_is_arr(states))
        return false;
    struct buffer text = {0};
    size_t index;
    size_t count;
    yyjson_val *state;
    yyjson_arr_foreach(states, index, count, state)
    {
        if (index == STATES_SHOWN) {
            buffer_append_format(&text, ", and %zu more", count - index);
            break;
        }
        struct slice user = text_of(state, "user_id");
        struct slice presence = text_of(state, "state");
        buffer_append_string(&text, index > 0 ? ", " : "");
        buffer_append_slice(&text, slice_present(user) ? user : SLICE("?"));
        buffer_append_char(&text, ' ');
        buffer_append_slice(&text, slice_present(presence) ? presence : SLICE("?"));
    }
    struct cell cells[] = {
        {token, DIM},
        {SLICE("presence"), CYAN},
        {slice_of(yyjson_get_str(destination), yyjson_get_len(destination)), NULL},
        {buffer_slice(&text), NULL},
    };
    append_cells(format, cells, sizeof cells / sizeof cells[0], output);
    buffer_free(&text);
    return true;
}

/* White space is the only place where JSON may have a line break, so that replacing it changes nothing. */
static void append_json(const struct tail_format *format, struct slice row, struct buffer *output)
{
    if (!memchr(row.data, '\n', row.length) && !format->escape) {
        buffer_append_slice(output, row);
    } else {
        struct buffer flat = {0};
        buffer_append_slice(&flat, row);
        for (size_t index = 0; index < flat.length; index++)
            if (flat.data[index] == '\n' || flat.data[index] == '\r' || flat.data[index] == '\t')
                flat.data[index] = ' ';
        if (format->escape)
            tail_append_visible(output, buffer_slice(&flat));
        else
            buffer_append_slice(output, buffer_slice(&flat));
        buffer_free(&flat);
    }
    buffer_append_char(output, '\n');
}

bool tail_format_row(struct tail_format *format, struct slice stream, struct slice token, struct slice row,
                     struct buffer *output)
{
    static const struct {
        struct slice stream;
        bool (*append)(struct tail_format *format, struct slice token, yyjson_val *row, struct buffer *output);
    } shapes[] = {{{"verdicts", 8}, append_verdict}, {{"presence_routes", 15}, append_presence}};
    yyjson_doc *document = yyjson_read(row.data, row.length, 0);
    bool shown = document != NULL;
    if (document && format->json) {
        append_json(format, row, output);
    } else if (document) {
        size_t index = 0;
        while (index < 2 && !slice_equal(shapes[index].stream, stream))
            index++;
        if (index < 2)
            shown = shapes[index].append(format, token, yyjson_doc_get_root(document), output);
        else
            append_cells(format, (struct cell[]){{token, DIM}, {stream, CYAN}, {row, NULL}}, 3, output);
    }
    yyjson_doc_free(document);
    return shown;
}

void tail_format_line(const struct tail_format *format, struct slice line, struct buffer *output)
{
    if (format->colour)
        buffer_append_string(output, DIM);
    tail_append_visible(output, line);
    buffer_append_string(output, format->colour ? "\033[0m\n" : "\n");
}
