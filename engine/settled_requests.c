/* An XACK and an XDEL for each request cost Redis more than the request's answer, and each message costs both sides of
 * the subscriber's connection a turn: what leaves together is named together. */
#include "engine/settled_requests.h"

static void publish_lines(struct settled_requests *settled, struct transaction *transaction,
                          struct settled_lines *lines)
{
    if (lines->message.length)
        transaction_publish(transaction, buffer_slice(&lines->channel), buffer_slice(&lines->message));
    settled->line_bytes -= lines->message.length;
    buffer_clear(&lines->message);
}

/* The message for a channel; another channel's leaves if there are too many. */
static struct settled_lines *lines_for(struct settled_requests *settled, struct transaction *transaction,
                                       struct slice channel)
{
    for (size_t index = 0; index < settled->line_count; index++)
        if (slice_equal(buffer_slice(&settled->lines[index].channel), channel))
            return &settled->lines[index];
    size_t place = settled->line_count;
    if (place < SETTLED_CHANNELS_MAXIMUM)
        settled->line_count++;
    else
        place = settled->line_next++ % SETTLED_CHANNELS_MAXIMUM;
    struct settled_lines *lines = &settled->lines[place];
    publish_lines(settled, transaction, lines);
    buffer_clear(&lines->channel);
    buffer_append_slice(&lines->channel, channel);
    return lines;
}

static void add_line(struct settled_requests *settled, struct transaction *transaction,
                     const struct settled_request *request)
{
    struct settled_lines *lines = lines_for(settled, transaction, request->reply_to);
    if (lines->message.length && lines->message.length + request->message.length >= SETTLED_LINES_MAXIMUM)
        publish_lines(settled, transaction, lines);
    size_t before = lines->message.length;
    if (before)
        buffer_append_char(&lines->message, '\n');
    buffer_append_slice(&lines->message, request->message);
    settled->line_bytes += lines->message.length - before;
}

/* Names the entries that are kept, as many at once as one command takes. */
static void settle_entries(struct settled_requests *settled, struct transaction *transaction)
{
    struct slice entries[TRANSACTION_ENTRIES_MAXIMUM], all = buffer_slice(&settled->entries);
    const char *next = all.data;
    const char *end = all.data + all.length;
    while (next < end) {
        size_t count = 0;
        for (; next < end && count < TRANSACTION_ENTRIES_MAXIMUM; count++) {
            const char *space = memchr(next, ' ', (size_t)(end - next));
            entries[count] = slice_of(next, (size_t)(space - next));
            next = space + 1;
        }
        transaction_settle_entries(transaction, buffer_slice(&settled->key), buffer_slice(&settled->group), entries,
                                   count);
    }
    buffer_clear(&settled->entries);
}

static void set(struct buffer *kept, struct slice text)
{
    buffer_clear(kept);
    buffer_append_slice(kept, text);
}

void settled_requests_add(struct settled_requests *settled, struct transaction *transaction,
                          const struct settled_request *request)
{
    if (slice_present(request->reply_to) && request->lines)
        add_line(settled, transaction, request);
    else if (slice_present(request->reply_to))
        transaction_publish(transaction, request->reply_to, request->message);
    if (!slice_equal(buffer_slice(&settled->key), request->key) ||
        !slice_equal(buffer_slice(&settled->group), request->group)) {
        settle_entries(settled, transaction);
        set(&settled->key, request->key);
        set(&settled->group, request->group);
    }
    buffer_append_slice(&settled->entries, request->entry);
    buffer_append_char(&settled->entries, ' ');
}

size_t settled_requests_bytes(const struct settled_requests *settled)
{
    return settled->entries.length + settled->line_bytes;
}

void settled_requests_seal(struct settled_requests *settled, struct transaction *transaction)
{
    for (size_t index = 0; index < settled->line_count; index++)
        publish_lines(settled, transaction, &settled->lines[index]);
    settled->line_count = 0;
    settle_entries(settled, transaction);
}

void settled_requests_free(struct settled_requests *settled)
{
    for (size_t index = 0; index < SETTLED_CHANNELS_MAXIMUM; index++) {
        buffer_free(&settled->lines[index].channel);
        buffer_free(&settled->lines[index].message);
    }
    buffer_free(&settled->key);
    buffer_free(&settled->group);
    buffer_free(&settled->entries);
}
