/* One script at a time on a connection of its own, so that nothing is queued before a renewal. All that is done to the
 * keys is done in scripts, since each of them looks before it writes.
 *
 * The holder counts its lease from when it sent the renewal, and Redis from when it carried it out, which is later: the
 * holder doubts before anybody else can take it. A waiting engine asks several times in a lease, at most a quarter of a
 * second apart, and once more just when it will have run out. */
#include "engine/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"

#define ASKS_IN_A_LEASE 6
#define ASK_MS_MAXIMUM 250
/* What is not answered for so long, and for a lease, gives the connection up. */
#define ANSWER_MS_MINIMUM 1000
#define RELEASE_MS 500
/* How often the same trouble is told. */
#define SAID_AGAIN_NS (60 * UINT64_C(1000000000))
#define FIRST_FENCE_UNIT 1000
#define FIRST_FENCE_VALUES 1000000

enum lease_state { LEASE_WAITING, LEASE_HELD, LEASE_RELEASING, LEASE_OVER };
enum lease_script { SCRIPT_TAKE, SCRIPT_RENEW, SCRIPT_RELEASE };

/* KEYS: lease, fence. ARGV: our id, milliseconds, and for TAKE the first number of a fence ("": must be there), for
 * RENEW ours. Answers: {1, number} it is ours; {0, milliseconds left, holder}; {-1} nobody has ever held it.
 *
 * TAKE finds our own id where the answer to an earlier TAKE was lost: the number rises again, which harms nobody.
 * RENEW finds no lease where it ran out: with our number it is still ours. */
static const char *const scripts[] = {
    [SCRIPT_TAKE] = "local holder=redis.call('GET',KEYS[1])\n"
                    "if holder and holder~=ARGV[1] then return {0,redis.call('PTTL',KEYS[1]),holder} end\n"
                    "local fence=redis.call('GET',KEYS[2])\n"
                    "if not fence and ARGV[3]=='' then return {-1} end\n"
                    "if fence then redis.call('INCR',KEYS[2]) else redis.call('SET',KEYS[2],ARGV[3]) end\n"
                    "redis.call('SET',KEYS[1],ARGV[1],'PX',ARGV[2])\n"
                    "return {1,tonumber(redis.call('GET',KEYS[2]))}\n",
    [SCRIPT_RENEW] = "local holder=redis.call('GET',KEYS[1])\n"
                     "if holder and holder~=ARGV[1] then return {0,redis.call('PTTL',KEYS[1]),holder} end\n"
                     "local fence=redis.call('GET',KEYS[2])\n"
                     "if fence and fence~=ARGV[3] then return {0,0,''} end\n"
                     "if not fence then redis.call('SET',KEYS[2],ARGV[3]) end\n"
                     "redis.call('SET',KEYS[1],ARGV[1],'PX',ARGV[2])\n"
                     "return {1,tonumber(ARGV[3])}\n",
    [SCRIPT_RELEASE] = "if redis.call('GET',KEYS[1])==ARGV[1] then redis.call('DEL',KEYS[1]) end\n"
                       "return {1,0}\n",
};

struct lease {
    struct lease_settings settings;
    struct lease_callbacks callbacks;
    struct redis_link *link;
    struct event *timer;
    struct buffer lease_key, fence_key, id;
    struct buffer holder; /* that was told last */
    enum lease_state state;
    bool doubt;
    bool redis_answers;   /* the last thing heard of Redis was a proper answer */
    bool nobody;          /* it said that nobody has ever held the lease */
    uint32_t outstanding; /* scripts without an answer */
    uint64_t asked_at_ns; /* the last of them */
    uint64_t valid_until_ns;
    uint64_t fence;
    uint64_t refusal_said_ns, nobody_said_ns; /* when they were last complained of; 0: never */
};

static uint64_t milliseconds(int64_t count)
{
    return (uint64_t)count * 1000000u;
}

static uint64_t random_number(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = clock_now_ns() * UINT64_C(0x9E3779B97F4A7C15);
    return number;
}

static void set_timer(struct lease *lease, int64_t delay_ms)
{
    struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};
    event_add(lease->timer, &delay);
}

/* Several times in a lease, never twice at the same distance, so that two that wait do not ask in step. */
static int64_t ask_pause(const struct lease *lease)
{
    int64_t pause = lease->settings.lease_ms / ASKS_IN_A_LEASE;
    if (pause > ASK_MS_MAXIMUM)
        pause = ASK_MS_MAXIMUM;
    return pause - (int64_t)(random_number() % (uint64_t)(pause / 3 + 1));
}

static void send_script(struct lease *lease, enum lease_script script)
{
    char duration[24], number[24] = "";
    snprintf(duration, sizeof duration, "%" PRId64, lease->settings.lease_ms);
    if (script == SCRIPT_RENEW)
        snprintf(number, sizeof number, "%" PRIu64, lease->fence);
    else if (script == SCRIPT_TAKE && lease->settings.first)
        snprintf(number, sizeof number, "%" PRIu64, (random_number() % FIRST_FENCE_VALUES + 1) * FIRST_FENCE_UNIT);
    const struct slice arguments[] = {SLICE("EVAL"),
                                      slice_from_string(scripts[script]),
                                      SLICE("2"),
                                      buffer_slice(&lease->lease_key),
                                      buffer_slice(&lease->fence_key),
                                      buffer_slice(&lease->id),
                                      slice_from_string(duration),
                                      slice_from_string(number)};
    lease->outstanding++;
    lease->asked_at_ns = clock_now_ns();
    redis_link_command(lease->link, arguments, sizeof arguments / sizeof *arguments);
    redis_link_flush(lease->link);
}

