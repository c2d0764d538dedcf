/* The tracker beside the recorded sequences: what those cannot say (answers that come later, first starts, bounds), and
 * whole recordings, whose expectation is made here from their lines alone. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/string_table.h"
#include "replication/position.h"
#include "replication/recording.h"

struct follower {
    struct position_tracker *tracker;
    struct buffer log;  /* what was handed on and asked for */
    struct buffer rows; /* of `events`: "writer token row\n" */
    uint32_t fetches[STREAM_COUNT];
    uint32_t resets;
    bool answers; /* somebody is there to ask */
};

static void hand_on(void *context, const struct position_rows *rows)
{
    struct follower *follower = context;
    buffer_append_format(&follower->log, "%.*s@%lld:%u ", (int)rows->writer.length, rows->writer.data,
                         (long long)rows->token, rows->count);
    for (uint32_t index = 0; rows->stream == STREAM_events && index < rows->count; index++) {
        buffer_append_slice(&follower->rows, rows->writer);
        buffer_append_format(&follower->rows, " %lld ", (long long)rows->token);
        buffer_append_slice(&follower->rows, rows->rows[index]);
        buffer_append_char(&follower->rows, '\n');
    }
}

static bool fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    struct follower *follower = context;
    follower->fetches[stream]++;
    buffer_append_format(&follower->log, "?%.*s(%lld,%lld] ", (int)writer.length, writer.data, (long long)from,
                         (long long)upto);
    return follower->answers;
}

static void count_reset(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    struct follower *follower = context;
    (void)stream;
    (void)writer;
    cr_expect_neq(from, upto);
    follower->resets++;
}

static void start(struct follower *follower, uint64_t keep)
{
    *follower = (struct follower){.answers = true};
    struct position_callbacks callbacks = {follower, hand_on, fetch, count_reset};
    follower->tracker = position_tracker_create(&callbacks, "weir1", keep);
}

static void stop(struct follower *follower)
{
    position_tracker_destroy(follower->tracker);
    buffer_free(&follower->log);
    buffer_free(&follower->rows);
}

static enum position_row_status line(struct follower *follower, const char *text)
{
    struct command command;
    const char *problem;
    cr_assert_eq(command_parse(slice_from_string(text), &command, &problem), COMMAND_OK, "%s", text);
    enum stream stream = stream_find(command.stream_name);
    if (command.name == COMMAND_RDATA)
        return position_row(follower->tracker, stream, &command);
    position_announced(follower->tracker, stream, &command);
    return POSITION_ROW_HANDED_ON;
}

static void answer(struct follower *follower, int64_t token)
{
    struct slice row = SLICE("[]");
    struct position_rows rows = {STREAM_events, SLICE("p1"), token, &row, 1};
    position_fetched(follower->tracker, &rows);
}

static void done(struct follower *follower, int64_t reached, bool limited, bool failed)
{
    position_fetch_done(follower->tracker, STREAM_events, SLICE("p1"), reached, limited, failed);
}

#define EXPECT_LOG(follower, text)                                                                                     \
    do {                                                                                                               \
        cr_expect_str_eq(buffer_string(&(follower)->log), (text));                                                     \
        buffer_clear(&(follower)->log);                                                                                \
    } while (0)

static int64_t position_of(struct follower *follower, const char *writer)
{
    int64_t token = -1;
    position_get(follower->tracker, STREAM_events, slice_from_string(writer), &token);
    return token;
}

