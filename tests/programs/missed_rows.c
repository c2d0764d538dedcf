/* Asks a source of missed rows, as the engine does, and prints what comes:
 *
 *   missed_rows http [OPTION]... WRITER=ADDRESS... STREAM,WRITER,FROM,UPTO...
 *
 * ADDRESS is HOST:PORT, tls:HOST:PORT or unix:PATH. Options: --secret TEXT, --timeout MILLISECONDS, --ca-file FILE,
 * --trust-all, --in-turn (a request begins when the one before has ended, otherwise all at once), --stop-after N (the
 * source is destroyed when N requests have ended). Requests are numbered from 0 and asked again from where a limited
 * answer ended. Prints `unserved N`, `rows N TOKEN ROW...`, `more N REACHED`, `end N REACHED` and `failed N SENTENCE`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "replication/rows_http.h"

#define REQUESTS_MAXIMUM 64u

struct asker {
    struct event_base *base;
    struct row_source source;
    struct row_request requests[REQUESTS_MAXIMUM];
    uint32_t count;
    uint32_t begun;
    uint32_t ended;
    uint32_t stop_after;
    bool in_turn;
    bool asking; /* to see that nothing ends from within */
};

static void ask(struct asker *asker, uint64_t ticket)
{
    asker->asking = true;
    asker->source.request(asker->source.context, ticket, &asker->requests[ticket]);
    asker->asking = false;
}

static void end_one(struct asker *asker)
{
    if (++asker->ended >= asker->stop_after)
        event_base_loopbreak(asker->base);
}

static void begin_next(struct asker *asker)
{
    while (asker->begun < asker->count) {
        uint32_t ticket = asker->begun++;
        const struct row_request *request = &asker->requests[ticket];
        if (asker->source.serves(asker->source.context, request->stream, request->writer)) {
            ask(asker, ticket);
            if (asker->in_turn)
                return;
            continue;
        }
        printf("unserved %u\n", ticket);
        end_one(asker);
    }
}

static void on_rows(void *context, uint64_t ticket, const struct position_rows *rows)
{
    (void)context;
    printf("rows %llu %lld", (unsigned long long)ticket, (long long)rows->token);
    for (uint32_t index = 0; index < rows->count; index++)
        printf(" %.*s", (int)rows->rows[index].length, rows->rows[index].data);
    putchar('\n');
}

static void on_ended(void *context, uint64_t ticket, const struct row_answer *answer)
{
    struct asker *asker = context;
    if (asker->asking)
        abort();
    if (!answer->failure && answer->limited) {
        printf("more %llu %lld\n", (unsigned long long)ticket, (long long)answer->reached);
        asker->requests[ticket].from = answer->reached;
        ask(asker, ticket);
        return;
    }
    if (answer->failure)
        printf("failed %llu %s\n", (unsigned long long)ticket, answer->failure);
    else
        printf("end %llu %lld\n", (unsigned long long)ticket, (long long)answer->reached);
    end_one(asker);
    begin_next(asker);
}

static void usage(const char *argument)
{
    fprintf(stderr, "missed_rows: cannot make sense of `%s`\n", argument);
    exit(2);
}

static struct rows_http_writer read_writer(char *argument)
{
    struct rows_http_writer writer = {.name = argument};
    char *address = strchr(argument, '=');
    *address++ = '\0';
    if (strncmp(address, "unix:", 5) == 0) {
        writer.unix_path = address + 5;
        return writer;
    }
    if (strncmp(address, "tls:", 4) == 0) {
        writer.tls = true;
        address += 4;
    }
    char *port = strrchr(address, ':');
    if (!port)
        usage(address);
    *port++ = '\0';
    writer.host = address;
    writer.port = (uint16_t)strtoul(port, NULL, 10);
    return writer;
}

static void read_request(struct asker *asker, char *argument)
{
    char *rest = argument;
    const char *parts[4];
    for (size_t index = 0; index < 4; index++)
        if (!(parts[index] = strsep(&rest, ",")))
            usage(argument);
    struct row_request request = {stream_find(slice_from_string(parts[0])), slice_from_string(parts[1]),
                                  strtoll(parts[2], NULL, 10), strtoll(parts[3], NULL, 10)};
    if (request.stream == STREAM_UNKNOWN || asker->count == REQUESTS_MAXIMUM)
        usage(argument);
    asker->requests[asker->count++] = request;
}

/* Takes an option with its value; false if the argument is none. */
static bool read_option(struct rows_http_settings *settings, struct asker *asker, char ***argument)
{
    const char *name = **argument;
    if (strncmp(name, "--", 2) != 0)
        return false;
    if (strcmp(name, "--in-turn") == 0)
        return asker->in_turn = true;
    if (strcmp(name, "--trust-all") == 0)
        return !(settings->verify = false);
    const char *value = *++*argument;
    if (!value)
        usage(name);
    if (strcmp(name, "--secret") == 0)
        settings->secret = value;
    else if (strcmp(name, "--timeout") == 0)
        settings->timeout_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "--ca-file") == 0)
        settings->ca_file = value;
    else if (strcmp(name, "--stop-after") == 0)
        asker->stop_after = (uint32_t)strtoul(value, NULL, 10);
    else
        usage(name);
    return true;
}

int main(int count, char **arguments)
{
    if (count < 2 || strcmp(arguments[1], "http") != 0)
        usage(count < 2 ? "" : arguments[1]);
    struct asker asker = {.base = event_base_new()};
    struct rows_http_writer *writers = memory_allocate_zeroed((size_t)count, sizeof *writers);
    struct rows_http_settings settings = {.writers = writers, .timeout_ms = 5000, .verify = true};
    for (char **argument = arguments + 2; *argument; argument++) {
        if (read_option(&settings, &asker, &argument))
            continue;
        if (strchr(*argument, '='))
            writers[settings.writer_count++] = read_writer(*argument);
        else
            read_request(&asker, *argument);
    }
    if (!asker.stop_after)
        asker.stop_after = asker.count;
    struct row_source_callbacks callbacks = {.context = &asker, .rows = on_rows, .ended = on_ended};
    struct rows_http *rows = rows_http_create(asker.base, &settings, &callbacks);
    free(writers); /* the settings were copied */
    asker.source = rows_http_source(rows);
    begin_next(&asker);
    if (asker.ended < asker.stop_after)
        event_base_dispatch(asker.base);
    rows_http_destroy(rows);
    event_base_free(asker.base);
    return 0;
}
