/* Askers and rooms are parties: an asker has rooms, a room has requests, the oldest first. The parties of one owner
 * stand in a ring, of which a pointer says whose turn it is, and in a heap, which says who has most. All are found in
 * one table, by their owner and their name; a party is there as long as something of it waits.
 *
 * A party's weight is that of its requests: their bytes, and for each as much as a request may have on an average. So
 * neither many small ones nor a few huge ones pass for a small share. */
#include "engine/request_queue.h"

#include <stddef.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "engine/request_shares.h"

#define REQUEST_WEIGHT 8192
#define BUCKETS_LEAST 64

struct request_party {
    struct share share;
    struct request_party *owner; /* the asker of a room; NULL: an asker */
    struct request_party *next_in_bucket;
    struct request_party *before, *after; /* in the ring of its owner's parties */
    uint64_t hash;
    struct request_party *turn;               /* an asker's: which room's turn it is */
    struct shares rooms;                      /* likewise */
    struct queued_request *oldest, *youngest; /* a room's */
    size_t name_length;
    char name[];
};

struct request_queue {
    struct request_queue_settings settings;
    struct request_party **buckets;
    size_t bucket_count; /* a power of two */
    size_t party_count;
    struct request_party *turn; /* which asker's turn it is; NULL: nothing waits */
    struct shares askers;
    size_t count;
    size_t bytes;
};

static struct request_party *party_of(struct share *share)
{
    return (struct request_party *)((char *)share - offsetof(struct request_party, share));
}

/* Parties. */

static struct request_party **bucket_of(const struct request_queue *queue, uint64_t hash)
{
    return &queue->buckets[hash & (queue->bucket_count - 1)];
}

static void grow_table(struct request_queue *queue)
{
    struct request_party **old = queue->buckets;
    size_t old_count = queue->bucket_count;
    queue->bucket_count *= 2;
    queue->buckets = memory_allocate_zeroed(queue->bucket_count, sizeof(struct request_party *));
    for (size_t index = 0; index < old_count; index++)
        for (struct request_party *party = old[index], *next; party; party = next) {
            struct request_party **bucket = bucket_of(queue, party->hash);
            next = party->next_in_bucket;
            party->next_in_bucket = *bucket;
            *bucket = party;
        }
    free(old);
}

/* The last to have its turn: those who wait longer come first. */
static void join_ring(struct request_party **turn, struct request_party *party)
{
    if (!*turn) {
        *turn = party->before = party->after = party;
        return;
    }
    party->after = *turn;
    party->before = (*turn)->before;
    party->before->after = party;
    party->after->before = party;
}

static void leave_ring(struct request_party **turn, struct request_party *party)
{
    if (*turn == party)
        *turn = party->after == party ? NULL : party->after;
    party->before->after = party->after;
    party->after->before = party->before;
}

static struct request_party *add_party(struct request_queue *queue, struct request_party *owner, struct slice name,
                                       uint64_t hash)
{
    if (queue->party_count++ == queue->bucket_count)
        grow_table(queue);
    struct request_party *party = memory_allocate_zeroed(1, sizeof *party + name.length);
    struct request_party **bucket = bucket_of(queue, hash);
    party->owner = owner;
    party->hash = hash;
    party->name_length = name.length;
    memcpy(party->name, name.data, name.length);
    party->next_in_bucket = *bucket;
    *bucket = party;
    join_ring(owner ? &owner->turn : &queue->turn, party);
    shares_add(owner ? &owner->rooms : &queue->askers, &party->share);
    return party;
}

static struct request_party *find_party(struct request_queue *queue, struct request_party *owner, struct slice name)
{
    if (!slice_present(name))
        name = SLICE("");
    uint64_t hash = XXH3_64bits_withSeed(name.data, name.length, (uint64_t)(uintptr_t)owner);
    struct request_party *party = *bucket_of(queue, hash);
    while (party && !(party->hash == hash && party->owner == owner &&
                      slice_equal(slice_of(party->name, party->name_length), name)))
        party = party->next_in_bucket;
    return party ? party : add_party(queue, owner, name, hash);
}

static void remove_party(struct request_queue *queue, struct request_party *party)
{
    struct request_party *owner = party->owner;
    struct request_party **place = bucket_of(queue, party->hash);
    while (*place != party)
        place = &(*place)->next_in_bucket;
    *place = party->next_in_bucket;
    leave_ring(owner ? &owner->turn : &queue->turn, party);
    shares_remove(owner ? &owner->rooms : &queue->askers, &party->share);
    shares_free(&party->rooms);
    queue->party_count--;
    free(party);
}

