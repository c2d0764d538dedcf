/* Written as Synapse's commands are, so that the same eyes can read them. */
#include "engine/record_marks.h"

#include "replication/command.h"

void record_format_append(struct buffer *output)
{
    buffer_append_format(output, "FORMAT %d " WEIR_VERSION, RECORD_FORMAT);
}

void record_gap_append(const struct record_gap *gap, struct buffer *output)
{
    buffer_append_string(output, "GAP ");
    buffer_append_integer(output, gap->from_ms);
    buffer_append_char(output, ' ');
    buffer_append_integer(output, gap->to_ms);
    buffer_append_char(output, ' ');
    buffer_append_slice(output, gap->reason);
}

/* The number at the front of the text, and the space behind it. */
static bool take_number(struct slice *text, int64_t *number)
{
    const char *space = text->length ? memchr(text->data, ' ', text->length) : NULL;
    if (!space || !command_parse_integer(slice_of(text->data, (size_t)(space - text->data)), number))
        return false;
    *text = slice_of(space + 1, (size_t)(text->data + text->length - space - 1));
    return true;
}

bool record_format_read(struct slice message, struct record_format *format)
{
    struct slice start = SLICE("FORMAT ");
    if (!slice_starts_with(message, start))
        return false;
    struct slice rest = slice_of(message.data + start.length, message.length - start.length);
    if (!take_number(&rest, &format->number) || format->number < 1)
        return false;
    format->version = rest;
    return true;
}

bool record_format_refuse(struct slice message, struct buffer *error)
{
    struct record_format format;
    if (!record_format_read(message, &format) || format.number <= RECORD_FORMAT)
        return false;
    buffer_append_string(error, "the recording was written by Weir ");
    buffer_append_slice(error, format.version);
    buffer_append_format(error, ", in form %lld of recordings; this is " WEIR_VERSION ", which reads up to form %d",
                         (long long)format.number, RECORD_FORMAT);
    return true;
}

bool record_gap_read(struct slice message, struct record_gap *gap)
{
    struct slice start = SLICE("GAP ");
    if (!slice_starts_with(message, start))
        return false;
    struct slice rest = slice_of(message.data + start.length, message.length - start.length);
    if (!take_number(&rest, &gap->from_ms) || !take_number(&rest, &gap->to_ms) || gap->to_ms < gap->from_ms)
        return false;
    gap->reason = rest;
    return true;
}
