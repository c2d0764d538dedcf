/* Two tables over one pool of entries: rooms by the hash of their id, for the first entry of each, and parked entries
 * by their service's ticket. uthash gives a table back whenever it runs empty, which here happens all the time, so a
 * sentinel that no key matches stays in each: waiting costs two copies and, once all has grown, no allocation. */
#include "engine/event_queue.h"

#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/memory.h"

#undef uthash_malloc
#undef uthash_free
#define uthash_malloc(size) memory_reallocate(NULL, size)
#define uthash_free(pointer, size) free(pointer)

/* A reused entry gives back memory above this, so that one huge body does not stay for ever. */
#define KEEP_AT_MOST (64u << 10)
/* A ticket is the entry's index below this bit and a serial number above it. */
#define INDEX_BITS 32

struct event_queue {
    struct queued_event **entries;
    size_t entry_count;
    struct queued_event *spare; /* linked by room_next */
    struct queued_event *rooms;
    struct queued_event *parked;
    struct queued_event sentinel;
    uint64_t seed; /* of the rooms' hashes: senders choose room ids */
    uint64_t serial;
    size_t count;
    size_t parked_count;
    size_t bytes;
};

struct event_queue *event_queue_create(void)
{
    struct event_queue *queue = memory_allocate_zeroed(1, sizeof *queue);
    if (getrandom(&queue->seed, sizeof queue->seed, GRND_NONBLOCK) < 0)
        queue->seed = (uintptr_t)queue;
    HASH_ADD(room_handle, queue->rooms, room, sizeof queue->sentinel.room, &queue->sentinel);
    HASH_ADD(parked_handle, queue->parked, service_ticket, sizeof queue->sentinel.service_ticket, &queue->sentinel);
    return queue;
}

void event_queue_destroy(struct event_queue *queue)
{
    if (!queue)
        return;
    HASH_CLEAR(room_handle, queue->rooms);
    HASH_CLEAR(parked_handle, queue->parked);
    for (size_t index = 0; index < queue->entry_count; index++) {
        buffer_free(&queue->entries[index]->text);
        buffer_free(&queue->entries[index]->body);
        buffer_free(&queue->entries[index]->dry_runs);
        free(queue->entries[index]);
    }
    free(queue->entries);
    free(queue);
}

/* Never 0, which is the sentinel's. */
static uint64_t room_key(const struct event_queue *queue, struct slice room_id)
{
    uint64_t key = XXH3_64bits_withSeed(room_id.data, room_id.length, queue->seed);
    return key ? key : 1;
}

static struct queued_event *find_room(const struct event_queue *queue, uint64_t room)
{
    struct queued_event *first = NULL;
    HASH_FIND(room_handle, queue->rooms, &room, sizeof room, first);
    return first;
}

bool event_queue_room_waits(const struct event_queue *queue, struct slice room_id)
{
    return queue->count && find_room(queue, room_key(queue, room_id));
}

static struct queued_event *take_spare(struct event_queue *queue)
{
    struct queued_event *entry = queue->spare;
    if (entry) {
        queue->spare = entry->room_next;
        return entry;
    }
    entry = memory_allocate_zeroed(1, sizeof *entry);
    entry->ticket = queue->entry_count;
    queue->entries = memory_reallocate(queue->entries, (queue->entry_count + 1) * sizeof *queue->entries);
    queue->entries[queue->entry_count++] = entry;
    return entry;
}

static void copy_row(struct queued_event *entry, const struct event_row *row)
{
    entry->row = *row;
    struct slice *texts[] = {&entry->row.event_id, &entry->row.room_id,    &entry->row.type,      &entry->row.state_key,
                             &entry->row.redacts,  &entry->row.relates_to, &entry->row.membership};
    size_t needed = 0;
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        needed += texts[index]->length;
    buffer_reserve(&entry->text, needed ? needed : 1);
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        if (!slice_present(*texts[index]))
            continue;
        const char *copy = entry->text.data + entry->text.length;
        buffer_append_slice(&entry->text, *texts[index]);
        texts[index]->data = copy;
    }
}

