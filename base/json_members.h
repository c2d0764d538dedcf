/* The texts of some members of a JSON object, without a tree: for bodies of which one member is handed on as it came.
 *
 * The whole text is checked, as json_scan.h does it. */
#ifndef WEIR_BASE_JSON_MEMBERS_H
#define WEIR_BASE_JSON_MEMBERS_H

#include "base/buffer.h"

enum json_members_status {
    JSON_MEMBERS_FOUND,
    JSON_MEMBERS_NOT_JSON,   /* nested too deeply is none either */
    JSON_MEMBERS_NOT_OBJECT, /* JSON, but another kind of value */
};

/* Finds what stands for each of the `count` names in `text`: slices of it in `values`, absent where there is no such
 * member; of one that is there twice the last, as Python's json takes it. `scratch` is overwritten. */
enum json_members_status json_members_find(struct slice text, const char *const *names, size_t count,
                                           struct slice *values, struct buffer *scratch);

#endif
