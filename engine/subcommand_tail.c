/* `weir tail`: what the engine says, live from its channel, or from the durable stream.
 *
 * With --stored --follow the verdicts come from the stream alone (XREAD goes on where XRANGE ended), so that none is
 * missed or shown twice between the two; presence routes, which are not stored, still come from the channel. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/configuration.h"
#include "engine/log.h"
#include "engine/option.h"
#include "engine/redis_link.h"
#include "engine/tail_format.h"
#include "replication/command.h"

#define PAGE "1000"
#define BLOCK_MS "5000"

struct tail_options {
    const char *configuration;
    const char *redis;
    const char *server_name;
    const char *count;
    bool json;
    bool stored;
    bool follow;
    bool positions;
};

struct tail {
    const struct tail_options *options;
    struct event_base *base;
    struct redis_link *subscriber;
    struct redis_link *reader;
    struct buffer channel;
    struct buffer key;
    struct tail_format format;
    struct buffer output;
    uint64_t left; /* rows still to be shown; UINT64_MAX: no end */
    struct buffer last_id;
    bool following; /* the stored rows were read; XREAD goes on */
    struct log_gate bad_row_gate;
    int code;
};

static void finish(struct tail *tail, int code)
{
    tail->code = code;
    event_base_loopbreak(tail->base);
}

static void flush(void *context)
{
    struct tail *tail = context;
    if (tail->output.length == 0)
        return;
    size_t written = fwrite(tail->output.data, 1, tail->output.length, stdout);
    /* Whoever reads may have gone (`weir tail | head`): that is an end like any other. */
    if (written != tail->output.length || fflush(stdout) != 0)
        finish(tail, EXIT_CODE_OK);
    buffer_clear(&tail->output);
}

static void show_row(struct tail *tail, struct slice stream, struct slice token, struct slice row)
{
    uint64_t suppressed;
    if (tail->left == 0)
        return;
    if (!tail_format_row(&tail->format, stream, token, row, &tail->output)) {
        if (log_gate_pass(&tail->bad_row_gate, &suppressed))
            log_warning("a row cannot be shown: it is not what weir writes", LOG_INTEGER("bytes", row.length),
                        LOG_INTEGER("suppressed", suppressed));
        return;
    }
    if (tail->left != UINT64_MAX && --tail->left == 0)
        finish(tail, EXIT_CODE_OK);
}

/* The channel. */

static void on_message(void *context, struct slice channel, struct slice data)
{
    struct tail *tail = context;
    struct command command;
    const char *problem;
    (void)channel;
    if (command_parse(data, &command, &problem) != COMMAND_OK)
        return;
    if (command.name == COMMAND_POSITION && tail->options->positions) {
        tail_format_line(&tail->format, data, &tail->output);
    } else if (command.name == COMMAND_RDATA) {
        if (tail->options->stored && slice_equal(command.stream_name, SLICE("verdicts")))
            return;
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)command.token);
        show_row(tail, command.stream_name, command.batch ? SLICE("batch") : slice_from_string(number), command.json);
    }
}

static void on_subscriber_ready(void *context)
{
    struct tail *tail = context;
    redis_link_command(tail->subscriber, (struct slice[]){SLICE("SUBSCRIBE"), buffer_slice(&tail->channel)}, 2);
}

/* The durable stream. */

static void ask_for_page(struct tail *tail)
{
    struct slice key = buffer_slice(&tail->key);
    if (tail->following) {
        struct slice after = tail->last_id.length ? buffer_slice(&tail->last_id) : SLICE("0-0");
        redis_link_command(tail->reader,
                           (struct slice[]){SLICE("XREAD"), SLICE("COUNT"), SLICE(PAGE), SLICE("BLOCK"),
                                            SLICE(BLOCK_MS), SLICE("STREAMS"), key, after},
                           8);
        return;
    }
    struct buffer from = {0};
    buffer_append_string(&from, tail->last_id.length ? "(" : "-");
    buffer_append_slice(&from, buffer_slice(&tail->last_id));
    redis_link_command(
        tail->reader,
        (struct slice[]){SLICE("XRANGE"), key, buffer_slice(&from), SLICE("+"), SLICE("COUNT"), SLICE(PAGE)}, 6);
    buffer_free(&from);
}

static struct slice text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
}

