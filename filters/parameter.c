/* One decoder for every module's parameters, driven by its table: modules never see JSON, and unknown names, types and
 * ranges are refused in the same words everywhere. */
#include "filters/parameter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/parameter_decoding.h"
#include "filters/value.h"

void module_host_report(const struct module_host *host, const char *path, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    host->report(host->context, path, message);
}

void module_host_warn(const struct module_host *host, const char *path, const char *format, ...)
{
    if (!host->warn)
        return;
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    host->warn(host->context, path, message);
}

static void text_list_add(struct text_list *list, const char *text, size_t length)
{
    if ((list->count & (list->count - 1)) == 0)
        list->items = memory_reallocate(list->items, (list->count ? list->count * 2 : 1) * sizeof *list->items);
    list->items[list->count++] = memory_copy_text(text, length);
}

void text_list_free(struct text_list *list)
{
    for (size_t index = 0; index < list->count && !list->block; index++)
        free(list->items[index]);
    free(list->block);
    free(list->items);
    free(list->lines);
    free(list->path);
    *list = (struct text_list){0};
}

static bool decode_boolean(const struct decoding *decoding, const json_t *value)
{
    if (!json_is_boolean(value)) {
        module_host_report(decoding->host, decoding->parameter->name, "must be true or false");
        return false;
    }
    *(bool *)decoding->target = json_is_true(value);
    return true;
}

static bool decode_integer(const struct decoding *decoding, const json_t *value)
{
    const struct parameter *parameter = decoding->parameter;
    if (!json_is_integer(value) || json_integer_value(value) < parameter->minimum ||
        json_integer_value(value) > parameter->maximum) {
        module_host_report(decoding->host, parameter->name, "must be a whole number from %" PRId64 " to %" PRId64,
                           parameter->minimum, parameter->maximum);
        return false;
    }
    *(int64_t *)decoding->target = json_integer_value(value);
    return true;
}

/* "must be a duration (…) from 1s to 24h" */
static void report_type(const struct decoding *decoding)
{
    struct buffer wanted = {0};
    parameter_describe_type(decoding->parameter, &wanted);
    module_host_report(decoding->host, decoding->parameter->name, "must be a %s", buffer_string(&wanted));
    buffer_free(&wanted);
}

static bool decode_duration(const struct decoding *decoding, const json_t *value)
{
    const struct parameter *parameter = decoding->parameter;
    int64_t milliseconds = json_integer_value(value);
    bool read =
        json_is_integer(value) || (json_is_string(value) && duration_read(json_string_value(value), &milliseconds));
    if (!read || milliseconds < parameter->minimum || milliseconds > parameter->maximum) {
        report_type(decoding);
        return false;
    }
    *(int64_t *)decoding->target = milliseconds;
    return true;
}

static bool decode_rate(const struct decoding *decoding, const json_t *value)
{
    const struct parameter *parameter = decoding->parameter;
    struct rate rate;
    if (!json_is_string(value) || !rate_read(json_string_value(value), &rate) || rate.count < parameter->minimum ||
        rate.count > parameter->maximum || rate.period_ms > PARAMETER_PERIOD_MAXIMUM_MS) {
        report_type(decoding);
        return false;
    }
    *(struct rate *)decoding->target = rate;
    return true;
}

static bool decode_text(const struct decoding *decoding, const json_t *value)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        module_host_report(decoding->host, decoding->parameter->name, "must be a text");
        return false;
    }
    free(*(char **)decoding->target);
    *(char **)decoding->target = memory_copy_text(json_string_value(value), json_string_length(value));
    return true;
}

static bool decode_choice(const struct decoding *decoding, const json_t *value)
{
    const struct parameter *parameter = decoding->parameter;
    const char *text = json_string_value(value);
    for (int index = 0; text && parameter->choices[index]; index++) {
        if (strcmp(text, parameter->choices[index]) == 0) {
            *(int *)decoding->target = index;
            return true;
        }
    }
    struct buffer wanted = {0};
    parameter_describe_type(parameter, &wanted);
    module_host_report(decoding->host, parameter->name, "must be %s", buffer_string(&wanted));
    buffer_free(&wanted);
    return false;
}

