/* Any sequence of lines, losses, answers and failures. Two bytes make a step. Whatever comes, the tokens handed on of a
 * writer rise in streams that cannot go back, no request is empty or made beside another, and a position agrees with
 * what was handed on. */
#include <stdlib.h>

#include "replication/position.h"

#define WRITERS 4

static const enum stream streams[] = {STREAM_events, STREAM_typing, STREAM_caches};
static const struct slice writers[WRITERS] = {{"p1", 2}, {"p2", 2}, {"weir1", 5}, {"", 0}};

struct book {
    bool handed_on;
    int64_t token;
    bool asked;
    int64_t from;
    int64_t upto;
};

struct follower {
    struct position_tracker *tracker;
    struct book books[STREAM_COUNT][WRITERS];
    uint8_t mode; /* how requests are answered */
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct book *book_of(struct follower *follower, enum stream stream, struct slice writer)
{
    for (size_t index = 0; index < WRITERS; index++)
        if (slice_equal(writers[index], writer))
            return &follower->books[stream][index];
    abort();
}

static void hand_on(void *context, const struct position_rows *rows)
{
    struct follower *follower = context;
    struct book *book = book_of(follower, rows->stream, rows->writer);
    int64_t token;
    require(rows->count > 0 && !slice_equal(rows->writer, writers[2]));
    require(position_get(follower->tracker, rows->stream, rows->writer, &token) && token == rows->token);
    require(stream_definitions[rows->stream].can_go_back || !book->handed_on || rows->token > book->token);
    for (uint32_t index = 0; index < rows->count; index++)
        require(rows->rows[index].length == 3 && rows->rows[index].data[0] == '[');
    book->handed_on = true;
    book->token = rows->token;
}

static void answer(struct follower *follower, enum stream stream, struct slice writer, uint8_t how)
{
    struct book *book = book_of(follower, stream, writer);
    struct slice row = SLICE("[0]");
    int64_t reached = book->from + (how & 7);
    book->asked = false;
    struct position_rows rows = {stream, writer, reached, &row, 1};
    if (how & 8)
        position_fetched(follower->tracker, &rows);
    position_fetch_done(follower->tracker, stream, writer, reached, (how & 16) != 0, (how & 32) != 0);
}

static bool fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    struct follower *follower = context;
    struct book *book = book_of(follower, stream, writer);
    require(from < upto && !book->asked);
    book->asked = true;
    book->from = from;
    book->upto = upto;
    if (follower->mode == 0) {
        book->asked = false;
        return false;
    }
    if (follower->mode == 1)
        answer(follower, stream, writer, 8 | 1 | (upto - from > 4 ? 16 : 0));
    return true;
}

static void step(struct follower *follower, uint8_t what, uint8_t token)
{
    enum stream stream = streams[(what >> 3) % 3];
    struct slice writer = writers[what >> 5 & 3];
    struct command command = {.stream_name = slice_from_string(stream_definitions[stream].name),
                              .instance_name = writer,
                              .token = token,
                              .batch = (what & 7) == 1,
                              .previous_token = token & 0x3f,
                              .new_token = (token & 0x3f) + (token >> 6),
                              .json = SLICE("[1]")};
    if ((what & 7) <= 2)
        (void)position_row(follower->tracker, stream, &command);
    else if ((what & 7) <= 4)
        position_announced(follower->tracker, stream, &command);
    else if ((what & 7) == 5 && book_of(follower, stream, writer)->asked)
        answer(follower, stream, writer, token);
    else if ((what & 7) == 6 && token < 32)
        position_disconnected(follower->tracker);
    else if ((what & 7) == 7)
        (void)position_retry(follower->tracker, stream, writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct follower follower = {.mode = data[0] % 3};
    struct position_callbacks callbacks = {&follower, hand_on, fetch, NULL};
    uint64_t keep = data[0] & 64 ? UINT64_MAX : ~((uint64_t)1 << STREAM_caches);
    follower.tracker = position_tracker_create(&callbacks, "weir1", keep);
    if (data[0] & 128)
        position_restore(follower.tracker, STREAM_events, writers[0], 5);
    for (size_t index = 1; index + 1 < size; index += 2)
        step(&follower, data[index], data[index + 1]);
    position_tracker_destroy(follower.tracker);
    return 0;
}
