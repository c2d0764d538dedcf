/* The host of one map inside a configuration: whatever is reported of it is placed where the administrator wrote it,
 * "rules[1].types[0]". For decoding one, and for what a module finds wrong in it afterwards. */
#ifndef WEIR_FILTERS_MAP_HOST_H
#define WEIR_FILTERS_MAP_HOST_H

#include "filters/parameter.h"

/* The `index` of a map that is no item of a list. */
#define MAP_HOST_ALONE SIZE_MAX

struct map_host {
    const struct module_host *outer;
    const char *name; /* of the parameter that has the map */
    size_t index;
    struct module_host host;
};

/* Fills `map`, which must stay where it is while the host that this returns is used. */
const struct module_host *map_host_open(struct map_host *map, const struct module_host *outer, const char *name,
                                        size_t index);

#endif
