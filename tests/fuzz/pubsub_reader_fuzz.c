/* Our reader of subscribed connections against hiredis's: what ours hears must be what hiredis's trees say, and ours
 * may break off only where it is meant to be stricter (no arrays in arrays, bounds). The first byte says how the bytes
 * are cut. */
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "engine/pubsub_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS || reply->type == REDIS_REPLY_ERROR;
}

static struct slice text_of(const redisReply *reply)
{
    return slice_of(reply->str, reply->len);
}

/* What a tree says to a subscriber; PUBSUB_MORE: nothing. */
static struct pubsub_item item_of(const redisReply *reply)
{
    struct pubsub_item item = {.kind = PUBSUB_MORE};
    if (is_text(reply))
        return (struct pubsub_item){reply->type == REDIS_REPLY_ERROR ? PUBSUB_ERROR : PUBSUB_ANSWER, SLICE_ABSENT,
                                    text_of(reply)};
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || !is_text(reply->element[0]) ||
        !is_text(reply->element[1]))
        return item;
    struct slice name = text_of(reply->element[0]);
    const redisReply *last = reply->elements > 2 ? reply->element[2] : NULL;
    item.channel = text_of(reply->element[1]);
    if (slice_equal(name, SLICE("pong"))) {
        item.kind = PUBSUB_ANSWER;
        item.text = SLICE("PONG");
    } else if (slice_equal(name, SLICE("message")) && last && is_text(last)) {
        item.kind = PUBSUB_MESSAGE;
        item.text = text_of(last);
    } else if (slice_equal(name, SLICE("subscribe")) && last && last->type == REDIS_REPLY_INTEGER) {
        item.kind = PUBSUB_SUBSCRIBED;
    }
    return item;
}

/* The next tree that says something, or NULL at the end or an error. */
static redisReply *next_tree(redisReader *trees, struct pubsub_item *item)
{
    void *object = NULL;
    while (redisReaderGetReply(trees, &object) == REDIS_OK && object) {
        *item = item_of(object);
        if (item->kind != PUBSUB_MORE)
            return object;
        freeReplyObject(object);
        object = NULL;
    }
    return NULL;
}

/* True while the reader goes on. */
static bool compare(struct pubsub_reader *reader, redisReader *trees)
{
    for (;;) {
        struct pubsub_item ours = pubsub_reader_next(reader), theirs;
        if (ours.kind == PUBSUB_BROKEN && !ours.text.length)
            abort();
        if (ours.kind == PUBSUB_BROKEN)
            return false;
        redisReply *tree = next_tree(trees, &theirs);
        if (!tree != (ours.kind == PUBSUB_MORE))
            abort();
        if (!tree) {
            if (trees->err) /* hiredis has found out before us that a line is not whole yet is wrong: never */
                abort();
            return true;
        }
        if (ours.kind != theirs.kind || !slice_equal(ours.text, theirs.text) ||
            (ours.kind != PUBSUB_ANSWER && !slice_equal(ours.channel, theirs.channel)))
            abort();
        freeReplyObject(tree);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = data[0] ? data[0] : size;
    struct pubsub_reader *reader = pubsub_reader_create();
    redisReader *trees = redisReaderCreate();
    bool going_on = true;
    for (size_t at = 1; at < size && going_on; at += piece) {
        size_t count = size - at < piece ? size - at : piece, room_size;
        char *room = pubsub_reader_room(reader, &room_size);
        count = count < room_size ? count : room_size;
        memcpy(room, data + at, count);
        pubsub_reader_filled(reader, count);
        if (redisReaderFeed(trees, (const char *)data + at, count) != REDIS_OK)
            abort();
        going_on = compare(reader, trees);
    }
    pubsub_reader_destroy(reader);
    redisReaderFree(trees);
    return 0;
}
