/* The rule of replication.md 6.3. A book for each writer rather than each stream is what loses nothing where Synapse
 * may (6.2).
 *
 * While an answer is awaited, what the writer goes on to send is held, since it lies behind what was asked for; a
 * request is never made beside another of the same book, not even after a new connection, so that an answer always
 * belongs to the one request there is. */
#include "replication/position.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "replication/position_book.h"

struct position_tracker {
    struct position_callbacks callbacks;
    char *own_instance;
    struct slice own_name;
    uint64_t keep;
    bool first_start[STREAM_COUNT];
    bool has_start[STREAM_COUNT]; /* writers that are not known begin behind `start` */
    int64_t start[STREAM_COUNT];
    struct book *recent[STREAM_COUNT]; /* the book last asked for: writers send in bursts */
    struct book **books;
    uint32_t book_count;
    uint32_t book_capacity;
    struct book **slots; /* open addressing over (stream, writer) */
    uint32_t slot_mask;
    struct slice *rows; /* room to list the rows of one token */
    uint32_t row_capacity;
};

struct position_tracker *position_tracker_create(const struct position_callbacks *callbacks, const char *own_instance,
                                                 uint64_t keep)
{
    struct position_tracker *tracker = memory_allocate_zeroed(1, sizeof *tracker);
    tracker->callbacks = *callbacks;
    tracker->own_instance = memory_copy_text(own_instance, strlen(own_instance));
    tracker->own_name = slice_from_string(tracker->own_instance);
    tracker->keep = keep;
    for (size_t stream = 0; stream < STREAM_COUNT; stream++)
        tracker->first_start[stream] = true;
    tracker->slot_mask = 63;
    tracker->slots = memory_allocate_zeroed(tracker->slot_mask + 1, sizeof *tracker->slots);
    return tracker;
}

void position_keep(struct position_tracker *tracker, enum stream stream, bool keep)
{
    tracker->keep = keep ? tracker->keep | 1ull << stream : tracker->keep & ~(1ull << stream);
    for (uint32_t index = 0; index < tracker->book_count; index++) {
        struct book *book = tracker->books[index];
        if (book->stream != stream || book->kept == keep)
            continue;
        book->kept = keep;
        if (!keep && !book->in_flight)
            book_clear_held(book);
    }
}

void position_tracker_destroy(struct position_tracker *tracker)
{
    if (!tracker)
        return;
    for (uint32_t index = 0; index < tracker->book_count; index++)
        book_destroy(tracker->books[index]);
    free(tracker->books);
    free(tracker->slots);
    free(tracker->rows);
    free(tracker->own_instance);
    free(tracker);
}

static inline bool is_book_of(const struct book *book, enum stream stream, struct slice writer)
{
    return book->stream == stream && book->writer_length == writer.length &&
           memcmp(book->writer, writer.data, writer.length) == 0;
}

static struct book **find_slot(const struct position_tracker *tracker, enum stream stream, struct slice writer)
{
    uint32_t index = (uint32_t)XXH3_64bits_withSeed(writer.data, writer.length, stream);
    for (index &= tracker->slot_mask;; index = (index + 1) & tracker->slot_mask)
        if (!tracker->slots[index] || is_book_of(tracker->slots[index], stream, writer))
            return &tracker->slots[index];
}

static inline struct book *find_book(struct position_tracker *tracker, enum stream stream, struct slice writer)
{
    if (stream >= STREAM_COUNT)
        return NULL;
    struct book *recent = tracker->recent[stream];
    if (recent && is_book_of(recent, stream, writer))
        return recent;
    struct book *book = *find_slot(tracker, stream, writer);
    if (book)
        tracker->recent[stream] = book;
    return book;
}

static void grow_slots(struct position_tracker *tracker)
{
    free(tracker->slots);
    tracker->slot_mask = tracker->slot_mask * 2 + 1;
    tracker->slots = memory_allocate_zeroed(tracker->slot_mask + 1, sizeof *tracker->slots);
    for (uint32_t index = 0; index < tracker->book_count; index++) {
        struct book *book = tracker->books[index];
        *find_slot(tracker, book->stream, book_writer(book)) = book;
    }
}

