#include "engine/player.h"

#include "engine/log.h"
#include "engine/playback.h"
#include "engine/player_progress.h"
#include "redis_fixture.h"

static const char *const lines[] = {
    "REPLICATE ",
    "POSITION events master 5 5",
    "RDATA events master 7 [\"ev\",[\"$a\"]]",
    "RDATA events second batch [\"ev\",[\"$b\"]]",
    "RDATA events second 9 [\"ev\",[\"$c\"]]",
    "POSITION typing master 0 0",
    "RDATA typing master 3 [\"!r\",[]]",
    "RDATA broken",
    "LOCK_RELEASED [\"master\",\"a\",\"b\"]",
    "POSITION events master 7 9",
};
#define LINES (sizeof lines / sizeof lines[0])

struct collected {
    struct buffer text; /* lines */
    size_t count;
};

static void collect(void *context, struct slice line)
{
    struct collected *collected = context;
    buffer_append_slice(&collected->text, line);
    buffer_append_char(&collected->text, '\n');
    collected->count++;
}

static void expect_collected(struct collected *collected, const char *wanted)
{
    cr_expect_str_eq(buffer_string(&collected->text), wanted);
    buffer_clear(&collected->text);
    collected->count = 0;
}

static void play_all(struct playback *playback, struct collected *collected)
{
    struct buffer scratch = {0};
    for (size_t index = 0; index < LINES; index++)
        collect(collected, playback_play(playback, slice_from_string(lines[index]), &scratch));
    buffer_free(&scratch);
}

Test(playback, positions_and_rounds)
{
    struct playback *playback = playback_create();
    struct collected collected = {0};
    for (size_t index = 0; index < LINES; index++)
        playback_scan(playback, slice_from_string(lines[index]));
    playback_positions(playback, collect, &collected);
    expect_collected(&collected,
                     "POSITION events master 5 5\nPOSITION events second 8 8\nPOSITION typing master 0 0\n");

    struct buffer scratch = {0};
    struct slice line = slice_from_string(lines[2]);
    cr_expect_eq(playback_play(playback, line, &scratch).data, line.data, "the first round is not rewritten");
    playback_positions(playback, collect, &collected);
    expect_collected(&collected,
                     "POSITION events master 7 7\nPOSITION events second 8 8\nPOSITION typing master 0 0\n");
    play_all(playback, &collected);
    buffer_clear(&collected.text);

    cr_assert(playback_next_round(playback));
    playback_bridge(playback, collect, &collected);
    expect_collected(&collected,
                     "POSITION events master 9 14\nPOSITION events second 9 17\n"); /* typing stands at 3 = 0 + 3 */
    play_all(playback, &collected);
    expect_collected(&collected,
                     "REPLICATE \nPOSITION events master 14 14\nRDATA events master 16 [\"ev\",[\"$a\"]]\n"
                     "RDATA events second batch [\"ev\",[\"$b\"]]\nRDATA events second 18 [\"ev\",[\"$c\"]]\n"
                     "POSITION typing master 3 3\nRDATA typing master 6 [\"!r\",[]]\nRDATA broken\n"
                     "LOCK_RELEASED [\"master\",\"a\",\"b\"]\nPOSITION events master 16 18\n");
    cr_assert(playback_next_round(playback));
    playback_bridge(playback, collect, &collected);
    expect_collected(&collected, "POSITION events master 18 23\nPOSITION events second 18 26\n");
    buffer_free(&scratch);
    buffer_free(&collected.text);
    playback_destroy(playback);
}

Test(playback, tokens_at_the_ends_of_64_bits)
{
    struct playback *playback = playback_create();
    playback_scan(playback, SLICE("RDATA events a 9223372036854775807 []"));
    playback_scan(playback, SLICE("RDATA events b -9223372036854775808 []"));
    playback_scan(playback, SLICE("POSITION events c 9223372036854775807 -5"));
    cr_expect_not(playback_next_round(playback));
    playback_destroy(playback);
}

Test(player, speeds)
{
    static const struct {
        const char *text;
        double speed; /* below 0: refused */
    } cases[] = {{"1", 1},   {"10x", 10}, {"0.5", 0.5}, {"max", 0},  {"", -1},      {"0", -1},
                 {"-1", -1}, {"x", -1},   {"nan", -1},  {"inf", -1}, {"1e400", -1}, {"2xx", -1}};
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        double speed = -1;
        bool parsed = player_speed_parse(cases[index].text, &speed);
        cr_expect_eq(parsed, cases[index].speed >= 0, "%s", cases[index].text);
        if (parsed)
            cr_expect_float_eq(speed, cases[index].speed, 1e-9);
    }
}

