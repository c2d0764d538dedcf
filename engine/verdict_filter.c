/* Whoever may write to Redis may have put rows there that this engine would write otherwise, or that are no JSON at
 * all. So a row is read as JSON, not searched for the bytes that the engine would have written; it is copied for that,
 * since the scanner decodes strings in place. */
#include "engine/verdict_filter.h"

#include "base/json_scan.h"
#include "base/query_string.h"
#include "base/text_find.h"
#include "base/utf8.h"
#include "filters/glob_match.h"

/* The members of a row that conditions look at. */
enum row_member {
    ROW_ROOM_ID,
    ROW_SENDER,
    ROW_MODULE,
    ROW_EVENT_ID,
    ROW_CALLBACK,
    ROW_RULE,
    ROW_REASON,
    ROW_RESULT,  /* its code, or itself if it is a text */
    ROW_DRY_RUN, /* the literal */
    ROW_MEMBER_COUNT
};

static const struct slice member_names[ROW_MEMBER_COUNT] = {
    {"room_id", 7}, {"sender", 6}, {"module", 6}, {"event_id", 8}, {"callback", 8},
    {"rule", 4},    {"reason", 6}, {"result", 6}, {"dry_run", 7},
};

struct row {
    struct slice members[ROW_MEMBER_COUNT]; /* decoded; absent if there is none, or of another kind */
};

static bool equals(struct slice wanted, struct slice text)
{
    return slice_equal(wanted, text);
}

static bool contains(struct slice wanted, struct slice text)
{
    return text_find(text, wanted) != NULL;
}

/* What a condition holds against which members: one of them must be there and fit. */
static const struct condition {
    const char *name; /* of the parameter */
    bool (*fits)(struct slice wanted, struct slice text);
    enum row_member member, or_member;
} conditions[VERDICT_FILTER_COUNT] = {
    [VERDICT_FILTER_ROOM] = {"room", glob_matches, ROW_ROOM_ID, ROW_ROOM_ID},
    [VERDICT_FILTER_SENDER] = {"sender", glob_matches, ROW_SENDER, ROW_SENDER},
    [VERDICT_FILTER_MODULE] = {"module", equals, ROW_MODULE, ROW_MODULE},
    [VERDICT_FILTER_EVENT_ID] = {"event_id", equals, ROW_EVENT_ID, ROW_EVENT_ID},
    [VERDICT_FILTER_CALLBACK] = {"callback", equals, ROW_CALLBACK, ROW_CALLBACK},
    [VERDICT_FILTER_CODE] = {"code", equals, ROW_RESULT, ROW_RESULT},
    [VERDICT_FILTER_TEXT] = {"text", contains, ROW_RULE, ROW_REASON},
    [VERDICT_FILTER_DRY_RUN] = {"dry_run", equals, ROW_DRY_RUN, ROW_DRY_RUN},
};

/* ---- reading a query */

static bool complain(struct buffer *problem, const char *before, struct slice name, const char *after)
{
    buffer_append_string(problem, before);
    buffer_append_slice(problem, slice_of(name.data, name.length < 64 ? name.length : 64));
    buffer_append_string(problem, after);
    return false;
}

static bool is_listed(const char *const *names, struct slice name)
{
    for (; names && *names; names++)
        if (slice_equal(slice_from_string(*names), name))
            return true;
    return false;
}

static bool take_value(struct verdict_filter *filter, size_t index, struct slice name, struct slice encoded,
                       struct buffer *problem)
{
    struct buffer *wanted = &filter->wanted[index];
    if (wanted->length)
        return complain(problem, "the parameter ", name, " is there twice");
    query_string_decode(encoded, wanted);
    struct slice value = buffer_slice(wanted);
    if (value.length > VERDICT_FILTER_VALUE_MAXIMUM)
        return complain(problem, "the value of ", name, " is too long");
    if (!utf8_valid(value))
        return complain(problem, "the value of ", name, " is no UTF-8");
    if (index == VERDICT_FILTER_DRY_RUN && value.length && !slice_equal(value, SLICE("true")) &&
        !slice_equal(value, SLICE("false")))
        return complain(problem, "", name, " must be true or false");
    return true;
}

static bool take_parameter(struct verdict_filter *filter, struct slice name, struct slice encoded,
                           const char *const *others, struct buffer *problem)
{
    for (size_t index = 0; index < VERDICT_FILTER_COUNT; index++)
        if (slice_equal(slice_from_string(conditions[index].name), name))
            return take_value(filter, index, name, encoded, problem);
    if (is_listed(others, name))
        return true;
    return complain(problem, "there is no parameter ", utf8_valid(name) ? name : SLICE("of that name"), "");
}

