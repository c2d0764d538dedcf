/* Opening the socket of a link to Redis: TCP to an address or a host name, or a unix socket. */
#ifndef WEIR_ENGINE_REDIS_TRANSPORT_H
#define WEIR_ENGINE_REDIS_TRANSPORT_H

#include <event2/bufferevent.h>
#include <event2/dns.h>

#include "engine/redis_link.h"

/* Starts connecting `transport`; its event callback tells the outcome, perhaps before this returns. Host names are
 * looked up without blocking by `*resolver`, which is made when it is first needed and is the caller's to free. False
 * with a sentence in `error`. */
bool redis_transport_connect(struct bufferevent *transport, struct evdns_base **resolver,
                             const struct redis_address *address, struct buffer *error);

/* To be called once connected: keep-alive probes, no delay of small writes. */
void redis_transport_connected(struct bufferevent *transport, const struct redis_address *address);

#endif
