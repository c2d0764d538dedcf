/* One connection of its own, since a command that blocks stops all that come behind it, and one command at a time on
 * it: each is a step, and when it is answered the first that is due comes next. Answers leave through the outbox, on
 * its connection.
 *
 * The group is made from the beginning of the stream (`0`, not `$`): a worker may ask before the first engine ever ran,
 * and what is too old has passed its deadline. Entries are deleted when they are acknowledged, so that the stream holds
 * what is still to be done and nothing else. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/clock.h"
#include "engine/redis_error.h"
#include "engine/requests_parts.h"

/* How long a step that Redis refused is left alone. */
#define REFUSED_SECONDS 1
/* The same refusal is told again after so long. */
#define TOLD_AGAIN_NS (UINT64_C(60) * 1000000000)
/* A read waits at most so long for the next request: a stop, and whoever takes the job over, wait for its end. Redis
 * looks ten times a second for waits that are over, so that less would not be shorter. */
#define BLOCK_MS_MAXIMUM 100
/* When nothing is due, it is looked again after so long: while the owner has stopped the reading, and while it waits
 * for the outbox. */
#define LOOK_AGAIN_MS 20
#define LOOK_SOON_MS 1
/* With so many in the queue the next ones are asked for first, and are on their way while those are answered; with
 * fewer the answers leave first, for which somebody waits. */
#define READ_FIRST 32
/* Of so many bytes an answer should be at most. */
#define READ_BYTES ((uint64_t)16 << 20)
/* The sizes of a read after the connection was lost with one on its way: an answer of too many, or too large, ones ends
 * the connection (REDIS_MESSAGE_MAXIMUM). The last one takes whatever one entry is. */
#define BATCH_AFTER_LOSS 4
#define BATCH_AFTER_LOSSES 1

void requests_send(struct requests *requests, const struct slice *arguments, size_t count)
{
    redis_link_command(requests->link, arguments, count);
}

struct slice requests_number(char digits[REQUESTS_NUMBER_SIZE], int64_t number)
{
    return slice_of(digits, (size_t)snprintf(digits, REQUESTS_NUMBER_SIZE, "%" PRId64, number));
}

/* ---- the group, and reading */

static bool is_group_due(struct requests *requests)
{
    return !requests->grouped;
}

static void send_group(struct requests *requests)
{
    REQUESTS_SEND(requests, SLICE("XGROUP"), SLICE("CREATE"), buffer_slice(&requests->key), REQUESTS_GROUP, SLICE("0"),
                  SLICE("MKSTREAM"));
}

static void take_group(struct requests *requests, const redisReply *reply)
{
    (void)reply;
    requests->grouped = requests->tell = true;
    requests_takeover_begin(requests);
}

/* The group is there already. */
static bool group_forgives(struct requests *requests, struct slice error)
{
    (void)requests;
    return slice_starts_with(error, SLICE("BUSYGROUP"));
}

static bool is_read_due(struct requests *requests)
{
    return !requests->paused && requests_takeover_allows(requests) != REQUEST_READING_NOT;
}

static void send_read(struct requests *requests)
{
    char batch[REQUESTS_NUMBER_SIZE], block[REQUESTS_NUMBER_SIZE];
    struct slice arguments[11] = {SLICE("XREADGROUP"), SLICE("GROUP"),
                                  REQUESTS_GROUP,      slice_from_string(requests->settings.instance_name),
                                  SLICE("COUNT"),      requests_number(batch, requests->batch)};
    size_t count = 6;
    if (requests_takeover_allows(requests) == REQUEST_READING_WAITS) {
        int64_t wait = (int64_t)(requests_takeover_due_in(requests, clock_now_ns()) / 1000000u);
        wait = wait > BLOCK_MS_MAXIMUM ? BLOCK_MS_MAXIMUM : wait < 1 ? 1 : wait;
        arguments[count++] = SLICE("BLOCK");
        arguments[count++] = requests_number(block, wait);
    }
    arguments[count++] = SLICE("STREAMS");
    arguments[count++] = buffer_slice(&requests->key);
    arguments[count++] = SLICE(">");
    requests->read_between = false;
    requests_send(requests, arguments, count);
}

/* As many of such requests are read next as make an answer of READ_BYTES, whatever was asked for, and at most twice as
 * many as this time: some are a hundred bytes, some have all of a room's state with them. */
static void fit_batch(struct requests *requests, size_t count, uint64_t bytes)
{
    int64_t fits = bytes ? (int64_t)(READ_BYTES * count / bytes) : requests->settings.batch;
    int64_t next = requests->batch * 2 < fits ? requests->batch * 2 : fits;
    requests->batch = next < 1 ? 1 : next > requests->settings.batch ? requests->settings.batch : next;
}

static void take_read(struct requests *requests, const redisReply *reply)
{
    uint64_t before = requests->taken_bytes;
    size_t count = 0;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 && reply->element[0]->type == REDIS_REPLY_ARRAY &&
        reply->element[0]->elements == 2)
        count = requests_take_entries(requests, reply->element[0]->element[1]);
    fit_batch(requests, count, requests->taken_bytes - before);
}