Test(position, first_start_takes_rows_of_unknown_writers)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    cr_expect_eq(line(&follower, "RDATA events p1 batch [1]"), POSITION_ROW_PENDING);
    cr_expect_eq(line(&follower, "RDATA events p1 5 [2]"), POSITION_ROW_HANDED_ON);
    cr_expect_eq(line(&follower, "RDATA events p1 5 [2]"), POSITION_ROW_DUPLICATE);
    line(&follower, "POSITION events p2 30 30");
    cr_expect_eq(line(&follower, "RDATA events p3 4 [3]"), POSITION_ROW_HANDED_ON);
    line(&follower, "POSITION events p1 5 9");
    EXPECT_LOG(&follower, "p1@5:2 p3@4:1 ");
    cr_expect_eq(position_of(&follower, "p1"), 9);
    cr_expect_eq(position_of(&follower, "p2"), 30);
    /* After a loss an unknown writer's rows wait for its POSITION, which asks from the least position. */
    position_disconnected(follower.tracker);
    cr_expect_eq(line(&follower, "RDATA events p4 40 [1]"), POSITION_ROW_CLOSED);
    cr_expect_eq(line(&follower, "RDATA events p1 10 [1]"), POSITION_ROW_CLOSED);
    line(&follower, "POSITION events p4 40 40");
    EXPECT_LOG(&follower, "?p4(4,40] ");
    stop(&follower);
}

Test(position, restored_is_no_first_start)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    position_restore(follower.tracker, STREAM_events, SLICE("p1"), 10);
    cr_expect_eq(line(&follower, "RDATA events p1 11 [1]"), POSITION_ROW_CLOSED);
    cr_expect_eq(line(&follower, "RDATA events p2 11 [1]"), POSITION_ROW_CLOSED);
    cr_expect_eq(line(&follower, "RDATA events weir1 11 [1]"), POSITION_ROW_OWN);
    line(&follower, "POSITION events weir1 5 50");
    cr_expect_eq(position_of(&follower, "weir1"), -1);
    stop(&follower);
}

Test(position, a_start_is_where_every_unknown_writer_begins)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    position_start(follower.tracker, STREAM_events, 20);
    cr_expect_eq(line(&follower, "RDATA events p1 25 [1]"), POSITION_ROW_CLOSED);
    line(&follower, "POSITION events p1 25 25");
    answer(&follower, 25);
    done(&follower, 25, false, false);
    EXPECT_LOG(&follower, "?p1(20,25] p1@25:1 ");
    /* Not where the first one is by now; and one that is behind hands on what lies above alone. */
    line(&follower, "POSITION events p2 30 30");
    line(&follower, "POSITION events p3 9 9");
    cr_expect_eq(line(&follower, "RDATA events p3 20 [1]"), POSITION_ROW_DUPLICATE);
    cr_expect_eq(line(&follower, "RDATA events p3 21 [1]"), POSITION_ROW_HANDED_ON);
    EXPECT_LOG(&follower, "?p2(20,30] p3@21:1 ");
    /* Of that stream only, and of writers without a position only. */
    cr_expect_eq(line(&follower, "RDATA caches p1 7 [1]"), POSITION_ROW_HANDED_ON);
    buffer_clear(&follower.log);
    position_restore(follower.tracker, STREAM_events, SLICE("p4"), 28);
    line(&follower, "POSITION events p4 31 31");
    EXPECT_LOG(&follower, "?p4(28,31] ");
    stop(&follower);
}

Test(position, rows_behind_a_request_are_held)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    position_restore(follower.tracker, STREAM_events, SLICE("p1"), 10);
    line(&follower, "POSITION events p1 13 13");
    cr_expect_eq(line(&follower, "RDATA events p1 batch [1]"), POSITION_ROW_PENDING);
    cr_expect_eq(line(&follower, "RDATA events p1 14 [2]"), POSITION_ROW_PENDING);
    line(&follower, "POSITION events p1 14 16"); /* nothing is missing between */
    line(&follower, "POSITION events p1 12 15"); /* old news */
    cr_expect_eq(line(&follower, "RDATA events p1 batch [3]"), POSITION_ROW_PENDING);
    EXPECT_LOG(&follower, "?p1(10,13] ");
    answer(&follower, 12);
    done(&follower, 12, true, false);
    EXPECT_LOG(&follower, "p1@12:1 ?p1(12,13] ");
    answer(&follower, 12);
    answer(&follower, 14); /* above what was asked, as `caches` does it */
    done(&follower, 13, false, false);
    EXPECT_LOG(&follower, "p1@14:1 ");
    cr_expect_eq(position_of(&follower, "p1"), 16);
    cr_expect_eq(line(&follower, "RDATA events p1 17 [4]"), POSITION_ROW_HANDED_ON);
    EXPECT_LOG(&follower, "p1@17:2 ");
    stop(&follower);
}