static bool decode_number(const struct decoding *decoding, const json_t *value)
{
    const struct parameter *parameter = decoding->parameter;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= (double)parameter->minimum && number <= (double)parameter->maximum)) {
        module_host_report(decoding->host, parameter->name, "must be a number from %" PRId64 " to %" PRId64,
                           parameter->minimum, parameter->maximum);
        return false;
    }
    *(double *)decoding->target = number;
    return true;
}

/* One text of a set. */
static bool decode_member(const struct decoding *decoding, const char *path, const json_t *value)
{
    const struct parameter *parameter = decoding->parameter;
    const char *text = json_string_value(value);
    for (unsigned index = 0; text && parameter->choices[index]; index++) {
        if (strcmp(text, parameter->choices[index]) == 0) {
            *(unsigned *)decoding->target |= 1u << index;
            return true;
        }
    }
    struct buffer wanted = {0};
    const char *nearest = text ? nearest_word(text, parameter->choices) : NULL;
    for (int index = 0; parameter->choices[index]; index++)
        buffer_append_format(&wanted, "%s%s", index ? ", " : "", parameter->choices[index]);
    if (nearest)
        buffer_append_format(&wanted, "; did you mean `%s`?", nearest);
    module_host_report(decoding->host, path, "must be one of %s", buffer_string(&wanted));
    buffer_free(&wanted);
    return false;
}

static bool decode_choices(const struct decoding *decoding, const json_t *value)
{
    *(unsigned *)decoding->target = 0;
    if (json_is_null(value))
        return true;
    if (!json_is_array(value))
        return decode_member(decoding, decoding->parameter->name, value);
    bool good = true;
    for (size_t index = 0; index < json_array_size(value); index++) {
        char path[128];
        snprintf(path, sizeof path, "%s[%zu]", decoding->parameter->name, index);
        good = decode_member(decoding, path, json_array_get(value, index)) && good;
    }
    return good;
}

static bool decode_code(const struct decoding *decoding, const json_t *value)
{
    if (!decode_text(decoding, value))
        return false;
    if (!value_code_known(slice_from_string(json_string_value(value)))) {
        module_host_report(decoding->host, decoding->parameter->name,
                           "`%s` is none of Synapse's error codes (for example M_FORBIDDEN)", json_string_value(value));
        return false;
    }
    return true;
}

bool decode_text_list(const struct decoding *decoding, const json_t *value)
{
    struct text_list *list = decoding->target;
    text_list_free(list);
    if (json_is_null(value))
        return true;
    if (json_is_string(value)) {
        text_list_add(list, json_string_value(value), json_string_length(value));
        return true;
    }
    if (!json_is_array(value)) {
        module_host_report(decoding->host, decoding->parameter->name, "must be a list of texts");
        return false;
    }
    bool good = true;
    for (size_t index = 0; index < json_array_size(value); index++) {
        const json_t *item = json_array_get(value, index);
        if (json_is_string(item) && strlen(json_string_value(item)) == json_string_length(item)) {
            text_list_add(list, json_string_value(item), json_string_length(item));
            continue;
        }
        char path[128];
        snprintf(path, sizeof path, "%s[%zu]", decoding->parameter->name, index);
        module_host_report(decoding->host, path, "must be a text (in quotes, if YAML reads it as something else)");
        good = false;
    }
    return good;
}

static bool decode_map(const struct decoding *decoding, const json_t *value)
{
    json_t **target = decoding->target;
    if (json_is_null(value))
        return true;
    if (!json_is_object(value)) {
        module_host_report(decoding->host, decoding->parameter->name, "must be a map");
        return false;
    }
    json_decref(*target);
    *target = json_incref((json_t *)(uintptr_t)value);
    return true;
}

