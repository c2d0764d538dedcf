/* Every process answers with a position of each of its streams, one message each, so what one tells comes within
 * milliseconds. Those that are not expected (they write other streams) have SETTLE_MS after the last that is. */
#include "engine/replication_probe.h"

#include "replication/command.h"

#define SETTLE_MS 300

struct listening {
    struct replication_answers *answers;
    const char *const *expected;
    size_t expected_count;
    bool all_heard;
};

/* Names are printed, also in lines to copy, and whoever reaches Redis chooses them. */
static struct replication_writer *writer_named(struct replication_answers *answers, struct slice text)
{
    struct replication_writer fresh = {.newest = INT64_MIN};
    if (text.length >= REPLICATION_NAME_MAXIMUM)
        return NULL;
    for (size_t index = 0; index < text.length; index++)
        fresh.name[index] = text.data[index] > ' ' && text.data[index] < 0x7f ? text.data[index] : '?';
    for (size_t index = 0; index < answers->writer_count; index++)
        if (strcmp(answers->writers[index].name, fresh.name) == 0)
            return &answers->writers[index];
    if (answers->writer_count == REPLICATION_WRITERS_MAXIMUM)
        return NULL;
    answers->writers[answers->writer_count] = fresh;
    return &answers->writers[answers->writer_count++];
}

static bool all_heard(const struct listening *listening)
{
    for (size_t index = 0; index < listening->expected_count; index++) {
        const struct replication_writer *writer =
            replication_answers_find(listening->answers, listening->expected[index]);
        if (!writer || !writer->events)
            return false;
    }
    return true;
}

static void on_message(void *context, struct slice data)
{
    struct listening *listening = context;
    struct command command;
    const char *problem;
    listening->answers->lines++;
    if (command_parse(data, &command, &problem) != COMMAND_OK ||
        (command.name != COMMAND_POSITION && command.name != COMMAND_RDATA))
        return;
    struct replication_writer *writer = writer_named(listening->answers, command.instance_name);
    if (!writer || !slice_equal(command.stream_name, SLICE("events")))
        return;
    int64_t token = command.name == COMMAND_POSITION ? command.new_token : command.token;
    writer->events = writer->events || command.name == COMMAND_POSITION;
    if (!command.batch && token > writer->newest)
        writer->newest = token;
    if (command.name == COMMAND_POSITION)
        listening->all_heard = all_heard(listening);
}

static bool enough(void *context)
{
    const struct listening *listening = context;
    return listening->all_heard;
}

static bool not_enough(void *context)
{
    (void)context;
    return false;
}

const struct replication_writer *replication_answers_find(const struct replication_answers *answers, const char *name)
{
    for (size_t index = 0; index < answers->writer_count; index++)
        if (strcmp(answers->writers[index].name, name) == 0)
            return &answers->writers[index];
    return NULL;
}

bool replication_probe(struct redis_probe *probe, const char *server_name, const char *const *expected,
                       size_t expected_count, int64_t listen_ms, struct replication_answers *answers,
                       struct buffer *problem)
{
    struct listening listening = {.answers = answers, .expected = expected, .expected_count = expected_count};
    struct redis_probe_listener listener = {.context = &listening, .message = on_message, .enough = enough};
    int64_t receivers;
    *answers = (struct replication_answers){.receivers = -1};
    if (!redis_probe_listen(probe, server_name, SLICE("REPLICATE "), listen_ms, &listener, &answers->receivers,
                            problem))
        return false;
    /* A second time, for the others; Synapse answers as often as it is asked. */
    listener.enough = not_enough;
    return !listening.all_heard ||
           redis_probe_listen(probe, server_name, SLICE("REPLICATE "), SETTLE_MS, &listener, &receivers, problem);
}
