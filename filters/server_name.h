/* What a server name may look like (Matrix specification, appendices, "Server Name"; Synapse's
 * parse_and_validate_server_name). */
#ifndef WEIR_FILTERS_SERVER_NAME_H
#define WEIR_FILTERS_SERVER_NAME_H

#include "base/slice.h"

#define SERVER_NAME_MAXIMUM 255u

/* Whether `text` is a host name, an IPv4 address or an IPv6 address in brackets, with or without a port. */
bool server_name_valid(struct slice text);

/* The part of a user's, room's or alias's id behind its first `:`; absent without one. Rooms of version 12 on have
 * none. */
static inline struct slice server_name_of(struct slice id)
{
    const char *colon = id.data ? memchr(id.data, ':', id.length) : NULL;
    return colon ? slice_of(colon + 1, id.length - (size_t)(colon + 1 - id.data)) : SLICE_ABSENT;
}

/* `name` without its port; an address in brackets keeps them. What is no server name comes back up to its first `:`. An
 * absent one stays absent. */
struct slice server_name_host(struct slice name);

#endif
