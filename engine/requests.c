/* One connection of its own, since a command that blocks stops all that come behind it, and one command at a time on
 * it: each is a step, whose answer says which step is next. Answers leave through the outbox, on its connection.
 *
 * The group is made from the beginning of the stream (`0`, not `$`): a worker may ask before the first engine ever ran,
 * and what is too old has passed its deadline. Entries are deleted when they are acknowledged, so that the stream holds
 * what is still to be done and nothing else. */
#include "engine/requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/redis_error.h"

#define GROUP SLICE("weir")
/* How long a step that Redis refused is left alone. */
#define REFUSED_SECONDS 1
/* The same refusal is told again after so long. */
#define TOLD_AGAIN_NS (UINT64_C(60) * 1000000000)
/* A read waits at most so long for the next request: well below the silence after which a link is given up. */
#define BLOCK_MS_MAXIMUM 5000

enum request_step {
    REQUEST_STEP_GROUP, /* the stream and its group are made */
    REQUEST_STEP_OWN,   /* what this engine took before and did not answer, in another life or on another connection */
    REQUEST_STEP_RENEW, /* what waits here is shown to be in hand */
    REQUEST_STEP_CLAIM, /* what others left is taken over */
    REQUEST_STEP_READ,
    REQUEST_STEPS,
};

struct requests {
    struct event_base *base;
    struct requests_settings settings;
    struct outbox *outbox;
    struct answerer *answerer;
    struct redis_link *link;
    struct event *retry; /* ends the pause after a refusal */
    struct buffer key;
    struct buffer cursor; /* of REQUEST_STEP_OWN and REQUEST_STEP_CLAIM, between two pages */
    enum request_step step;
    bool asked;          /* the step's command was sent and is not answered */
    bool paused;         /* by the owner */
    bool claims_nothing; /* it was said that this Redis cannot */
    uint64_t claim_at_ns;
    uint64_t *claimed;
    struct buffer refusal; /* as it was logged; empty: nothing is refused */
    uint64_t refusal_logged_ns;
};

static void go_on(struct requests *requests);

/* Entries. */

static struct slice text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
}

static void settle(struct requests *requests, const struct answer *answer)
{
    outbox_settle_request(requests->outbox, &(struct settled_request){.key = buffer_slice(&requests->key),
                                                                      .group = GROUP,
                                                                      .entry = answer->entry,
                                                                      .reply_to = answer->reply_to,
                                                                      .message = answer->message,
                                                                      .lines = answer->lines});
}

static void on_settle(void *context, const struct answer *answer)
{
    settle(context, answer);
}

/* The fields of an entry, names and values in turn. Of two with one name the last counts. */
static void read_fields(const redisReply *list, struct request_fields *fields)
{
    const struct {
        struct slice name;
        struct slice *field;
    } known[] = {
        {SLICE("callback"), &fields->callback}, {SLICE("args"), &fields->args},
        {SLICE("reply_to"), &fields->reply_to}, {SLICE("id"), &fields->id},
        {SLICE("deadline"), &fields->deadline}, {SLICE("room"), &fields->room},
        {SLICE("lines"), &fields->lines},
    };
    for (size_t index = 0; index + 1 < list->elements; index += 2)
        for (size_t place = 0; place < sizeof known / sizeof *known; place++)
            if (slice_equal(text_of(list->element[index]), known[place].name))
                *known[place].field = text_of(list->element[index + 1]);
}

/* An entry that was deleted while it was pending has no fields any more: it is settled, so that nobody sees it again.
 */
static void take_entry(struct requests *requests, const redisReply *entry)
{
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2)
        return;
    struct request_fields fields = {.entry = text_of(entry->element[0])};
    const redisReply *list = entry->element[1];
    if (!slice_present(fields.entry) || answerer_is_waiting(requests->answerer, fields.entry))
        return;
    if (list->type != REDIS_REPLY_ARRAY) {
        settle(requests, &(struct answer){.entry = fields.entry});
        return;
    }
    read_fields(list, &fields);
    answerer_take(requests->answerer, &fields);
}

/* Takes a list of entries; returns how many there were. */
static size_t take_entries(struct requests *requests, const redisReply *entries)
{
    if (entries->type != REDIS_REPLY_ARRAY)
        return 0;
    for (size_t index = 0; index < entries->elements; index++)
        take_entry(requests, entries->element[index]);
    return entries->elements;
}

/* The entries of our stream in an answer to XREADGROUP, or NULL if there are none. */
static const redisReply *entries_read(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return NULL;
    const redisReply *stream = reply->element[0];
    return stream->type == REDIS_REPLY_ARRAY && stream->elements == 2 ? stream->element[1] : NULL;
}

/* Steps: the command of each, and what follows from its answer. */

static void send_command(struct requests *requests, const struct slice *arguments, size_t count)
{
    requests->asked = true;
    redis_link_command(requests->link, arguments, count);
}
#define SEND(requests, ...)                                                                                            \
    send_command((requests), (const struct slice[]){__VA_ARGS__},                                                      \
                 sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))

