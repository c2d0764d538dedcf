/* Subscribed connections have a reader of ours (engine/pubsub_reader.h): through hiredis's a message costs two copies
 * of its bytes. For all others hiredis builds its replies.
 *
 * hiredis moves the rest of its buffer to the front after each reply that ends beyond the first KiB. Fed with a large
 * read at once it would move some hundred KiB for each message, so it is fed in pieces of a page; only while one long
 * message is arriving do the pieces grow with it. */
#include "engine/redis_decoder.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/pubsub_reader.h"
#include "engine/redis_link.h"

#define ROOM ((size_t)16 << 10)
#define PIECE 4096
/* An empty buffer larger than this is given back: a long message shall not cost its memory for ever. */
#define KEPT_BUFFER (1u << 20)

/* What hiredis counts the elements of an array in: 1.0 changed it. */
#if HIREDIS_MAJOR >= 1
typedef size_t reply_elements;
#else
typedef int reply_elements;
#endif

struct redis_decoder {
    struct pubsub_reader *pubsub; /* NULL: commands */
    redisReader *reader;          /* of commands, as all that follows */
    redisReplyObjectFunctions functions;
    void *(*create_reply_array)(const redisReadTask *, reply_elements); /* hiredis's own */
    char *room;
    struct redis_decoder_callbacks callbacks;
    bool stopped;
    const char *failure;
    size_t pending;  /* bytes fed since the last whole reply */
    size_t elements; /* announced by the arrays of the reply that is being read */
};

static void *refuse(struct redis_decoder *decoder, const char *failure)
{
    decoder->failure = failure;
    return NULL;
}

static void *reply_array(const redisReadTask *task, reply_elements elements)
{
    struct redis_decoder *decoder = task->privdata;
    if (!task->parent)
        decoder->elements = 0;
    decoder->elements += elements > 0 ? (size_t)elements : 0;
    if (decoder->elements > REDIS_ELEMENTS_MAXIMUM)
        return refuse(decoder, "Redis sent an answer with too many elements");
    return decoder->create_reply_array(task, elements);
}

static bool create_reader(struct redis_decoder *decoder)
{
    decoder->reader = redisReaderCreate();
    if (!decoder->reader)
        return false;
    decoder->room = memory_allocate(ROOM);
    decoder->functions = *decoder->reader->fn;
    decoder->create_reply_array = decoder->functions.createArray;
    decoder->functions.createArray = reply_array;
    decoder->reader->fn = &decoder->functions;
    decoder->reader->privdata = decoder;
    decoder->reader->maxbuf = KEPT_BUFFER;
    return true;
}

struct redis_decoder *redis_decoder_create(bool subscribing, const struct redis_decoder_callbacks *callbacks)
{
    struct redis_decoder *decoder = memory_allocate_zeroed(1, sizeof *decoder);
    decoder->callbacks = *callbacks;
    if (subscribing) {
        decoder->pubsub = pubsub_reader_create();
    } else if (!create_reader(decoder)) {
        free(decoder);
        return NULL;
    }
    return decoder;
}

void redis_decoder_destroy(struct redis_decoder *decoder)
{
    if (!decoder)
        return;
    pubsub_reader_destroy(decoder->pubsub);
    if (decoder->reader)
        redisReaderFree(decoder->reader);
    free(decoder->room);
    free(decoder);
}

void redis_decoder_stop(struct redis_decoder *decoder)
{
    decoder->stopped = true;
}

/* Subscribing. */

static bool hand_on_items(struct redis_decoder *decoder, struct buffer *error)
{
    const struct redis_decoder_callbacks *callbacks = &decoder->callbacks;
    while (!decoder->stopped) {
        struct pubsub_item item = pubsub_reader_next(decoder->pubsub);
        switch (item.kind) {
        case PUBSUB_MESSAGE:
            callbacks->message(callbacks->context, item.channel, item.text);
            break;
        case PUBSUB_SUBSCRIBED:
            callbacks->subscribed(callbacks->context, item.channel);
            break;
        case PUBSUB_ANSWER:
        case PUBSUB_ERROR:
            callbacks->answer(callbacks->context, item.kind == PUBSUB_ERROR, item.text);
            break;
        case PUBSUB_BROKEN:
            buffer_clear(error);
            buffer_append_slice(error, item.text);
            return false;
        case PUBSUB_MORE:
            return true;
        }
    }
    return true;
}

/* Commands. */

/* Hands on every whole reply that the reader holds; false on an error. */
static bool take_replies(struct redis_decoder *decoder)
{
    redisReader *reader = decoder->reader;
    while (!decoder->stopped) {
        void *object = NULL;
        if (redisReaderGetReply(reader, &object) != REDIS_OK)
            return false;
        if (!object)
            return true;
        decoder->pending = reader->len - reader->pos;
        decoder->callbacks.reply(decoder->callbacks.context, object);
        freeReplyObject(object);
    }
    return true;
}

static bool fail(struct redis_decoder *decoder, struct buffer *error)
{
    const char *sentence = decoder->failure ? decoder->failure : decoder->reader->errstr;
    buffer_clear(error);
    if (decoder->failure)
        buffer_append_string(error, sentence);
    else
        buffer_append_format(error, "what answers does not speak Redis's protocol (%s)", sentence);
    return false;
}

static bool feed(struct redis_decoder *decoder, size_t length, struct buffer *error)
{
    const char *next = decoder->room;
    while (length > 0 && !decoder->stopped) {
        size_t held = decoder->reader->len - decoder->reader->pos;
        size_t piece = held > PIECE ? held : PIECE;
        if (piece > length)
            piece = length;
        decoder->pending += piece;
        if (redisReaderFeed(decoder->reader, next, piece) != REDIS_OK || !take_replies(decoder))
            return fail(decoder, error);
        if (decoder->pending > REDIS_MESSAGE_MAXIMUM) {
            decoder->failure = "Redis sent a message larger than 128 MiB";
            return fail(decoder, error);
        }
        next += piece;
        length -= piece;
    }
    return true;
}

/* Both. */

char *redis_decoder_room(struct redis_decoder *decoder, size_t *size)
{
    if (decoder->pubsub)
        return pubsub_reader_room(decoder->pubsub, size);
    *size = ROOM;
    return decoder->room;
}

bool redis_decoder_filled(struct redis_decoder *decoder, size_t count, struct buffer *error)
{
    if (!decoder->pubsub)
        return feed(decoder, count, error);
    pubsub_reader_filled(decoder->pubsub, count);
    return hand_on_items(decoder, error);
}
