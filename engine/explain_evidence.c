/* Modules see decoded texts; people see the JSON. A text is found again by its key, and a part of it by walking over
 * the escapes before it, so that the offsets are true for any event. Nothing of this is fast, and nothing needs to be.
 */
#include "engine/explain_evidence.h"

#include <stddef.h>
#include <strings.h>

#include "base/json_scan.h"
#include "engine/tail_format.h"
#include "filters/pattern_confirm.h"

#define EXCERPT_AROUND 40u
#define EXCERPT_MAXIMUM 200u

/* The value of one key, as it stands in the text. */
struct search {
    struct slice parent; /* absent: a key of the event itself */
    struct slice key;
    const char *base;
    size_t start; /* of the value; both 0 until it is found */
    size_t end;
};

static char *take_member(void *context, struct slice key, char *value)
{
    struct search *search = context;
    char *end = json_skip_value(value);
    if (end && slice_equal(key, search->key)) {
        search->start = (size_t)(value - search->base);
        search->end = (size_t)(end - search->base);
    }
    return end;
}

static char *take_outer_member(void *context, struct slice key, char *value)
{
    struct search *search = context;
    if (!slice_present(search->parent))
        return take_member(search, key, value);
    if (!slice_equal(key, search->parent) || *value != '{')
        return json_skip_value(value);
    search->start = search->end = 0; /* the last of several equal keys counts */
    return json_walk_object(value, take_member, search);
}

/* False if there is no such key, or its value is no text. */
static bool find_value(struct slice body, struct search *search)
{
    struct buffer copy = {0};
    char *text = buffer_reserve(&copy, body.length + JSON_SCAN_PADDING);
    memcpy(text, body.data, body.length);
    memset(text + body.length, 0, JSON_SCAN_PADDING);
    search->base = text;
    char *at = json_skip_space(text);
    bool found = *at == '{' && json_walk_object(at, take_outer_member, search) && search->end > 0;
    found = found && body.data[search->start] == '"';
    buffer_free(&copy);
    return found;
}

/* The place in the raw text between `at` and `end` at which `length` decoded bytes have gone by. */
static const char *skip_decoded(const char *at, const char *end, size_t length)
{
    size_t gone = 0;
    while (at && at < end && gone < length) {
        if (*at != '\\') {
            gone++;
            at++;
            continue;
        }
        char decoded[4], *output = decoded;
        at = json_read_escape(at, end, &output);
        gone += (size_t)(output - decoded);
    }
    return at && gone == length ? at : NULL;
}

static bool is_within(struct slice part, struct slice whole)
{
    return whole.data && part.data >= whole.data && part.data + part.length <= whole.data + whole.length;
}

/* The text that the evidence is a part of, with its key. */
static struct slice find_text(const struct event *event, const struct field_table *fields, struct slice evidence,
                              struct search *search)
{
    static const struct {
        const char *key;
        size_t offset;
    } keys[] = {
        {"event_id", offsetof(struct event, event_id)},   {"room_id", offsetof(struct event, room_id)},
        {"type", offsetof(struct event, type)},           {"sender", offsetof(struct event, sender)},
        {"state_key", offsetof(struct event, state_key)}, {"redacts", offsetof(struct event, redacts)},
    };
    for (size_t index = 0; index < sizeof keys / sizeof *keys; index++) {
        struct slice text = *(const struct slice *)((const char *)event + keys[index].offset);
        if (is_within(evidence, text)) {
            search->key = slice_from_string(keys[index].key);
            return text;
        }
    }
    for (uint32_t slot = 0; slot < field_table_count(fields); slot++) {
        struct slice text = event_content_string(event, slot);
        if (is_within(evidence, text)) {
            search->parent = SLICE("content");
            search->key = field_table_key(fields, slot);
            return text;
        }
    }
    return SLICE_ABSENT;
}

/* The first match of an expression that is known to be found in `text`; case decides only if it must. */
static struct slice narrow_by_regex(struct slice text, struct slice expression)
{
    struct confirm_context *context = confirm_context_create();
    struct buffer error = {0};
    struct slice found = text;
    bool done = false;
    for (int sensitive = 1; sensitive >= 0 && !done; sensitive--) {
        struct confirm_pattern *pattern = confirm_pattern_create(expression, true, sensitive, &error);
        done = pattern && confirm_pattern_find(context, pattern, text, &found) == CONFIRM_MATCH;
        confirm_pattern_destroy(pattern);
    }
    buffer_free(&error);
    confirm_context_destroy(context);
    return found;
}

