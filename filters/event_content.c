/* A document belongs to a lane, not to a reader: thousands of events may be parked while their questions wait, and a
 * parsed body takes twelve times its size. An event knows which look into a body was its own by a number that no other
 * look has; when the lane has looked into another one since, or the event was parked and came back on another lane, it
 * is parsed again. */
#include "filters/event_content.h"

#include <stdint.h>

#include "base/json_pool.h"
#include "base/lane.h"
#include "filters/html.h"

/* What a lane keeps from event to event; bodies that need more than this are rare. */
#define POOL_KEPT (4u << 20)
/* HTML strings whose text is kept; an event has two, of which one is that of an edit. */
#define TEXTS 4

struct look {
    uint64_t number; /* 0: none */
    bool parsed;
    yyjson_val *root;
    struct json_pool pool;
    struct buffer text; /* holds what the texts lie in; as much room as the body has, so that it does not move */
    struct {
        struct slice html;
        struct slice text;
    } texts[TEXTS];
    unsigned text_count;
};

static struct look looks[LANES_MAXIMUM];
static uint64_t last_number;

/* The lane's look, made one into `event`. An event that nobody keeps a number for is looked into anew each time. */
static struct look *look_into(const struct event *event)
{
    struct look *look = &looks[lane_number];
    if (event->looked_into && *event->looked_into && *event->looked_into == look->number)
        return look;
    look->number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
    if (event->looked_into)
        *event->looked_into = look->number;
    look->parsed = false;
    look->root = NULL;
    look->text_count = 0;
    buffer_clear(&look->text);
    if (look->pool.size > POOL_KEPT)
        json_pool_free(&look->pool);
    return look;
}

yyjson_val *event_json(const struct event *event)
{
    if (!event || !event->has_body || event->body.length > EVENT_CONTENT_MAXIMUM)
        return NULL;
    struct look *look = look_into(event);
    if (!look->parsed) {
        look->parsed = true;
        look->root = yyjson_doc_get_root(json_pool_read(&look->pool, event->body, YYJSON_READ_NOFLAG));
    }
    return look->root;
}

yyjson_val *event_content(const struct event *event)
{
    yyjson_val *content = content_member(event_json(event), SLICE("content"));
    return yyjson_is_obj(content) ? content : NULL;
}

yyjson_val *content_member(yyjson_val *object, struct slice key)
{
    yyjson_val *found = NULL;
    if (!yyjson_is_obj(object))
        return NULL;
    size_t index, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(object, index, count, name, value)
    {
        if (yyjson_equals_strn(name, key.data, key.length))
            found = value;
    }
    return found;
}

struct slice content_string(yyjson_val *object, struct slice key)
{
    yyjson_val *value = content_member(object, key);
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value)) : SLICE_ABSENT;
}

bool content_number(yyjson_val *object, struct slice key, uint64_t *number)
{
    yyjson_val *value = content_member(object, key);
    if (yyjson_is_uint(value)) {
        *number = yyjson_get_uint(value);
        return true;
    }
    double real = yyjson_is_real(value) ? yyjson_get_real(value) : -1;
    if (!(real >= 0))
        return false;
    *number = real < 1e18 ? (uint64_t)real : (uint64_t)1e18;
    return true;
}

bool event_replaces_state(const struct event *event)
{
    yyjson_val *outside = content_member(event_json(event), SLICE("unsigned"));
    return slice_present(content_string(outside, SLICE("replaces_state"))) ||
           content_member(outside, SLICE("prev_content"));
}

struct slice event_html_text(const struct callback_arguments *arguments, struct slice html)
{
    const struct event *event = arguments->event;
    if (!html.data || html.length == 0)
        return html;
    struct look *look = look_into(event);
    for (unsigned index = 0; index < look->text_count; index++)
        if (look->texts[index].html.data == html.data && look->texts[index].html.length == html.length)
            return look->texts[index].text;
    /* Different strings of a body take no more room than the body; what comes beyond is not kept. */
    bool kept = look->text_count < TEXTS && look->text.length + html.length <= event->body.length;
    if (!kept) {
        char *memory = arena_allocate(arguments->arena, html.length);
        return slice_of(memory, html_text(html, false, memory));
    }
    if (look->text_count == 0)
        (void)buffer_reserve(&look->text, event->body.length);
    char *output = look->text.data + look->text.length;
    struct slice text = slice_of(output, html_text(html, false, output));
    look->text.length += text.length;
    look->texts[look->text_count].html = html;
    look->texts[look->text_count++].text = text;
    return text;
}
