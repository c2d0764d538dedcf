/* Asks a source of missed rows, as the engine does, and prints what comes:
 *
 *   missed_rows http [OPTION]... WRITER=ADDRESS... STREAM,WRITER,FROM,UPTO...
 *   missed_rows postgres [OPTION]... KEYWORD=VALUE... STREAM,WRITER,FROM,UPTO...
 *
 * Options of both: --timeout MILLISECONDS, --in-turn (a request begins when the one before has ended, otherwise all at
 * once), --stop-after N (the source is destroyed when N requests have ended), --count (rows are counted, not printed).
 * Of http: --secret TEXT, --ca-file FILE, --trust-all; ADDRESS is HOST:PORT, tls:HOST:PORT or unix:PATH.
 * Of postgres: --page ROWS, --retry-for MILLISECONDS; KEYWORD is libpq's.
 *
 * Requests are numbered from 0 and asked again from where a limited answer ended. Prints `unserved N`,
 * `rows N TOKEN ROW...`, `more N REACHED`, `end N REACHED`, `failed N SENTENCE`, and at the end with --count
 * `counted ROWS`, with a replica that was given up `unconfirmed ANSWERS`. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "replication/curl_library.h"
#include "replication/rows_http.h"
#include "replication/rows_postgres.h"

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
    bool count_only;
    uint64_t rows;
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
    struct asker *asker = context;
    asker->rows += rows->count;
    if (asker->count_only)
        return;
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
        if (!asker->count_only)
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

static void on_state(void *context, const char *reason)
{
    (void)context, (void)reason;
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

/* What the command line says about both sources. */
struct arguments {
    struct rows_http_writer *writers;
    const char **keywords;
    const char **values;
    size_t pairs;
    struct rows_http_settings http;
    struct rows_postgres_settings postgres;
};

/* Takes an option with its value; false if the argument is none. */
static bool read_option(struct arguments *read, struct asker *asker, char ***argument)
{
    const char *name = **argument;
    if (strncmp(name, "--", 2) != 0)
        return false;
    if (strcmp(name, "--in-turn") == 0)
        return asker->in_turn = true;
    if (strcmp(name, "--count") == 0)
        return asker->count_only = true;
    if (strcmp(name, "--trust-all") == 0)
        return !(read->http.verify = false);
    const char *value = *++*argument;
    if (!value)
        usage(name);
    if (strcmp(name, "--secret") == 0)
        read->http.secret = value;
    else if (strcmp(name, "--timeout") == 0)
        read->http.timeout_ms = read->postgres.timeout_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "--ca-file") == 0)
        read->http.ca_file = value;
    else if (strcmp(name, "--page") == 0)
        read->postgres.page = strtoll(value, NULL, 10);
    else if (strcmp(name, "--retry-for") == 0)
        read->postgres.retry_for_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "--stop-after") == 0)
        asker->stop_after = (uint32_t)strtoul(value, NULL, 10);
    else
        usage(name);
    return true;
}

static void read_pair(struct arguments *read, char *argument, bool http)
{
    if (http) {
        read->writers[read->http.writer_count++] = read_writer(argument);
        return;
    }
    read->keywords[read->pairs] = strsep(&argument, "=");
    read->values[read->pairs++] = argument;
}

static void run(struct asker *asker)
{
    begin_next(asker);
    if (asker->ended < asker->stop_after)
        event_base_dispatch(asker->base);
    if (asker->count_only)
        printf("counted %llu\n", (unsigned long long)asker->rows);
}

static void run_http(struct asker *asker, const struct arguments *read, const struct row_source_callbacks *callbacks)
{
    struct buffer error = {0};
    if (!curl_library_load(&error)) {
        fprintf(stderr, "%s\n", buffer_string(&error));
        exit(1);
    }
    struct rows_http *rows = rows_http_create(asker->base, &read->http, callbacks);
    asker->source = rows_http_source(rows);
    run(asker);
    rows_http_destroy(rows);
}

static void run_postgres(struct asker *asker, const struct arguments *read,
                         const struct row_source_callbacks *callbacks)
{
    struct rows_postgres *rows = rows_postgres_create(asker->base, &read->postgres, callbacks);
    asker->source = rows_postgres_source(rows);
    run(asker);
    if (rows_postgres_unconfirmed(rows))
        printf("unconfirmed %llu\n", (unsigned long long)rows_postgres_unconfirmed(rows));
    rows_postgres_destroy(rows);
}

int main(int count, char **arguments)
{
    bool http = count > 1 && strcmp(arguments[1], "http") == 0;
    if (!http && (count < 2 || strcmp(arguments[1], "postgres") != 0))
        usage(count < 2 ? "" : arguments[1]);
    struct asker asker = {.base = event_base_new()};
    struct arguments read = {.writers = memory_allocate_zeroed((size_t)count, sizeof *read.writers),
                             .keywords = memory_allocate_zeroed((size_t)count, sizeof *read.keywords),
                             .values = memory_allocate_zeroed((size_t)count, sizeof *read.values)};
    read.http = (struct rows_http_settings){.writers = read.writers, .timeout_ms = 5000, .verify = true};
    read.postgres = (struct rows_postgres_settings){
        .keywords = read.keywords, .values = read.values, .page = 1000, .timeout_ms = 5000, .retry_for_ms = 1000};
    for (char **argument = arguments + 2; *argument; argument++) {
        if (read_option(&read, &asker, &argument))
            continue;
        if (strchr(*argument, '='))
            read_pair(&read, *argument, http);
        else
            read_request(&asker, *argument);
    }
    if (!asker.stop_after)
        asker.stop_after = asker.count;
    struct row_source_callbacks callbacks = {.context = &asker, .rows = on_rows, .ended = on_ended, .state = on_state};
    (http ? run_http : run_postgres)(&asker, &read, &callbacks);
    free(read.writers);
    free(read.keywords);
    free(read.values);
    event_base_free(asker.base);
    return 0;
}
