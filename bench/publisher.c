/* Redis is told to keep its answers (CLIENT REPLY OFF): a publisher that reads half a million of them takes from the
 * processor that the subscriber shall have. The last command asks for one answer, so that the end is known. */
#include "bench/publisher.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "bench/figure.h"
#include "engine/redis_link.h"
#include "replication/command.h"

#define FIRST_TOKEN 1000000

static void append(struct buffer *output, const struct slice *arguments, size_t count)
{
    redis_append_command(output, arguments, count);
}

static void append_publish(struct publication *publication, const struct buffer *line)
{
    append(&publication->commands, (struct slice[]){SLICE("PUBLISH"), SLICE(CORPUS_SERVER), buffer_slice(line)}, 3);
    publication->messages++;
}

static bool is_denied(struct slice row, const char *const *denied_types)
{
    for (; *denied_types; denied_types++) {
        char quoted[80];
        size_t length = (size_t)snprintf(quoted, sizeof quoted, "\"%s\"", *denied_types);
        if (memmem(row.data, row.length, quoted, length))
            return true;
    }
    return false;
}

static size_t collect_rows(const struct corpus *corpus, struct slice *rows)
{
    size_t count = 0;
    for (size_t index = 0; index < corpus->line_count; index++) {
        struct command command;
        const char *problem;
        if (command_parse(corpus->lines[index], &command, &problem) != COMMAND_OK || command.name != COMMAND_RDATA ||
            !slice_equal(command.stream_name, SLICE("events")) || !slice_starts_with(command.json, SLICE("[\"ev\"")))
            continue;
        /* A row that Synapse rejected, or an outlier, is not judged. */
        if (memmem(command.json.data, command.json.length, ",true", 5))
            continue;
        rows[count++] = command.json;
    }
    return count;
}

struct publication *publication_create(const struct corpus *corpus, size_t rows, const char *const *denied_types)
{
    struct publication *publication = memory_allocate_zeroed(1, sizeof *publication);
    struct slice *recorded = memory_allocate_zeroed(corpus->line_count, sizeof *recorded);
    size_t recorded_count = collect_rows(corpus, recorded);
    if (recorded_count == 0)
        bench_fail("the recording holds no rows of events");
    struct buffer line = {0};
    publication->first_token = publication->last_token = FIRST_TOKEN;
    append(&publication->commands, (struct slice[]){SLICE("CLIENT"), SLICE("REPLY"), SLICE("OFF")}, 3);
    buffer_append_format(&line, "POSITION events " PUBLICATION_WRITER " %d %d", FIRST_TOKEN, FIRST_TOKEN);
    append_publish(publication, &line);
    for (size_t index = 0; index < rows; index++) {
        struct slice row = recorded[index % recorded_count];
        buffer_clear(&line);
        buffer_append_string(&line, "RDATA events " PUBLICATION_WRITER " ");
        buffer_append_integer(&line, ++publication->last_token);
        buffer_append_char(&line, ' ');
        buffer_append_slice(&line, row);
        append_publish(publication, &line);
        publication->denied += is_denied(row, denied_types);
    }
    append(&publication->commands, (struct slice[]){SLICE("CLIENT"), SLICE("REPLY"), SLICE("ON")}, 3);
    buffer_free(&line);
    free(recorded);
    return publication;
}

void publication_free(struct publication *publication)
{
    buffer_free(&publication->commands);
    free(publication);
}

static _Noreturn void publish(const struct publication *publication, const char *socket_path, int go)
{
    redisContext *redis = redisConnectUnix(socket_path);
    char word;
    if (!redis || redis->err || read(go, &word, 1) != 1)
        _exit(1);
    const char *cursor = publication->commands.data;
    size_t left = publication->commands.length;
    while (left > 0) {
        ssize_t written = write(redis->fd, cursor, left < (256u << 10) ? left : 256u << 10);
        if (written <= 0)
            _exit(1);
        cursor += written;
        left -= (size_t)written;
    }
    void *reply = NULL;
    _exit(redisGetReply(redis, &reply) == REDIS_OK ? 0 : 1);
}

struct publisher publisher_start(const struct publication *publication, const char *socket_path)
{
    int ends[2];
    if (pipe(ends) != 0)
        bench_fail("cannot make a pipe");
    struct publisher publisher = {.process = fork(), .go = ends[1]};
    if (publisher.process < 0)
        bench_fail("cannot start the publisher");
    if (publisher.process == 0) {
        close(ends[1]);
        publish(publication, socket_path, ends[0]);
    }
    close(ends[0]);
    return publisher;
}

void publisher_go(const struct publisher *publisher)
{
    if (write(publisher->go, "g", 1) != 1)
        bench_fail("the publisher is gone");
}

double publisher_finish(const struct publisher *publisher)
{
    int status;
    struct rusage usage;
    close(publisher->go);
    if (wait4(publisher->process, &status, 0, &usage) < 0 || status != 0)
        bench_fail("the publisher failed");
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
