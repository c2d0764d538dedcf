#include "filters/map_host.h"

#include <stdio.h>

static void place(const struct map_host *map, const char *path, char *whole, size_t size)
{
    char number[32] = "";
    if (map->index != MAP_HOST_ALONE)
        snprintf(number, sizeof number, "[%zu]", map->index);
    snprintf(whole, size, "%s%s%s%s", map->name, number, *path ? "." : "", path);
}

static void report(void *context, const char *path, const char *message)
{
    const struct map_host *map = context;
    char whole[256];
    place(map, path, whole, sizeof whole);
    map->outer->report(map->outer->context, whole, message);
}

static void warn(void *context, const char *path, const char *message)
{
    const struct map_host *map = context;
    char whole[256];
    place(map, path, whole, sizeof whole);
    map->outer->warn(map->outer->context, whole, message);
}

static bool read_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    const struct map_host *map = context;
    return map->outer->read_file(map->outer->context, name, content, error);
}

static bool resolve_path(void *context, const char *name, struct buffer *path, struct buffer *error)
{
    const struct map_host *map = context;
    return map->outer->resolve_path(map->outer->context, name, path, error);
}

const struct module_host *map_host_open(struct map_host *map, const struct module_host *outer, const char *name,
                                        size_t index)
{
    *map = (struct map_host){.outer = outer, .name = name, .index = index};
    map->host = *outer;
    map->host.context = map;
    map->host.report = report;
    map->host.warn = outer->warn ? warn : NULL;
    map->host.read_file = outer->read_file ? read_file : NULL;
    map->host.resolve_path = outer->resolve_path ? resolve_path : NULL;
    return &map->host;
}