/* [id, [field, value, …]] */
static void show_entry(struct tail *tail, const redisReply *entry)
{
    struct slice token = SLICE_ABSENT;
    struct slice row = SLICE_ABSENT;
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 || entry->element[0]->type != REDIS_REPLY_STRING)
        return;
    buffer_clear(&tail->last_id);
    buffer_append_slice(&tail->last_id, text_of(entry->element[0]));
    const redisReply *fields = entry->element[1];
    for (size_t index = 0; fields->type == REDIS_REPLY_ARRAY && index + 1 < fields->elements; index += 2) {
        if (slice_equal(text_of(fields->element[index]), SLICE("token")))
            token = text_of(fields->element[index + 1]);
        else if (slice_equal(text_of(fields->element[index]), SLICE("row")))
            row = text_of(fields->element[index + 1]);
    }
    show_row(tail, SLICE("verdicts"), token, slice_present(row) ? row : SLICE(""));
}

/* The entries of an answer: XREAD's is [[key, entries]], or nil after BLOCK_MS without any. */
static const redisReply *entries_of(const struct tail *tail, const redisReply *reply)
{
    if (!tail->following || reply->type != REDIS_REPLY_ARRAY)
        return reply;
    bool shaped =
        reply->elements == 1 && reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[0]->elements == 2;
    return shaped ? reply->element[0]->element[1] : reply;
}

static void on_reply(void *context, const redisReply *reply)
{
    struct tail *tail = context;
    if (reply->type == REDIS_REPLY_ERROR) {
        struct buffer text = {0};
        tail_append_visible(&text, slice_of(reply->str, reply->len));
        fprintf(stderr, "weir tail: Redis refused to read the stored rows: %s\n", buffer_string(&text));
        buffer_free(&text);
        finish(tail, EXIT_CODE_FAILED);
        return;
    }
    const redisReply *entries = entries_of(tail, reply);
    size_t count = entries->type == REDIS_REPLY_ARRAY ? entries->elements : 0;
    for (size_t index = 0; index < count; index++)
        show_entry(tail, entries->element[index]);
    if (count == 0 && !tail->following) {
        if (!tail->options->follow) {
            finish(tail, EXIT_CODE_OK);
            return;
        }
        tail->following = true;
    }
    ask_for_page(tail);
}

static void on_reader_ready(void *context)
{
    ask_for_page(context);
}

static void on_signal(evutil_socket_t number, short events, void *context)
{
    (void)number;
    (void)events;
    finish(context, EXIT_CODE_OK);
}

static void follow(struct tail *tail, const struct redis_address *address)
{
    struct redis_link_callbacks subscriber = {
        .context = tail, .ready = on_subscriber_ready, .message = on_message, .batch_end = flush};
    struct redis_link_callbacks reader = {
        .context = tail, .ready = on_reader_ready, .reply = on_reply, .batch_end = flush};
    struct event *interrupt = evsignal_new(tail->base, SIGINT, on_signal, tail);
    struct event *terminate = evsignal_new(tail->base, SIGTERM, on_signal, tail);
    event_add(interrupt, NULL);
    event_add(terminate, NULL);
    if (!tail->options->stored || tail->options->follow)
        tail->subscriber = redis_link_create(tail->base, address, "tail", &subscriber);
    if (tail->options->stored)
        tail->reader = redis_link_create(tail->base, address, "tail of the stored rows", &reader);
    event_base_dispatch(tail->base);
    flush(tail);
    redis_link_destroy(tail->subscriber);
    redis_link_destroy(tail->reader);
    event_free(interrupt);
    event_free(terminate);
}

static bool wants_colour(void)
{
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(refused && *refused) && terminal && strcmp(terminal, "dumb") != 0;
}

static int tail_from(const struct tail_options *options, uint64_t count, const char *server_name,
                     const struct redis_address *address)
{
    struct tail tail = {
        .options = options,
        .base = event_base_new(),
        .left = count,
        .format = {.json = options->json, .escape = isatty(STDOUT_FILENO), .colour = wants_colour()},
        .code = EXIT_CODE_OK,
    };
    if (!tail.base) {
        fputs("weir tail: no event loop can be made\n", stderr);
        return EXIT_CODE_FAILED;
    }
    buffer_append_format(&tail.channel, "%s/weir", server_name);
    buffer_append_format(&tail.key, "%s/weir/verdicts", server_name);
    follow(&tail, address);
    event_base_free(tail.base);
    buffer_free(&tail.channel);
    buffer_free(&tail.key);
    buffer_free(&tail.output);
    buffer_free(&tail.last_id);
    return tail.code;
}

static int complain(const char *sentence)
{
    fprintf(stderr, "weir tail: %s\n", sentence);
    return EXIT_CODE_USAGE;
}

