/* What a server name may look like (Matrix specification, appendices, "Server Name"; Synapse's
 * parse_and_validate_server_name). */
#ifndef WEIR_FILTERS_SERVER_NAME_H
#define WEIR_FILTERS_SERVER_NAME_H

#include "base/slice.h"

#define SERVER_NAME_MAXIMUM 255u

/* Whether `text` is a host name, an IPv4 address or an IPv6 address in brackets, with or without a port. */
bool server_name_valid(struct slice text);

#endif