static bool may_complain(uint64_t *said_ns)
{
    uint64_t now = clock_now_ns();
    if (*said_ns && now - *said_ns < SAID_AGAIN_NS)
        return false;
    *said_ns = now;
    return true;
}

static void set_doubt(struct lease *lease, bool doubt)
{
    if (lease->doubt == doubt)
        return;
    lease->doubt = doubt;
    if (doubt)
        log_warning("the lease could not be renewed in time: another engine may have taken over, and no verdict leaves "
                    "until Redis says whether one has",
                    LOG_INTEGER("lease_ms", lease->settings.lease_ms));
    else
        log_info("the lease is still ours; verdicts leave again");
    lease->callbacks.doubt(lease->callbacks.context, doubt);
}

static void end_release(struct lease *lease)
{
    lease->state = LEASE_OVER;
    event_del(lease->timer);
    lease->callbacks.released(lease->callbacks.context);
}

/* Sends what the state asks for, unless something is on its way, and comes again. */
static void go_on(struct lease *lease)
{
    uint64_t now = clock_now_ns();
    int64_t answer_ms = lease->settings.lease_ms > ANSWER_MS_MINIMUM ? lease->settings.lease_ms : ANSWER_MS_MINIMUM;
    if (lease->outstanding && now - lease->asked_at_ns >= milliseconds(answer_ms)) {
        redis_link_reset(lease->link, "Redis does not answer for the lease");
        lease->redis_answers = false;
    } else if (!lease->outstanding && redis_link_is_ready(lease->link)) {
        send_script(lease, lease->state == LEASE_HELD ? SCRIPT_RENEW : SCRIPT_TAKE);
    }
    int64_t pause = ask_pause(lease);
    if (lease->state == LEASE_HELD) {
        set_doubt(lease, now >= lease->valid_until_ns);
        int64_t left = lease->doubt ? 0 : (int64_t)((lease->valid_until_ns - now) / 1000000u) + 1;
        if (!lease->doubt)
            pause = left < lease->settings.lease_ms / 3 ? left : lease->settings.lease_ms / 3;
    }
    set_timer(lease, pause);
}

static void on_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct lease *lease = argument;
    if (lease->state == LEASE_RELEASING)
        end_release(lease);
    else
        go_on(lease);
}

/* Answers. */

static int64_t integer_at(const redisReply *reply, size_t index)
{
    bool there = reply->type == REDIS_REPLY_ARRAY && index < reply->elements &&
                 reply->element[index]->type == REDIS_REPLY_INTEGER;
    return there ? reply->element[index]->integer : INT64_MIN;
}

static struct slice text_at(const redisReply *reply, size_t index)
{
    bool there = reply->type == REDIS_REPLY_ARRAY && index < reply->elements &&
                 reply->element[index]->type == REDIS_REPLY_STRING;
    return there ? slice_of(reply->element[index]->str, reply->element[index]->len) : SLICE("");
}

static void take_error(struct lease *lease, struct slice error)
{
    lease->redis_answers = false;
    if (may_complain(&lease->refusal_said_ns))
        log_warning("Redis refuses the lease, which is asked for again", LOG_TEXT("error", error),
                    LOG_TEXT("key", buffer_slice(&lease->lease_key)));
    /* A master that became a replica: the address may lead to another one by now. */
    if (slice_starts_with(error, SLICE("READONLY")))
        redis_link_reset(lease->link, "Redis is read-only");
}

static void become_holder(struct lease *lease, uint64_t fence)
{
    lease->state = LEASE_HELD;
    lease->fence = fence;
    struct transaction_fence held = {.key = buffer_slice(&lease->fence_key), .number = fence};
    lease->callbacks.taken(lease->callbacks.context, &held);
}

static void take_ours(struct lease *lease, const redisReply *reply)
{
    lease->valid_until_ns = lease->asked_at_ns + milliseconds(lease->settings.lease_ms);
    if (lease->state == LEASE_WAITING)
        become_holder(lease, (uint64_t)integer_at(reply, 1));
    bool late = clock_now_ns() >= lease->valid_until_ns;
    set_doubt(lease, late);
    set_timer(lease, late ? 0 : lease->settings.lease_ms / 3);
}

static void take_other(struct lease *lease, const redisReply *reply)
{
    struct slice holder = text_at(reply, 2);
    if (lease->state == LEASE_HELD) {
        lease->state = LEASE_OVER;
        event_del(lease->timer);
        lease->callbacks.lost(lease->callbacks.context, holder);
        return;
    }
    lease->nobody = false;
    if (!slice_equal(holder, buffer_slice(&lease->holder))) {
        buffer_clear(&lease->holder);
        buffer_append_slice(&lease->holder, holder);
        log_info("another engine does this job; waits to take over", LOG_TEXT("holder", holder));
    }
    int64_t left = integer_at(reply, 1), pause = ask_pause(lease);
    set_timer(lease, left >= 0 && left < pause ? left + 1 + (int64_t)(random_number() % 8) : pause);
}

