/* Two links, as a Synapse process has them: one hears the main channel, the other publishes. The pump runs whenever
 * there may be room: after answers of Redis, when a message is due, when a REPLICATE was heard. What is under way is
 * bounded by WINDOW messages and UNSENT_MAXIMUM bytes. */
#include "engine/player.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/playback.h"
#include "engine/player_progress.h"
#include "engine/record_marks.h"
#include "replication/recording.h"

#define WINDOW 4096
#define UNSENT_MAXIMUM ((size_t)1 << 20)
#define CONNECT_SECONDS 10
#define SUBSCRIBERS_SECONDS 10
#define POLL_US 20000
#define PROGRESS_US 200000
#define LONGEST_WAIT_SECONDS 3600.0

enum player_state { PLAYER_CONNECTING, PLAYER_COUNTING, PLAYER_PLAYING, PLAYER_DRAINING, PLAYER_DONE };

struct player {
    struct event_base *base;
    const struct player_options *options;
    struct redis_link *publisher;
    struct redis_link *listener;
    struct event *timer;
    struct event *progress_timer;
    enum player_state state;
    enum player_outcome outcome;
    bool stopped;
    bool subscribed;
    struct buffer failure;
    struct buffer lost_reason;

    struct playback *playback;
    struct line_reader *lines;
    struct recording_reader *reader;
    struct recording_message next; /* to be published, if has_next */
    bool has_next;
    bool positions_wanted;
    uint64_t own_replicates; /* published and not heard yet */

    char *main_channel;
    struct buffer channel;
    struct buffer scratch;
    double first_time;
    double last_time;
    uint64_t total;
    uint64_t bad_lines;

    uint64_t round; /* counted from 0 */
    uint64_t played;
    uint64_t in_flight;
    uint64_t began_ns;
    uint64_t ended_ns;
    uint64_t round_began_ns;
};

static void pump(struct player *player);

static void finish(struct player *player, enum player_outcome outcome)
{
    if (player->state == PLAYER_DONE)
        return;
    player->state = PLAYER_DONE;
    player->outcome = outcome;
    player->ended_ns = clock_now_ns();
    event_base_loopbreak(player->base);
}

static void fail(struct player *player, const char *sentence, struct slice detail)
{
    if (player->state == PLAYER_DONE)
        return;
    buffer_clear(&player->failure);
    buffer_append_string(&player->failure, sentence);
    buffer_append_slice(&player->failure, detail);
    finish(player, PLAYER_FAILED);
}

static void set_timer(struct player *player, double seconds)
{
    double bounded = seconds < LONGEST_WAIT_SECONDS ? seconds : LONGEST_WAIT_SECONDS;
    struct timeval delay = {(time_t)bounded, (suseconds_t)((bounded - floor(bounded)) * 1e6)};
    event_add(player->timer, &delay);
}

static double seconds_since(uint64_t start_ns)
{
    return start_ns ? (double)(clock_now_ns() - start_ns) / 1e9 : 0;
}

/* The recording. */

static size_t prefix_length(struct slice channel)
{
    const char *slash = memchr(channel.data, '/', channel.length);
    return slash ? (size_t)(slash - channel.data) : channel.length;
}

/* Where a message of a recorded channel goes. */
static struct slice channel_of(struct player *player, struct slice recorded)
{
    if (!player->options->server_name)
        return recorded;
    size_t prefix = prefix_length(recorded);
    buffer_clear(&player->channel);
    buffer_append_string(&player->channel, player->options->server_name);
    buffer_append(&player->channel, recorded.data + prefix, recorded.length - prefix);
    return buffer_slice(&player->channel);
}

/* The next message of the file into `next`; false at its end and on failure. */
static bool read_next(struct player *player, struct buffer *error, bool *failed)
{
    struct slice line;
    const char *problem;
    for (;;) {
        enum line_status status = line_reader_next(player->lines, &line, error);
        *failed = status == LINE_FAILED;
        if (status == LINE_END || status == LINE_FAILED)
            return false;
        if (status == LINE_OK && recording_read(player->reader, line, &player->next, &problem)) {
            if (!record_mark_channel(player->next.channel))
                return true;
            *failed = record_format_refuse(player->next.data, error);
            if (*failed)
                return false;
            continue;
        }
        player->bad_lines += player->round == 0 && !player->main_channel ? 1 : 0;
    }
}

