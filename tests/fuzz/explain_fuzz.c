/* Any bytes as an event: every part of every text that modules see is found again in the JSON, where it stands for what
 * the modules saw. The first two bytes choose the part. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json_scan.h"
#include "engine/explain_evidence.h"

static struct field_table *fields;
static struct event_reader *reader;

/* What the raw text of a part of a JSON string stands for. */
static void decode(struct slice raw, struct buffer *decoded)
{
    const char *at = raw.data, *end = raw.data + raw.length;
    while (at && at < end) {
        char bytes[4], *output = bytes;
        if (*at == '\\')
            at = json_read_escape(at, end, &output);
        else
            *output++ = *at++;
        buffer_append(decoded, bytes, (size_t)(output - bytes));
    }
    if (!at)
        abort();
}

static void check(const struct event *event, struct slice text, uint8_t first, uint8_t second)
{
    struct evidence_place place;
    struct buffer decoded = {0}, words = {0};
    if (!slice_present(text))
        return;
    size_t start = text.length ? first % (text.length + 1) : 0;
    size_t length = text.length - start ? second % (text.length - start + 1) : 0;
    /* A part begins and ends between characters. */
    while (start > 0 && start < text.length && ((unsigned char)text.data[start] & 0xc0) == 0x80)
        start--;
    while (start + length < text.length && ((unsigned char)text.data[start + length] & 0xc0) == 0x80)
        length++;
    struct result result = {.evidence = slice_of(text.data + start, length)};
    if (!evidence_locate(event, fields, &result, &place) || place.start > place.end || place.end > event->body.length)
        abort();
    decode(slice_of(event->body.data + place.start, place.end - place.start), &decoded);
    if (!slice_equal(buffer_slice(&decoded), length ? result.evidence : SLICE("")))
        abort();
    evidence_append(event, &place, &words);
    if (memchr(buffer_string(&words), '\n', words.length))
        abort();
    buffer_free(&decoded);
    buffer_free(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event event = {0};
    if (!fields) {
        fields = field_table_create();
        field_table_declare(fields, SLICE("body"));
        field_table_declare(fields, SLICE("membership"));
        reader = event_reader_create(fields);
    }
    if (size < 2 || event_reader_read(reader, slice_of((const char *)data + 2, size - 2), &event) != EVENT_READ_OK)
        return 0;
    const struct slice texts[] = {event.event_id,
                                  event.room_id,
                                  event.type,
                                  event.state_key,
                                  event.redacts,
                                  event.sender,
                                  event_content_string(&event, 0),
                                  event_content_string(&event, 1)};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        check(&event, texts[index], data[0], data[1]);
    return 0;
}
