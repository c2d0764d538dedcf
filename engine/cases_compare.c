/* A case says as much as its author cares about; only that is compared, and what is told names no more than it takes to
 * see what is wrong. */
#include "engine/cases_compare.h"

#include <stdlib.h>
#include <string.h>

#include "engine/tail_format.h"

/* Of texts of the chain and of replaced events. */
#define SHOWN_MAXIMUM 300u

static struct slice cut(struct slice text)
{
    return text.length > SHOWN_MAXIMUM ? slice_of(text.data, SHOWN_MAXIMUM) : text;
}

/* A module's refusal of what has no other way to refuse is an error of Matrix. */
static enum case_verdict verdict_of(const struct outcome *outcome)
{
    const struct value *value = &outcome->result.value;
    switch (outcome->kind) {
    case OUTCOME_PASSED:
        return CASE_PASS;
    case OUTCOME_CHANGED:
        return CASE_CHANGE;
    case OUTCOME_DENIED:
        return CASE_DENY;
    case OUTCOME_FAILED:
        break;
    }
    return value->kind == VALUE_RAISED && value->raised->kind == RAISED_SYNAPSE_ERROR ? CASE_DENY : CASE_FAIL;
}

static struct slice code_of(const struct outcome *outcome)
{
    const struct value *value = &outcome->result.value;
    if (value->kind == VALUE_RAISED)
        return value->raised->errcode;
    if (value->kind == VALUE_CODE || value->kind == VALUE_BEHAVIOUR)
        return value->text;
    if (outcome->kind == OUTCOME_DENIED)
        return SLICE("M_FORBIDDEN");
    return SLICE_ABSENT;
}

static const char *label_of(const struct case_answer *answer)
{
    const struct outcome *outcome = answer->outcome;
    const char *label = outcome->module ? answer->configuration->modules[outcome->module_index].label : NULL;
    return label ? label : outcome->module;
}

/* ---- single parts */

static bool module_agrees(const char *expected, const struct case_answer *answer)
{
    const char *label = label_of(answer);
    return !expected || (label && (strcmp(expected, label) == 0 || strcmp(expected, answer->outcome->module) == 0));
}

static bool text_agrees(const char *expected, struct slice text)
{
    return !expected || slice_equal(slice_from_string(expected), text);
}

static bool part_agrees(const char *expected, struct slice text)
{
    return !expected || (slice_present(text) && memmem(text.data, text.length, expected, strlen(expected)) != NULL);
}

static bool is_line(struct slice lines, const char *line)
{
    size_t length = strlen(line);
    while (lines.length) {
        const char *end = memchr(lines.data, '\n', lines.length);
        if ((size_t)(end - lines.data) == length && memcmp(lines.data, line, length) == 0)
            return true;
        lines = slice_of(end + 1, lines.length - (size_t)(end + 1 - lines.data));
    }
    return false;
}

/* Whether all members of `expected` are in `json`; lists and scalars must be equal. As deep as a YAML document. */
static bool contains(const json_t *json, const json_t *expected)
{
    const char *key;
    json_t *value;
    if (!json_is_object(expected))
        return json && json_equal(json, expected);
    if (!json_is_object(json))
        return false;
    json_object_foreach((json_t *)(uintptr_t)expected, key, value)
    {
        if (!contains(json_object_get(json, key), value))
            return false;
    }
    return true;
}

/* The event that came out, or the argument that was edited: a new reference, or NULL. */
static json_t *changed_of(const struct case_answer *answer)
{
    const struct value *value = &answer->outcome->result.value;
    if (answer->edited)
        return json_deep_copy(answer->edited);
    if (answer->outcome->kind != OUTCOME_CHANGED || value->kind != VALUE_TUPLE || value->count < 2)
        return NULL;
    const struct value *replaced = &value->items[1];
    if (replaced->kind != VALUE_EVENT)
        return value_to_json(replaced);
    json_t *event = json_deep_copy(answer->asked);
    json_object_update(event, replaced->object);
    return event;
}

