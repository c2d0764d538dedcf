/* The database is asked in the same way as by the running engine, with an event loop of its own for one question. */
#include "engine/explain_body.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include <jansson.h>

#include "engine/bodies.h"
#include "engine/configuration_reader.h"

static bool read_standard_input(struct buffer *content, struct buffer *error)
{
    for (;;) {
        ssize_t got = read(STDIN_FILENO, buffer_reserve(content, 65536), 65536);
        if (got > 0)
            content->length += (size_t)got;
        else if (got == 0)
            return true;
        else if (errno != EINTR)
            break;
        if (content->length > EVENT_BODY_MAXIMUM) {
            errno = EFBIG;
            break;
        }
    }
    buffer_append_format(error, "standard input: %s", strerror(errno));
    return false;
}

/* A line of a file of bodies: takes the event out of it. */
static void take_recorded(struct explain_body *body)
{
    json_t *line = json_loadb(body->content.data, body->content.length, JSON_ALLOW_NUL, NULL);
    const json_t *event_id = json_object_get(line, "event_id");
    if (json_is_string(event_id) && json_is_object(json_object_get(line, "json"))) {
        body->file = body_file_from_memory(body->content);
        body->content = (struct buffer){0};
        buffer_append(&body->content, json_string_value(event_id), json_string_length(event_id));
        body->event_id = buffer_slice(&body->content);
        body->text = body_file_find(body->file, body->event_id);
    }
    json_decref(line);
}

bool explain_body_read(struct explain_body *body, const char *path, struct buffer *error)
{
    struct buffer reason = {0};
    bool standard_input = strcmp(path, "-") == 0;
    bool good = standard_input ? read_standard_input(&body->content, error)
                               : configuration_read_file(path, EVENT_BODY_MAXIMUM, &body->content, &reason);
    if (!good && !standard_input)
        buffer_append_format(error, "%s cannot be read: %s", path, buffer_string(&reason));
    buffer_free(&reason);
    body->text = buffer_slice(&body->content);
    if (good)
        take_recorded(body);
    return good;
}

/* One question to the database. */
struct asking {
    struct event_base *base;
    struct explain_body *body;
    bool answered;
};

static void on_arrived(void *context, uint64_t ticket, struct slice text)
{
    struct asking *asking = context;
    (void)ticket;
    asking->answered = true;
    if (slice_present(text)) {
        buffer_append_slice(&asking->body->content, text);
        asking->body->text = buffer_slice(&asking->body->content);
    }
    event_base_loopbreak(asking->base);
}

static void wait_for_answer(struct asking *asking, struct bodies *bodies, struct slice event_id, int64_t timeout_ms)
{
    struct body_source source = bodies_source(bodies);
    struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    bodies_answer_to(bodies, on_arrived, asking);
    source.request(source.context, 1, event_id);
    event_base_loopexit(asking->base, &timeout);
    if (!asking->answered)
        event_base_dispatch(asking->base);
}

static bool ask_database(struct explain_body *body, const struct configuration *configuration, const char *event_id,
                         int64_t timeout_ms, struct buffer *error)
{
    struct asking asking = {.base = event_base_new(), .body = body};
    struct metrics *metrics = metrics_create();
    struct bodies *bodies = bodies_open(asking.base, configuration, metrics);
    wait_for_answer(&asking, bodies, slice_from_string(event_id), timeout_ms);
    if (!asking.answered)
        buffer_append_format(error, "the database of event bodies has not answered within %" PRId64 " ms", timeout_ms);
    else if (!slice_present(body->text))
        buffer_append_format(error, "the database has no body of an event %s", event_id);
    bodies_close(bodies);
    metrics_destroy(metrics);
    event_base_free(asking.base);
    return slice_present(body->text);
}

static bool ask_file(struct explain_body *body, const char *path, const char *event_id, struct buffer *error)
{
    body->file = body_file_open(path, error);
    if (!body->file)
        return false;
    body->text = body_file_find(body->file, slice_from_string(event_id));
    if (!slice_present(body->text))
        buffer_append_format(error, "%s has no event %s", path, event_id);
    return slice_present(body->text);
}

bool explain_body_find(struct explain_body *body, const struct configuration *configuration, const char *event_id,
                       int64_t timeout_ms, struct buffer *error)
{
    body->event_id = slice_from_string(event_id);
    switch (configuration->body_source) {
    case BODY_SOURCE_FILE:
        return ask_file(body, configuration->bodies_file, event_id, error);
    case BODY_SOURCE_POSTGRES:
        return ask_database(body, configuration, event_id, timeout_ms, error);
    case BODY_SOURCE_NONE:
        break;
    }
    buffer_append_string(error, "the configuration names no source of event bodies (`bodies`), so an event cannot be "
                                "found by its id");
    return false;
}

void explain_body_free(struct explain_body *body)
{
    if (body->file)
        body_file_close(body->file);
    buffer_free(&body->content);
    *body = (struct explain_body){0};
}
