/* `expect` of a case: a word, a map, or, where the case is repeated, such for the first, the last and others. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/cases_reader.h"

const char *const case_verdict_texts[] = {"any", "pass", "deny", "change", "fail", NULL};

static const char *const expectation_keys[] = {"verdict", "module",  "rule",  "code", "reason",
                                               "dry_run", "changed", "value", NULL};

/* What is read, under which path: "expect" or "expect.first". */
struct expectation_reading {
    struct case_reading *reading;
    const char *path;
    struct case_expectation *expectation;
};

static void report(struct expectation_reading *reading, const char *key, const char *sentence)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s%s%s", reading->path, *key ? "." : "", key);
    case_error(reading->reading, buffer_string(&path), "%s", sentence);
    buffer_free(&path);
}

static void read_verdict(struct expectation_reading *reading, const char *key, const char *text)
{
    for (int verdict = 0; case_verdict_texts[verdict]; verdict++) {
        if (strcmp(case_verdict_texts[verdict], text) == 0) {
            reading->expectation->verdict = (enum case_verdict)verdict;
            return;
        }
    }
    report(reading, key, "must be one of: any, pass, deny, change, fail");
}

static const char *read_text(struct expectation_reading *reading, const struct yaml_node *map, const char *key)
{
    const struct yaml_pair *pair = yaml_map_find(map, key);
    if (pair && pair->value->kind == YAML_KIND_TEXT)
        return pair->value->text;
    if (pair)
        report(reading, key, "must be a text");
    return NULL;
}

static void check_keys(struct expectation_reading *reading, const struct yaml_node *map)
{
    for (size_t index = 0; index < map->count; index++) {
        size_t name = 0;
        while (expectation_keys[name] && strcmp(map->pairs[index].key, expectation_keys[name]) != 0)
            name++;
        struct buffer path = {0};
        buffer_append_format(&path, "%s.%s", reading->path, map->pairs[index].key);
        if (!expectation_keys[name])
            case_unknown(reading->reading, buffer_string(&path), map->pairs[index].mark, "key", map->pairs[index].key,
                         expectation_keys);
        buffer_free(&path);
    }
}

static void read_map(struct expectation_reading *reading, const struct yaml_node *map)
{
    struct case_expectation *expectation = reading->expectation;
    const struct yaml_pair *changed = yaml_map_find(map, "changed"), *value = yaml_map_find(map, "value");
    check_keys(reading, map);
    expectation->module = read_text(reading, map, "module");
    expectation->rule = read_text(reading, map, "rule");
    expectation->code = read_text(reading, map, "code");
    expectation->reason = read_text(reading, map, "reason");
    expectation->dry_run = read_text(reading, map, "dry_run");
    if (changed && changed->value->kind != YAML_KIND_MAP)
        report(reading, "changed", "must be a map of what is expected in the changed event");
    else if (changed)
        expectation->changed = yaml_node_to_json(changed->value);
    if (value)
        expectation->value = yaml_node_to_json(value->value);
    const char *verdict = read_text(reading, map, "verdict");
    if (verdict)
        read_verdict(reading, "verdict", verdict);
    else if (expectation->module || expectation->rule || expectation->code || expectation->reason)
        expectation->verdict = CASE_DENY;
}

static void read_one(struct case_reading *reading, const char *path, const struct yaml_node *node, uint32_t from,
                     uint32_t to)
{
    struct test_case *test = reading->test;
    test->expectations =
        memory_reallocate(test->expectations, (test->expectation_count + 1) * sizeof *test->expectations);
    struct case_expectation *expectation = &test->expectations[test->expectation_count++];
    *expectation = (struct case_expectation){.from = from, .to = to, .mark = node->mark};
    struct expectation_reading one = {reading, path, expectation};
    if (node->kind == YAML_KIND_TEXT)
        read_verdict(&one, "", node->text);
    else if (node->kind == YAML_KIND_MAP && node->count)
        read_map(&one, node);
    else
        report(&one, "", "must be pass, deny, change or fail, or a map that says more");
}

/* "first", "last", "7", "7-9" or "7-", within `repeat`. */
static bool read_range(const char *text, uint32_t repeat, uint32_t *from, uint32_t *to)
{
    if (strcmp(text, "first") == 0 || strcmp(text, "last") == 0) {
        *from = *to = *text == 'f' ? 1 : repeat;
        return true;
    }
    char *end;
    if (!isdigit((unsigned char)*text) || strspn(text, "0123456789-") != strlen(text) || strlen(text) > 20)
        return false;
    unsigned long long first = strtoull(text, &end, 10), last = first;
    if (*end == '-')
        last = end[1] ? strtoull(end + 1, &end, 10) : repeat;
    else if (*end)
        return false;
    if (first < 1 || last < first || last > repeat)
        return false;
    *from = (uint32_t)first;
    *to = (uint32_t)last;
    return true;
}

static bool is_range(const char *key)
{
    return strcmp(key, "first") == 0 || strcmp(key, "last") == 0 || isdigit((unsigned char)*key);
}

static void read_ranges(struct case_reading *reading, const struct yaml_node *map)
{
    for (size_t index = 0; index < map->count; index++) {
        uint32_t from, to;
        struct buffer path = {0};
        buffer_append_format(&path, "expect.%s", map->pairs[index].key);
        if (read_range(map->pairs[index].key, reading->test->repeat, &from, &to))
            read_one(reading, buffer_string(&path), map->pairs[index].value, from, to);
        else
            case_error(reading, buffer_string(&path),
                       "must be `first`, `last`, a number or two such as `1-5`, of the %u that `repeat` says",
                       reading->test->repeat);
        buffer_free(&path);
    }
}

void case_read_expectations(struct case_reading *reading)
{
    const struct yaml_node *node = case_find(reading, "expect");
    bool ranges = node && node->kind == YAML_KIND_MAP && node->count && is_range(node->pairs[0].key);
    if (!node)
        case_error(reading, "", "has no `expect`");
    else if (ranges)
        read_ranges(reading, node);
    else
        read_one(reading, "expect", node, 1, reading->test->repeat);
}