Test(player, progress_line)
{
    struct buffer text = {0};
    struct player_progress progress = {0.5, 1234, 99.6, 65, 1, NULL};
    player_progress_render(&progress, &text);
    cr_expect_str_eq(buffer_string(&text), "\r[############............]  50%  1234 messages  100/s  ETA 1:05\033[K");
    buffer_clear(&text);
    player_progress_render(&(struct player_progress){2, 1, 0, -1, 2, "events"}, &text);
    cr_expect_str_eq(buffer_string(&text), "\r[########################] 100%  1 events  0/s  ETA -:--  round 2\033[K");
    buffer_free(&text);
}

/* Writes a recording of `count` messages (the lines above, again and again) `gap` seconds apart. */
static void write_recording(struct redis_fixture *redis, char *path, size_t size, size_t count, double gap)
{
    snprintf(path, size, "%s/recording.jsonl", redis->folder);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    struct buffer json = {0};
    for (size_t index = 0; index < count; index++) {
        buffer_clear(&json);
        buffer_append_json_string(&json, slice_from_string(lines[index % LINES]));
        fprintf(file, "{\"t\": %.6f, \"ch\": \"lab.test%s\", \"data\": %s}\n", 1000 + (double)index * gap,
                index % LINES == 8 ? "/OTHER" : "", buffer_string(&json));
    }
    fputs("no message\n", file);
    fclose(file);
    buffer_free(&json);
}

/* The next message that the subscriber gets, as "channel data" in `text`. */
static void next_message(redisContext *subscriber, struct buffer *text)
{
    redisReply *reply = NULL;
    buffer_clear(text);
    cr_assert_eq(redisGetReply(subscriber, (void **)&reply), REDIS_OK, "%s", subscriber->errstr);
    cr_assert_eq(reply->elements, 3u);
    buffer_append_format(text, "%s %s", reply->element[1]->str, reply->element[2]->str);
    freeReplyObject(reply);
}

static redisContext *subscribe(struct redis_fixture *redis)
{
    redisContext *subscriber = redis_fixture_connect(redis);
    redisSetTimeout(subscriber, (struct timeval){5, 0});
    redisReply *reply = redisCommand(subscriber, "SUBSCRIBE other.test other.test/OTHER");
    freeReplyObject(reply);
    cr_assert_eq(redisGetReply(subscriber, (void **)&reply), REDIS_OK);
    freeReplyObject(reply);
    return subscriber;
}

static void on_stop(evutil_socket_t socket, short events, void *context)
{
    (void)socket;
    (void)events;
    player_stop(context);
}

struct publication {
    struct redis_fixture *redis;
    const char *line;
};

static void on_publish(evutil_socket_t socket, short events, void *context)
{
    struct publication *publication = context;
    (void)socket;
    (void)events;
    freeReplyObject(redisCommand(publication->redis->control, "PUBLISH other.test %s", publication->line));
}

static void begin(struct redis_fixture *redis, struct player_options *options, const char *path,
                  struct redis_address *address)
{
    log_threshold = LOG_ERROR;
    *address = (struct redis_address){.unix_path = redis->socket};
    *options = (struct player_options){.recording = path, .redis = address, .server_name = "other.test"};
}

Test(player, plays_all_of_it_byte_for_byte)
{
    struct redis_fixture redis;
    char path[128];
    struct player_options options;
    struct redis_address address;
    struct buffer text = {0};
    struct buffer wanted = {0};
    redis_fixture_start(&redis, NULL);
    write_recording(&redis, path, sizeof path, 20000, 0.001);
    begin(&redis, &options, path, &address);
    options.subscribers = 1;
    redisContext *subscriber = subscribe(&redis);
    struct event_base *base = event_base_new();
    struct player *player = player_create(base, &options, &text);
    cr_assert_not_null(player, "%s", buffer_string(&text));
    cr_expect_eq(player_run(player, &text), PLAYER_FINISHED, "%s", buffer_string(&text));
    struct player_summary summary;
    player_summarise(player, &summary);
    cr_expect_eq(summary.messages, 20000u);
    cr_expect_eq(summary.bad_lines, 1u);
    for (size_t index = 0; index < 3; index++)
        next_message(subscriber, &text);
    cr_expect_str_eq(buffer_string(&text), "other.test POSITION typing master 0 0");
    for (size_t index = 0; index < 20000; index++) {
        next_message(subscriber, &text);
        buffer_clear(&wanted);
        buffer_append_format(&wanted, "other.test%s %s", index % LINES == 8 ? "/OTHER" : "", lines[index % LINES]);
        cr_assert_str_eq(buffer_string(&text), buffer_string(&wanted));
    }
    player_destroy(player);
    event_base_free(base);
    redisFree(subscriber);
    unlink(path);
    redis_fixture_stop(&redis);
    buffer_free(&text);
    buffer_free(&wanted);
}