#define NUMBER_SIZE 24
static struct slice number_text(char digits[NUMBER_SIZE], int64_t number)
{
    return slice_of(digits, (size_t)snprintf(digits, NUMBER_SIZE, "%" PRId64, number));
}

static void set_cursor(struct requests *requests, struct slice cursor)
{
    buffer_clear(&requests->cursor);
    buffer_append_slice(&requests->cursor, cursor);
}

static void send_group(struct requests *requests)
{
    SEND(requests, SLICE("XGROUP"), SLICE("CREATE"), buffer_slice(&requests->key), GROUP, SLICE("0"),
         SLICE("MKSTREAM"));
}

static enum request_step take_group(struct requests *requests, const redisReply *reply)
{
    (void)reply;
    set_cursor(requests, SLICE("0"));
    return REQUEST_STEP_OWN;
}

static void send_own(struct requests *requests)
{
    char batch[NUMBER_SIZE];
    SEND(requests, SLICE("XREADGROUP"), SLICE("GROUP"), GROUP, slice_from_string(requests->settings.instance_name),
         SLICE("COUNT"), number_text(batch, requests->settings.batch), SLICE("STREAMS"), buffer_slice(&requests->key),
         buffer_slice(&requests->cursor));
}

static enum request_step take_own(struct requests *requests, const redisReply *reply)
{
    const redisReply *entries = entries_read(reply);
    size_t count = entries ? take_entries(requests, entries) : 0;
    const redisReply *last = count ? entries->element[count - 1] : NULL;
    if (last && last->type == REDIS_REPLY_ARRAY && last->elements && slice_present(text_of(last->element[0]))) {
        set_cursor(requests, text_of(last->element[0]));
        return REQUEST_STEP_OWN;
    }
    set_cursor(requests, SLICE("0-0"));
    return REQUEST_STEP_CLAIM;
}

static void send_claim(struct requests *requests)
{
    char idle[NUMBER_SIZE], batch[NUMBER_SIZE];
    SEND(requests, SLICE("XAUTOCLAIM"), buffer_slice(&requests->key), GROUP,
         slice_from_string(requests->settings.instance_name), number_text(idle, requests->settings.claim_after_ms),
         buffer_slice(&requests->cursor), SLICE("COUNT"), number_text(batch, requests->settings.batch));
}

static enum request_step take_claim(struct requests *requests, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2) {
        *requests->claimed += take_entries(requests, reply->element[1]);
        struct slice cursor = text_of(reply->element[0]);
        if (slice_present(cursor) && !slice_equal(cursor, SLICE("0-0"))) {
            set_cursor(requests, cursor);
            return REQUEST_STEP_CLAIM;
        }
    }
    requests->claim_at_ns = clock_now_ns() + (uint64_t)requests->settings.claim_after_ms * 500000u;
    return REQUEST_STEP_READ;
}

struct renewal {
    struct slice *arguments;
    size_t count;
};

static void append_waiting(void *context, struct slice entry)
{
    struct renewal *renewal = context;
    renewal->arguments[renewal->count++] = entry;
}

/* Claims what is ours already, which sets the time for which it was not answered to 0. */
static void send_renew(struct requests *requests)
{
    if (answerer_counts(requests->answerer).waiting == 0) {
        requests->step = REQUEST_STEP_CLAIM;
        send_claim(requests);
        return;
    }
    const struct slice head[] = {SLICE("XCLAIM"), buffer_slice(&requests->key), GROUP,
                                 slice_from_string(requests->settings.instance_name), SLICE("0")};
    size_t head_count = sizeof head / sizeof *head;
    size_t waiting = answerer_counts(requests->answerer).waiting;
    struct renewal renewal = {memory_allocate((head_count + waiting + 1) * sizeof(struct slice)), head_count};
    memcpy(renewal.arguments, head, sizeof head);
    answerer_each_waiting(requests->answerer, append_waiting, &renewal);
    renewal.arguments[renewal.count++] = SLICE("JUSTID");
    send_command(requests, renewal.arguments, renewal.count);
    free(renewal.arguments);
}

static enum request_step take_renew(struct requests *requests, const redisReply *reply)
{
    (void)reply;
    set_cursor(requests, SLICE("0-0"));
    return REQUEST_STEP_CLAIM;
}

static void send_read(struct requests *requests)
{
    char batch[NUMBER_SIZE], block[NUMBER_SIZE];
    int64_t wait = requests->settings.claim_after_ms / 2;
    wait = wait > BLOCK_MS_MAXIMUM ? BLOCK_MS_MAXIMUM : wait < 1 ? 1 : wait;
    SEND(requests, SLICE("XREADGROUP"), SLICE("GROUP"), GROUP, slice_from_string(requests->settings.instance_name),
         SLICE("COUNT"), number_text(batch, requests->settings.batch), SLICE("BLOCK"), number_text(block, wait),
         SLICE("STREAMS"), buffer_slice(&requests->key), SLICE(">"));
}

