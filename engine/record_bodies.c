/* A ticket is a place in a table that keeps what the line needs beside the body; places are used again. */
#include "engine/record_bodies.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/json_pool.h"
#include "base/memory.h"
#include "engine/log.h"
#include "engine/record_content.h"
#include "replication/recording.h"

struct waiting {
    struct record_pair *pair; /* NULL: the place is free */
    uint32_t next_free;
    bool rejected;
    int64_t token;
    struct buffer texts; /* the event's id, then the writer's name */
    size_t id_length;
};

#define NO_PLACE UINT32_MAX

struct record_bodies {
    struct record_bodies_settings settings;
    struct waiting *places;
    uint32_t place_count;
    uint32_t free_place;
    struct record_bodies_counts counts;
    struct json_pool pool;
    struct buffer line;
};

struct record_bodies *record_bodies_create(const struct record_bodies_settings *settings)
{
    struct record_bodies *bodies = memory_allocate_zeroed(1, sizeof *bodies);
    bodies->settings = *settings;
    bodies->free_place = NO_PLACE;
    return bodies;
}

void record_bodies_destroy(struct record_bodies *bodies)
{
    if (!bodies)
        return;
    for (uint32_t index = 0; index < bodies->place_count; index++) {
        if (bodies->places[index].pair)
            record_files_release(bodies->settings.files, bodies->places[index].pair);
        buffer_free(&bodies->places[index].texts);
    }
    free(bodies->places);
    json_pool_free(&bodies->pool);
    buffer_free(&bodies->line);
    free(bodies);
}

static uint32_t take_place(struct record_bodies *bodies)
{
    uint32_t place = bodies->free_place;
    if (place != NO_PLACE) {
        bodies->free_place = bodies->places[place].next_free;
        return place;
    }
    place = bodies->place_count++;
    bodies->places = memory_reallocate(bodies->places, bodies->place_count * sizeof *bodies->places);
    bodies->places[place] = (struct waiting){0};
    return place;
}

void record_bodies_event(struct record_bodies *bodies, const struct event_row *row, struct slice writer, int64_t token)
{
    const struct body_source *source = &bodies->settings.source;
    static struct log_gate gate;
    uint64_t suppressed;
    if (bodies->counts.waiting >= bodies->settings.queue) {
        bodies->counts.left_out++;
        if (log_gate_pass(&gate, &suppressed))
            log_warning("too many event bodies are awaited; events are recorded without theirs",
                        LOG_INTEGER("waiting", bodies->counts.waiting), LOG_INTEGER("suppressed", suppressed));
        return;
    }
    uint32_t place = take_place(bodies);
    struct waiting *waiting = &bodies->places[place];
    waiting->pair = record_files_hold(bodies->settings.files);
    waiting->rejected = row->rejected;
    waiting->token = token;
    waiting->id_length = row->event_id.length;
    buffer_clear(&waiting->texts);
    buffer_append_slice(&waiting->texts, row->event_id);
    buffer_append_slice(&waiting->texts, writer);
    bodies->counts.waiting++;
    if (source->find)
        record_bodies_arrived(bodies, place, source->find(source->context, row->event_id));
    else
        source->request(source->context, place, slice_of(waiting->texts.data, waiting->id_length));
}

/* In one line: white space is the only place where JSON may have a line break. */
static void append_body(struct record_bodies *bodies, struct slice body)
{
    size_t start = bodies->line.length;
    buffer_append_slice(&bodies->line, body);
    for (size_t index = start; index < bodies->line.length; index++)
        if (bodies->line.data[index] == '\n' || bodies->line.data[index] == '\r')
            bodies->line.data[index] = ' ';
}

/* False if the body is no event, or too large for whoever reads it again. */
static bool make_line(struct record_bodies *bodies, const struct waiting *waiting, struct slice body)
{
    struct buffer *line = &bodies->line;
    struct slice texts = buffer_slice(&waiting->texts);
    buffer_clear(line);
    buffer_append_string(line, "{\"event_id\":");
    buffer_append_json_string(line, slice_of(texts.data, waiting->id_length));
    buffer_append_string(line, ",\"stream_ordering\":");
    if (waiting->token)
        buffer_append_integer(line, waiting->token);
    else
        buffer_append_string(line, "null");
    buffer_append_string(line, ",\"instance\":");
    buffer_append_json_string(line, slice_of(texts.data + waiting->id_length, texts.length - waiting->id_length));
    buffer_append_string(line, waiting->rejected ? ",\"rejected\":true,\"json\":" : ",\"rejected\":null,\"json\":");
    if (bodies->settings.without_content) {
        if (!record_content_append(body, line))
            return false;
    } else {
        yyjson_doc *document = json_pool_read(&bodies->pool, body, YYJSON_READ_NUMBER_AS_RAW);
        if (!yyjson_is_obj(yyjson_doc_get_root(document)))
            return false;
        append_body(bodies, body);
    }
    buffer_append_char(line, '}');
    return line->length <= RECORDING_LINE_MAXIMUM;
}

void record_bodies_arrived(void *context, uint64_t ticket, struct slice body)
{
    struct record_bodies *bodies = context;
    struct waiting *waiting = &bodies->places[ticket];
    struct record_pair *pair = waiting->pair;
    bodies->counts.waiting--;
    if (!slice_present(body)) {
        bodies->counts.missing++;
    } else if (!make_line(bodies, waiting, body)) {
        bodies->counts.unreadable++;
    } else {
        bodies->counts.written++;
        record_files_body(bodies->settings.files, pair, buffer_slice(&bodies->line));
    }
    waiting->pair = NULL;
    waiting->next_free = bodies->free_place;
    bodies->free_place = (uint32_t)ticket;
    record_files_release(bodies->settings.files, pair);
}

struct record_bodies_counts record_bodies_counts(const struct record_bodies *bodies)
{
    return bodies ? bodies->counts : (struct record_bodies_counts){0};
}