Test(position, a_loss_while_asking)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    position_restore(follower.tracker, STREAM_events, SLICE("p1"), 10);
    line(&follower, "POSITION events p1 13 13");
    position_disconnected(follower.tracker);
    cr_expect_eq(line(&follower, "RDATA events p1 14 []"), POSITION_ROW_CLOSED);
    line(&follower, "POSITION events p1 20 20"); /* no second request beside the first */
    EXPECT_LOG(&follower, "?p1(10,13] ");
    done(&follower, 13, false, false);
    EXPECT_LOG(&follower, "?p1(13,20] ");
    done(&follower, 20, false, false);
    cr_expect_eq(position_of(&follower, "p1"), 20);
    cr_expect_eq(line(&follower, "RDATA events p1 21 []"), POSITION_ROW_HANDED_ON);
    stop(&follower);
}

Test(position, a_failed_request_is_asked_again)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    position_restore(follower.tracker, STREAM_events, SLICE("p1"), 10);
    line(&follower, "POSITION events p1 13 13");
    line(&follower, "RDATA events p1 14 []");
    line(&follower, "RDATA events p1 batch []");
    cr_expect_not(position_retry(follower.tracker, STREAM_events, SLICE("p1")));
    done(&follower, 10, false, true);
    /* The held batch was dropped in its middle: its last row must not come alone. */
    cr_expect_eq(line(&follower, "RDATA events p1 15 []"), POSITION_ROW_CLOSED);
    cr_expect(position_retry(follower.tracker, STREAM_events, SLICE("p1")));
    EXPECT_LOG(&follower, "?p1(10,13] ?p1(10,15] ");
    done(&follower, 10, true, false); /* limited without progress is a failure too */
    cr_expect(position_retry(follower.tracker, STREAM_events, SLICE("p1")));
    done(&follower, 15, false, false);
    cr_expect_eq(line(&follower, "RDATA events p1 16 []"), POSITION_ROW_HANDED_ON);
    EXPECT_LOG(&follower, "?p1(10,15] p1@16:1 ");
    /* An answer that nobody waits for changes nothing. */
    answer(&follower, 99);
    done(&follower, 99, false, false);
    cr_expect_eq(position_of(&follower, "p1"), 16);
    stop(&follower);
}

Test(position, nobody_to_ask)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    follower.answers = false;
    position_restore(follower.tracker, STREAM_events, SLICE("p1"), 10);
    line(&follower, "POSITION events p1 13 13");
    cr_expect_eq(line(&follower, "RDATA events p1 14 []"), POSITION_ROW_HANDED_ON);
    EXPECT_LOG(&follower, "?p1(10,13] p1@14:1 ");
    stop(&follower);
}

Test(position, streams_that_are_not_kept_have_positions_only)
{
    struct follower follower;
    start(&follower, (uint64_t)1 << STREAM_presence);
    line(&follower, "POSITION events p1 10 10");
    cr_expect_eq(line(&follower, "RDATA events p1 batch []"), POSITION_ROW_PENDING);
    cr_expect_eq(line(&follower, "RDATA events p1 11 []"), POSITION_ROW_HANDED_ON);
    line(&follower, "POSITION events p1 15 20");
    cr_expect_eq(position_of(&follower, "p1"), 20);
    EXPECT_LOG(&follower, "");
    stop(&follower);
}

Test(position, a_reset_while_asking)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    position_restore(follower.tracker, STREAM_typing, SLICE("m"), 50);
    line(&follower, "POSITION typing m 55 55");
    line(&follower, "POSITION typing m 0 0");
    cr_expect_eq(follower.resets, 1);
    line(&follower, "RDATA typing m 1 []");
    struct slice row = SLICE("[]");
    struct position_rows stale = {STREAM_typing, SLICE("m"), 55, &row, 1};
    position_fetched(follower.tracker, &stale);
    position_fetch_done(follower.tracker, STREAM_typing, SLICE("m"), 55, false, false);
    line(&follower, "RDATA typing m 2 []");
    EXPECT_LOG(&follower, "?m(50,55] m@1:1 m@2:1 ");
    stop(&follower);
}