bool verdict_filter_parse(struct verdict_filter *filter, struct slice query, const char *const *others,
                          struct buffer *problem)
{
    struct query_parameter parameter;
    struct buffer name = {0};
    bool taken = true;
    while (taken && query_string_next(&query, &parameter)) {
        buffer_clear(&name);
        query_string_decode(parameter.name, &name);
        taken = take_parameter(filter, buffer_slice(&name), parameter.value, others, problem);
    }
    buffer_free(&name);
    return taken;
}

void verdict_filter_free(struct verdict_filter *filter)
{
    for (size_t index = 0; index < VERDICT_FILTER_COUNT; index++)
        buffer_free(&filter->wanted[index]);
    buffer_free(&filter->scratch);
    *filter = (struct verdict_filter){0};
}

bool verdict_filter_is_empty(const struct verdict_filter *filter)
{
    for (size_t index = 0; index < VERDICT_FILTER_COUNT; index++)
        if (filter->wanted[index].length)
            return false;
    return true;
}

/* Whether a row has this byte as it stands: it is not escaped in JSON, and stands for itself in a glob. */
static bool is_plain(char byte, bool in_glob)
{
    return byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\' && !(in_glob && (byte == '*' || byte == '?'));
}

struct slice verdict_filter_needle(const struct verdict_filter *filter)
{
    struct slice needle = SLICE_ABSENT;
    for (size_t index = 0; index < VERDICT_FILTER_COUNT; index++) {
        struct slice wanted = buffer_slice(&filter->wanted[index]);
        bool in_glob = conditions[index].fits == glob_matches;
        size_t begins = 0;
        for (size_t at = 0; at < wanted.length; at++) {
            if (!is_plain(wanted.data[at], in_glob))
                begins = at + 1;
            else if (at + 1 - begins > needle.length)
                needle = slice_of(wanted.data + begins, at + 1 - begins);
        }
    }
    return needle;
}

/* ---- reading a row */

/* The member `code` of a result. */
static inline char *take_code(void *context, struct slice key, char *value)
{
    struct slice *code = context;
    if (!slice_equal(key, SLICE("code")))
        return json_skip_value(value);
    *code = SLICE_ABSENT;
    return *value == '"' ? json_read_string(value, code) : json_skip_value(value);
}

static char *take_value_of(enum row_member member, char *value, struct slice *text)
{
    *text = SLICE_ABSENT;
    if (*value == '"' && member != ROW_DRY_RUN)
        return json_read_string(value, text);
    /* One level only: its own members are passed over by json_skip_value, which bounds their depth. */
    if (*value == '{' && member == ROW_RESULT)
        return json_walk_object(value, take_code, text);
    char *end = json_skip_value(value);
    if (end && member == ROW_DRY_RUN)
        *text = slice_of(value, (size_t)(end - value));
    return end;
}

static inline char *take_member(void *context, struct slice key, char *value)
{
    struct row *row = context;
    for (int member = 0; member < ROW_MEMBER_COUNT; member++)
        if (slice_equal(member_names[member], key))
            return take_value_of(member, value, &row->members[member]);
    return json_skip_value(value);
}

static bool read_row(struct buffer *scratch, struct slice text, struct row *row)
{
    buffer_clear(scratch);
    char *copy = buffer_reserve(scratch, text.length + JSON_SCAN_PADDING);
    if (text.length)
        memcpy(copy, text.data, text.length);
    memset(copy + text.length, 0, JSON_SCAN_PADDING);
    char *at = json_skip_space(copy);
    at = *at == '{' ? json_walk_object(at, take_member, row) : NULL;
    return at && json_skip_space(at) == copy + text.length;
}

static bool fits(const struct condition *condition, struct slice wanted, const struct row *row)
{
    struct slice text = row->members[condition->member], other = row->members[condition->or_member];
    return (slice_present(text) && condition->fits(wanted, text)) ||
           (condition->or_member != condition->member && slice_present(other) && condition->fits(wanted, other));
}

bool verdict_filter_match(struct verdict_filter *filter, struct slice text)
{
    struct row row = {0};
    if (!read_row(&filter->scratch, text, &row))
        return false;
    for (size_t index = 0; index < VERDICT_FILTER_COUNT; index++)
        if (filter->wanted[index].length && !fits(&conditions[index], buffer_slice(&filter->wanted[index]), &row))
            return false;
    return true;
}
