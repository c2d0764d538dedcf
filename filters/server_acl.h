/* Which servers a room keeps out: the content of its m.room.server_acl (Matrix specification, client-server API,
 * "Server ACLs"; Synapse's rust/src/acl/mod.rs). */
#ifndef WEIR_FILTERS_SERVER_ACL_H
#define WEIR_FILTERS_SERVER_ACL_H

#include <jansson.h>

#include "base/slice.h"

/* Whether a server, with or without a port in its name, may take part. What is of the wrong type counts as left out. */
bool server_acl_allows(const json_t *content, struct slice server_name);

#endif