/* ---- the steps */

static const struct request_step_definition step_group = {is_group_due, send_group, take_group, group_forgives};
static const struct request_step_definition step_read = {is_read_due, send_read, take_read, NULL};

static const struct request_step_definition *const steps[REQUEST_STEPS] = {
    [REQUEST_STEP_GROUP] = &step_group,
    [REQUEST_STEP_RENEW] = &request_step_renew,
    [REQUEST_STEP_POISONED] = &request_step_poisoned,
    [REQUEST_STEP_CLAIM] = &request_step_claim,
    [REQUEST_STEP_LAST_TRY] = &request_step_last_try,
    [REQUEST_STEP_OWN] = &request_step_own,
    [REQUEST_STEP_LEFT] = &request_step_left,
    [REQUEST_STEP_TELL] = &request_step_tell,
    [REQUEST_STEP_TELL_ALL] = &request_step_tell_all,
    [REQUEST_STEP_TRIM] = &request_step_trim,
    [REQUEST_STEP_CONSUMERS] = &request_step_consumers,
    [REQUEST_STEP_READ] = &step_read,
};

void requests_go_on(struct requests *requests)
{
    if (requests->asked || !redis_link_is_ready(requests->link) || event_pending(requests->retry, EV_TIMEOUT, NULL))
        return;
    for (int step = 0; step < REQUEST_STEPS; step++) {
        if (!steps[step]->due(requests))
            continue;
        requests->step = (enum request_step)step;
        requests->asked = true;
        steps[step]->send(requests);
        return;
    }
    int pause_ms = requests->paused ? LOOK_AGAIN_MS : LOOK_SOON_MS;
    event_add(requests->look_again, &(struct timeval){.tv_usec = pause_ms * 1000});
}

/* A step that Redis refused is begun again from the first: the stream or the group may be gone. One that became a
 * replica is left, since the sentinels may know the master by now. */
static void take_refusal(struct requests *requests, struct slice error)
{
    bool replica = slice_starts_with(error, SLICE("READONLY")) || slice_starts_with(error, SLICE("UNBLOCKED"));
    uint64_t now = clock_now_ns();
    if (!slice_equal(error, buffer_slice(&requests->refusal)) || now - requests->refusal_logged_ns > TOLD_AGAIN_NS) {
        log_warning("Redis refused a command of the request path; it is tried again every second",
                    LOG_TEXT("error", error), LOG_STRING("advice", redis_error_advice(error)));
        requests->refusal_logged_ns = now;
        buffer_clear(&requests->refusal);
        buffer_append_slice(&requests->refusal, error);
    }
    requests->grouped = false;
    if (replica && requests->settings.address->sentinels.master_name) {
        redis_link_reset(requests->link, buffer_string(&requests->refusal));
        return;
    }
    event_add(requests->retry, &(struct timeval){.tv_sec = REFUSED_SECONDS});
}

static void take_answer(struct requests *requests, const redisReply *reply)
{
    /* The first step is refused where others would be, but not the other way round. */
    if (requests->refusal.length && requests->step != REQUEST_STEP_GROUP) {
        log_info("Redis takes the commands of the request path again");
        buffer_clear(&requests->refusal);
    }
    steps[requests->step]->take(requests, reply);
}

static void on_reply(void *context, const redisReply *reply)
{
    struct requests *requests = context;
    const struct request_step_definition *step = steps[requests->step];
    struct slice error = reply->type == REDIS_REPLY_ERROR ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
    requests->asked = false;
    if (slice_present(error) && !(step->forgives && step->forgives(requests, error)))
        take_refusal(requests, error);
    else
        take_answer(requests, reply);
    if (request_queue_count(requests->queue) >= READ_FIRST) {
        requests_go_on(requests);
        redis_link_flush(requests->link);
    }
    /* Else this turn has its slice already, or gets it soon. */
    if (!event_pending(requests->serve, EV_TIMEOUT, NULL))
        requests_serve(requests);
    requests_go_on(requests);
}

static void on_ready(void *context)
{
    struct requests *requests = context;
    requests->asked = requests->grouped = false;
    requests_go_on(requests);
}

static void on_lost(void *context, const char *reason)
{
    (void)reason;
    struct requests *requests = context;
    if (requests->asked)
        requests->batch = requests->batch > BATCH_AFTER_LOSS ? BATCH_AFTER_LOSS : BATCH_AFTER_LOSSES;
    requests->asked = requests->grouped = false;
    event_del(requests->retry);
}

static void on_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    requests_go_on(argument);
}

void requests_open_link(struct requests *requests)
{
    struct redis_link_callbacks callbacks = {
        .context = requests, .ready = on_ready, .lost = on_lost, .reply = on_reply};
    requests->batch = requests->settings.batch;
    requests->retry = evtimer_new(requests->base, on_timer, requests);
    requests->look_again = evtimer_new(requests->base, on_timer, requests);
    requests->link = redis_link_create(requests->base, requests->settings.address, "requests", &callbacks);
}

void requests_close_link(struct requests *requests)
{
    redis_link_destroy(requests->link);
    event_free(requests->retry);
    event_free(requests->look_again);
}
