/* Most recorded bodies are asked for once or never, so a line is walked only as far as its own keys: the id is taken,
 * the body's brackets are matched (json_span.h), and nothing in it is parsed. A line that is not plainly of the usual
 * form is given to the parser first, and what the parser says counts. */
#include "replication/body_line.h"

#include <yyjson.h>

#include "replication/json_span.h"

/* What a walk over a line's keys found. */
struct walk {
    struct slice event_id; /* between its quotes, as written */
    struct slice body;
    bool unusual; /* an escape, a key after the body, or a body that is no object: the parser has to say what it is */
};

static const char *skip_space(const char *cursor, const char *end)
{
    while (cursor < end && (*cursor == ' ' || *cursor == '\t' || *cursor == '\r' || *cursor == '\n'))
        cursor++;
    return cursor;
}

/* Behind the string that begins at `cursor`, whose content goes to `text`; NULL if there is none. */
static const char *read_string(const char *cursor, const char *end, struct slice *text, bool *escape)
{
    if (cursor >= end || *cursor != '"')
        return NULL;
    const char *start = ++cursor;
    cursor = memchr(start, '"', (size_t)(end - start));
    *escape = cursor && memchr(start, '\\', (size_t)(cursor - start));
    if (*escape) {
        for (cursor = start; cursor < end && *cursor != '"'; cursor++)
            cursor += *cursor == '\\';
    }
    if (!cursor || cursor >= end)
        return NULL;
    *text = slice_of(start, (size_t)(cursor - start));
    return cursor + 1;
}

/* Behind the value that begins at `cursor`, which goes to `value`; NULL if it does not end. */
static const char *skip_value(const char *cursor, const char *end, struct slice *value)
{
    const char *start = cursor;
    struct slice text;
    bool escape;
    if (cursor < end && (*cursor == '{' || *cursor == '[')) {
        size_t length = json_span_length(slice_of(cursor, (size_t)(end - cursor)));
        cursor = length ? cursor + length : NULL;
    } else if (cursor < end && *cursor == '"') {
        cursor = read_string(cursor, end, &text, &escape);
    } else {
        while (cursor < end && *cursor != ',' && *cursor != '}')
            cursor++;
    }
    if (cursor)
        *value = slice_of(start, (size_t)(cursor - start));
    return cursor;
}

/* Whether a key, as written between its quotes, is `name`. */
static bool is_key(struct slice key, bool escape, struct slice name)
{
    if (!escape)
        return slice_equal(key, name);
    yyjson_doc *document = yyjson_read(key.data - 1, key.length + 2, 0);
    yyjson_val *text = yyjson_doc_get_root(document);
    bool same = yyjson_is_str(text) && slice_equal(slice_of(yyjson_get_str(text), yyjson_get_len(text)), name);
    yyjson_doc_free(document);
    return same;
}

/* One `key: value`; the cursor behind it, or NULL. */
static const char *walk_member(const char *cursor, const char *end, struct walk *walk)
{
    struct slice key, value;
    bool key_escape, value_escape;
    cursor = read_string(cursor, end, &key, &key_escape);
    if (!cursor)
        return NULL;
    cursor = skip_space(cursor, end);
    if (cursor == end || *cursor != ':')
        return NULL;
    cursor = skip_space(cursor + 1, end);
    if (slice_present(walk->body) || key_escape)
        walk->unusual = true;
    if (is_key(key, key_escape, SLICE("event_id"))) {
        const char *behind = read_string(cursor, end, &walk->event_id, &value_escape);
        if (!behind || value_escape)
            walk->unusual = true;
        if (behind)
            return behind;
    }
    bool is_body = is_key(key, key_escape, SLICE("json"));
    cursor = skip_value(cursor, end, &value);
    if (is_body && cursor) {
        walk->body = value;
        walk->unusual = walk->unusual || value.length == 0 || value.data[0] != '{';
    }
    return cursor;
}

/* False if the line is no object whose members follow each other. */
static bool walk_line(struct slice line, struct walk *walk)
{
    const char *end = line.data + line.length;
    const char *cursor = skip_space(line.data, end);
    *walk = (struct walk){0};
    if (cursor == end || *cursor != '{')
        return false;
    cursor = skip_space(cursor + 1, end);
    for (;;) {
        cursor = walk_member(cursor, end, walk);
        if (!cursor)
            return false;
        cursor = skip_space(cursor, end);
        if (cursor == end)
            return false;
        if (*cursor == '}')
            return skip_space(cursor + 1, end) == end;
        if (*cursor != ',')
            return false;
        cursor = skip_space(cursor + 1, end);
    }
}

static bool take(struct slice event_id, struct slice body, body_line_function *found, void *context)
{
    if (!slice_present(event_id) || !slice_present(body))
        return false;
    found(context, event_id, body);
    return true;
}

/* The parser says whether the line is JSON and what its id is; of a repeated key the last value counts, as in the
 * walk. */
static bool read_unusual(struct slice line, const struct walk *walk, body_line_function *found, void *context)
{
    yyjson_doc *document = yyjson_read(line.data, line.length, YYJSON_READ_BIGNUM_AS_RAW);
    if (!document)
        return false;
    yyjson_val *id = NULL, *body = NULL;
    size_t index, size;
    yyjson_val *key, *value;
    yyjson_obj_foreach(yyjson_doc_get_root(document), index, size, key, value)
    {
        if (yyjson_equals_str(key, "event_id"))
            id = value;
        else if (yyjson_equals_str(key, "json"))
            body = value;
    }
    bool good = yyjson_is_str(id) && yyjson_is_obj(body) &&
                take(slice_of(yyjson_get_str(id), yyjson_get_len(id)), walk->body, found, context);
    yyjson_doc_free(document);
    return good;
}

bool body_line_read(struct slice line, body_line_function *found, void *context)
{
    struct walk walk;
    if (!walk_line(line, &walk))
        return false;
    if (walk.unusual)
        return read_unusual(line, &walk, found, context);
    return take(walk.event_id, walk.body, found, context);
}

uint64_t body_lines_read(struct slice lines, body_line_function *found, void *context)
{
    uint64_t bad = 0;
    const char *cursor = lines.data;
    const char *end = lines.data + lines.length;
    while (cursor < end) {
        const char *line_break = memchr(cursor, '\n', (size_t)(end - cursor));
        const char *line_end = line_break ? line_break : end;
        struct slice line = slice_of(cursor, (size_t)(line_end - cursor));
        bad += skip_space(line.data, line_end) < line_end && !body_line_read(line, found, context);
        cursor = line_break ? line_break + 1 : end;
    }
    return bad;
}
