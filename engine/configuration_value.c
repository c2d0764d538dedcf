/* Takes values from the tree by the table of keys: one function for each type, the same words for the same mistake
 * everywhere. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"
#include "filters/parameter.h"

#define NAMES_MAXIMUM 64u
#define SECRET_MAXIMUM (64u << 10)

void configuration_unknown(struct configuration_reader *reader, const struct configuration_place *place,
                           const char *what, const char *word, const char *const *names)
{
    /* Looked for only as long as the problem can still be told: a file may hold a million unknown keys. */
    const char *nearest = reader->problem_count < CONFIGURATION_PROBLEMS_MAXIMUM ? nearest_word(word, names) : NULL;
    if (nearest)
        configuration_error(reader, place, "unknown %s; did you mean `%s`?", what, nearest);
    else
        configuration_error(reader, place, "unknown %s", what);
}

void configuration_wrong_kind(struct configuration_reader *reader, const struct configuration_place *place,
                              const char *wanted, const struct yaml_node *node)
{
    bool quotes = strcmp(wanted, "a text") == 0 && node->text && *node->text;
    configuration_error(reader, place, "must be %s, but is %s%s", wanted, yaml_kind_text(node->kind),
                        quotes ? " as YAML reads it: put it in quotes" : "");
}

/* Stores an integer in a member of 1, 2, 4 or 8 bytes; the table's ranges fit. */
static void store_integer(struct configuration_reader *reader, const struct setting *setting, int64_t value)
{
    char *target = (char *)reader->configuration + setting->offset;
    uint8_t byte = (uint8_t)value;
    uint16_t half = (uint16_t)value;
    uint32_t word = (uint32_t)value;
    const void *source = &value;
    if (setting->size == sizeof byte)
        source = &byte;
    else if (setting->size == sizeof half)
        source = &half;
    else if (setting->size == sizeof word)
        source = &word;
    memcpy(target, source, setting->size);
}

static void store_text(struct configuration_reader *reader, const struct setting *setting, char *text)
{
    char **target = (char **)((char *)reader->configuration + setting->offset);
    free(*target);
    *target = text;
}

static bool take_boolean(struct configuration_reader *reader, const struct setting *setting,
                         const struct configuration_place *place, const struct yaml_node *node)
{
    if (node->kind != YAML_KIND_BOOLEAN) {
        configuration_wrong_kind(reader, place, "true or false", node);
        return false;
    }
    store_integer(reader, setting, node->boolean);
    return true;
}

static bool take_integer(struct configuration_reader *reader, const struct setting *setting,
                         const struct configuration_place *place, const struct yaml_node *node)
{
    if (node->kind != YAML_KIND_INTEGER) {
        configuration_wrong_kind(reader, place, "an integer", node);
        return false;
    }
    if (node->integer < setting->minimum || node->integer > setting->maximum) {
        configuration_error(reader, place, "must be from %" PRId64 " to %" PRId64 ", but is %" PRId64, setting->minimum,
                            setting->maximum, node->integer);
        return false;
    }
    store_integer(reader, setting, node->integer);
    return true;
}

