/* Ranges are closed at both ends, as every Redis knows them: an open end became possible with 6.2 only. */
#include "engine/verdict_query.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/query_string.h"
#include "filters/duration.h"

/* ---- ids */

/* Takes a number off the text; false if there is none, or it is too large. */
static bool take_number(struct slice *text, uint64_t *number)
{
    size_t length = 0;
    *number = 0;
    for (; length < text->length && text->data[length] >= '0' && text->data[length] <= '9'; length++)
        if (__builtin_mul_overflow(*number, 10u, number) ||
            __builtin_add_overflow(*number, (uint64_t)(text->data[length] - '0'), number))
            return false;
    *text = slice_of(text->data + length, text->length - length);
    return length > 0;
}

bool stream_id_parse(struct slice text, struct stream_id *id)
{
    if (!take_number(&text, &id->ms) || text.length == 0 || *text.data != '-')
        return false;
    text = slice_of(text.data + 1, text.length - 1);
    return take_number(&text, &id->number) && text.length == 0;
}

void stream_id_write(struct stream_id id, char text[STREAM_ID_SIZE])
{
    (void)snprintf(text, STREAM_ID_SIZE, "%" PRIu64 "-%" PRIu64, id.ms, id.number);
}

bool stream_id_step_back(struct stream_id *id)
{
    if (id->number-- > 0)
        return true;
    return id->ms-- > 0;
}

bool stream_id_before(struct stream_id left, struct stream_id right)
{
    return left.ms < right.ms || (left.ms == right.ms && left.number < right.number);
}

/* ---- parameters */

/* A moment: milliseconds since 1970, or a duration back from now. */
static bool read_moment(struct slice text, int64_t now_ms, uint64_t *ms)
{
    struct slice rest = text;
    if (take_number(&rest, ms) && rest.length == 0)
        return true;
    char copy[32];
    int64_t back;
    if (text.length >= sizeof copy || memchr(text.data, '\0', text.length))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    if (!duration_read(copy, &back))
        return false;
    *ms = back < now_ms ? (uint64_t)(now_ms - back) : 0;
    return true;
}

static bool take_since(struct verdict_query *query, struct slice value, int64_t now_ms)
{
    query->oldest.number = 0;
    return read_moment(value, now_ms, &query->oldest.ms);
}

static void bring_forward(struct verdict_query *query, struct stream_id newest)
{
    if (stream_id_before(newest, query->newest))
        query->newest = newest;
}

static bool take_until(struct verdict_query *query, struct slice value, int64_t now_ms)
{
    struct stream_id newest = STREAM_ID_GREATEST;
    if (!read_moment(value, now_ms, &newest.ms))
        return false;
    bring_forward(query, newest);
    return true;
}

static bool take_limit(struct verdict_query *query, struct slice value, int64_t now_ms)
{
    uint64_t limit;
    (void)now_ms;
    if (!take_number(&value, &limit) || value.length || limit < 1 || limit > VERDICT_QUERY_LIMIT_MAXIMUM)
        return false;
    query->limit = (uint32_t)limit;
    return true;
}

/* Before the first of all there is nothing: the ends are crossed. */
static bool take_before(struct verdict_query *query, struct slice value, int64_t now_ms)
{
    struct stream_id id;
    (void)now_ms;
    if (!stream_id_parse(value, &id))
        return false;
    if (stream_id_step_back(&id)) {
        bring_forward(query, id);
    } else {
        query->oldest = STREAM_ID_GREATEST;
        query->newest = STREAM_ID_LEAST;
    }
    return true;
}

static const struct query_key {
    const char *name;
    bool (*take)(struct verdict_query *query, struct slice value, int64_t now_ms);
    const char *wanted;
} keys[] = {
    {"since", take_since, "milliseconds since 1970, or a duration such as 90m"},
    {"until", take_until, "milliseconds since 1970, or a duration such as 90m"},
    {"limit", take_limit, "a whole number from 1 to 1000"},
    {"before", take_before, "the `next` of an answer"},
};
#define KEYS (sizeof keys / sizeof *keys)

static bool take_key(struct verdict_query *query, const struct query_key *key, struct slice text, int64_t now_ms,
                     struct buffer *problem)
{
    struct buffer value = {0};
    bool there = query_string_find(text, slice_from_string(key->name), &value);
    bool taken = !there || value.length == 0 || key->take(query, buffer_slice(&value), now_ms);
    if (!taken)
        buffer_append_format(problem, "%s must be %s", key->name, key->wanted);
    buffer_free(&value);
    return taken;
}

bool verdict_query_parse(struct verdict_query *query, struct slice text, int64_t now_ms, struct buffer *problem)
{
    const char *names[KEYS + 1] = {0};
    for (size_t index = 0; index < KEYS; index++)
        names[index] = keys[index].name;
    query->limit = VERDICT_QUERY_LIMIT_DEFAULT;
    query->oldest = STREAM_ID_LEAST;
    query->newest = STREAM_ID_GREATEST;
    if (!verdict_filter_parse(&query->filter, text, names, problem))
        return false;
    for (size_t index = 0; index < KEYS; index++)
        if (!take_key(query, &keys[index], text, now_ms, problem))
            return false;
    return true;
}

void verdict_query_free(struct verdict_query *query)
{
    verdict_filter_free(&query->filter);
}
