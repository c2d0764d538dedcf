/* What a Matrix user id looks like to Synapse (synapse/types, DomainSpecificString.from_string). */
#ifndef WEIR_FILTERS_USER_ID_H
#define WEIR_FILTERS_USER_ID_H

#include "base/slice.h"

/* Whether `text` is `@`, a name, `:` and a server name. The name may hold any characters, or none, as old ones do. */
static inline bool user_id_valid(struct slice text)
{
    if (text.length == 0 || text.data[0] != '@')
        return false;
    const char *colon = memchr(text.data, ':', text.length);
    return colon && colon < text.data + text.length - 1;
}

#endif
