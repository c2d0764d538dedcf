/* Comparing JSON values for the programs that run vectors. */
#ifndef WEIR_TESTS_VECTOR_JSON_H
#define WEIR_TESTS_VECTOR_JSON_H

#include <yyjson.h>

#include "base/slice.h"

static inline struct slice vector_text(yyjson_val *value)
{
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value)) : SLICE_ABSENT;
}

/* The value of `key`: of a repeated key the last. */
static inline yyjson_val *vector_get(yyjson_val *object, struct slice key)
{
    yyjson_val *found = NULL;
    size_t index, size;
    yyjson_val *name, *value;
    if (!yyjson_is_obj(object))
        return NULL;
    yyjson_obj_foreach(object, index, size, name, value)
    {
        if (slice_equal(vector_text(name), key))
            found = value;
    }
    return found;
}

static inline bool vector_equal_numbers(yyjson_val *left, yyjson_val *right)
{
    if (yyjson_is_raw(left) || yyjson_is_raw(right))
        return yyjson_is_raw(left) && yyjson_is_raw(right) &&
               slice_equal(slice_of(yyjson_get_raw(left), yyjson_get_len(left)),
                           slice_of(yyjson_get_raw(right), yyjson_get_len(right)));
    if (yyjson_is_real(left) || yyjson_is_real(right))
        return yyjson_get_num(left) == yyjson_get_num(right);
    bool negative = yyjson_is_sint(left) && yyjson_get_sint(left) < 0;
    return negative == (yyjson_is_sint(right) && yyjson_get_sint(right) < 0) &&
           yyjson_get_uint(left) == yyjson_get_uint(right);
}

/* Equal as JSON values; the order of keys does not count. Depth is what json_read lets through. */
static inline bool vector_equal(yyjson_val *left, yyjson_val *right)
{
    size_t index, size;
    yyjson_val *key, *value;
    if ((yyjson_is_num(left) || yyjson_is_raw(left)) && (yyjson_is_num(right) || yyjson_is_raw(right)))
        return vector_equal_numbers(left, right);
    if (yyjson_get_type(left) != yyjson_get_type(right))
        return false;
    if (yyjson_is_str(left))
        return slice_equal(vector_text(left), vector_text(right));
    if (yyjson_is_bool(left))
        return yyjson_get_bool(left) == yyjson_get_bool(right);
    if (yyjson_is_arr(left)) {
        if (yyjson_arr_size(left) != yyjson_arr_size(right))
            return false;
        yyjson_arr_foreach(left, index, size, value)
        {
            if (!vector_equal(value, yyjson_arr_get(right, index)))
                return false;
        }
        return true;
    }
    yyjson_obj_foreach(left, index, size, key, value)
    {
        yyjson_val *other = vector_get(right, vector_text(key));
        if (!other || !vector_equal(vector_get(left, vector_text(key)), other))
            return false;
    }
    yyjson_obj_foreach(right, index, size, key, value)
    {
        if (!vector_get(left, vector_text(key)))
            return false;
    }
    return true;
}

#endif
