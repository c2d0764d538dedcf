/* Every line is made in one buffer and leaves with one write(2), so that lines of several processes on one pipe do not
 * mix. Texts come from outside: they are cut at a length, and nothing in them can steer a terminal. */
#include "engine/log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "engine/clock.h"

#define TEXT_MAXIMUM 2048u

enum log_form { LOG_FORM_UNKNOWN, LOG_FORM_JSON, LOG_FORM_TEXT, LOG_FORM_COLOUR };

enum log_level log_threshold = LOG_INFO;
static enum log_form log_form;

static const struct {
    const char *name;
    const char *colour;
} levels[] = {
    [LOG_DEBUG] = {"debug", "\033[2m"},
    [LOG_INFO] = {"info", "\033[32m"},
    [LOG_WARNING] = {"warning", "\033[33m"},
    [LOG_ERROR] = {"error", "\033[1;31m"},
};

/* NO_COLOR: https://no-color.org, set and not empty. */
static enum log_form choose_form(void)
{
    if (!isatty(STDERR_FILENO))
        return LOG_FORM_JSON;
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool plain = (no_colour && *no_colour) || (terminal && strcmp(terminal, "dumb") == 0);
    return plain ? LOG_FORM_TEXT : LOG_FORM_COLOUR;
}

void log_open(enum log_level level)
{
    log_threshold = level;
    log_form = choose_form();
}

static struct slice cut(struct slice text)
{
    if (text.length <= TEXT_MAXIMUM)
        return text;
    size_t length = TEXT_MAXIMUM;
    while (length && ((unsigned char)text.data[length] & 0xc0) == 0x80)
        length--;
    return slice_of(text.data, length);
}

static void append_time(struct buffer *line, bool date)
{
    struct timespec now;
    struct tm parts;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_append_format(line, "%s.%03ldZ", date ? text : text + strlen("2000-01-01T"), now.tv_nsec / 1000000);
}

/* Control characters, and those that change the direction of writing. */
static bool steers_terminal(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == UTF8_REPLACEMENT;
}

/* As it is, but for what could steer a terminal, which becomes \xNN byte by byte. */
static void append_plain(struct buffer *line, struct slice text)
{
    const unsigned char *cursor = (const unsigned char *)text.data, *end = cursor + text.length;
    while (cursor < end) {
        const unsigned char *start = cursor;
        uint32_t code = utf8_decode(&cursor, end);
        if (!steers_terminal(code)) {
            buffer_append(line, (const char *)start, (size_t)(cursor - start));
            continue;
        }
        for (; start < cursor; start++)
            buffer_append_format(line, "\\x%02x", *start);
    }
}

static void append_text_value(struct buffer *line, const struct log_field *field)
{
    if (field->kind == LOG_FIELD_INTEGER) {
        buffer_append_integer(line, field->integer);
    } else if (field->kind == LOG_FIELD_NUMBER) {
        buffer_append_format(line, "%.6g", field->number);
    } else if (!slice_present(field->text)) {
        buffer_append_char(line, '-');
    } else {
        struct slice text = cut(field->text);
        bool quotes = text.length == 0 || memchr(text.data, ' ', text.length);
        buffer_append_string(line, quotes ? "\"" : "");
        append_plain(line, text);
        buffer_append_string(line, text.length < field->text.length ? "..." : "");
        buffer_append_string(line, quotes ? "\"" : "");
    }
}

static void append_json_value(struct buffer *line, const struct log_field *field)
{
    if (field->kind == LOG_FIELD_INTEGER)
        buffer_append_integer(line, field->integer);
    else if (field->kind == LOG_FIELD_NUMBER && isfinite(field->number))
        buffer_append_format(line, "%.9g", field->number);
    else if (field->kind == LOG_FIELD_NUMBER)
        buffer_append_string(line, "null");
    else
        buffer_append_json_string(line, cut(field->text));
}

static void append_text_line(struct buffer *line, enum log_level level, const char *message,
                             const struct log_field *fields, size_t count)
{
    bool colour = log_form == LOG_FORM_COLOUR;
    append_time(line, false);
    buffer_append_format(line, " %s%-7s%s ", colour ? levels[level].colour : "", levels[level].name,
                         colour ? "\033[0m" : "");
    append_plain(line, slice_from_string(message));
    for (size_t index = 0; index < count; index++) {
        if (!fields[index].key)
            continue;
        buffer_append_format(line, colour ? " \033[36m%s\033[0m=" : " %s=", fields[index].key);
        append_text_value(line, &fields[index]);
    }
}

static void append_json_line(struct buffer *line, enum log_level level, const char *message,
                             const struct log_field *fields, size_t count)
{
    buffer_append_string(line, "{\"time\":\"");
    append_time(line, true);
    buffer_append_format(line, "\",\"level\":\"%s\",\"message\":", levels[level].name);
    buffer_append_json_string(line, slice_from_string(message));
    for (size_t index = 0; index < count; index++) {
        if (!fields[index].key)
            continue;
        buffer_append_char(line, ',');
        buffer_append_json_string(line, slice_from_string(fields[index].key));
        buffer_append_char(line, ':');
        append_json_value(line, &fields[index]);
    }
    buffer_append_char(line, '}');
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    int saved = errno;
    struct buffer line = {0};
    if (log_form == LOG_FORM_UNKNOWN)
        log_form = choose_form();
    if (log_form == LOG_FORM_JSON)
        append_json_line(&line, level, message, fields, count);
    else
        append_text_line(&line, level, message, fields, count);
    buffer_append_char(&line, '\n');
    /* A log that cannot be written has nobody who could be told. */
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line.data, line.length);
    } while (written < 0 && errno == EINTR);
    buffer_free(&line);
    errno = saved;
}

bool log_gate_pass(struct log_gate *gate, uint64_t *suppressed)
{
    int64_t now = (int64_t)(clock_now_ns() / 1000000);
    if (now < gate->opens_at_ms) {
        gate->suppressed++;
        return false;
    }
    gate->opens_at_ms = now + 1000;
    *suppressed = gate->suppressed;
    gate->suppressed = 0;
    return true;
}
