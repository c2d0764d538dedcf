/* Parameters that are maps, or lists of them, decoded by tables of their own. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/map_host.h"
#include "filters/parameter_decoding.h"

/* A map inside is decoded as a module's whole configuration is; only what is reported needs a longer path. */
static bool decode_inside(const struct parameter *parameter, const struct module_host *host, const json_t *map,
                          void *target)
{
    bool good = parameters_check_names(parameter->fields, parameter->field_count, map, host);
    return parameters_decode(parameter->fields, parameter->field_count, map, target, host) && good;
}

/* A map of the list; a new reference. NULL: it is none, and no text that may stand for one. */
static json_t *read_item(const struct parameter *parameter, const json_t *item)
{
    if (parameter->text_items && json_is_string(item))
        return json_pack("{s:O}", parameter->fields[0].name, item);
    return json_is_object(item) ? json_incref((json_t *)(uintptr_t)item) : NULL;
}

bool decode_map_list(const struct decoding *decoding, const json_t *value)
{
    const struct parameter *parameter = decoding->parameter;
    struct map_list *list = decoding->target;
    bool single = parameter->text_items && (json_is_string(value) || json_is_object(value));
    if (!json_is_array(value) && !json_is_null(value) && !single) {
        module_host_report(decoding->host, parameter->name, "must be a list of %s",
                           parameter->text_items ? "texts or maps" : "maps");
        return false;
    }
    bool good = true;
    list->count = single ? 1 : json_array_size(value);
    list->items = memory_allocate_zeroed(list->count, parameter->map_size);
    for (size_t index = 0; index < list->count; index++) {
        struct map_host place;
        const struct module_host *host = map_host_open(&place, decoding->host, parameter->name, index);
        json_t *map = read_item(parameter, single ? value : json_array_get(value, index));
        void *item = (char *)list->items + index * parameter->map_size;
        if (map)
            good = decode_inside(parameter, host, map, item) && good;
        else
            module_host_report(host, "", "%s", parameter->text_items ? "must be a text or a map" : "must be a map");
        good &= map != NULL;
        json_decref(map);
    }
    return good;
}

void release_map_list(const struct parameter *parameter, void *target)
{
    struct map_list *list = target;
    for (size_t index = 0; index < list->count; index++)
        parameters_free(parameter->fields, parameter->field_count, (char *)list->items + index * parameter->map_size);
    free(list->items);
    *list = (struct map_list){0};
}

/* A text or a list stands for a map with its first key alone. */
bool decode_fields(const struct decoding *decoding, const json_t *value)
{
    const struct parameter *parameter = decoding->parameter;
    struct map_host place;
    const struct module_host *host = map_host_open(&place, decoding->host, parameter->name, MAP_HOST_ALONE);
    json_t *map = NULL;
    if (json_is_string(value) || json_is_array(value)) {
        map = json_object();
        json_object_set(map, parameter->fields[0].name, (json_t *)(uintptr_t)value);
    } else if (!json_is_object(value) && !json_is_null(value)) {
        module_host_report(decoding->host, parameter->name, "must be a map or a list of texts");
        return false;
    }
    bool good = decode_inside(parameter, host, map ? map : json_is_null(value) ? NULL : value, decoding->target);
    json_decref(map);
    return good;
}

void release_fields(const struct parameter *parameter, void *target)
{
    parameters_free(parameter->fields, parameter->field_count, target);
}
