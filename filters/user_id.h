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

/* The name in a user id; of what has no server, or no `@`, all of it that is there. An absent one stays absent. */
static inline struct slice user_id_localpart(struct slice id)
{
    if (!id.data)
        return id;
    const char *colon = memchr(id.data, ':', id.length);
    if (colon)
        id.length = (size_t)(colon - id.data);
    return id.length && id.data[0] == '@' ? slice_of(id.data + 1, id.length - 1) : id;
}

#endif