static void take_nobody(struct lease *lease)
{
    lease->nobody = true;
    if (may_complain(&lease->nobody_said_ns))
        log_warning("no engine with a role has ever done this job, so this standby leaves it alone: the other engine "
                    "needs `role: active` and the same instance_name",
                    LOG_STRING("instance", lease->settings.instance_name));
}

static void on_reply(void *context, const redisReply *reply)
{
    struct lease *lease = context;
    lease->outstanding -= lease->outstanding > 0;
    if (lease->state == LEASE_RELEASING && !lease->outstanding)
        end_release(lease);
    if (lease->state == LEASE_RELEASING || lease->state == LEASE_OVER)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        take_error(lease, slice_of(reply->str, reply->len));
        return;
    }
    lease->redis_answers = true;
    switch (integer_at(reply, 0)) {
    case 1:
        take_ours(lease, reply);
        break;
    case 0:
        take_other(lease, reply);
        break;
    case -1:
        take_nobody(lease);
        break;
    default:
        take_error(lease, SLICE("an answer of another shape"));
    }
}

static void on_ready(void *context)
{
    struct lease *lease = context;
    lease->outstanding = 0;
    if (lease->state == LEASE_WAITING || lease->state == LEASE_HELD)
        go_on(lease);
}

static void on_lost(void *context, const char *reason)
{
    (void)reason;
    struct lease *lease = context;
    lease->outstanding = 0;
    lease->redis_answers = false;
    if (lease->state == LEASE_RELEASING)
        end_release(lease);
}

/* What owners call. */

void lease_release(struct lease *lease)
{
    if (lease->state == LEASE_RELEASING)
        return;
    bool perhaps_held = lease->state == LEASE_HELD || (lease->state == LEASE_WAITING && lease->outstanding);
    if (!perhaps_held || !redis_link_is_ready(lease->link)) {
        end_release(lease);
        return;
    }
    lease->state = LEASE_RELEASING;
    send_script(lease, SCRIPT_RELEASE);
    set_timer(lease, RELEASE_MS);
}

bool lease_is_held(const struct lease *lease)
{
    return lease->state == LEASE_HELD;
}

bool lease_is_in_doubt(const struct lease *lease)
{
    return lease->state == LEASE_HELD && lease->doubt;
}

uint64_t lease_fence(const struct lease *lease)
{
    return lease->state == LEASE_HELD ? lease->fence : 0;
}

enum lease_wait lease_waits_for(const struct lease *lease)
{
    if (!lease->redis_answers || !redis_link_is_ready(lease->link))
        return LEASE_WAITS_FOR_REDIS;
    return lease->nobody ? LEASE_WAITS_FOR_FIRST : LEASE_WAITS_FOR_HOLDER;
}

static void make_id(struct buffer *id)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || !*host)
        snprintf(host, sizeof host, "unknown");
    buffer_append_format(id, "%s:%ld:%016" PRIx64, host, (long)getpid(), random_number());
}

/* A link that knows in the time of a lease that it is dead, and is back soon after Redis is. */
static struct redis_link_times link_times(int64_t lease_ms)
{
    uint32_t longest = lease_ms < ANSWER_MS_MINIMUM ? ANSWER_MS_MINIMUM : lease_ms > 10000 ? 10000 : (uint32_t)lease_ms;
    return (struct redis_link_times){
        .connect = longest, .ping_after = 15000, .silence = 30000, .retry_first = 50, .retry_last = ASK_MS_MAXIMUM};
}

struct lease *lease_create(struct event_base *base, const struct lease_settings *settings,
                           const struct lease_callbacks *callbacks)
{
    struct lease *lease = memory_allocate_zeroed(1, sizeof *lease);
    struct redis_link_callbacks link_callbacks = {
        .context = lease, .ready = on_ready, .lost = on_lost, .reply = on_reply};
    struct redis_link_times times = link_times(settings->lease_ms);
    lease->settings = *settings;
    lease->callbacks = *callbacks;
    buffer_append_format(&lease->lease_key, "%s/weir/lease/%s", settings->server_name, settings->instance_name);
    buffer_append_format(&lease->fence_key, "%s/weir/fence/%s", settings->server_name, settings->instance_name);
    make_id(&lease->id);
    lease->timer = event_new(base, -1, 0, on_timer, lease);
    lease->link = redis_link_create(base, settings->address, "lease", &link_callbacks);
    redis_link_set_times(lease->link, &times);
    return lease;
}

void lease_destroy(struct lease *lease)
{
    if (!lease)
        return;
    redis_link_destroy(lease->link);
    event_free(lease->timer);
    buffer_free(&lease->lease_key);
    buffer_free(&lease->fence_key);
    buffer_free(&lease->id);
    buffer_free(&lease->holder);
    free(lease);
}