/* NULL if there are too many, or the name is too long to be one. */
static struct book *add_book(struct position_tracker *tracker, enum stream stream, struct slice writer)
{
    if (tracker->book_count >= POSITION_BOOKS_MAXIMUM || writer.length > POSITION_WRITER_LENGTH_MAXIMUM)
        return NULL;
    if ((tracker->book_count + 1) * 2 > tracker->slot_mask)
        grow_slots(tracker);
    if (tracker->book_count == tracker->book_capacity) {
        tracker->book_capacity = tracker->book_capacity ? tracker->book_capacity * 2 : 32;
        tracker->books = memory_reallocate(tracker->books, tracker->book_capacity * sizeof(struct book *));
    }
    struct book *book = book_create(stream, writer);
    book->kept = tracker->keep >> stream & 1;
    tracker->books[tracker->book_count++] = book;
    *find_slot(tracker, stream, writer) = book;
    return book;
}

static void hand_on(struct position_tracker *tracker, const struct book *book, int64_t token, const struct slice *rows,
                    uint32_t count)
{
    struct position_rows due = {book->stream, book_writer(book), token, rows, count};
    tracker->callbacks.hand_on(tracker->callbacks.context, &due);
}

/* Hands on the entries [first, first + count) of what is held, and `last` behind them unless it is absent. */
static void hand_on_held(struct position_tracker *tracker, struct book *book, uint32_t first, uint32_t count,
                         int64_t token, struct slice last)
{
    uint32_t total = count + slice_present(last);
    if (total > tracker->row_capacity) {
        tracker->row_capacity = total < 64 ? 64 : total * 2;
        tracker->rows = memory_reallocate(tracker->rows, tracker->row_capacity * sizeof *tracker->rows);
    }
    for (uint32_t index = 0; index < count; index++) {
        const struct held_row *row = &book->held[first + index];
        tracker->rows[index] = slice_of(buffer_slice(&book->held_text).data + row->offset, row->length);
    }
    if (slice_present(last))
        tracker->rows[count] = last;
    book_raise(book, token);
    hand_on(tracker, book, token, tracker->rows, total);
}

/* Acts on what was held while an answer was awaited. Rows of a batch that is not complete stay. */
static void open_book(struct position_tracker *tracker, struct book *book)
{
    book->open = true;
    uint32_t first = 0;
    for (uint32_t index = 0; index < book->held_count; index++) {
        struct held_row row = book->held[index];
        if (row.kind == HELD_BATCH)
            continue;
        if (row.kind == HELD_POSITION)
            book_raise(book, row.token);
        else if (row.token > book->have)
            hand_on_held(tracker, book, first, index + 1 - first, row.token, SLICE_ABSENT);
        first = index + 1;
    }
    if (first)
        book_consume_held(book, first);
}

/* Asks until `target` is reached, then opens the book; or until an answer has to be awaited, or fails. */
static void ask(struct position_tracker *tracker, struct book *book)
{
    const struct position_callbacks *callbacks = &tracker->callbacks;
    book->open = false;
    book->failed = false;
    book->asking = true;
    while (book->announced && !book->failed && book->target > book->have) {
        book->asked_from = book->have;
        book->asked_upto = book->target;
        book->in_flight = true;
        if (!callbacks->fetch(callbacks->context, book->stream, book_writer(book), book->have, book->target)) {
            book->in_flight = false;
            book->refused_upto = book->asked_upto;
            break;
        }
        if (book->in_flight)
            break;
    }
    book->asking = false;
    if (!book->in_flight && book->announced && !book->failed)
        open_book(tracker, book);
}

/* A row or position that has to wait. What does not fit is lost here, and asked for. */
static enum position_row_status hold(struct book *book, enum held_kind kind, int64_t token, struct slice row)
{
    if (book_hold(book, kind, token, row))
        return POSITION_ROW_PENDING;
    book_lose_held(book);
    book->broken_batch = kind == HELD_BATCH;
    if (kind != HELD_BATCH && token > book->target)
        book->target = token;
    if (book->open) {
        book->open = false;
        book->failed = true;
    }
    return POSITION_ROW_OVERFLOW;
}

/* A row of a batch whose beginning was dropped: the whole is asked for. */
static enum position_row_status drop_broken(struct position_tracker *tracker, struct book *book,
                                            const struct command *command)
{
    if (command->batch)
        return POSITION_ROW_CLOSED;
    book->broken_batch = false;
    if (command->token > book->target)
        book->target = command->token;
    if (book->open && book->target > book->have)
        ask(tracker, book);
    return POSITION_ROW_CLOSED;
}

static enum position_row_status drop_closed(struct book *book, const struct command *command)
{
    if (command->batch)
        book->broken_batch = true;
    else if (command->token > book->target)
        book->target = command->token;
    return POSITION_ROW_CLOSED;
}