static enum request_step take_read(struct requests *requests, const redisReply *reply)
{
    const redisReply *entries = entries_read(reply);
    if (entries)
        take_entries(requests, entries);
    if (clock_now_ns() < requests->claim_at_ns)
        return REQUEST_STEP_READ;
    set_cursor(requests, SLICE("0-0"));
    return answerer_counts(requests->answerer).waiting ? REQUEST_STEP_RENEW : REQUEST_STEP_CLAIM;
}

static const struct step_definition {
    void (*send)(struct requests *requests);
    enum request_step (*take)(struct requests *requests, const redisReply *reply);
} steps[REQUEST_STEPS] = {
    [REQUEST_STEP_GROUP] = {send_group, take_group}, [REQUEST_STEP_OWN] = {send_own, take_own},
    [REQUEST_STEP_RENEW] = {send_renew, take_renew}, [REQUEST_STEP_CLAIM] = {send_claim, take_claim},
    [REQUEST_STEP_READ] = {send_read, take_read},
};

static void go_on(struct requests *requests)
{
    if (!requests->paused && !requests->asked && redis_link_is_ready(requests->link) &&
        !event_pending(requests->retry, EV_TIMEOUT, NULL))
        steps[requests->step].send(requests);
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
    requests->step = REQUEST_STEP_GROUP;
    if (replica && requests->settings.address->sentinels.master_name) {
        redis_link_reset(requests->link, buffer_string(&requests->refusal));
        return;
    }
    struct timeval pause = {.tv_sec = REFUSED_SECONDS};
    event_add(requests->retry, &pause);
}

/* The group is there already; or this Redis is older than 6.2, and what a dead engine left waits for that engine. */
static bool may_go_on(struct requests *requests, struct slice error)
{
    if (requests->step == REQUEST_STEP_GROUP)
        return slice_starts_with(error, SLICE("BUSYGROUP"));
    if (requests->step != REQUEST_STEP_CLAIM || !slice_starts_with(error, SLICE("ERR unknown command")))
        return false;
    if (!requests->claims_nothing)
        log_warning("this Redis knows no XAUTOCLAIM (it is older than 6.2): requests that a dead engine left are not "
                    "taken over");
    requests->claims_nothing = true;
    return true;
}

static void take_answer(struct requests *requests, const redisReply *reply)
{
    /* The first step is refused where others would be, but not the other way round. */
    if (requests->refusal.length && requests->step != REQUEST_STEP_GROUP) {
        log_info("Redis takes the commands of the request path again");
        buffer_clear(&requests->refusal);
    }
    requests->step = steps[requests->step].take(requests, reply);
}

static void on_reply(void *context, const redisReply *reply)
{
    struct requests *requests = context;
    struct slice error = reply->type == REDIS_REPLY_ERROR ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
    requests->asked = false;
    if (slice_present(error) && !may_go_on(requests, error))
        take_refusal(requests, error);
    else
        take_answer(requests, reply);
    go_on(requests);
}

static void on_ready(void *context)
{
    struct requests *requests = context;
    requests->asked = false;
    requests->step = REQUEST_STEP_GROUP;
    go_on(requests);
}

static void on_lost(void *context, const char *reason)
{
    (void)reason;
    struct requests *requests = context;
    requests->asked = false;
    event_del(requests->retry);
}

static void on_retry(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    go_on(argument);
}

void requests_pause(struct requests *requests, bool paused)
{
    requests->paused = paused;
    go_on(requests);
}

struct answerer_counts requests_counts(const struct requests *requests)
{
    return answerer_counts(requests->answerer);
}

struct requests *requests_create(struct event_base *base, const struct requests_settings *settings,
                                 struct questions *questions, struct outbox *outbox, struct metrics *metrics)
{
    static const struct metric_definition claimed = {"weir_requests_claimed_total", METRIC_COUNTER,
                                                     "Requests taken over from engines that did not answer them.",
                                                     NULL};
    struct requests *requests = memory_allocate_zeroed(1, sizeof *requests);
    struct answerer_callbacks answerer_callbacks = {.context = requests, .settle = on_settle};
    struct redis_link_callbacks link_callbacks = {
        .context = requests, .ready = on_ready, .lost = on_lost, .reply = on_reply};
    requests->base = base;
    requests->settings = *settings;
    requests->outbox = outbox;
    buffer_append_format(&requests->key, "%s/weir/requests", settings->server_name);
    requests->claimed = metrics_register(metrics, &claimed, 1, NULL, NULL);
    requests->answerer = answerer_create(questions, settings->server_name, &answerer_callbacks, metrics);
    requests->retry = event_new(base, -1, 0, on_retry, requests);
    requests->link = redis_link_create(base, settings->address, "requests", &link_callbacks);
    return requests;
}

void requests_destroy(struct requests *requests)
{
    if (!requests)
        return;
    redis_link_destroy(requests->link);
    event_free(requests->retry);
    answerer_destroy(requests->answerer);
    buffer_free(&requests->key);
    buffer_free(&requests->cursor);
    buffer_free(&requests->refusal);
    free(requests);
}
