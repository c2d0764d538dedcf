/* A ring of reused entries: waiting costs two copies and, once the ring has grown, no allocation. */
#include "engine/event_queue.h"

#include <stdlib.h>

#include "base/memory.h"

/* A reused entry gives back memory above this, so that one huge body does not stay for ever. */
#define KEEP_AT_MOST (64u << 10)

struct event_queue {
    struct queued_event *entries; /* a power of two of them */
    size_t capacity;
    uint64_t first; /* ticket of the oldest */
    uint64_t next;  /* ticket of the next one to come */
    size_t bytes;
};

struct event_queue *event_queue_create(void)
{
    struct event_queue *queue = memory_allocate_zeroed(1, sizeof *queue);
    queue->capacity = 64;
    queue->entries = memory_allocate_zeroed(queue->capacity, sizeof *queue->entries);
    return queue;
}

void event_queue_destroy(struct event_queue *queue)
{
    if (!queue)
        return;
    for (size_t index = 0; index < queue->capacity; index++) {
        buffer_free(&queue->entries[index].text);
        buffer_free(&queue->entries[index].body);
    }
    free(queue->entries);
    free(queue);
}

static struct queued_event *entry_of(struct event_queue *queue, uint64_t ticket)
{
    return &queue->entries[ticket & (queue->capacity - 1)];
}

/* Twice the entries; each moves to where its ticket says, with its buffers. */
static void grow(struct event_queue *queue)
{
    struct queued_event *old = queue->entries;
    size_t old_capacity = queue->capacity;
    queue->capacity *= 2;
    queue->entries = memory_allocate_zeroed(queue->capacity, sizeof *queue->entries);
    for (uint64_t ticket = queue->first; ticket < queue->next; ticket++)
        *entry_of(queue, ticket) = old[ticket & (old_capacity - 1)];
    free(old);
}

struct queued_event *event_queue_append(struct event_queue *queue, uint64_t *ticket)
{
    if (queue->next - queue->first == queue->capacity)
        grow(queue);
    *ticket = queue->next++;
    struct queued_event *entry = entry_of(queue, *ticket);
    struct buffer text = entry->text;
    struct buffer body = entry->body;
    buffer_clear(&text);
    buffer_clear(&body);
    *entry = (struct queued_event){.text = text, .body = body};
    return entry;
}

void queued_event_set_row(struct queued_event *entry, const struct event_row *row)
{
    entry->row = *row;
    entry->has_event = true;
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

struct queued_event *event_queue_find(struct event_queue *queue, uint64_t ticket)
{
    return ticket >= queue->first && ticket < queue->next ? entry_of(queue, ticket) : NULL;
}

struct queued_event *event_queue_front(struct event_queue *queue)
{
    return queue->first < queue->next ? entry_of(queue, queue->first) : NULL;
}

void event_queue_pop(struct event_queue *queue)
{
    struct queued_event *entry = entry_of(queue, queue->first++);
    queue->bytes -= entry->body.length;
    if (entry->body.capacity > KEEP_AT_MOST)
        buffer_free(&entry->body);
    if (entry->text.capacity > KEEP_AT_MOST)
        buffer_free(&entry->text);
}

size_t event_queue_count(const struct event_queue *queue)
{
    return queue->next - queue->first;
}

size_t event_queue_bytes(const struct event_queue *queue)
{
    return queue->bytes;
}

void event_queue_account_body(struct event_queue *queue, const struct queued_event *entry)
{
    queue->bytes += entry->body.length;
}