static int tail_configured(const struct tail_options *options, const char *path, uint64_t count)
{
    struct buffer errors = {0};
    int code = EXIT_CODE_CONFIGURATION;
    struct configuration *configuration = configuration_load(path, CONFIGURATION_FOR_CLIENT, NULL, &errors, NULL);
    if (configuration)
        code = tail_from(options, count, options->server_name ? options->server_name : configuration->server_name,
                         &configuration->redis);
    else
        fputs(buffer_string(&errors), stderr);
    configuration_destroy(configuration);
    buffer_free(&errors);
    return code;
}

static int tail_named(const struct tail_options *options, uint64_t count)
{
    struct redis_address address;
    struct buffer error = {0};
    if (!redis_address_parse(options->redis ? options->redis : "redis://127.0.0.1:6379", &address, &error)) {
        complain(buffer_string(&error));
        buffer_free(&error);
        return EXIT_CODE_USAGE;
    }
    int code = tail_from(options, count, options->server_name, &address);
    redis_address_free(&address);
    return code;
}

static int run(const void *given, char **operands, size_t operand_count)
{
    const struct tail_options *options = given;
    uint64_t count = UINT64_MAX;
    (void)operands;
    (void)operand_count;
    if (options->count) {
        char *end;
        long long number = strtoll(options->count, &end, 10);
        if (*end != '\0' || end == options->count || number < 1)
            return complain("--count is a number from 1 on");
        count = (uint64_t)number;
    }
    if (options->configuration && options->redis)
        return complain("give either --config or --redis, not both");
    if (options->redis && !options->server_name)
        return complain("--redis needs --server-name NAME");
    if (options->follow && !options->stored)
        return complain("--follow belongs to --stored; without it rows are followed anyway");
    log_open(LOG_WARNING);
    const char *path = options->configuration ? options->configuration
                       : options->server_name ? NULL
                                              : OPTION_CONFIGURATION_DEFAULT;
    return path ? tail_configured(options, path, count) : tail_named(options, count);
}

static const struct option_definition definitions[] = {
    {"config", 'c', OPTION_TEXT, offsetof(struct tail_options, configuration), "FILE", false,
     "The engine's configuration, which names the server and its Redis. Default, without --server-name and "
     "--redis: " OPTION_CONFIGURATION_DEFAULT "."},
    {"redis", 'r', OPTION_TEXT, offsetof(struct tail_options, redis), "URL", false,
     "Without --config: redis://[[user]:password@]host[:port][/db], unix:///path or /path. Default: "
     "redis://127.0.0.1:6379."},
    {"server-name", 'n', OPTION_TEXT, offsetof(struct tail_options, server_name), "NAME", false,
     "The homeserver's name; rows are read from NAME/weir."},
    {"json", 'j', OPTION_FLAG, offsetof(struct tail_options, json), NULL, false,
     "Print each row as it came, one a line."},
    {"count", 'N', OPTION_TEXT, offsetof(struct tail_options, count), "N", false, "End after N rows."},
    {"stored", 's', OPTION_FLAG, offsetof(struct tail_options, stored), NULL, false,
     "Print the verdicts that Redis keeps (NAME/weir/verdicts), then end."},
    {"follow", 'f', OPTION_FLAG, offsetof(struct tail_options, follow), NULL, false,
     "After --stored: go on with what comes."},
    {"positions", 'p', OPTION_FLAG, offsetof(struct tail_options, positions), NULL, false, "Show POSITION lines too."},
    {0},
};

const struct subcommand subcommand_tail = {
    .name = "tail",
    .summary = "print verdicts and presence routes as they come",
    .synopsis = "weir tail [-c FILE | --server-name NAME [--redis URL]] [--json] [--count N] [--stored [--follow]] "
                "[--positions]",
    .description =
        "Subscribes to the engine's channel and prints its rows: token, result, module, rule, sender, room, event and "
        "reason of a verdict; receiver and states of a presence route. In colour on a terminal, unless NO_COLOR is "
        "set.\n\n"
        "With --json each line is the row as the engine published it. With --stored the verdicts come from the durable "
        "stream, oldest first.\n\n"
        "When Redis goes away it waits for its return. Ctrl-C ends it.",
    .exit_status = "0 also when Ctrl-C, SIGTERM or the reader of its output ended it.",
    .examples = "weir tail -c weir.yaml\n"
                "weir tail --server-name example.org --redis /run/redis/redis.sock --json --count 100\n"
                "weir tail -c weir.yaml --stored --json > verdicts.jsonl",
    .options = definitions,
    .options_size = sizeof(struct tail_options),
    .minimum_operands = 0,
    .maximum_operands = 0,
    .run = run,
};