struct queued_event *event_queue_append(struct event_queue *queue, const struct event_row *row)
{
    struct queued_event *entry = take_spare(queue);
    struct buffer text = entry->text, body = entry->body, dry_runs = entry->dry_runs;
    buffer_clear(&text);
    buffer_clear(&body);
    buffer_clear(&dry_runs);
    uint64_t index = entry->ticket & ((1ull << INDEX_BITS) - 1);
    *entry = (struct queued_event){.ticket = ++queue->serial << INDEX_BITS | index,
                                   .state = QUEUED_READY,
                                   .text = text,
                                   .body = body,
                                   .dry_runs = dry_runs,
                                   .room = room_key(queue, row->room_id)};
    copy_row(entry, row);
    event_queue_account(queue, entry, entry->text.length);
    queue->count++;
    struct queued_event *first = find_room(queue, entry->room);
    if (first) {
        first->room_last->room_next = entry;
        first->room_last = entry;
    } else {
        entry->room_last = entry;
        HASH_ADD(room_handle, queue->rooms, room, sizeof entry->room, entry);
    }
    return entry;
}

bool event_queue_is_first(const struct queued_event *entry)
{
    return entry->room_last != NULL;
}

static void shrink(struct buffer *buffer)
{
    if (buffer->capacity > KEEP_AT_MOST)
        buffer_free(buffer);
}

struct queued_event *event_queue_remove(struct event_queue *queue, struct queued_event *entry)
{
    struct queued_event *next = entry->room_next;
    HASH_DELETE(room_handle, queue->rooms, entry);
    if (next) {
        next->room_last = entry->room_last;
        HASH_ADD(room_handle, queue->rooms, room, sizeof next->room, next);
    }
    event_queue_account(queue, entry, 0);
    shrink(&entry->text);
    shrink(&entry->body);
    shrink(&entry->dry_runs);
    entry->state = QUEUED_NOWHERE;
    entry->room_next = queue->spare;
    queue->spare = entry;
    queue->count--;
    return next;
}

struct queued_event *event_queue_find(const struct event_queue *queue, uint64_t ticket)
{
    uint64_t index = ticket & ((1ull << INDEX_BITS) - 1);
    if (index >= queue->entry_count)
        return NULL;
    struct queued_event *entry = queue->entries[index];
    return entry->state != QUEUED_NOWHERE && entry->ticket == ticket ? entry : NULL;
}

void event_queue_park(struct event_queue *queue, struct queued_event *entry, uint64_t service_ticket)
{
    entry->state = QUEUED_PARKED;
    entry->service_ticket = service_ticket;
    HASH_ADD(parked_handle, queue->parked, service_ticket, sizeof entry->service_ticket, entry);
    queue->parked_count++;
}

void event_queue_unpark(struct event_queue *queue, struct queued_event *entry)
{
    HASH_DELETE(parked_handle, queue->parked, entry);
    queue->parked_count--;
}

struct queued_event *event_queue_find_parked(const struct event_queue *queue, uint64_t service_ticket)
{
    struct queued_event *entry = NULL;
    HASH_FIND(parked_handle, queue->parked, &service_ticket, sizeof service_ticket, entry);
    return entry == &queue->sentinel ? NULL : entry;
}

struct queued_event *event_queue_first_parked(const struct event_queue *queue)
{
    return queue->sentinel.parked_handle.next;
}

size_t event_queue_count(const struct event_queue *queue)
{
    return queue->count;
}

size_t event_queue_parked_count(const struct event_queue *queue)
{
    return queue->parked_count;
}

size_t event_queue_bytes(const struct event_queue *queue)
{
    return queue->bytes;
}

void event_queue_account(struct event_queue *queue, struct queued_event *entry, size_t bytes)
{
    queue->bytes += bytes - entry->bytes;
    entry->bytes = bytes;
}