static bool reopen(struct player *player, struct buffer *error)
{
    if (player->lines)
        line_reader_close(player->lines);
    player->lines = line_reader_open(player->options->recording, error);
    return player->lines != NULL;
}

static void scan_message(struct player *player, char **main_channel)
{
    const struct recording_message *message = &player->next;
    double time = recording_message_time(message);
    bool positioned =
        slice_starts_with(message->data, SLICE("RDATA ")) || slice_starts_with(message->data, SLICE("POSITION "));
    if (player->total == 0)
        player->first_time = player->last_time = time;
    if (time > player->last_time)
        player->last_time = time;
    if (!*main_channel && positioned) {
        struct slice channel = channel_of(player, message->channel);
        *main_channel = memory_copy_text(channel.data, prefix_length(channel));
    }
    player->total++;
    playback_scan(player->playback, message->data);
}

static bool scan(struct player *player, struct buffer *error)
{
    char *main_channel = NULL;
    bool failed;
    if (!reopen(player, error))
        return false;
    while (read_next(player, error, &failed))
        scan_message(player, &main_channel);
    player->main_channel = main_channel;
    if (failed)
        return false;
    if (!main_channel) {
        buffer_clear(error);
        buffer_append_format(error, "%s is no recording of a replication stream: no line of it is a row or a position",
                             player->options->recording);
        return false;
    }
    return reopen(player, error);
}

/* Publishing. */

static void publish(struct player *player, struct slice channel, struct slice data)
{
    redis_link_command(player->publisher, (struct slice[]){SLICE("PUBLISH"), channel, data}, 3);
    player->in_flight++;
}

static void publish_position(void *context, struct slice line)
{
    struct player *player = context;
    publish(player, slice_from_string(player->main_channel), line);
}

static bool is_replicate(struct slice data)
{
    return slice_starts_with(data, SLICE("REPLICATE")) && (data.length == 9 || data.data[9] == ' ');
}

static void publish_next(struct player *player)
{
    struct slice channel = channel_of(player, player->next.channel);
    if (is_replicate(player->next.data) && slice_equal(channel, slice_from_string(player->main_channel)))
        player->own_replicates++;
    publish(player, channel, playback_play(player->playback, player->next.data, &player->scratch));
    player->played++;
    player->has_next = false;
}

static void drain(struct player *player)
{
    player->state = PLAYER_DRAINING;
    event_del(player->timer);
    if (player->in_flight == 0)
        finish(player, player->stopped ? PLAYER_INTERRUPTED : PLAYER_FINISHED);
}

static void end_round(struct player *player)
{
    if (!player->options->loop) {
        drain(player);
        return;
    }
    if (!playback_next_round(player->playback)) {
        fail(player, "the recording cannot be played again: its tokens would not fit into 64 bits", SLICE(""));
        return;
    }
    if (!reopen(player, &player->failure)) {
        finish(player, PLAYER_FAILED);
        return;
    }
    player->round++;
    player->round_began_ns = clock_now_ns();
    playback_bridge(player->playback, publish_position, player);
}

/* Seconds until the next message is due; 0 or less: now. */
static double wait_for_next(const struct player *player)
{
    if (player->options->speed <= 0)
        return 0;
    double due = (recording_message_time(&player->next) - player->first_time) / player->options->speed;
    return due - seconds_since(player->round_began_ns);
}

static void pump(struct player *player)
{
    if (player->state != PLAYER_PLAYING)
        return;
    if (player->positions_wanted && player->in_flight < WINDOW) {
        player->positions_wanted = false;
        playback_positions(player->playback, publish_position, player);
    }
    while (player->state == PLAYER_PLAYING && player->in_flight < WINDOW &&
           redis_link_unsent(player->publisher) < UNSENT_MAXIMUM) {
        bool failed = false;
        if (!player->has_next)
            player->has_next = read_next(player, &player->failure, &failed);
        if (failed) {
            finish(player, PLAYER_FAILED);
            return;
        }
        if (!player->has_next) {
            end_round(player);
            continue;
        }
        double wait = wait_for_next(player);
        if (wait > 0) {
            set_timer(player, wait);
            return;
        }
        publish_next(player);
    }
}

