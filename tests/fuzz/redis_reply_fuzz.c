/* A hostile server's bytes into the decoder of a link, both kinds of it, in pieces: the first byte says how large the
 * pieces are and after how many callbacks the owner stops. However the bytes are cut, the same must come out. */
#include <stdlib.h>

#include "engine/redis_decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct redis_decoder *decoder;
    uint64_t digest;
    size_t callbacks;
    size_t stop_after;
};

static void note(struct run *run, uint64_t kind, struct slice text)
{
    run->digest = run->digest * 1099511628211u + kind;
    for (size_t index = 0; index < text.length; index++)
        run->digest = (run->digest ^ (uint8_t)text.data[index]) * 1099511628211u;
    if (++run->callbacks == run->stop_after)
        redis_decoder_stop(run->decoder);
}

static void on_message(void *context, struct slice channel, struct slice data)
{
    note(context, 1, channel);
    note(context, 2, data);
}

static void on_subscribed(void *context, struct slice channel)
{
    note(context, 3, channel);
}

static void on_answer(void *context, bool is_error, struct slice text)
{
    note(context, is_error ? 4 : 5, text);
}

static void on_reply(void *context, const redisReply *reply)
{
    note(context, (uint64_t)reply->type, reply->str ? slice_of(reply->str, reply->len) : SLICE(""));
    for (size_t index = 0; reply->type == REDIS_REPLY_ARRAY && index < reply->elements; index++)
        note(context, (uint64_t)reply->element[index]->type, SLICE(""));
}

static bool feed(struct redis_decoder *decoder, const uint8_t *data, size_t size, struct buffer *error)
{
    while (size > 0) {
        size_t room_size;
        char *room = redis_decoder_room(decoder, &room_size);
        size_t count = size < room_size ? size : room_size;
        memcpy(room, data, count);
        if (!redis_decoder_filled(decoder, count, error))
            return false;
        data += count;
        size -= count;
    }
    return true;
}

static struct run decode(const uint8_t *data, size_t size, size_t piece, bool subscribing, size_t stop_after)
{
    struct run run = {.stop_after = stop_after};
    struct redis_decoder_callbacks callbacks = {&run, on_message, on_subscribed, on_answer, on_reply};
    struct buffer error = {0};
    bool going_on = true;
    run.decoder = redis_decoder_create(subscribing, &callbacks);
    for (size_t at = 0; at < size && going_on; at += piece)
        going_on = feed(run.decoder, data + at, piece < size - at ? piece : size - at, &error);
    if (!going_on && error.length == 0)
        abort();
    redis_decoder_destroy(run.decoder);
    buffer_free(&error);
    return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = data[0] % 16 + 1;
    size_t stop_after = data[0] / 16;
    for (int subscribing = 0; subscribing < 2; subscribing++) {
        struct run cut = decode(data + 1, size - 1, piece, subscribing, stop_after);
        struct run whole = decode(data + 1, size - 1, size, subscribing, stop_after);
        if (cut.digest != whole.digest || cut.callbacks != whole.callbacks)
            abort();
    }
    return 0;
}
