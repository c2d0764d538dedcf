/* `weir play`: the recording as if its Synapse ran again. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/log.h"
#include "engine/option.h"
#include "engine/player.h"

#define EXIT_INTERRUPTED 130 /* as a shell reports a program that Ctrl-C ended */
#define SUBSCRIBERS_MAXIMUM 1000000

struct play_options {
    const char *speed;
    const char *redis;
    const char *server_name;
    const char *subscribers;
    bool loop;
};

static const struct option_definition definitions[] = {
    {"speed", 's', OPTION_TEXT, offsetof(struct play_options, speed), "N|max", false,
     "Times the recorded pace (10, 0.5, 10x), or `max`: as fast as Redis takes the messages. Default: 1."},
    {"redis", 'r', OPTION_TEXT, offsetof(struct play_options, redis), "URL", false,
     "redis://[[user]:password@]host[:port][/db], unix:///path or /path. Default: redis://127.0.0.1:6379."},
    {"server-name", 'n', OPTION_TEXT, offsetof(struct play_options, server_name), "NAME", false,
     "Publish on this server's channels: NAME stands for what precedes the `/` of each recorded channel."},
    {"loop", 'l', OPTION_FLAG, offsetof(struct play_options, loop), NULL, false,
     "Start over at the end, for ever. The tokens go on rising from round to round."},
    {"wait-for-subscribers", 'w', OPTION_TEXT, offsetof(struct play_options, subscribers), "N", false,
     "Begin once N others subscribe to the main channel; fail if they do not within 10 seconds."},
    {0},
};

static int complain(const char *sentence)
{
    fprintf(stderr, "weir play: %s\n", sentence);
    return EXIT_CODE_USAGE;
}

static void on_signal(evutil_socket_t number, short events, void *context)
{
    (void)number;
    (void)events;
    player_stop(context);
}

static void print_summary(const struct player *player, enum player_outcome outcome)
{
    struct player_summary summary;
    player_summarise(player, &summary);
    if (outcome == PLAYER_FAILED && summary.messages == 0)
        return;
    double rate = summary.seconds > 0 ? (double)summary.messages / summary.seconds : 0;
    fprintf(stderr, "%s %llu messages in %.3f s (%.0f messages/s)",
            outcome == PLAYER_FINISHED ? "played" : "stopped after", (unsigned long long)summary.messages,
            summary.seconds, rate);
    if (summary.bad_lines)
        fprintf(stderr, ", %llu lines of the file are no messages", (unsigned long long)summary.bad_lines);
    fputc('\n', stderr);
}

static int play(const struct player_options *options)
{
    struct event_base *base = event_base_new();
    struct buffer error = {0};
    struct player *player = base ? player_create(base, options, &error) : NULL;
    if (!player) {
        fprintf(stderr, "weir play: %s\n", base ? buffer_string(&error) : "no event loop can be made");
        buffer_free(&error);
        if (base)
            event_base_free(base);
        return EXIT_CODE_FAILED;
    }
    struct event *interrupt = evsignal_new(base, SIGINT, on_signal, player);
    struct event *terminate = evsignal_new(base, SIGTERM, on_signal, player);
    event_add(interrupt, NULL);
    event_add(terminate, NULL);
    enum player_outcome outcome = player_run(player, &error);
    if (outcome == PLAYER_FAILED)
        fprintf(stderr, "weir play: %s\n", buffer_string(&error));
    print_summary(player, outcome);
    event_free(interrupt);
    event_free(terminate);
    player_destroy(player);
    event_base_free(base);
    buffer_free(&error);
    return outcome == PLAYER_FINISHED ? EXIT_CODE_OK : outcome == PLAYER_FAILED ? EXIT_CODE_FAILED : EXIT_INTERRUPTED;
}

static int run(const void *given, char **operands, size_t operand_count)
{
    const struct play_options *chosen = given;
    struct redis_address address;
    struct buffer error = {0};
    struct player_options options = {
        .recording = operands[0],
        .redis = &address,
        .server_name = chosen->server_name,
        .speed = 1,
        .loop = chosen->loop,
        .progress = isatty(STDERR_FILENO),
    };
    (void)operand_count;
    if (chosen->speed && !player_speed_parse(chosen->speed, &options.speed))
        return complain("--speed is a number above 0 (10, 0.5, 10x) or max");
    if (chosen->subscribers) {
        char *end;
        long number = strtol(chosen->subscribers, &end, 10);
        if (*end != '\0' || end == chosen->subscribers || number < 0 || number > SUBSCRIBERS_MAXIMUM)
            return complain("--wait-for-subscribers is a number from 0 to 1000000");
        options.subscribers = (uint32_t)number;
    }
    if (chosen->server_name && (!*chosen->server_name || strchr(chosen->server_name, '/')))
        return complain("--server-name is a server's name, as in Synapse's server_name, without a /");
    if (!redis_address_parse(chosen->redis ? chosen->redis : "redis://127.0.0.1:6379", &address, &error)) {
        complain(buffer_string(&error));
        buffer_free(&error);
        return EXIT_CODE_USAGE;
    }
    log_open(LOG_WARNING);
    int code = play(&options);
    redis_address_free(&address);
    return code;
}

const struct subcommand subcommand_play = {
    .name = "play",
    .summary = "publish a recorded replication stream onto Redis",
    .synopsis = "weir play RECORDING [--speed N|max] [--redis URL] [--server-name NAME] [--loop] "
                "[--wait-for-subscribers N]",
    .description =
        "Publishes each line of RECORDING (.jsonl or .jsonl.zst) on its channel, in order, as the Synapse processes "
        "did "
        "that were recorded. It first announces where every writer stands, as a process that starts does, and answers "
        "each REPLICATE of others with the positions of what it has played so far.\n\n"
        "Every answer of Redis is checked. On a terminal a bar shows how far it is. The last line on stderr says how "
        "many "
        "messages were published, in what time.\n\n"
        "With --loop all later rounds carry raised tokens, since a writer's tokens never go back.",
    .exit_status = "130 means that Ctrl-C or SIGTERM stopped it; Redis has answered what was sent by then.",
    .examples =
        "weir play recording.jsonl.zst --speed 10\n"
        "weir play recording.jsonl.zst --speed max --redis unix:///run/redis/redis.sock --wait-for-subscribers 1",
    .options = definitions,
    .options_size = sizeof(struct play_options),
    .operand = "FILE",
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