static void append_standing(void *context, const struct position_standing *standing)
{
    struct buffer *log = context;
    buffer_append_format(log, "%s %.*s ", stream_definitions[standing->stream].name, (int)standing->writer.length,
                         standing->writer.data);
    if (standing->known)
        buffer_append_format(log, "%lld..%lld", (long long)standing->token, (long long)standing->newest);
    buffer_append_format(log, "%s%s; ", standing->announced ? " announced" : "", standing->open ? " open" : "");
}

#define EXPECT_STANDING(follower, text)                                                                                \
    do {                                                                                                               \
        buffer_clear(&(follower)->log);                                                                                \
        position_each_standing((follower)->tracker, append_standing, &(follower)->log);                                \
        EXPECT_LOG(follower, text);                                                                                    \
    } while (0)

Test(position, where_a_writer_stands)
{
    struct follower follower;
    start(&follower, 1ull << STREAM_events);
    position_restore(follower.tracker, STREAM_events, SLICE("p1"), 10);
    EXPECT_STANDING(&follower, "events p1 10..10; ");
    line(&follower, "RDATA receipts r1 5 []");
    line(&follower, "POSITION events p1 12 14");
    EXPECT_STANDING(&follower, "events p1 10..14 announced; ");
    line(&follower, "RDATA events p1 15 []");
    EXPECT_STANDING(&follower, "events p1 10..15 announced; ");
    answer(&follower, 13);
    EXPECT_STANDING(&follower, "events p1 13..15 announced; ");
    done(&follower, 14, false, false);
    EXPECT_STANDING(&follower, "events p1 15..15 announced open; ");
    /* Nobody to ask: what is missing is given up, and the writer is not behind for ever. */
    follower.answers = false;
    line(&follower, "POSITION events p1 17 20");
    EXPECT_STANDING(&follower, "events p1 15..15 announced open; ");
    position_disconnected(follower.tracker);
    stop(&follower);
}

Test(position, bounds)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    line(&follower, "POSITION events p1 10 10");
    for (int index = 0; index < 10000; index++)
        cr_assert_eq(line(&follower, "RDATA events p1 batch []"), POSITION_ROW_PENDING);
    cr_expect_eq(line(&follower, "RDATA events p1 batch []"), POSITION_ROW_OVERFLOW);
    cr_expect_eq(line(&follower, "RDATA events p1 11 []"), POSITION_ROW_CLOSED);
    line(&follower, "POSITION events p1 11 11");
    EXPECT_LOG(&follower, "?p1(10,11] ");
    stop(&follower);

    start(&follower, UINT64_MAX);
    for (int index = 0; index < 10001; index++) {
        char text[64];
        snprintf(text, sizeof text, "RDATA caches writer%d 5 []", index);
        cr_assert_eq(line(&follower, text), index < 10000 ? POSITION_ROW_HANDED_ON : POSITION_ROW_OVERFLOW);
    }
    line(&follower, "POSITION caches another 5 5");
    stop(&follower);
}

Test(position, sixteen_mebibytes_of_a_batch)
{
    struct follower follower;
    struct buffer row = {0};
    start(&follower, UINT64_MAX);
    buffer_append_string(&row, "RDATA events p1 batch \"");
    for (int index = 0; index < 1 << 17; index++)
        buffer_append_string(&row, "12345678");
    buffer_append_string(&row, "\"");
    int held = 0;
    while (line(&follower, buffer_string(&row)) == POSITION_ROW_PENDING)
        held++;
    cr_expect_eq(held, 15); /* of a mebibyte and two quotes each */
    buffer_free(&row);
    stop(&follower);
}