/* Milliseconds of "2s"; false if it is no duration or beyond a year. */
static bool parse_duration(const char *text, int64_t *milliseconds)
{
    static const struct {
        const char *unit;
        int64_t milliseconds;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    if (!isdigit((unsigned char)*text) || strspn(text, "0123456789") > 11)
        return false;
    int64_t number = strtoll(text, &end, 10);
    for (size_t index = 0; index < sizeof units / sizeof *units; index++) {
        if (strcmp(end, units[index].unit) == 0) {
            *milliseconds = number * units[index].milliseconds;
            return true;
        }
    }
    return false;
}

static bool take_duration(struct configuration_reader *reader, const struct setting *setting,
                          const struct configuration_place *place, const struct yaml_node *node)
{
    int64_t milliseconds = node->integer;
    if (node->kind != YAML_KIND_INTEGER &&
        (node->kind != YAML_KIND_TEXT || !parse_duration(node->text, &milliseconds))) {
        configuration_error(reader, place,
                            "must be a duration such as \"2s\" or \"500ms\", or an integer of milliseconds");
        return false;
    }
    if (milliseconds < setting->minimum || milliseconds > setting->maximum) {
        configuration_error(reader, place, "must be from %" PRId64 " to %" PRId64 " ms", setting->minimum,
                            setting->maximum);
        return false;
    }
    store_integer(reader, setting, milliseconds);
    return true;
}

static bool check_text(struct configuration_reader *reader, const struct configuration_place *place,
                       const struct yaml_node *node)
{
    if (node->kind != YAML_KIND_TEXT) {
        configuration_wrong_kind(reader, place, "a text", node);
        return false;
    }
    if (!*node->text) {
        configuration_error(reader, place, "must not be empty");
        return false;
    }
    return true;
}

static bool take_text(struct configuration_reader *reader, const struct setting *setting,
                      const struct configuration_place *place, const struct yaml_node *node)
{
    if (!check_text(reader, place, node))
        return false;
    store_text(reader, setting, memory_copy_text(node->text, strlen(node->text)));
    return true;
}

static bool take_port(struct configuration_reader *reader, const struct setting *setting,
                      const struct configuration_place *place, const struct yaml_node *node)
{
    bool digits = (node->kind == YAML_KIND_INTEGER || node->kind == YAML_KIND_TEXT) && *node->text &&
                  strspn(node->text, "0123456789") == strlen(node->text) && strlen(node->text) <= 5;
    int64_t port = digits ? strtoll(node->text, NULL, 10) : 0;
    if (port < 1 || port > 65535) {
        configuration_error(reader, place, "must be a port, an integer from 1 to 65535");
        return false;
    }
    store_text(reader, setting, memory_copy_text(node->text, strlen(node->text)));
    return true;
}

static bool take_choice(struct configuration_reader *reader, const struct setting *setting,
                        const struct configuration_place *place, const struct yaml_node *node)
{
    struct buffer names = {0};
    for (int64_t index = 0; setting->choices[index]; index++) {
        if (node->kind == YAML_KIND_TEXT && strcmp(node->text, setting->choices[index]) == 0) {
            store_integer(reader, setting, index);
            buffer_free(&names);
            return true;
        }
        buffer_append_format(&names, "%s%s", index ? ", " : "", setting->choices[index]);
    }
    const char *nearest = node->kind == YAML_KIND_TEXT ? nearest_word(node->text, setting->choices) : NULL;
    configuration_error(reader, place, "must be one of: %s%s%s%s", buffer_string(&names),
                        nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
    buffer_free(&names);
    return false;
}

static bool take_path(struct configuration_reader *reader, const struct setting *setting,
                      const struct configuration_place *place, const struct yaml_node *node)
{
    if (!check_text(reader, place, node))
        return false;
    store_text(reader, setting, configuration_resolve_path(reader->files[place->file].path, node->text));
    return true;
}

/* The content is never quoted in a message. */
static bool take_secret(struct configuration_reader *reader, const struct setting *setting,
                        const struct configuration_place *place, const struct yaml_node *node)
{
    if (!check_text(reader, place, node))
        return false;
    struct buffer content = {0}, reason = {0};
    char *path = configuration_resolve_path(reader->files[place->file].path, node->text);
    bool taken = false;
    if (!reader->read_files || !configuration_read_watched(reader, path, SECRET_MAXIMUM, &content, &reason)) {
        configuration_error(reader, place, "\"%s\" cannot be read: %s", path, buffer_string(&reason));
    } else {
        const char *start = buffer_string(&content), *end = start + content.length;
        while (start < end && isspace((unsigned char)*start))
            start++;
        while (end > start && isspace((unsigned char)end[-1]))
            end--;
        taken = start < end && !memchr(start, '\0', (size_t)(end - start));
        if (taken)
            store_text(reader, setting, memory_copy_text(start, (size_t)(end - start)));
        else
            configuration_error(reader, place, "\"%s\" %s", path, start == end ? "is empty" : "holds a NUL character");
        explicit_bzero(content.data, content.capacity);
    }
    free(path);
    buffer_free(&content);
    buffer_free(&reason);
    return taken;
}

static bool take_known(struct configuration_reader *reader, const struct setting *setting,
                       const struct configuration_place *place, const struct yaml_node *node)
{
    (void)reader, (void)setting, (void)place, (void)node;
    return true;
}

static bool take_map(struct configuration_reader *reader, const struct setting *setting,
                     const struct configuration_place *place, const struct yaml_node *node)
{
    if (node->kind != YAML_KIND_MAP && node->kind != YAML_KIND_NULL) {
        configuration_wrong_kind(reader, place, "a map", node);
        return false;
    }
    configuration_take_map(reader, setting->children, false, place, node);
    return true;
}

void configuration_take_value(struct configuration_reader *reader, const struct setting *setting,
                              const struct configuration_place *place, const struct yaml_node *node)
{
    static bool (*const takers[])(struct configuration_reader *, const struct setting *,
                                  const struct configuration_place *, const struct yaml_node *) = {
        [SETTING_MAP] = take_map,           [SETTING_BOOLEAN] = take_boolean, [SETTING_INTEGER] = take_integer,
        [SETTING_DURATION] = take_duration, [SETTING_TEXT] = take_text,       [SETTING_PORT] = take_port,
        [SETTING_CHOICE] = take_choice,     [SETTING_PATH] = take_path,       [SETTING_SECRET] = take_secret,
        [SETTING_KNOWN] = take_known,
    };
    /* An outspoken null means the default, as in Synapse; a key whose value was forgotten does not. */
    bool scalar = setting->type != SETTING_MAP && setting->type != SETTING_KNOWN;
    if (scalar && node->kind == YAML_KIND_NULL) {
        if (!*node->text && !reader->files[place->file].lenient)
            configuration_error(reader, place, "has no value");
        return;
    }
    if (takers[setting->type](reader, setting, place, node) && setting->check)
        setting->check(reader, place, node);
}

static const struct setting *find_setting(const struct setting *settings, const char *name)
{
    for (; settings->name; settings++)
        if (strcmp(settings->name, name) == 0)
            return settings;
    return NULL;
}

static void unknown_setting(struct configuration_reader *reader, const struct setting *settings,
                            const struct configuration_place *place, const char *name)
{
    const char *names[NAMES_MAXIMUM];
    size_t count = 0;
    for (; settings->name && count < NAMES_MAXIMUM - 1; settings++)
        names[count++] = settings->name;
    names[count] = NULL;
    configuration_unknown(reader, place, "key", name, names);
}

void configuration_take_map(struct configuration_reader *reader, const struct setting *settings, bool free_keys,
                            const struct configuration_place *place, const struct yaml_node *map)
{
    struct buffer key = {0};
    for (size_t index = 0; map->kind == YAML_KIND_MAP && index < map->count; index++) {
        const struct yaml_pair *pair = &map->pairs[index];
        buffer_clear(&key);
        buffer_append_format(&key, "%s%s%s", place->key, *place->key ? "." : "", pair->key);
        struct configuration_place below = {place->file, pair->mark, buffer_string(&key)};
        const struct setting *setting = find_setting(settings, pair->key);
        if (!setting) {
            if (!free_keys && !reader->files[place->file].lenient)
                unknown_setting(reader, settings, &below, pair->key);
            continue;
        }
        if (pair->value->kind != YAML_KIND_NULL)
            below.mark = pair->value->mark;
        configuration_take_value(reader, setting, &below, pair->value);
    }
    buffer_free(&key);
}
