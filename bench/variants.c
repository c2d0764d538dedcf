/* Stripped of what servers add, an event is short enough to begin at 200 bytes, and all sizes are made alike: nothing
 * but the length of one text grows. */
#include "bench/variants.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/memory.h"
#include "bench/figure.h"
#include "bench/rules.h"

/* Bytes of the body that remain where the length is elsewhere, so that there is something to scan. */
#define OWN_TEXT 8u

/* A recorded event taken apart. */
struct source {
    yyjson_doc *document;
    struct slice event_id;
    struct slice text;
};

struct sources {
    struct source *sources;
    size_t count;
};

static struct sources open_sources(const struct corpus_event *recorded, size_t count)
{
    struct sources sources = {.sources = memory_allocate_zeroed(count, sizeof *sources.sources)};
    for (size_t index = 0; index < count; index++) {
        yyjson_doc *document = yyjson_read(recorded[index].body.data, recorded[index].body.length, 0);
        yyjson_val *content = yyjson_obj_get(yyjson_doc_get_root(document), "content");
        yyjson_val *body = yyjson_obj_get(content, "body");
        if (!yyjson_is_str(body) || yyjson_get_len(body) == 0) {
            yyjson_doc_free(document);
            continue;
        }
        sources.sources[sources.count++] =
            (struct source){document, recorded[index].event_id, slice_of(yyjson_get_str(body), yyjson_get_len(body))};
    }
    if (sources.count == 0)
        bench_fail("no recorded event has a body");
    return sources;
}

static void close_sources(struct sources *sources)
{
    for (size_t index = 0; index < sources->count; index++)
        yyjson_doc_free(sources->sources[index].document);
    free(sources->sources);
}

/* The texts from source `first` on, with spaces between, up to `length` bytes, and no character cut in two. */
static struct slice join_texts(const struct sources *sources, size_t first, size_t length, struct buffer *joined)
{
    buffer_clear(joined);
    for (size_t index = first; joined->length < length; index++) {
        if (joined->length)
            buffer_append_char(joined, ' ');
        buffer_append_slice(joined, sources->sources[index % sources->count].text);
    }
    size_t end = length;
    while (end > 0 && ((unsigned char)joined->data[end] & 0xc0) == 0x80)
        end--;
    return slice_of(joined->data, end);
}

static void put_text(yyjson_mut_doc *output, yyjson_mut_val *object, const char *key, struct slice text)
{
    yyjson_mut_obj_add_strncpy(output, object, key, text.data, text.length);
}

static char *write_event(const struct source *source, struct slice body, struct slice extra, size_t *length)
{
    static const char *const kept[] = {"origin_server_ts", "room_id", "sender", "type"};
    yyjson_mut_doc *output = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *event = yyjson_mut_obj(output);
    yyjson_mut_val *content = yyjson_mut_obj(output);
    yyjson_mut_doc_set_root(output, event);
    yyjson_mut_obj_add_val(output, event, "content", content);
    put_text(output, content, "body", body);
    if (extra.data)
        put_text(output, content, "note", extra);
    yyjson_mut_obj_add_str(output, content, "msgtype", "m.text");
    for (size_t index = 0; index < sizeof kept / sizeof *kept; index++) {
        yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(source->document), kept[index]);
        yyjson_mut_obj_add_val(output, event, kept[index], yyjson_val_mut_copy(output, value));
    }
    char *text = yyjson_mut_write(output, 0, length);
    yyjson_mut_doc_free(output);
    if (!text)
        bench_fail("an event could not be written");
    return text;
}

/* Escapes make the JSON longer than the text, so it is cut again by what it is too long. */
static void append_event(struct variants *variants, const struct sources *sources, size_t size,
                         enum variants_text where, struct buffer *joined)
{
    size_t first = variants->count % sources->count;
    const struct source *source = &sources->sources[first];
    struct slice own = slice_of(source->text.data, source->text.length < OWN_TEXT ? source->text.length : OWN_TEXT);
    while (own.length < source->text.length && ((unsigned char)own.data[own.length] & 0xc0) == 0x80)
        own.length++;
    size_t length = size;
    size_t written;
    char *event;
    for (;;) {
        struct slice text = join_texts(sources, first + (where != TEXT_IN_BODY), length, joined);
        event = where == TEXT_IN_BODY ? write_event(source, text, SLICE_ABSENT, &written)
                                      : write_event(source, own, text, &written);
        if (written <= size)
            break;
        free(event);
        if (written - size > length)
            bench_fail("an event cannot be as short as %zu bytes", size);
        length -= written - size;
    }
    variants->events[variants->count++] =
        (struct corpus_event){source->event_id, slice_of((const char *)variants->texts.length, written)};
    buffer_append(&variants->texts, event, written);
    free(event);
}

/* Bodies are offsets into the texts until these have their final place. */
static void settle(struct variants *variants)
{
    for (size_t index = 0; index < variants->count; index++)
        variants->events[index].body.data = variants->texts.data + (size_t)variants->events[index].body.data;
}

struct variants *variants_of_size(const struct corpus_event *recorded, size_t recorded_count, size_t size, size_t count,
                                  enum variants_text text)
{
    struct variants *variants = memory_allocate_zeroed(1, sizeof *variants);
    struct sources sources = open_sources(recorded, recorded_count);
    struct buffer joined = {0};
    variants->events = memory_allocate_zeroed(count, sizeof *variants->events);
    while (variants->count < count)
        append_event(variants, &sources, size, text, &joined);
    settle(variants);
    buffer_free(&joined);
    close_sources(&sources);
    return variants;
}

static void append_with_sender(struct variants *variants, const struct corpus_event *recorded, struct slice sender)
{
    yyjson_doc *document = yyjson_read(recorded->body.data, recorded->body.length, 0);
    yyjson_mut_doc *output = yyjson_doc_mut_copy(document, NULL);
    yyjson_mut_val *value = yyjson_mut_obj_get(yyjson_mut_doc_get_root(output), "sender");
    if (!value)
        bench_fail("a recorded event has no sender");
    yyjson_mut_set_strn(value, sender.data, sender.length);
    size_t length;
    char *event = yyjson_mut_write(output, 0, &length);
    variants->events[variants->count++] =
        (struct corpus_event){recorded->event_id, slice_of((const char *)variants->texts.length, length)};
    buffer_append(&variants->texts, event, length);
    free(event);
    yyjson_mut_doc_free(output);
    yyjson_doc_free(document);
}

struct variants *variants_of_senders(const struct corpus_event *recorded, size_t count)
{
    struct variants *variants = memory_allocate_zeroed(1, sizeof *variants);
    struct buffer sender = {0};
    variants->events = memory_allocate_zeroed(count, sizeof *variants->events);
    while (variants->count < count) {
        buffer_clear(&sender);
        rules_append_sender(&sender, RULES_SENDERS_MAXIMUM + (unsigned)variants->count);
        append_with_sender(variants, &recorded[variants->count], buffer_slice(&sender));
    }
    settle(variants);
    buffer_free(&sender);
    return variants;
}

void variants_free(struct variants *variants)
{
    if (!variants)
        return;
    free(variants->events);
    buffer_free(&variants->texts);
    free(variants);
}
