/* The socket of a link to Redis: TCP to an address or a host name, or a unix socket, with TLS or without. */
#ifndef WEIR_ENGINE_REDIS_TRANSPORT_H
#define WEIR_ENGINE_REDIS_TRANSPORT_H

#include <event2/dns.h>
#include <event2/event.h>
#include <sys/types.h>

#include "engine/redis_address.h"

struct redis_transport;

/* The transport may be closed from within each of them. */
struct redis_transport_callbacks {
    void *context;
    /* Bytes may be written and will be read from now on. */
    void (*connected)(void *context);
    /* redis_transport_read has something to say. */
    void (*readable)(void *context);
    /* It could not be opened, or is lost; `reason` is a sentence for people. To be closed. */
    void (*broken)(void *context, const char *reason);
};

/* Starts connecting; `broken` may be called before this returns. Host names are looked up without blocking by
 * `*resolver`, which is made when it is first needed and is the caller's to free. The certificates are read now.
 * `address` must stay valid until `connected`. NULL with a sentence in `error`. */
struct redis_transport *redis_transport_open(struct event_base *base, struct evdns_base **resolver,
                                             const struct redis_address *address,
                                             const struct redis_transport_callbacks *callbacks, struct buffer *error);
void redis_transport_close(struct redis_transport *transport);

/* What it waits for while it is being opened, for the log: "no answer in time". */
const char *redis_transport_lateness(const struct redis_transport *transport);

/* Bytes that have come, at most `size`; 0: none now; -1, with a sentence in `error`: there will be no more. */
ssize_t redis_transport_read(struct redis_transport *transport, char *room, size_t size, struct buffer *error);
/* What the socket does not take now is kept and written when it does. */
void redis_transport_write(struct redis_transport *transport, struct slice bytes);
/* Bytes that are kept. */
size_t redis_transport_unsent(const struct redis_transport *transport);
/* While paused `readable` is not called. */
void redis_transport_pause(struct redis_transport *transport, bool paused);

#endif
