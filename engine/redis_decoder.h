/* What Redis sends, decoded: the part of a link that knows no socket.
 *
 * A subscribing decoder hands pub/sub messages on as slices of the bytes that came; a command decoder builds redisReply
 * trees. Both bound what a broken or hostile server can make them hold. */
#ifndef WEIR_ENGINE_REDIS_DECODER_H
#define WEIR_ENGINE_REDIS_DECODER_H

#include <hiredis/hiredis.h>

#include "base/buffer.h"
#include "base/slice.h"

struct redis_decoder;

/* Slices and replies live until the callback returns. */
struct redis_decoder_callbacks {
    void *context;
    /* Subscribing: a message of a channel. */
    void (*message)(void *context, struct slice channel, struct slice data);
    /* Subscribing: a subscription is confirmed. */
    void (*subscribed)(void *context, struct slice channel);
    /* Subscribing: an answer that is no pub/sub message, also the pong of a subscriber. */
    void (*answer)(void *context, bool is_error, struct slice text);
    /* Commands: the next answer. */
    void (*reply)(void *context, const redisReply *reply);
};

struct redis_decoder *redis_decoder_create(bool subscribing, const struct redis_decoder_callbacks *callbacks);
void redis_decoder_destroy(struct redis_decoder *decoder);

/* Where the next bytes of the connection go: `*size` of them at most, never none. */
char *redis_decoder_room(struct redis_decoder *decoder, size_t *size);
/* Decodes so many bytes that were put there. False with a sentence in `error` if they are not Redis's protocol or
 * exceed a bound; the connection is then of no more use. */
bool redis_decoder_filled(struct redis_decoder *decoder, size_t count, struct buffer *error);

/* From within a callback: nothing further is handed on. */
void redis_decoder_stop(struct redis_decoder *decoder);

/* Elements that one answer may have in all its arrays. */
#define REDIS_ELEMENTS_MAXIMUM (1 << 20)

#endif
