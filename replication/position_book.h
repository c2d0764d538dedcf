/* One writer's book in one stream: where it stands and the rows that wait. For position.c and position_book.c alone. */
#ifndef WEIR_REPLICATION_POSITION_BOOK_H
#define WEIR_REPLICATION_POSITION_BOOK_H

#include "base/buffer.h"
#include "replication/position.h"

/* Bounds on what waits in one book. */
#define POSITION_HELD_ROWS_MAXIMUM 10000u
#define POSITION_HELD_BYTES_MAXIMUM (16u << 20)
#define POSITION_BOOKS_MAXIMUM 10000u
#define POSITION_WRITER_LENGTH_MAXIMUM 255u

enum held_kind {
    HELD_BATCH,    /* a row of a batch that goes on */
    HELD_LAST,     /* the last or only row of its token */
    HELD_POSITION, /* no row: the writer said that it wrote none up to this token */
};

/* Something that arrived and cannot be acted upon yet. While a book is open these are the rows of an incomplete batch;
 * while an answer is awaited, all that came since it was asked for. */
struct held_row {
    int64_t token;
    uint32_t offset; /* of the row in held_text */
    uint32_t length;
    enum held_kind kind;
};

struct book {
    enum stream stream;
    bool kept;         /* its rows are handed on */
    bool known;        /* `have` means something */
    bool open;         /* rows are acted upon as they come */
    bool announced;    /* the writer told its position on this connection */
    bool in_flight;    /* an answer is awaited: for rows in (asked_from, asked_upto] */
    bool asking;       /* in the loop that asks, which an answer inside `fetch` must not enter again */
    bool abandoned;    /* the answer awaited is of before a reset */
    bool failed;       /* rows up to `target` are missing and nobody asks */
    bool broken_batch; /* rows of the batch now arriving were dropped: its last row alone would be no batch */
    int64_t have;      /* the last token handed on */
    int64_t asked_from;
    int64_t asked_upto;
    int64_t target;       /* up to where to ask */
    int64_t refused_upto; /* nobody could be asked for rows up to there; INT64_MIN if that never was */
    struct held_row *held;
    uint32_t held_count;
    uint32_t held_capacity;
    int64_t held_token; /* the largest complete token held; INT64_MIN if there is none */
    struct buffer held_text;
    uint32_t writer_length;
    char writer[];
};

struct book *book_create(enum stream stream, struct slice writer);
void book_destroy(struct book *book);

static inline struct slice book_writer(const struct book *book)
{
    return slice_of(book->writer, book->writer_length);
}

static inline void book_raise(struct book *book, int64_t token)
{
    if (!book->known || token > book->have)
        book->have = token;
    book->known = true;
}

/* Keeps a copy of `row`; false if that would pass a bound, with nothing changed. */
bool book_hold(struct book *book, enum held_kind kind, int64_t token, struct slice row);
/* Forgets what is held. */
void book_clear_held(struct book *book);
/* Forgets what is held and raises `target` to what that was, so that it is asked for. */
void book_lose_held(struct book *book);
/* Takes the first `count` entries away, leaving the rest. */
void book_consume_held(struct book *book, uint32_t count);

#endif