/* The first place of the rule in `text`, or the whole text. */
static struct slice narrow(struct slice text, const struct result *result)
{
    struct slice rule = result->rule;
    if (result->rule_is_regex)
        return narrow_by_regex(text, rule);
    for (size_t start = 0; rule.length > 0 && start + rule.length <= text.length; start++)
        if (strncasecmp(text.data + start, rule.data, rule.length) == 0)
            return slice_of(text.data + start, rule.length);
    return text;
}

bool evidence_locate(const struct event *event, const struct field_table *fields, const struct result *result,
                     struct evidence_place *place)
{
    struct slice evidence = result->evidence;
    if (!event->has_body || !slice_present(evidence))
        return false;
    struct search search = {0};
    struct slice text = find_text(event, fields, evidence, &search);
    if (slice_present(text)) {
        if (evidence.length == text.length)
            evidence = narrow(text, result);
        if (!find_value(event->body, &search))
            return false;
        const char *raw = event->body.data + search.start + 1, *raw_end = event->body.data + search.end - 1;
        const char *start = skip_decoded(raw, raw_end, (size_t)(evidence.data - text.data));
        const char *end = start ? skip_decoded(start, raw_end, evidence.length) : NULL;
        if (!end)
            return false;
        *place = (struct evidence_place){search.parent, search.key, (size_t)(start - event->body.data),
                                         (size_t)(end - event->body.data)};
        return true;
    }
    if (!is_within(evidence, event->body))
        return false;
    size_t start = (size_t)(evidence.data - event->body.data);
    *place = (struct evidence_place){.start = start, .end = start + evidence.length};
    return true;
}

static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

struct evidence_excerpt evidence_excerpt(const struct event *event, const struct evidence_place *place)
{
    struct slice body = event->body;
    size_t before = place->start > EXCERPT_AROUND ? place->start - EXCERPT_AROUND : 0;
    size_t after = body.length - place->end > EXCERPT_AROUND ? place->end + EXCERPT_AROUND : body.length;
    size_t shown = place->end - place->start > EXCERPT_MAXIMUM ? place->start + EXCERPT_MAXIMUM : place->end;
    while (before > 0 && !begins_character(body.data[before]))
        before--;
    while (after < body.length && !begins_character(body.data[after]))
        after++;
    while (shown < place->end && !begins_character(body.data[shown]))
        shown++;
    return (struct evidence_excerpt){.before = slice_of(body.data + before, place->start - before),
                                     .text = slice_of(body.data + place->start, shown - place->start),
                                     .after = slice_of(body.data + place->end, after - place->end)};
}

/* Appends the text, white space as one space each. */
static void append_text(struct slice text, struct buffer *output)
{
    size_t start = 0;
    while (start < text.length) {
        size_t stop = start;
        while (stop < text.length && text.data[stop] != '\n' && text.data[stop] != '\r' && text.data[stop] != '\t')
            stop++;
        tail_append_visible(output, slice_of(text.data + start, stop - start));
        if (stop < text.length)
            buffer_append_char(output, ' ');
        start = stop + 1;
    }
}

void evidence_append(const struct event *event, const struct evidence_place *place, struct buffer *output)
{
    struct slice body = event->body;
    if (slice_present(place->parent)) {
        tail_append_visible(output, place->parent);
        buffer_append_char(output, '.');
    }
    if (slice_present(place->key))
        tail_append_visible(output, place->key);
    else
        buffer_append_string(output, "the event");
    struct evidence_excerpt excerpt = evidence_excerpt(event, place);
    buffer_append_format(output, ", bytes %zu to %zu: ", place->start, place->end);
    buffer_append_string(output, excerpt.before.length < place->start ? "..." : "");
    append_text(excerpt.before, output);
    buffer_append_string(output, ">>");
    append_text(excerpt.text, output);
    buffer_append_string(output, excerpt.text.length < place->end - place->start ? "...<<" : "<<");
    append_text(excerpt.after, output);
    buffer_append_string(output, place->end + excerpt.after.length < body.length ? "..." : "");
}
