/* Entries of the stream of requests, as Redis's protocol: each is read, queued, and taken out again, in turn or as too
 * much. The first byte says how small the queue is. What goes in must come out, once, and the bounds must hold. */
#include <stdlib.h>

#include "engine/request_entry.h"
#include "engine/request_queue.h"

struct run {
    struct request_queue *queue;
    size_t most;
    size_t added, taken;
};

static void check(const struct request_fields *fields)
{
    const struct slice texts[] = {fields->callback, fields->reply_to, fields->id,
                                  fields->deadline, fields->room,     fields->lines};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        if (texts[index].length > REQUEST_ENTRY_TEXT_MAXIMUM)
            abort();
    if (!slice_present(fields->entry) || fields->args.length > REQUEST_ENTRY_ARGS_MAXIMUM)
        abort();
}

static bool take(struct run *run, struct queued_request *request)
{
    if (!request)
        return false;
    check(&request->fields);
    run->taken++;
    free(request);
    return true;
}

static void take_entry(struct run *run, const redisReply *entry)
{
    struct request_fields fields;
    const char *problem;
    enum request_entry_state state = request_entry_read(entry, &fields, &problem);
    if ((problem != NULL) != (state == REQUEST_ENTRY_REFUSED))
        abort();
    if (state != REQUEST_ENTRY_WHOLE)
        return;
    check(&fields);
    request_queue_add(run->queue, &fields, 1);
    run->added++;
    while (take(run, request_queue_take_excess(run->queue)))
        continue;
    if (request_queue_count(run->queue) > run->most)
        abort();
    if (fields.id.length % 3 == 2)
        take(run, request_queue_take(run->queue));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct run run = {.most = data[0] % 16};
    run.queue = request_queue_create(&(struct request_queue_settings){.requests = run.most, .bytes = 65536});
    redisReader *reader = redisReaderCreate();
    void *object = NULL;
    redisReaderFeed(reader, (const char *)data + 1, size - 1);
    while (redisReaderGetReply(reader, &object) == REDIS_OK && object) {
        const redisReply *reply = object;
        take_entry(&run, reply);
        for (size_t index = 0; reply->type == REDIS_REPLY_ARRAY && index < reply->elements; index++)
            take_entry(&run, reply->element[index]);
        freeReplyObject(object);
    }
    redisReaderFree(reader);
    if (run.added != run.taken + request_queue_count(run.queue))
        abort();
    while (take(&run, request_queue_take(run.queue)))
        continue;
    if (run.added != run.taken || request_queue_bytes(run.queue))
        abort();
    request_queue_destroy(run.queue);
    return 0;
}
