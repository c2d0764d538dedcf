/* hiredis moves the rest of its buffer to the front after each reply that ends beyond the first KiB. Fed with a large
 * read at once it would move some hundred KiB for each message, so it is fed in pieces of a page; only while one long
 * message is arriving do the pieces grow with it.
 *
 * The text of an element lies in the reader's buffer, which may move before the next element comes: the kind of a
 * message and its channel are therefore taken note of when they arrive. */
#include "engine/redis_decoder.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/redis_link.h"

#define PIECE 4096
/* An empty buffer larger than this is given back: a long message shall not cost its memory for ever. */
#define KEPT_BUFFER (1u << 20)

enum message_kind { KIND_OTHER, KIND_MESSAGE, KIND_SUBSCRIBE, KIND_PONG };

struct redis_decoder {
    redisReader *reader;
    redisReplyObjectFunctions functions;
    void *(*create_reply_array)(const redisReadTask *, int); /* hiredis's own */
    struct redis_decoder_callbacks callbacks;
    bool subscribing;
    bool stopped;
    const char *failure;
    size_t pending;  /* bytes fed since the last whole reply */
    size_t elements; /* announced by the arrays of the reply that is being read */
    enum message_kind kind;
    bool has_channel;
    size_t channel_length;
    char channel[REDIS_CHANNEL_MAXIMUM];
};

/* Stands for an object where none is made; hiredis takes NULL for "out of memory". */
static char no_object;

static void *refuse(struct redis_decoder *decoder, const char *failure)
{
    decoder->failure = failure;
    return NULL;
}

static bool count_elements(struct redis_decoder *decoder, const redisReadTask *task, int elements)
{
    if (!task->parent)
        decoder->elements = 0;
    decoder->elements += elements > 0 ? (size_t)elements : 0;
    return decoder->elements <= REDIS_ELEMENTS_MAXIMUM;
}

static void *reply_array(const redisReadTask *task, int elements)
{
    struct redis_decoder *decoder = task->privdata;
    if (!count_elements(decoder, task, elements))
        return refuse(decoder, "Redis sent an answer with too many elements");
    return decoder->create_reply_array(task, elements);
}

static void *pubsub_array(const redisReadTask *task, int elements)
{
    struct redis_decoder *decoder = task->privdata;
    if (!count_elements(decoder, task, elements))
        return refuse(decoder, "Redis sent an answer with too many elements");
    if (!task->parent) {
        decoder->kind = KIND_OTHER;
        decoder->has_channel = false;
    }
    return &no_object;
}

static enum message_kind classify(struct slice name)
{
    if (slice_equal(name, SLICE("message")))
        return KIND_MESSAGE;
    if (slice_equal(name, SLICE("subscribe")))
        return KIND_SUBSCRIBE;
    return slice_equal(name, SLICE("pong")) ? KIND_PONG : KIND_OTHER;
}

/* False if the name is too long to be kept. */
static bool note_channel(struct redis_decoder *decoder, struct slice name)
{
    if (name.length > sizeof decoder->channel)
        return false;
    if (name.length != decoder->channel_length || memcmp(decoder->channel, name.data, name.length) != 0) {
        memcpy(decoder->channel, name.data, name.length);
        decoder->channel_length = name.length;
    }
    decoder->has_channel = true;
    return true;
}

static void *pubsub_string(const redisReadTask *task, char *data, size_t length)
{
    struct redis_decoder *decoder = task->privdata;
    struct slice text = slice_of(data, length);
    const struct redis_decoder_callbacks *callbacks = &decoder->callbacks;
    if (decoder->stopped)
        return &no_object;
    if (!task->parent) {
        callbacks->answer(callbacks->context, task->type == REDIS_REPLY_ERROR, text);
        return &no_object;
    }
    if (task->parent->parent)
        return &no_object;
    if (task->idx == 0) {
        decoder->kind = classify(text);
    } else if (decoder->kind == KIND_PONG) {
        callbacks->answer(callbacks->context, false, SLICE("PONG"));
    } else if (task->idx == 1) {
        if (decoder->kind != KIND_OTHER && !note_channel(decoder, text))
            return refuse(decoder, "Redis sent a message of a channel whose name is too long");
    } else if (task->idx == 2 && decoder->kind == KIND_MESSAGE && decoder->has_channel) {
        callbacks->message(callbacks->context, slice_of(decoder->channel, decoder->channel_length), text);
    }
    return &no_object;
}

static void *pubsub_integer(const redisReadTask *task, long long value)
{
    struct redis_decoder *decoder = task->privdata;
    (void)value;
    if (!decoder->stopped && task->parent && !task->parent->parent && task->idx == 2 &&
        decoder->kind == KIND_SUBSCRIBE && decoder->has_channel)
        decoder->callbacks.subscribed(decoder->callbacks.context, slice_of(decoder->channel, decoder->channel_length));
    return &no_object;
}

static void *pubsub_nil(const redisReadTask *task)
{
    (void)task;
    return &no_object;
}

static void pubsub_free(void *object)
{
    (void)object;
}

struct redis_decoder *redis_decoder_create(bool subscribing, const struct redis_decoder_callbacks *callbacks)
{
    struct redis_decoder *decoder = memory_allocate_zeroed(1, sizeof *decoder);
    decoder->reader = redisReaderCreate();
    if (!decoder->reader) {
        free(decoder);
        return NULL;
    }
    decoder->callbacks = *callbacks;
    decoder->subscribing = subscribing;
    decoder->functions = *decoder->reader->fn;
    decoder->create_reply_array = decoder->functions.createArray;
    decoder->functions.createArray = reply_array;
    if (subscribing)
        decoder->functions =
            (redisReplyObjectFunctions){pubsub_string, pubsub_array, pubsub_integer, pubsub_nil, pubsub_free};
    decoder->reader->fn = &decoder->functions;
    decoder->reader->privdata = decoder;
    decoder->reader->maxbuf = KEPT_BUFFER;
    return decoder;
}

void redis_decoder_destroy(struct redis_decoder *decoder)
{
    if (!decoder)
        return;
    redisReaderFree(decoder->reader);
    free(decoder);
}

void redis_decoder_stop(struct redis_decoder *decoder)
{
    decoder->stopped = true;
}

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
        if (decoder->subscribing)
            continue;
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

bool redis_decoder_feed(struct redis_decoder *decoder, const void *bytes, size_t length, struct buffer *error)
{
    const char *next = bytes;
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