static void begin_playing(struct player *player)
{
    player->state = PLAYER_PLAYING;
    player->began_ns = player->round_began_ns = clock_now_ns();
    event_del(player->timer);
    playback_positions(player->playback, publish_position, player);
    pump(player);
}

/* Waiting for subscribers. */

static void ask_for_subscribers(struct player *player)
{
    redis_link_command(player->publisher,
                       (struct slice[]){SLICE("PUBSUB"), SLICE("NUMSUB"), slice_from_string(player->main_channel)}, 3);
}

static void take_subscribers(struct player *player, const redisReply *reply)
{
    /* Our own listener is one of them. */
    bool counted =
        reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->type == REDIS_REPLY_INTEGER;
    long long others = counted ? reply->element[1]->integer - 1 : 0;
    if (others >= (long long)player->options->subscribers) {
        begin_playing(player);
    } else if (seconds_since(player->began_ns) > SUBSCRIBERS_SECONDS) {
        fail(player, "too few subscribers on the channel within 10 seconds: ", slice_from_string(player->main_channel));
    } else {
        set_timer(player, POLL_US / 1e6);
    }
}

static void begin_when_connected(struct player *player)
{
    if (player->state != PLAYER_CONNECTING || !player->subscribed || !redis_link_is_ready(player->publisher))
        return;
    if (player->options->subscribers == 0) {
        begin_playing(player);
        return;
    }
    player->state = PLAYER_COUNTING;
    player->began_ns = clock_now_ns();
    ask_for_subscribers(player);
}

/* Callbacks of the links. */

static void on_publisher_ready(void *context)
{
    begin_when_connected(context);
}

static void on_listener_ready(void *context)
{
    struct player *player = context;
    redis_link_command(player->listener, (struct slice[]){SLICE("SUBSCRIBE"), slice_from_string(player->main_channel)},
                       2);
}

static void on_subscribed(void *context, struct slice channel)
{
    struct player *player = context;
    (void)channel;
    player->subscribed = true;
    begin_when_connected(player);
}

static void on_lost(void *context, const char *reason)
{
    struct player *player = context;
    buffer_clear(&player->lost_reason);
    buffer_append_string(&player->lost_reason, reason);
    if (player->state == PLAYER_CONNECTING)
        player->subscribed = false;
    else
        fail(player, "the connection to Redis was lost while playing: ", buffer_slice(&player->lost_reason));
}

static void on_message(void *context, struct slice channel, struct slice data)
{
    struct player *player = context;
    (void)channel;
    if (!is_replicate(data))
        return;
    if (player->own_replicates > 0) {
        player->own_replicates--;
        return;
    }
    player->positions_wanted = true;
    pump(player);
}

static void on_reply(void *context, const redisReply *reply)
{
    struct player *player = context;
    if (reply->type == REDIS_REPLY_ERROR) {
        fail(player, "Redis refused a message: ", slice_of(reply->str, reply->len));
    } else if (player->state == PLAYER_COUNTING) {
        take_subscribers(player, reply);
    } else if (player->in_flight > 0) {
        player->in_flight--;
        if (player->in_flight == 0 && player->state == PLAYER_DRAINING)
            drain(player);
    }
}

static void on_batch_end(void *context)
{
    pump(context);
}

static void on_timer(evutil_socket_t socket, short events, void *context)
{
    struct player *player = context;
    (void)socket;
    (void)events;
    if (player->state == PLAYER_CONNECTING)
        fail(player, "cannot reach Redis within 10 seconds: ", buffer_slice(&player->lost_reason));
    else if (player->state == PLAYER_COUNTING)
        ask_for_subscribers(player);
    else
        pump(player);
}