static enum position_row_status act_on_row(struct position_tracker *tracker, struct book *book,
                                           const struct command *command)
{
    if (command->batch)
        return book->kept ? hold(book, HELD_BATCH, 0, command->json) : POSITION_ROW_PENDING;
    if (book->known && command->token <= book->have) {
        book_clear_held(book);
        return POSITION_ROW_DUPLICATE;
    }
    if (book->held_count) {
        hand_on_held(tracker, book, 0, book->held_count, command->token, command->json);
        book_clear_held(book);
        return POSITION_ROW_HANDED_ON;
    }
    book->have = command->token;
    book->known = true;
    if (book->kept)
        hand_on(tracker, book, command->token, &command->json, 1);
    return POSITION_ROW_HANDED_ON;
}

enum position_row_status position_row(struct position_tracker *tracker, enum stream stream,
                                      const struct command *command)
{
    struct book *book = find_book(tracker, stream, command->instance_name);
    if (book && book->open && !book->broken_batch)
        return act_on_row(tracker, book, command);
    if (slice_equal(command->instance_name, tracker->own_name))
        return POSITION_ROW_OWN;
    if (!book) {
        if (stream >= STREAM_COUNT || !tracker->first_start[stream])
            return POSITION_ROW_CLOSED;
        book = add_book(tracker, stream, command->instance_name);
        if (!book)
            return POSITION_ROW_OVERFLOW;
        book->open = book->announced = true;
        return act_on_row(tracker, book, command);
    }
    if (book->broken_batch)
        return drop_broken(tracker, book, command);
    if (book->in_flight && book->announced)
        return hold(book, command->batch ? HELD_BATCH : HELD_LAST, command->token, command->json);
    return drop_closed(book, command);
}

/* Where a writer begins that was not heard of before (replication.md 6.3, rule 1): `new_token`, or the least position
 * of the stream's writers if it may have written while we did not listen; or where the owner said. */
static int64_t start_of_new_writer(const struct position_tracker *tracker, enum stream stream, int64_t new_token)
{
    bool found = false;
    int64_t least = new_token;
    if (tracker->has_start[stream])
        return tracker->start[stream];
    for (uint32_t index = 0; index < tracker->book_count && !tracker->first_start[stream]; index++) {
        const struct book *book = tracker->books[index];
        if (book->stream != stream || !book->known || (found && book->have >= least))
            continue;
        least = book->have;
        found = true;
    }
    return least;
}

static void reset(struct position_tracker *tracker, struct book *book, int64_t new_token)
{
    int64_t before = book->have;
    book->have = new_token;
    book->refused_upto = INT64_MIN;
    if (tracker->callbacks.reset)
        tracker->callbacks.reset(tracker->callbacks.context, book->stream, book_writer(book), before, new_token);
}

/* A POSITION while an answer is awaited: it is held like a row, or moves the end of what is asked for. */
static void announce_in_flight(struct position_tracker *tracker, struct book *book, const struct command *command)
{
    int64_t new_token = command->new_token;
    int64_t reach = book->held_token > book->target ? book->held_token : book->target;
    if (stream_definitions[book->stream].can_go_back && (new_token < book->have || new_token < reach)) {
        book_clear_held(book);
        reset(tracker, book, new_token);
        book->target = new_token;
        book->abandoned = true;
    } else if (!book->announced) {
        book_clear_held(book);
        if (new_token > book->target)
            book->target = new_token;
    } else if (new_token <= reach) {
        return;
    } else if (command->previous_token <= reach && !book->broken_batch) {
        hold(book, HELD_POSITION, new_token, SLICE(""));
        return;
    } else {
        book_clear_held(book);
        book->target = new_token;
    }
    book->announced = true;
    book->broken_batch = false;
}

void position_announced(struct position_tracker *tracker, enum stream stream, const struct command *command)
{
    int64_t new_token = command->new_token;
    bool can_go_back = stream < STREAM_COUNT && stream_definitions[stream].can_go_back;
    if (stream >= STREAM_COUNT || slice_equal(command->instance_name, tracker->own_name))
        return;
    struct book *book = find_book(tracker, stream, command->instance_name);
    if (!book)
        book = add_book(tracker, stream, command->instance_name);
    if (!book)
        return;
    if (!book->known) {
        book->have = start_of_new_writer(tracker, stream, new_token);
        book->known = true;
    } else if (book->open && !can_go_back && new_token <= book->have) {
        return;
    }
    if (book->in_flight) {
        announce_in_flight(tracker, book, command);
        return;
    }
    book_clear_held(book);
    book->open = false;
    book->announced = true;
    book->failed = false;
    book->broken_batch = false;
    book->target = new_token;
    if (book->kept && book->have < command->previous_token && book->have < new_token) {
        if (command->previous_token > book->refused_upto) {
            ask(tracker, book);
            return;
        }
        /* What is missing up to there was refused before, and the writer wrote nothing since. */
        if (new_token > book->refused_upto)
            book->refused_upto = new_token;
        book->open = true;
        return;
    }
    if (can_go_back && book->have > new_token)
        reset(tracker, book, new_token);
    book_raise(book, new_token);
    book->open = true;
}

