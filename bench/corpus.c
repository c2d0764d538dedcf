/* Loading is not measured: it favours plainness. Texts are kept as offsets until the buffer has its final place. */
#include "bench/corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/memory.h"
#include "bench/figure.h"
#include "replication/recording.h"

#define FILE_MAXIMUM ((size_t)1 << 30)

static struct line_reader *open_lines(const char *path)
{
    struct buffer error = {0};
    struct line_reader *lines = line_reader_open(path, &error);
    if (!lines)
        bench_fail("%s: %s", path, buffer_string(&error));
    return lines;
}

static bool next_line(struct line_reader *lines, struct slice *line)
{
    struct buffer error = {0};
    enum line_status status = line_reader_next(lines, line, &error);
    if (status != LINE_OK && status != LINE_END)
        bench_fail("the recording cannot be read: %s", buffer_string(&error));
    return status == LINE_OK;
}

/* A copy whose data is an offset into `texts` until `settle`. */
static struct slice keep_text(struct corpus *corpus, struct slice text)
{
    size_t offset = corpus->texts.length;
    buffer_append_slice(&corpus->texts, text);
    return slice_of((const char *)offset, text.length);
}

static void settle(const struct corpus *corpus, struct slice *text)
{
    text->data = corpus->texts.data + (size_t)text->data;
}

static void load_lines(struct corpus *corpus, const char *path)
{
    struct line_reader *lines = open_lines(path);
    struct recording_reader *reader = recording_reader_create();
    struct slice line;
    size_t capacity = 0;
    while (next_line(lines, &line)) {
        struct recording_message message;
        const char *problem;
        if (!recording_read(reader, line, &message, &problem))
            bench_fail("%s: %s", path, problem);
        if (!slice_equal(message.channel, SLICE(CORPUS_SERVER)))
            continue;
        if (corpus->line_count == capacity) {
            capacity = capacity ? capacity * 2 : 4096;
            corpus->lines = memory_reallocate(corpus->lines, capacity * sizeof *corpus->lines);
        }
        corpus->lines[corpus->line_count++] = keep_text(corpus, message.data);
    }
    recording_reader_destroy(reader);
    line_reader_close(lines);
}

static void load_ids(struct corpus *corpus, const char *path)
{
    struct line_reader *lines = open_lines(path);
    struct slice line;
    size_t capacity = 0;
    while (next_line(lines, &line)) {
        yyjson_doc *document = yyjson_read(line.data, line.length, 0);
        yyjson_val *id = yyjson_obj_get(yyjson_doc_get_root(document), "event_id");
        if (!yyjson_is_str(id))
            bench_fail("%s: a line is no body", path);
        if (corpus->event_count == capacity) {
            capacity = capacity ? capacity * 2 : 4096;
            corpus->events = memory_reallocate(corpus->events, capacity * sizeof *corpus->events);
        }
        corpus->events[corpus->event_count++].event_id =
            keep_text(corpus, slice_of(yyjson_get_str(id), yyjson_get_len(id)));
        yyjson_doc_free(document);
    }
    line_reader_close(lines);
}

static void find_bodies(struct corpus *corpus)
{
    for (size_t index = 0; index < corpus->event_count; index++) {
        struct corpus_event *event = &corpus->events[index];
        settle(corpus, &event->event_id);
        event->body = body_file_find(corpus->bodies, event->event_id);
        if (!slice_present(event->body))
            bench_fail("an event's body was not found again");
        corpus->bodies_bytes += event->body.length;
        if (event->body.length > corpus->longest_body)
            corpus->longest_body = event->body.length;
    }
}

struct corpus *corpus_load(const char *folder)
{
    struct corpus *corpus = memory_allocate_zeroed(1, sizeof *corpus);
    struct buffer path = {0};
    struct buffer error = {0};
    buffer_append_format(&path, "%s/" CORPUS_NAME ".jsonl.zst", folder);
    load_lines(corpus, buffer_string(&path));
    buffer_clear(&path);
    buffer_append_format(&path, "%s/" CORPUS_NAME ".events.jsonl.zst", folder);
    load_ids(corpus, buffer_string(&path));
    corpus->bodies = body_file_open(buffer_string(&path), &error);
    if (!corpus->bodies)
        bench_fail("%s", buffer_string(&error));
    for (size_t index = 0; index < corpus->line_count; index++)
        settle(corpus, &corpus->lines[index]);
    find_bodies(corpus);
    buffer_free(&path);
    return corpus;
}

void corpus_free(struct corpus *corpus)
{
    body_file_close(corpus->bodies);
    free(corpus->events);
    free(corpus->lines);
    buffer_free(&corpus->texts);
    free(corpus);
}

void corpus_unpack(const char *from_folder, const char *folder)
{
    static const char *const names[] = {CORPUS_NAME ".jsonl", CORPUS_NAME ".events.jsonl"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        struct buffer path = {0};
        struct buffer content = {0};
        struct buffer error = {0};
        buffer_append_format(&path, "%s/%s.zst", from_folder, names[index]);
        if (!recording_load(buffer_string(&path), FILE_MAXIMUM, &content, NULL, &error))
            bench_fail("%s", buffer_string(&error));
        buffer_clear(&path);
        buffer_append_format(&path, "%s/%s", folder, names[index]);
        FILE *file = fopen(buffer_string(&path), "w");
        if (!file || fwrite(content.data, 1, content.length, file) != content.length || fclose(file) != 0)
            bench_fail("cannot write %s", buffer_string(&path));
        buffer_free(&path);
        buffer_free(&content);
    }
}