Test(player, keeps_the_pace_and_answers_replicate)
{
    struct redis_fixture redis;
    char path[128];
    struct player_options options;
    struct redis_address address;
    struct buffer text = {0};
    redis_fixture_start(&redis, NULL);
    write_recording(&redis, path, sizeof path, LINES, 0.5);
    begin(&redis, &options, path, &address);
    options.speed = 5; /* a line each 0.1 s */
    redisContext *subscriber = subscribe(&redis);
    struct event_base *base = event_base_new();
    struct player *player = player_create(base, &options, &text);
    cr_assert_not_null(player, "%s", buffer_string(&text));
    struct publication replicate = {&redis, "REPLICATE "};
    event_base_once(base, -1, EV_TIMEOUT, on_publish, &replicate, &(struct timeval){0, 350000});
    cr_expect_eq(player_run(player, &text), PLAYER_FINISHED, "%s", buffer_string(&text));
    struct player_summary summary;
    player_summarise(player, &summary);
    cr_expect(summary.seconds > 0.85 && summary.seconds < 3, "%f", summary.seconds);
    struct collected collected = {0};
    for (size_t index = 0; index < 3 + LINES + 1 + 3; index++) {
        next_message(subscriber, &text);
        collect(&collected, buffer_slice(&text));
    }
    cr_expect_not_null(strstr(buffer_string(&collected.text), "other.test REPLICATE \n"
                                                              "other.test POSITION events master 7 7\n"
                                                              "other.test POSITION events second 8 8\n"
                                                              "other.test POSITION typing master 0 0\n"),
                       "%s", buffer_string(&collected.text));
    buffer_free(&collected.text);
    player_destroy(player);
    event_base_free(base);
    redisFree(subscriber);
    unlink(path);
    redis_fixture_stop(&redis);
    buffer_free(&text);
}

Test(player, loops_until_it_is_stopped)
{
    struct redis_fixture redis;
    char path[128];
    struct player_options options;
    struct redis_address address;
    struct buffer text = {0};
    redis_fixture_start(&redis, NULL);
    write_recording(&redis, path, sizeof path, LINES, 0);
    begin(&redis, &options, path, &address);
    options.loop = true;
    options.speed = 1;
    struct event_base *base = event_base_new();
    struct player *player = player_create(base, &options, &text);
    cr_assert_not_null(player, "%s", buffer_string(&text));
    event_base_once(base, -1, EV_TIMEOUT, on_stop, player, &(struct timeval){0, 500000});
    cr_expect_eq(player_run(player, &text), PLAYER_INTERRUPTED, "%s", buffer_string(&text));
    struct player_summary summary;
    player_summarise(player, &summary);
    cr_expect_gt(summary.messages, 3 * LINES);
    player_destroy(player);
    event_base_free(base);
    unlink(path);
    redis_fixture_stop(&redis);
    buffer_free(&text);
}

Test(player, says_what_went_wrong)
{
    struct redis_fixture redis;
    char path[128];
    struct player_options options;
    struct redis_address address;
    struct buffer text = {0};
    redis_fixture_start(&redis, NULL);
    write_recording(&redis, path, sizeof path, LINES, 60);
    begin(&redis, &options, path, &address);
    struct event_base *base = event_base_new();
    options.recording = "-";
    cr_expect_null(player_create(base, &options, &text));
    options.recording = "/nonexistent/recording";
    cr_expect_null(player_create(base, &options, &text));
    cr_expect_not_null(strstr(buffer_string(&text), "/nonexistent/recording"), "%s", buffer_string(&text));
    options.recording = "/dev/null";
    cr_expect_null(player_create(base, &options, &text));
    options.recording = path;
    options.speed = 1;
    struct player *player = player_create(base, &options, &text);
    struct publication kill_all = {&redis, "REPLICATE "};
    event_base_once(base, -1, EV_TIMEOUT, on_publish, &kill_all, &(struct timeval){0, 200000});
    freeReplyObject(redisCommand(redis.control, "ACL SETUSER default -publish"));
    cr_expect_eq(player_run(player, &text), PLAYER_FAILED);
    cr_expect_not_null(strstr(buffer_string(&text), "NOPERM"), "%s", buffer_string(&text));
    player_destroy(player);
    event_base_free(base);
    unlink(path);
    redis_fixture_stop(&redis);
    buffer_free(&text);
}
