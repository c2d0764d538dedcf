/* The rule of positions on the recorded traffic of real Synapses, with its starts, SIGTERMs and SIGKILLs: the recorder
 * heard everything, so nothing may be lost, and nothing asked for that would have come. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "replication/position.h"
#include "replication/recording.h"

/* A token of a writer of `events`, in the order of the recording. */
struct token {
    char writer[32];
    int64_t token;
    unsigned handed_on;
};

static struct {
    struct position_tracker *tracker;
    struct token *tokens;
    size_t count;
    size_t questions; /* fetches that were asked for */
    size_t brought;   /* tokens that they brought, all of which came on the wire later */
} world;

static struct token *find_token(struct slice writer, int64_t token)
{
    for (size_t index = 0; index < world.count; index++)
        if (world.tokens[index].token == token && slice_equal(slice_from_string(world.tokens[index].writer), writer))
            return &world.tokens[index];
    return NULL;
}

static void on_hand_on(void *context, const struct position_rows *rows)
{
    (void)context;
    struct token *token = find_token(rows->writer, rows->token);
    cr_assert_not_null(token, "%lld was never written", (long long)rows->token);
    token->handed_on++;
}

/* As the writer's own listener would: what it has written. */
static bool on_fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    (void)context;
    struct slice row = SLICE("[]");
    world.questions++;
    for (size_t index = 0; index < world.count; index++) {
        const struct token *token = &world.tokens[index];
        if (token->token <= from || token->token > upto || !slice_equal(slice_from_string(token->writer), writer))
            continue;
        struct position_rows rows = {stream, writer, token->token, &row, 1};
        world.brought++;
        position_fetched(world.tracker, &rows);
    }
    position_fetch_done(world.tracker, stream, writer, upto, false, false);
    return true;
}

static void note(const struct command *command)
{
    if (command->name != COMMAND_RDATA || command->batch || stream_find(command->stream_name) != STREAM_events)
        return;
    world.tokens = realloc(world.tokens, (world.count + 1) * sizeof *world.tokens);
    struct token *token = &world.tokens[world.count++];
    *token = (struct token){.token = command->token};
    snprintf(token->writer, sizeof token->writer, "%.*s", (int)command->instance_name.length,
             command->instance_name.data);
}

static void feed(const struct command *command)
{
    enum stream stream = stream_find(command->stream_name);
    if (command->name == COMMAND_RDATA && stream != STREAM_UNKNOWN)
        position_row(world.tracker, stream, command);
    else if (command->name == COMMAND_POSITION && stream != STREAM_UNKNOWN)
        position_announced(world.tracker, stream, command);
}

static void each_command(const char *path, void (*visit)(const struct command *))
{
    struct buffer error = {0};
    struct line_reader *lines = line_reader_open(path, &error);
    cr_assert_not_null(lines, "%s", buffer_string(&error));
    struct recording_reader *reader = recording_reader_create();
    struct slice line;
    while (line_reader_next(lines, &line, &error) == LINE_OK) {
        struct recording_message message;
        struct command command;
        const char *problem;
        cr_assert(recording_read(reader, line, &message, &problem));
        if (command_parse(message.data, &command, &problem) == COMMAND_OK)
            visit(&command);
    }
    recording_reader_destroy(reader);
    line_reader_close(lines);
    buffer_free(&error);
}

static void play(const char *path)
{
    memset(&world, 0, sizeof world);
    struct position_callbacks callbacks = {.hand_on = on_hand_on, .fetch = on_fetch};
    world.tracker = position_tracker_create(&callbacks, "weir1", 1ull << STREAM_events);
    each_command(path, note);
    each_command(path, feed);
    for (size_t index = 0; index < world.count; index++)
        cr_expect_eq(world.tokens[index].handed_on, 1u, "%s: %s %lld was handed on %u times", path,
                     world.tokens[index].writer, (long long)world.tokens[index].token, world.tokens[index].handed_on);
    position_tracker_destroy(world.tracker);
    free(world.tokens);
}

Test(recording_positions, nothing_is_lost_and_nothing_fetched_without_need)
{
    static const struct {
        const char *path;
        size_t questions; /* a position taken over from another writer asks once, and brings nothing */
    } recordings[] = {
        {"tests/data/synapse-1.140-small.jsonl.zst", 1},
        {"tests/data/synapse-1.140-big.jsonl.zst", 0},
        {"tests/data/synapse-1.67-small.jsonl.zst", 1},
    };
    for (size_t index = 0; index < sizeof recordings / sizeof *recordings; index++) {
        play(recordings[index].path);
        cr_expect_gt(world.count, 200u, "%s", recordings[index].path);
        cr_expect_eq(world.brought, 0u, "%s: %zu", recordings[index].path, world.brought);
        cr_expect_eq(world.questions, recordings[index].questions, "%s: %zu", recordings[index].path, world.questions);
    }
}