static void change_weights(struct request_queue *queue, struct request_party *room, uint64_t added, uint64_t removed)
{
    struct request_party *asker = room->owner;
    shares_change(&asker->rooms, &room->share, room->share.weight + added - removed);
    shares_change(&queue->askers, &asker->share, asker->share.weight + added - removed);
}

/* Requests. */

static void copy_text(char **end, struct slice *text)
{
    if (!slice_present(*text))
        return;
    memcpy(*end, text->data, text->length);
    text->data = *end;
    *end += text->length;
}

static struct queued_request *copy_request(const struct request_fields *fields)
{
    struct request_fields kept = *fields;
    struct slice *const texts[] = {&kept.entry, &kept.callback, &kept.args, &kept.reply_to,
                                   &kept.id,    &kept.deadline, &kept.room, &kept.lines};
    size_t length = 0;
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        length += texts[index]->length;
    struct queued_request *request = memory_allocate(sizeof *request + length);
    char *end = request->texts;
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        copy_text(&end, texts[index]);
    request->fields = kept;
    request->length = length;
    return request;
}

void request_queue_add(struct request_queue *queue, const struct request_fields *fields, uint64_t now_ns)
{
    struct queued_request *request = copy_request(fields);
    struct request_party *room = find_party(queue, find_party(queue, NULL, fields->reply_to), fields->room);
    request->added_ns = request->renewed_ns = now_ns;
    request->room = room;
    request->younger = NULL;
    request->older = room->youngest;
    if (room->youngest)
        room->youngest->younger = request;
    else
        room->oldest = request;
    room->youngest = request;
    change_weights(queue, room, REQUEST_WEIGHT + request->length, 0);
    queue->count++;
    queue->bytes += sizeof *request + request->length;
}

static void take_out(struct request_queue *queue, struct queued_request *request)
{
    struct request_party *room = request->room, *asker = room->owner;
    if (request->older)
        request->older->younger = request->younger;
    else
        room->oldest = request->younger;
    if (request->younger)
        request->younger->older = request->older;
    else
        room->youngest = request->older;
    change_weights(queue, room, 0, REQUEST_WEIGHT + request->length);
    queue->count--;
    queue->bytes -= sizeof *request + request->length;
    if (!room->oldest)
        remove_party(queue, room);
    if (!asker->turn)
        remove_party(queue, asker);
}

struct queued_request *request_queue_take(struct request_queue *queue)
{
    struct request_party *asker = queue->turn;
    if (!asker)
        return NULL;
    struct request_party *room = asker->turn;
    struct queued_request *request = room->oldest;
    queue->turn = asker->after;
    asker->turn = room->after;
    take_out(queue, request);
    return request;
}

struct queued_request *request_queue_take_excess(struct request_queue *queue)
{
    if (queue->count <= queue->settings.requests && queue->bytes <= queue->settings.bytes)
        return NULL;
    struct request_party *asker = party_of(shares_largest(&queue->askers));
    struct queued_request *request = party_of(shares_largest(&asker->rooms))->youngest;
    take_out(queue, request);
    return request;
}

size_t request_queue_count(const struct request_queue *queue)
{
    return queue->count;
}

size_t request_queue_bytes(const struct request_queue *queue)
{
    return queue->bytes;
}

void request_queue_each(const struct request_queue *queue, void (*visit)(void *context, struct queued_request *request),
                        void *context)
{
    for (size_t index = 0; index < queue->bucket_count; index++)
        for (struct request_party *party = queue->buckets[index]; party; party = party->next_in_bucket)
            for (struct queued_request *request = party->oldest; request; request = request->younger)
                visit(context, request);
}

struct request_queue *request_queue_create(const struct request_queue_settings *settings)
{
    struct request_queue *queue = memory_allocate_zeroed(1, sizeof *queue);
    queue->settings = *settings;
    queue->bucket_count = BUCKETS_LEAST;
    queue->buckets = memory_allocate_zeroed(queue->bucket_count, sizeof(struct request_party *));
    return queue;
}

void request_queue_destroy(struct request_queue *queue)
{
    if (!queue)
        return;
    for (struct queued_request *request; (request = request_queue_take(queue));)
        free(request);
    shares_free(&queue->askers);
    free(queue->buckets);
    free(queue);
}
