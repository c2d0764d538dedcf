/* Members of the engine's answers by their path ("/redis/address"), read with or without YYJSON_READ_NUMBER_AS_RAW. A
 * member that is missing, or of another kind, is told apart from every value, so that an older or a newer engine is
 * shown as far as it goes. */
#ifndef WEIR_ENGINE_ADMIN_JSON_H
#define WEIR_ENGINE_ADMIN_JSON_H

#include <math.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/slice.h"

/* Absent without a text. */
static inline struct slice admin_json_text(yyjson_val *root, const char *path)
{
    yyjson_val *value = yyjson_ptr_get(root, path);
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value)) : SLICE_ABSENT;
}

/* NAN without a number. */
static inline double admin_json_number(yyjson_val *root, const char *path)
{
    yyjson_val *value = yyjson_ptr_get(root, path);
    return yyjson_is_raw(value)   ? strtod(yyjson_get_raw(value), NULL)
           : yyjson_is_num(value) ? yyjson_get_num(value)
                                  : NAN;
}

static inline bool admin_json_is_true(yyjson_val *root, const char *path)
{
    return yyjson_is_true(yyjson_ptr_get(root, path));
}

#endif