/* What a recording must give: the rows of each (writer, token) of `events` that was not there before, in order. */
static void expect_rows(struct slice data, struct string_table *seen, struct buffer *pending, struct buffer *expected)
{
    static const char prefix[] = "RDATA events ";
    if (!slice_starts_with(data, SLICE(prefix)))
        return;
    const char *writer = data.data + sizeof prefix - 1;
    const char *end = data.data + data.length;
    const char *token = (const char *)memchr(writer, ' ', (size_t)(end - writer)) + 1;
    const char *row = (const char *)memchr(token, ' ', (size_t)(end - token)) + 1;
    /* The recordings have two writers of events, persister1 and persister2. */
    struct buffer *rows = &pending[token[-2] - '1'];
    buffer_append(rows, row, (size_t)(end - row));
    buffer_append_char(rows, '\n');
    if (*token == 'b')
        return;
    struct slice key = slice_of(writer, (size_t)(row - writer));
    if (string_table_add(seen, key, 0)) {
        const char *cursor = rows->data;
        while (cursor < rows->data + rows->length) {
            const char *next = strchr(cursor, '\n') + 1;
            buffer_append_slice(expected, key);
            buffer_append(expected, cursor, (size_t)(next - cursor));
            cursor = next;
        }
    }
    buffer_clear(rows);
}

/* The requests are no losses: no row lies between. On `events` of 1.140 it is the persister that was killed and started
 * again and announces the position it took over from the other (replication.md 5.3, vector sequence-047); of 1.67 an
 * idle persister whose token had followed the other's before it told so (`254 255` when its last row was 253). On
 * `caches` positions above the last row are common. */
static const struct recorded {
    const char *path;
    uint32_t event_groups;
    uint32_t event_fetches;
    uint32_t cache_fetches;
} recorded[] = {
    {"tests/data/synapse-1.140-big.jsonl.zst", 5863, 0, 5},
    {"tests/data/synapse-1.140-small.jsonl.zst", 256, 1, 14},
    {"tests/data/synapse-1.67-small.jsonl.zst", 309, 1, 21},
};

static void replay(const struct recorded *recording)
{
    struct follower follower;
    start(&follower, UINT64_MAX);
    follower.answers = false;
    struct buffer error = {0}, expected = {0}, pending[2] = {{0}};
    struct string_table *seen = string_table_create();
    struct line_reader *lines = line_reader_open(recording->path, &error);
    struct recording_reader *reader = recording_reader_create();
    cr_assert_not_null(lines, "%s", buffer_string(&error));
    struct slice text;
    while (line_reader_next(lines, &text, &error) == LINE_OK) {
        struct recording_message message;
        struct command command;
        const char *problem;
        cr_assert(recording_read(reader, text, &message, &problem), "%s", problem);
        cr_assert_eq(command_parse(message.data, &command, &problem), COMMAND_OK);
        expect_rows(message.data, seen, pending, &expected);
        enum stream stream = stream_find(command.stream_name);
        if (command.name == COMMAND_RDATA) {
            enum position_row_status status = position_row(follower.tracker, stream, &command);
            cr_assert_neq(status, POSITION_ROW_OVERFLOW);
            cr_assert_neq(status, POSITION_ROW_CLOSED);
        } else if (command.name == COMMAND_POSITION) {
            position_announced(follower.tracker, stream, &command);
        }
    }
    cr_assert_eq(error.length, 0, "%s", buffer_string(&error));
    cr_expect(slice_equal(buffer_slice(&follower.rows), buffer_slice(&expected)), "%s", recording->path);
    cr_expect_eq(string_table_count(seen), recording->event_groups, "%zu", string_table_count(seen));
    cr_expect_eq(follower.fetches[STREAM_events], recording->event_fetches);
    cr_expect_eq(follower.fetches[STREAM_caches], recording->cache_fetches);
    line_reader_close(lines);
    recording_reader_destroy(reader);
    string_table_destroy(seen);
    buffer_free(&expected);
    buffer_free(&error);
    buffer_free(&pending[0]);
    buffer_free(&pending[1]);
    stop(&follower);
}

Test(position, recordings)
{
    for (size_t index = 0; index < sizeof recorded / sizeof *recorded; index++)
        replay(&recorded[index]);
}