static json_t *value_of(const struct outcome *outcome)
{
    struct buffer text = {0};
    value_append_json(&outcome->result.value, &text);
    json_t *value = json_loadb(buffer_string(&text), text.length, JSON_DECODE_ANY, NULL);
    buffer_free(&text);
    return value;
}

/* ---- in words */

static void append_visible(struct buffer *output, const char *before, struct slice text, const char *after)
{
    buffer_append_string(output, before);
    tail_append_visible(output, cut(text));
    buffer_append_string(output, after);
}

static void append_expected(const struct case_expectation *expectation, struct buffer *output)
{
    buffer_append_format(output, "expected %s",
                         expectation->verdict == CASE_ANY ? "any verdict" : case_verdict_texts[expectation->verdict]);
    if (expectation->module)
        append_visible(output, " by ", slice_from_string(expectation->module), "");
    if (expectation->rule)
        append_visible(output, ", rule \"", slice_from_string(expectation->rule), "\"");
    if (expectation->reason)
        append_visible(output, ", a reason with \"", slice_from_string(expectation->reason), "\"");
    if (expectation->code)
        append_visible(output, ", code ", slice_from_string(expectation->code), "");
    if (expectation->dry_run)
        append_visible(output, ", with a denial in dry_run by ", slice_from_string(expectation->dry_run), "");
}

static void append_json(struct buffer *output, const char *before, const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    append_visible(output, before, text ? slice_from_string(text) : SLICE("nothing"), "");
    free(text);
}

static void append_got(const struct case_answer *answer, struct buffer *output)
{
    const struct outcome *outcome = answer->outcome;
    const struct value *value = &outcome->result.value;
    buffer_append_format(output, "; got %s", case_verdict_texts[verdict_of(outcome)]);
    if (outcome->module)
        append_visible(output, " by ", slice_from_string(label_of(answer)), "");
    if (slice_present(outcome->result.rule))
        append_visible(output, ", rule \"", outcome->result.rule, "\"");
    if (slice_present(outcome->result.reason))
        append_visible(output, ": ", outcome->result.reason, "");
    if (value->kind == VALUE_RAISED && slice_present(value->raised->text))
        append_visible(output, ": ", value->raised->text, "");
    if (slice_present(code_of(outcome)))
        append_visible(output, " (", code_of(outcome), ")");
    if (answer->dry_runs.length) {
        const char *end = memchr(answer->dry_runs.data, '\n', answer->dry_runs.length);
        append_visible(output, ", and a denial in dry_run by ",
                       slice_of(answer->dry_runs.data, (size_t)(end - answer->dry_runs.data)), "");
    }
}

bool case_compare(const struct case_expectation *expectation, const struct case_answer *answer,
                  struct buffer *difference)
{
    const struct outcome *outcome = answer->outcome;
    if (answer->unnamed) {
        append_visible(difference, "a module asks ", slice_from_string(answer->unnamed),
                       ", and the case does not say under `services` what that answers");
        return false;
    }
    bool verdict = (expectation->verdict == CASE_ANY || expectation->verdict == verdict_of(outcome)) &&
                   module_agrees(expectation->module, answer) && text_agrees(expectation->rule, outcome->result.rule) &&
                   text_agrees(expectation->code, code_of(outcome)) &&
                   part_agrees(expectation->reason, outcome->result.reason) &&
                   (!expectation->dry_run || is_line(answer->dry_runs, expectation->dry_run));
    json_t *changed = expectation->changed ? changed_of(answer) : NULL;
    json_t *value = expectation->value ? value_of(outcome) : NULL;
    bool good = verdict;
    if (!verdict) {
        append_expected(expectation, difference);
        append_got(answer, difference);
    } else if (expectation->changed && !contains(changed, expectation->changed)) {
        append_json(difference, "expected to be changed to something with ", expectation->changed);
        append_json(difference, "; got ", changed);
        good = false;
    } else if (expectation->value && !json_equal(value, expectation->value)) {
        append_json(difference, "expected the value ", expectation->value);
        append_json(difference, "; got ", value);
        good = false;
    }
    json_decref(changed);
    json_decref(value);
    return good;
}
