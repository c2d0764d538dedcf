/* One connection to Redis: the socket is redis_transport's, the protocol hiredis's reader.
 *
 * The link asks the sentinels where the master is if the address names some, connects, authenticates, selects the
 * database, and does it all again for ever with growing pauses when the connection is lost. A master that the sentinels
 * replace is left. A subscribing link hands messages on straight from the reader's buffer, without an allocation; a
 * command link gets replies as redisReply trees, in the order of its commands. What was sent on a lost connection and
 * not answered is the owner's to repeat. */
#ifndef WEIR_ENGINE_REDIS_LINK_H
#define WEIR_ENGINE_REDIS_LINK_H

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"
#include "engine/redis_address.h"

struct redis_link;

struct redis_link_callbacks {
    void *context;
    /* Connected, authenticated, database selected. Commands may be sent from now on. */
    void (*ready)(void *context);
    /* The connection was lost or could not be made; it is tried again by itself. `reason` is a sentence for people. */
    void (*lost)(void *context, const char *reason);
    /* Subscribing link: a message; the slices live until the callback returns. The callback must not close the link. */
    void (*message)(void *context, struct slice channel, struct slice data);
    /* Subscribing link: Redis has confirmed the subscription to `channel`. */
    void (*subscribed)(void *context, struct slice channel);
    /* Command link: the next answer, also errors (REDIS_REPLY_ERROR). The link frees it. */
    void (*reply)(void *context, const redisReply *reply);
    /* Either: all messages of one read (256 KiB and some at most) have been handed on. May be NULL. */
    void (*batch_end)(void *context);
};

/* Starts connecting at once. `callbacks` is copied, `address` must stay valid. A link with `message` set subscribes,
 * any other sends commands. `name` says in log lines what the link is for ("subscriber"); one without a name (NULL)
 * says nothing there. */
struct redis_link *redis_link_create(struct event_base *base, const struct redis_address *address, const char *name,
                                     const struct redis_link_callbacks *callbacks);
void redis_link_destroy(struct redis_link *link);

/* How long a link waits for what, in milliseconds. */
struct redis_link_times {
    uint32_t connect;    /* for a connection with all its greeting; 10 s */
    uint32_t ping_after; /* of silence; 15 s */
    uint32_t silence;    /* longest, then the connection is given up; 30 s. A blocking command must be shorter */
    uint32_t
        retry_first;     /* pause before the first new attempt; 100 ms, doubled for each further one, less up to half */
    uint32_t retry_last; /* longest pause; 5 s, and 1 s where sentinels are asked */
};
/* Other times than those above, from the next connection on: for tests, and for a link that must know sooner. */
void redis_link_set_times(struct redis_link *link, const struct redis_link_times *times);

bool redis_link_is_ready(const struct redis_link *link);

/* Appends a command of `count` arguments to the output; written when the loop turns. Ignored while not ready. */
void redis_link_command(struct redis_link *link, const struct slice *arguments, size_t count);
/* Appends what was formatted before with redis_append_command: so many commands, each of which gets an answer. */
void redis_link_send(struct redis_link *link, struct slice formatted, size_t commands);
/* Writes at once what was appended in this turn: for what others wait for. */
void redis_link_flush(struct redis_link *link);
/* Formats a command in Redis's protocol. */
void redis_append_command(struct buffer *output, const struct slice *arguments, size_t count);
/* One argument of a command whose head, "*<count>\r\n", the caller writes. */
void redis_append_argument(struct buffer *output, struct slice argument);

/* Bytes that were appended and have not left the process. */
size_t redis_link_unsent(const struct redis_link *link);

/* Stops and resumes reading from the socket: back-pressure of a subscriber. What was read before is still handed on. A
 * paused link that has lost its connection makes the next one when it is resumed. */
void redis_link_pause(struct redis_link *link, bool paused);

/* Drops the connection as if it had broken; it is made again. From within a callback it is dropped once that returns,
 * and nothing more is handed on. */
void redis_link_reset(struct redis_link *link, const char *reason);

/* A message larger than this ends the connection (and is logged): no buffer without a bound. */
#define REDIS_MESSAGE_MAXIMUM (128u << 20)

#endif
