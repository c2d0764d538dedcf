/* Looking into a YAML tree and out of it into JSON. Apart from the composing, since the configuration needs these and
 * nothing of libyaml. The recursion is as deep as the document, which is bounded when it is read. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/yaml_document.h"

const char *yaml_kind_text(enum yaml_kind kind)
{
    static const char *const texts[] = {
        [YAML_KIND_NULL] = "empty",      [YAML_KIND_BOOLEAN] = "a boolean", [YAML_KIND_INTEGER] = "an integer",
        [YAML_KIND_NUMBER] = "a number", [YAML_KIND_TEXT] = "a text",       [YAML_KIND_LIST] = "a list",
        [YAML_KIND_MAP] = "a map",
    };
    return texts[kind];
}

static const struct yaml_pair *find_pair(const struct yaml_node *node, struct slice key)
{
    if (!node || node->kind != YAML_KIND_MAP)
        return NULL;
    for (size_t index = 0; index < node->count; index++)
        if (slice_equal(slice_from_string(node->pairs[index].key), key))
            return &node->pairs[index];
    return NULL;
}

const struct yaml_pair *yaml_map_find(const struct yaml_node *node, const char *key)
{
    return find_pair(node, slice_from_string(key));
}

/* One step of a path: "[3]" or "name", with the point before it passed over. */
static const struct yaml_node *step(const struct yaml_node *node, const char **path)
{
    const char *cursor = *path;
    if (*cursor == '[') {
        char *end;
        unsigned long index = strtoul(cursor + 1, &end, 10);
        if (end == cursor + 1 || *end != ']' || node->kind != YAML_KIND_LIST || index >= node->count)
            return NULL;
        *path = end + 1;
        return node->items[index];
    }
    if (*cursor == '.')
        cursor++;
    /* The last name of a path may hold points and brackets: it can be any key of the administrator's. */
    size_t length = strlen(cursor);
    const struct yaml_pair *pair = find_pair(node, slice_of(cursor, length));
    if (!pair) {
        length = strcspn(cursor, ".[");
        pair = length ? find_pair(node, slice_of(cursor, length)) : NULL;
    }
    *path = cursor + length;
    return pair ? pair->value : NULL;
}

const struct yaml_node *yaml_node_at(const struct yaml_node *node, const char *path)
{
    while (node && *path) {
        const struct yaml_node *next = step(node, &path);
        if (!next)
            break;
        node = next;
    }
    return node;
}

static json_t *text_to_json(const struct yaml_node *node)
{
    return json_string_nocheck(node->text);
}

json_t *yaml_node_to_json(const struct yaml_node *node)
{
    json_t *json;
    switch (node->kind) {
    case YAML_KIND_NULL:
        return json_null();
    case YAML_KIND_BOOLEAN:
        return json_boolean(node->boolean);
    case YAML_KIND_INTEGER:
        return json_integer(node->integer);
    case YAML_KIND_NUMBER:
        return isfinite(node->number) ? json_real(node->number) : text_to_json(node);
    case YAML_KIND_LIST:
        json = json_array();
        for (size_t index = 0; index < node->count; index++)
            json_array_append_new(json, yaml_node_to_json(node->items[index]));
        return json;
    case YAML_KIND_MAP:
        json = json_object();
        for (size_t index = 0; index < node->count; index++)
            json_object_set_new_nocheck(json, node->pairs[index].key, yaml_node_to_json(node->pairs[index].value));
        return json;
    case YAML_KIND_TEXT:
        break;
    }
    return text_to_json(node);
}
