/* Rows that wait are copied, since the line they came in is gone by the time they are due; in one run of bytes for each
 * writer, so that a batch costs no allocation once the run has grown. */
#include "replication/position_book.h"

#include <stdlib.h>

#include "base/memory.h"

/* A run of bytes larger than this is given back once it is empty. */
#define HELD_TEXT_KEPT (1u << 20)

struct book *book_create(enum stream stream, struct slice writer)
{
    struct book *book = memory_allocate_zeroed(1, sizeof *book + writer.length);
    book->stream = stream;
    book->held_token = INT64_MIN;
    book->target = INT64_MIN;
    book->refused_upto = INT64_MIN;
    book->writer_length = (uint32_t)writer.length;
    if (writer.length)
        memcpy(book->writer, writer.data, writer.length);
    return book;
}

void book_destroy(struct book *book)
{
    free(book->held);
    buffer_free(&book->held_text);
    free(book);
}

bool book_hold(struct book *book, enum held_kind kind, int64_t token, struct slice row)
{
    if (book->held_count >= POSITION_HELD_ROWS_MAXIMUM ||
        row.length > POSITION_HELD_BYTES_MAXIMUM - book->held_text.length)
        return false;
    if (book->held_count == book->held_capacity) {
        book->held_capacity = book->held_capacity ? book->held_capacity * 2 : 16;
        book->held = memory_reallocate(book->held, book->held_capacity * sizeof *book->held);
    }
    book->held[book->held_count++] =
        (struct held_row){token, (uint32_t)book->held_text.length, (uint32_t)row.length, kind};
    buffer_append_slice(&book->held_text, row);
    if (kind != HELD_BATCH && token > book->held_token)
        book->held_token = token;
    return true;
}

void book_clear_held(struct book *book)
{
    book->held_count = 0;
    book->held_token = INT64_MIN;
    if (book->held_text.capacity > HELD_TEXT_KEPT)
        buffer_free(&book->held_text);
    buffer_clear(&book->held_text);
}

void book_lose_held(struct book *book)
{
    if (book->held_token > book->target)
        book->target = book->held_token;
    if (book->held_count && book->held[book->held_count - 1].kind == HELD_BATCH)
        book->broken_batch = true;
    book_clear_held(book);
}

void book_consume_held(struct book *book, uint32_t count)
{
    if (count >= book->held_count) {
        book_clear_held(book);
        return;
    }
    uint32_t offset = book->held[count].offset;
    book->held_count -= count;
    memmove(book->held, book->held + count, book->held_count * sizeof *book->held);
    book->held_text.length -= offset;
    memmove(book->held_text.data, book->held_text.data + offset, book->held_text.length);
    book->held_token = INT64_MIN;
    for (uint32_t index = 0; index < book->held_count; index++) {
        struct held_row *row = &book->held[index];
        row->offset -= offset;
        if (row->kind != HELD_BATCH && row->token > book->held_token)
            book->held_token = row->token;
    }
}