static bool decode_text_map(const struct decoding *decoding, const json_t *value)
{
    struct text_map *map = decoding->target;
    if (!json_is_object(value) && !json_is_null(value)) {
        module_host_report(decoding->host, decoding->parameter->name, "must be a map of texts");
        return false;
    }
    bool good = true;
    const char *name;
    json_t *text;
    map->names = memory_allocate_zeroed(json_object_size(value), sizeof *map->names);
    map->values = memory_allocate_zeroed(json_object_size(value), sizeof *map->values);
    json_object_foreach((json_t *)(uintptr_t)value, name, text)
    {
        if (json_is_string(text) && strlen(json_string_value(text)) == json_string_length(text)) {
            map->names[map->count] = memory_copy_text(name, strlen(name));
            map->values[map->count++] = memory_copy_text(json_string_value(text), json_string_length(text));
            continue;
        }
        char path[256];
        snprintf(path, sizeof path, "%s.%s", decoding->parameter->name, name);
        module_host_report(decoding->host, path, "must be a text (in quotes, if YAML reads it as something else)");
        good = false;
    }
    return good;
}

static void free_text(const struct parameter *parameter, void *target)
{
    (void)parameter;
    free(*(char **)target);
    *(char **)target = NULL;
}

static void free_text_list(const struct parameter *parameter, void *target)
{
    (void)parameter;
    text_list_free(target);
}

static void free_text_map(const struct parameter *parameter, void *target)
{
    (void)parameter;
    struct text_map *map = target;
    for (size_t index = 0; index < map->count; index++) {
        free(map->names[index]);
        free(map->values[index]);
    }
    free(map->names);
    free(map->values);
    *map = (struct text_map){0};
}

static void free_map(const struct parameter *parameter, void *target)
{
    (void)parameter;
    json_decref(*(json_t **)target);
    *(json_t **)target = NULL;
}

static json_t *boolean_fallback(const char *text)
{
    return json_boolean(strcmp(text, "true") == 0);
}

static json_t *integer_fallback(const char *text)
{
    return json_integer(strtoll(text, NULL, 10));
}

static json_t *number_fallback(const char *text)
{
    return json_real(strtod(text, NULL));
}

static json_t *words_fallback(const char *text)
{
    json_t *list = json_array();
    if (strcmp(text, "[]") == 0)
        return list;
    for (const char *word = text + strspn(text, " "); *word; word += strspn(word, " ")) {
        size_t length = strcspn(word, " ");
        json_array_append_new(list, json_stringn(word, length));
        word += length;
    }
    return list;
}

static json_t *pairs_fallback(const char *text)
{
    json_t *map = json_object(), *words = words_fallback(text), *word;
    size_t index;
    json_array_foreach(words, index, word)
    {
        const char *name = json_string_value(word);
        size_t length = strcspn(name, "=");
        json_object_setn_new(map, name, length, json_string(name + length + (name[length] != '\0')));
    }
    json_decref(words);
    return map;
}

static const struct parameter_kind {
    const char *description;
    bool (*decode)(const struct decoding *decoding, const json_t *value);
    void (*release)(const struct parameter *parameter, void *target); /* NULL: it owns nothing */
    json_t *(*fallback)(const char *text);                            /* the default as a JSON value */
} kinds[] = {
    [PARAMETER_BOOLEAN] = {"true or false", decode_boolean, NULL, boolean_fallback},
    [PARAMETER_INTEGER] = {"whole number", decode_integer, NULL, integer_fallback},
    [PARAMETER_DURATION] = {"duration (such as \"10m\")", decode_duration, NULL, json_string},
    [PARAMETER_RATE] = {"rate (such as \"10/m\")", decode_rate, NULL, json_string},
    [PARAMETER_TEXT] = {"text", decode_text, free_text, json_string},
    [PARAMETER_CHOICE] = {"one of", decode_choice, NULL, json_string},
    [PARAMETER_CODE] = {"Matrix error code", decode_code, free_text, json_string},
    [PARAMETER_TEXT_LIST] = {"list of texts", decode_text_list, free_text_list, words_fallback},
    [PARAMETER_LINES_FILE] = {"path of a file, one entry a line", decode_lines_file, free_text_list, json_string},
    [PARAMETER_LINES_FILES] = {"paths of files, one entry a line", decode_lines_files, release_lines_files,
                               words_fallback},
    [PARAMETER_TEXT_MAP] = {"map of texts", decode_text_map, free_text_map, pairs_fallback},
    [PARAMETER_MAP] = {"map", decode_map, free_map, pairs_fallback},
    [PARAMETER_MAP_LIST] = {"list of maps", decode_map_list, release_map_list, words_fallback},
    [PARAMETER_FIELDS] = {"map", decode_fields, release_fields, words_fallback},
    [PARAMETER_NUMBER] = {"number", decode_number, NULL, number_fallback},
    [PARAMETER_CHOICES] = {"list of any of", decode_choices, NULL, words_fallback},
};

