/* What must be escaped, see groff_char(7) and mandoc_char(7): the backslash; `.` and `'` where a line begins; and the
 * characters that a typesetter draws as something else when they are typed plainly: - ' ` ^ ~. A hyphen within a word
 * of prose may stay one; everywhere else it is a minus sign, which can be copied into a shell. */
#include "engine/roff.h"

#include <ctype.h>
#include <string.h>

#define LINE_WIDTH 78u
#define ELLIPSIS 0x2026u /* terminals without it would show nothing */

static const struct {
    char byte;
    const char *escape;
} escapes[] = {{'\\', "\\e"},  {'-', "\\-"},   {'\'', "\\(aq"}, {'`', "\\(ga"},
               {'^', "\\(ha"}, {'~', "\\(ti"}, {'"', "\\(dq"}};

/* The code point that begins at `text`, and its bytes; our texts are valid UTF-8. */
static size_t read_point(const char *text, size_t length, uint32_t *point)
{
    unsigned char first = (unsigned char)*text;
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    *point = size == 1 ? first : first & (0xffu >> (size + 1));
    if (size > length)
        size = length;
    for (size_t index = 1; index < size; index++)
        *point = *point << 6 | ((unsigned char)text[index] & 0x3fu);
    return size;
}

static void append_point(struct buffer *output, uint32_t point)
{
    for (size_t index = 0; index < sizeof escapes / sizeof *escapes; index++) {
        if ((uint32_t)escapes[index].byte != point)
            continue;
        buffer_append_string(output, escapes[index].escape);
        return;
    }
    if (point < 0x80)
        buffer_append_char(output, (char)point);
    else if (point == ELLIPSIS)
        buffer_append_string(output, "...");
    else
        buffer_append_format(output, "\\[u%04X]", point);
}

void roff_append_escaped(struct buffer *output, const char *text, size_t length)
{
    if (length && *text == '.')
        buffer_append_string(output, "\\&");
    while (length) {
        uint32_t point;
        size_t size = read_point(text, length, &point);
        append_point(output, point);
        text += size;
        length -= size;
    }
}

/* Within a word of prose, such as event-filter; not within weir-modules(7). */
static bool joins_words(const char *word, size_t index, size_t length)
{
    for (size_t before = 0; before < index; before++)
        if (!isalpha((unsigned char)word[before]) && word[before] != '-')
            return false;
    return index > 0 && *word != '-' && !memchr(word, '(', length) && index + 1 < length &&
           isalpha((unsigned char)word[index + 1]);
}

/* `*bold`: within backquotes; a word may begin and end them. */
static void append_word(struct buffer *output, const char *word, size_t length, bool *bold)
{
    if (length && *word == '.')
        buffer_append_string(output, "\\&");
    for (size_t index = 0; index < length;) {
        uint32_t point;
        size_t size = read_point(word + index, length - index, &point);
        if (point == '`') {
            *bold = !*bold;
            buffer_append_string(output, *bold ? "\\fB" : "\\fR");
        } else if (point == '-' && !*bold && joins_words(word, index, length)) {
            buffer_append_char(output, '-');
        } else {
            append_point(output, point);
        }
        index += size;
    }
}

static bool ends_sentence(const char *word, size_t length, const char *next)
{
    return length && strchr(".?!", word[length - 1]) && (isupper((unsigned char)*next) || *next == '`');
}

/* A line's end within a paragraph: the next line belongs to it. */
static bool goes_on(const char *text)
{
    return *text == '\n' && text[1] && text[1] != '\n' && text[1] != ' ';
}

/* One paragraph; returns where the next begins. A backquote without a second one is closed at its end. */
static const char *append_paragraph(struct buffer *output, const char *text)
{
    size_t column = 0;
    bool bold = false;
    while (*text && (*text != '\n' || goes_on(text))) {
        size_t length = strcspn(text + (*text == '\n'), " \n");
        const char *word = text + (*text == '\n');
        if (column && column + 1 + length > LINE_WIDTH) {
            buffer_append_char(output, '\n');
            column = 0;
        }
        if (column)
            buffer_append_char(output, ' ');
        append_word(output, word, length, &bold);
        column += length + 1;
        text = word + length;
        text += strspn(text, " ");
        if (ends_sentence(word, length, text)) {
            buffer_append_char(output, '\n');
            column = 0;
        }
    }
    if (column)
        buffer_append_char(output, '\n');
    if (bold)
        buffer_append_string(output, "\\fR\n");
    return text + (*text == '\n');
}

/* Lines that are kept, from `text` on, up to the first that does not begin with a space. */
static const char *append_kept(struct buffer *output, const char *text)
{
    buffer_append_string(output, ".nf\n");
    while (*text == ' ') {
        size_t length = strcspn(text, "\n");
        buffer_append_string(output, "  ");
        roff_append_escaped(output, text + 1, length - 1);
        buffer_append_char(output, '\n');
        text += length + (text[length] == '\n');
    }
    buffer_append_string(output, ".fi\n");
    return text;
}

/* With `.sp`, not `.PP`: it does not end the indent of an item. */
static void append_paragraphs(struct buffer *output, const char *text)
{
    while (*text) {
        if (*text == ' ') {
            text = append_kept(output, text);
        } else if (*text == '\n') {
            text++;
            if (*text)
                buffer_append_string(output, ".sp\n");
        } else {
            text = append_paragraph(output, text);
        }
    }
}

void roff_append_text(struct buffer *output, const char *text)
{
    append_paragraphs(output, text);
}

void roff_append_lines(struct buffer *output, const char *text)
{
    buffer_append_string(output, ".nf\n");
    while (*text) {
        size_t length = strcspn(text, "\n");
        size_t indent = strspn(text, " ");
        buffer_append_format(output, "%.*s", (int)indent, text);
        if (length > indent && indent)
            buffer_append_string(output, "\\&");
        roff_append_escaped(output, text + indent, length - indent);
        buffer_append_char(output, '\n');
        text += length + (text[length] == '\n');
    }
    buffer_append_string(output, ".fi\n");
}

void roff_append_title(struct buffer *output, const char *name, const char *section)
{
    buffer_append_string(output, ".\\\" Printed by `weir manual`: the tables of the program are its source.\n");
    buffer_append_format(output, ".TH %s %s \"\" \"weir " WEIR_VERSION "\" Weir\n.nh\n.ad l\n", name, section);
}

static void append_heading(struct buffer *output, const char *macro, const char *heading)
{
    buffer_append_format(output, ".%s \"", macro);
    roff_append_escaped(output, heading, strlen(heading));
    buffer_append_string(output, "\"\n");
}

void roff_append_section(struct buffer *output, const char *heading)
{
    append_heading(output, "SH", heading);
}

void roff_append_subsection(struct buffer *output, const char *heading)
{
    append_heading(output, "SS", heading);
}

void roff_append_item(struct buffer *output, const char *tag, const char *note, const char *text)
{
    buffer_append_string(output, ".TP\n\\fB");
    roff_append_escaped(output, tag, strlen(tag));
    buffer_append_string(output, "\\fR");
    if (note) {
        buffer_append_string(output, "  ");
        roff_append_escaped(output, note, strlen(note));
    }
    buffer_append_char(output, '\n');
    append_paragraphs(output, text);
}
