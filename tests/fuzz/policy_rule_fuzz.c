/* Rules of policy lists as anybody may write them: the input is a file as `files` takes it. What is asked about
 * afterwards are the entities themselves, and a snapshot must give a set that says the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/event_content.h"
#include "filters/policy_files.h"
#include "filters/policy_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LISTS 3u
#define NAMES 64u

struct reading {
    struct policy_set *set;
    int64_t ordering;
    char *names[NAMES];
    size_t lengths[NAMES];
    size_t count;
};

static void keep_name(struct reading *reading, struct slice name)
{
    if (!slice_present(name) || reading->count == NAMES)
        return;
    reading->lengths[reading->count] = name.length;
    reading->names[reading->count++] = memory_copy_text(name.data, name.length);
}

static bool take(void *context, yyjson_val *event)
{
    struct reading *reading = context;
    struct policy_place place = {.list = (uint32_t)(reading->ordering % LISTS),
                                 .state_key = content_string(event, SLICE("state_key")),
                                 .event_id = content_string(event, SLICE("event_id")),
                                 .ordering = ++reading->ordering};
    struct policy_rule rule;
    if (!policy_type_read(content_string(event, SLICE("type")), &place.type))
        return true;
    if (!slice_present(place.state_key))
        place.state_key = SLICE("");
    yyjson_val *content = content_member(event, SLICE("content"));
    enum policy_rule_status status = policy_rule_read(yyjson_is_obj(content) ? content : NULL, &rule);
    if (status == POLICY_RULE_READ && !rule.hashed)
        keep_name(reading, rule.entity);
    keep_name(reading, content_string(event, SLICE("sender")));
    (void)policy_set_put(reading->set, &place, status, &rule);
    return true;
}

static struct policy_set *create_set(void)
{
    static char *never[] = {"@admin:own", "!r*:own", "never.example"};
    const unsigned apply[LISTS] = {15, 3, 15};
    struct policy_guard guard;
    policy_guard_open(&guard, &(struct text_list){.items = never, .count = 3}, SLICE("own"));
    return policy_set_create(&(struct policy_set_settings){
        .lists = LISTS, .apply = apply, .ignore_case = true, .capacity = 100, .guard = guard});
}

static void expect_same(const struct policy_set *set, const struct policy_set *other, const struct reading *reading)
{
    for (size_t name = 0; name < reading->count; name++)
        for (int kind = 0; kind < POLICY_KINDS; kind++) {
            struct policy_hits hits, others;
            struct slice text = slice_of(reading->names[name], reading->lengths[name]);
            bool found = policy_set_find(set, (enum policy_kind)kind, text, &hits);
            if (found != policy_set_find(other, (enum policy_kind)kind, text, &others) || hits.lists != others.lists)
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = memory_copy_text((const char *)data, size);
    struct reading reading = {.set = create_set()};
    struct buffer problem = {0}, snapshot = {0};
    (void)policy_file_read(slice_of(copy, size), take, &reading, &problem);
    struct policy_set *other = create_set();
    policy_set_save(reading.set, &snapshot);
    if (!policy_set_restore(other, buffer_slice(&snapshot)))
        abort();
    expect_same(reading.set, other, &reading);
    (void)policy_set_restore(other, slice_of(copy, size));
    policy_set_destroy(other);
    policy_set_destroy(reading.set);
    for (size_t name = 0; name < reading.count; name++)
        free(reading.names[name]);
    buffer_free(&problem);
    buffer_free(&snapshot);
    free(copy);
    return 0;
}
