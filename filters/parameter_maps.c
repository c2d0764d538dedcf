/* Parameters that are maps, or lists of them, decoded by tables of their own. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/parameter_decoding.h"

/* A map inside is decoded as a module's whole configuration is; only what is reported needs a longer path. */
struct map_place {
    const struct module_host *host;
    const char *name;
    const json_t *list; /* NULL: no list of maps */
    size_t index;
};

static void report_in_map(void *context, const char *path, const char *message)
{
    const struct map_place *place = context;
    char whole[256], number[32] = "";
    if (place->list)
        snprintf(number, sizeof number, "[%zu]", place->index);
    snprintf(whole, sizeof whole, "%s%s%s%s", place->name, number, *path ? "." : "", path);
    place->host->report(place->host->context, whole, message);
}

static bool read_file_of_map(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    const struct map_place *place = context;
    return place->host->read_file(place->host->context, name, content, error);
}

static bool decode_inside(const struct parameter *parameter, struct map_place *place, const json_t *map, void *target)
{
    struct module_host host = {.context = place, .report = report_in_map, .read_file = read_file_of_map};
    bool good = parameters_check_names(parameter->fields, parameter->field_count, map, &host);
    return parameters_decode(parameter->fields, parameter->field_count, map, target, &host) && good;
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
    struct map_place place = {.host = decoding->host, .name = parameter->name, .list = value};
    list->count = single ? 1 : json_array_size(value);
    list->items = memory_allocate_zeroed(list->count, parameter->map_size);
    for (; place.index < list->count; place.index++) {
        json_t *map = read_item(parameter, single ? value : json_array_get(value, place.index));
        void *item = (char *)list->items + place.index * parameter->map_size;
        if (map)
            good = decode_inside(parameter, &place, map, item) && good;
        else
            report_in_map(&place, "", parameter->text_items ? "must be a text or a map" : "must be a map");
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
    struct map_place place = {.host = decoding->host, .name = parameter->name};
    json_t *map = NULL;
    if (json_is_string(value) || json_is_array(value)) {
        map = json_object();
        json_object_set(map, parameter->fields[0].name, (json_t *)(uintptr_t)value);
    } else if (!json_is_object(value) && !json_is_null(value)) {
        module_host_report(decoding->host, parameter->name, "must be a map or a list of texts");
        return false;
    }
    bool good = decode_inside(parameter, &place, map ? map : json_is_null(value) ? NULL : value, decoding->target);
    json_decref(map);
    return good;
}

void release_fields(const struct parameter *parameter, void *target)
{
    parameters_free(parameter->fields, parameter->field_count, target);
}