void position_disconnected(struct position_tracker *tracker)
{
    for (uint32_t index = 0; index < tracker->book_count; index++) {
        struct book *book = tracker->books[index];
        book_clear_held(book);
        book->open = book->announced = book->failed = book->broken_batch = false;
        if (book->known)
            tracker->first_start[book->stream] = false;
    }
}

void position_restore(struct position_tracker *tracker, enum stream stream, struct slice writer, int64_t token)
{
    if (stream >= STREAM_COUNT)
        return;
    struct book *book = find_book(tracker, stream, writer);
    if (!book)
        book = add_book(tracker, stream, writer);
    tracker->first_start[stream] = false;
    if (!book)
        return;
    book->have = token;
    book->known = true;
}

void position_start(struct position_tracker *tracker, enum stream stream, int64_t token)
{
    if (stream >= STREAM_COUNT)
        return;
    tracker->first_start[stream] = false;
    tracker->has_start[stream] = true;
    tracker->start[stream] = token;
}

void position_fetched(struct position_tracker *tracker, const struct position_rows *rows)
{
    struct book *book = find_book(tracker, rows->stream, rows->writer);
    if (!book || !book->in_flight || book->abandoned || rows->token <= book->have)
        return;
    book->have = rows->token;
    hand_on(tracker, book, rows->token, rows->rows, rows->count);
}

void position_fetch_done(struct position_tracker *tracker, enum stream stream, struct slice writer, int64_t reached,
                         bool limited, bool failed)
{
    struct book *book = find_book(tracker, stream, writer);
    if (!book || !book->in_flight)
        return;
    book->in_flight = false;
    if (book->abandoned) {
        book->abandoned = false;
    } else if (failed || (limited && reached <= book->asked_from)) {
        book_lose_held(book);
        book->failed = true;
    } else {
        book_raise(book, limited ? reached : book->asked_upto);
    }
    if (!book->asking && book->announced && !book->failed)
        ask(tracker, book);
}

bool position_retry(struct position_tracker *tracker, enum stream stream, struct slice writer)
{
    struct book *book = find_book(tracker, stream, writer);
    if (!book || !book->failed || !book->announced || book->in_flight || book->asking)
        return false;
    ask(tracker, book);
    return true;
}

bool position_get(const struct position_tracker *tracker, enum stream stream, struct slice writer, int64_t *token)
{
    if (stream >= STREAM_COUNT)
        return false;
    const struct book *book = *find_slot(tracker, stream, writer);
    if (!book || !book->known)
        return false;
    *token = book->have;
    return true;
}

bool position_is_open(const struct position_tracker *tracker, enum stream stream, struct slice writer)
{
    const struct book *book = stream < STREAM_COUNT ? *find_slot(tracker, stream, writer) : NULL;
    return book && book->open;
}

void position_each(const struct position_tracker *tracker,
                   void (*visit)(void *context, enum stream stream, struct slice writer, int64_t token, bool open),
                   void *context)
{
    for (uint32_t index = 0; index < tracker->book_count; index++) {
        const struct book *book = tracker->books[index];
        if (book->known)
            visit(context, book->stream, book_writer(book), book->have, book->open);
    }
}

/* Of an open book nothing is missing that could still be had: what `target` says beyond it was given up. */
static int64_t newest_of(const struct book *book)
{
    int64_t newest = book->known ? book->have : INT64_MIN;
    if (!book->open && book->target > newest)
        newest = book->target;
    return book->held_token > newest ? book->held_token : newest;
}

void position_each_standing(const struct position_tracker *tracker,
                            void (*visit)(void *context, const struct position_standing *standing), void *context)
{
    for (uint32_t index = 0; index < tracker->book_count; index++) {
        const struct book *book = tracker->books[index];
        struct position_standing standing = {.stream = book->stream,
                                             .writer = book_writer(book),
                                             .known = book->known,
                                             .token = book->have,
                                             .newest = newest_of(book),
                                             .announced = book->announced,
                                             .open = book->open};
        if (book->kept)
            visit(context, &standing);
    }
}