static void on_progress(evutil_socket_t socket, short events, void *context)
{
    struct player *player = context;
    (void)socket;
    (void)events;
    if (player->state != PLAYER_PLAYING)
        return;
    uint64_t in_round = player->played - player->round * player->total;
    double elapsed = seconds_since(player->began_ns);
    struct player_progress progress = {
        .share = (double)in_round / (double)player->total,
        .messages = player->played,
        .rate = elapsed > 0 ? (double)player->played / elapsed : 0,
        .round = player->round + 1,
    };
    if (player->options->speed > 0)
        progress.seconds_left =
            (player->last_time - player->first_time) / player->options->speed - seconds_since(player->round_began_ns);
    else
        progress.seconds_left = progress.rate > 0 ? (double)(player->total - in_round) / progress.rate : -1;
    buffer_clear(&player->scratch);
    player_progress_render(&progress, &player->scratch);
    fwrite(player->scratch.data, 1, player->scratch.length, stderr);
}

/* What owners call. */

struct player *player_create(struct event_base *base, const struct player_options *options, struct buffer *error)
{
    struct player *player = memory_allocate_zeroed(1, sizeof *player);
    player->base = base;
    player->options = options;
    player->playback = playback_create();
    player->reader = recording_reader_create();
    player->timer = evtimer_new(base, on_timer, player);
    player->progress_timer = event_new(base, -1, EV_PERSIST, on_progress, player);
    if (strcmp(options->recording, "-") == 0) {
        buffer_clear(error);
        buffer_append_string(error, "a recording is read twice and so cannot come from standard input; name a file");
    } else if (scan(player, error)) {
        return player;
    }
    player_destroy(player);
    return NULL;
}

void player_destroy(struct player *player)
{
    if (!player)
        return;
    redis_link_destroy(player->publisher);
    redis_link_destroy(player->listener);
    event_free(player->timer);
    event_free(player->progress_timer);
    playback_destroy(player->playback);
    if (player->lines)
        line_reader_close(player->lines);
    recording_reader_destroy(player->reader);
    buffer_free(&player->failure);
    buffer_free(&player->lost_reason);
    buffer_free(&player->channel);
    buffer_free(&player->scratch);
    free(player->main_channel);
    free(player);
}

enum player_outcome player_run(struct player *player, struct buffer *error)
{
    struct redis_link_callbacks publisher = {
        .context = player, .ready = on_publisher_ready, .lost = on_lost, .reply = on_reply, .batch_end = on_batch_end};
    struct redis_link_callbacks listener = {.context = player,
                                            .ready = on_listener_ready,
                                            .lost = on_lost,
                                            .message = on_message,
                                            .subscribed = on_subscribed};
    struct timeval interval = {0, PROGRESS_US};
    player->publisher = redis_link_create(player->base, player->options->redis, "publisher", &publisher);
    player->listener = redis_link_create(player->base, player->options->redis, "listener", &listener);
    player->outcome = PLAYER_FAILED;
    set_timer(player, CONNECT_SECONDS);
    if (player->options->progress)
        event_add(player->progress_timer, &interval);
    if (event_base_dispatch(player->base) != 0)
        fail(player, "the event loop cannot run", SLICE(""));
    if (player->options->progress)
        fputs("\r\033[K", stderr);
    buffer_clear(error);
    buffer_append_slice(error, buffer_slice(&player->failure));
    return player->outcome;
}

void player_stop(struct player *player)
{
    if (player->stopped || player->state < PLAYER_PLAYING) {
        finish(player, PLAYER_INTERRUPTED);
        return;
    }
    player->stopped = true;
    drain(player);
}

void player_summarise(const struct player *player, struct player_summary *summary)
{
    bool complete = player->outcome != PLAYER_FAILED && player->in_flight == 0;
    uint64_t unanswered = complete ? 0 : player->in_flight < player->played ? player->in_flight : player->played;
    bool began = player->state == PLAYER_DONE && player->round_began_ns;
    *summary = (struct player_summary){
        .messages = player->played - unanswered,
        .bad_lines = player->bad_lines,
        .seconds = began ? (double)(player->ended_ns - player->began_ns) / 1e9 : 0,
    };
}