static bool decode_one(const struct parameter *parameter, const json_t *value, void *configuration,
                       const struct module_host *host)
{
    struct decoding decoding = {parameter, (char *)configuration + parameter->offset, host};
    return kinds[parameter->type].decode(&decoding, value);
}

static void report_unknown(const struct parameter *table, size_t count, const char *name,
                           const struct module_host *host)
{
    const char **names = memory_allocate_zeroed(count + 1, sizeof *names);
    for (size_t index = 0; index < count; index++)
        names[index] = table[index].name;
    const char *nearest = nearest_word(name, names);
    if (nearest)
        module_host_report(host, name, "unknown parameter; did you mean `%s`?", nearest);
    else
        module_host_report(host, name, "unknown parameter");
    free(names);
}

bool parameters_check_names(const struct parameter *table, size_t count, const json_t *values,
                            const struct module_host *host)
{
    bool good = true;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, name, value)
    {
        bool known = false;
        for (size_t index = 0; index < count && !known; index++)
            known = strcmp(table[index].name, name) == 0;
        if (!known)
            report_unknown(table, count, name, host);
        good = good && known;
    }
    return good;
}

bool parameters_decode(const struct parameter *table, size_t count, const json_t *values, void *configuration,
                       const struct module_host *host)
{
    bool good = true;
    for (size_t index = 0; index < count; index++) {
        const struct parameter *parameter = &table[index];
        const json_t *value = json_object_get(values, parameter->name);
        if (value) {
            good = decode_one(parameter, value, configuration, host) && good;
        } else if (parameter->fallback) {
            json_t *fallback = kinds[parameter->type].fallback(parameter->fallback);
            good = decode_one(parameter, fallback, configuration, host) && good;
            json_decref(fallback);
        }
    }
    if (values && !json_is_object(values)) {
        module_host_report(host, "", "must be a map of parameters");
        return false;
    }
    return good;
}

void parameters_free(const struct parameter *table, size_t count, void *configuration)
{
    for (size_t index = 0; index < count; index++) {
        const struct parameter_kind *kind = &kinds[table[index].type];
        if (kind->release)
            kind->release(&table[index], (char *)configuration + table[index].offset);
    }
}

void parameter_describe_type(const struct parameter *parameter, struct buffer *output)
{
    buffer_append_string(output, parameter->text_items ? "list of texts or maps" : kinds[parameter->type].description);
    bool has_choices = parameter->type == PARAMETER_CHOICE || parameter->type == PARAMETER_CHOICES;
    if (parameter->type == PARAMETER_INTEGER || parameter->type == PARAMETER_NUMBER)
        buffer_append_format(output, " from %" PRId64 " to %" PRId64, parameter->minimum, parameter->maximum);
    if (parameter->type == PARAMETER_RATE)
        buffer_append_format(output, " of %" PRId64 " to %" PRId64, parameter->minimum, parameter->maximum);
    if (parameter->type == PARAMETER_DURATION) {
        buffer_append_string(output, " from ");
        duration_append(output, parameter->minimum);
        buffer_append_string(output, " to ");
        duration_append(output, parameter->maximum);
    }
    for (int index = 0; has_choices && parameter->choices[index]; index++)
        buffer_append_format(output, "%s %s", index ? "," : "", parameter->choices[index]);
    for (size_t index = 0; index < parameter->field_count; index++)
        buffer_append_format(output, "%s %s", index ? "," : " with", parameter->fields[index].name);
}
