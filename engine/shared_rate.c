/* Redis answers in the order of the questions, so those in flight are a queue. One that was given up (its ticket is 0)
 * stays in it until its answer comes. A script that Redis does not know, at the first question and after a SCRIPT
 * FLUSH, is sent along with the question, which goes to the end of the queue.
 *
 * Lua's numbers are doubles, whole up to 2^53: costs and sizes are therefore worked out here and handed over as
 * milliseconds and parts, and the script only adds and compares. */
#include "engine/shared_rate.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/redis_error.h"
#include "engine/redis_link.h"
#include "engine/worker.h"

/* How long what counts once is remembered. */
#define ONCE_MS 300000
#define SPARE_MAXIMUM 1024u

/* KEYS: what counts once, if it has a key, then the buckets. ARGV: the time, how long that key lives (0: there is
 * none), and for each bucket its number, its parts in a millisecond, and three times milliseconds and parts: the cost,
 * what it may lack before it pays, and what it lacks when it is empty. A bucket is forgotten a second after it is full,
 * for the sake of clocks that differ. */
static const char script[] = "local function above(m,p,n,q) return m>n or (m==n and p>q) end\n"
                             "local now,first,at,beyond=tonumber(ARGV[1]),1,3,0\n"
                             "if ARGV[2]~='0' then\n"
                             " local said=redis.call('GET',KEYS[1])\n"
                             " if said then return tonumber(said) end\n"
                             " first=2\n"
                             "end\n"
                             "local paid,capped={},{}\n"
                             "for i=first,#KEYS do\n"
                             " local a={}\n"
                             " for j=0,7 do a[j]=tonumber(ARGV[at+j]) end\n"
                             " at=at+8\n"
                             " local ms,part=now,0\n"
                             " local m,p=string.match(redis.call('GET',KEYS[i]) or '','^(%d+):(%d+)$')\n"
                             " if m and above(tonumber(m),tonumber(p),now,0) then ms,part=tonumber(m),tonumber(p) end\n"
                             " if above(ms-now,part,a[6],a[7]) then ms,part=now+a[6],a[7] capped[i]={ms,part} end\n"
                             " if above(ms-now,part,a[4],a[5]) then beyond=a[0] break end\n"
                             " ms,part=ms+a[2],part+a[3]\n"
                             " if part>=a[1] then ms,part=ms+1,part-a[1] end\n"
                             " paid[i]={ms,part}\n"
                             "end\n"
                             "for i,full in pairs(beyond==0 and paid or capped) do\n"
                             " redis.call('SET',KEYS[i],string.format('%.0f:%.0f',full[1],full[2]),'PX',"
                             "string.format('%.0f',full[1]-now+1000))\n"
                             "end\n"
                             "if first==2 then redis.call('SET',KEYS[1],beyond,'PX',ARGV[2]) end\n"
                             "return beyond\n";

struct asked {
    TAILQ_ENTRY(asked) link;
    uint64_t ticket; /* 0: given up */
    uint64_t asked_ns;
    size_t arguments;      /* of the command, beside its name and the script */
    struct buffer command; /* these arguments, formatted */
};
TAILQ_HEAD(asked_list, asked);

struct shared_rate_counts {
    uint64_t questions;
    uint64_t failed;
    uint64_t in_flight;
    uint64_t scripts;
};

struct shared_rate {
    struct shared_rate *next_left; /* among those that are gone, and in which a thread may still count */
    struct event_base *base;
    services_answered_function *answered;
    void *context;
    struct shared_rates interface;
    const struct redis_address *address; /* NULL: not known yet */
    struct buffer prefix;                /* of all keys */
    struct buffer key;
    char digest[SHA_DIGEST_LENGTH * 2 + 1];
    struct redis_link *link;
    uint32_t members; /* modules that may ask */
    struct asked_list flight, spare;
    uint32_t spare_count;
    uint64_t last_ticket;
    struct event *timer;
    bool away; /* and it was said */
    struct log_gate gate;
    struct shared_rate_counts counts;
    struct latency *latency;
};

static struct shared_rate *left_rates;

/* ---- what is in flight */

static struct asked *take_spare(struct shared_rate *rate)
{
    struct asked *asked = TAILQ_FIRST(&rate->spare);
    if (!asked)
        return memory_allocate_zeroed(1, sizeof *asked);
    TAILQ_REMOVE(&rate->spare, asked, link);
    rate->spare_count--;
    buffer_clear(&asked->command);
    asked->arguments = 0;
    return asked;
}

static void free_asked(struct asked *asked)
{
    buffer_free(&asked->command);
    free(asked);
}

static void let_go(struct shared_rate *rate, struct asked *asked)
{
    if (rate->spare_count == SPARE_MAXIMUM) {
        free_asked(asked);
        return;
    }
    TAILQ_INSERT_HEAD(&rate->spare, asked, link);
    rate->spare_count++;
}

static struct asked *take_first(struct shared_rate *rate)
{
    struct asked *asked = TAILQ_FIRST(&rate->flight);
    if (asked) {
        TAILQ_REMOVE(&rate->flight, asked, link);
        rate->counts.in_flight--;
    }
    return asked;
}

static void set_timer(struct shared_rate *rate)
{
    static const struct timeval pause = {.tv_usec = SHARED_RATE_PATIENCE_MS * 1000 / 4};
    if (!event_pending(rate->timer, EV_TIMEOUT, NULL))
        event_add(rate->timer, &pause);
}

static void send_question(struct shared_rate *rate, struct asked *asked, bool with_script)
{
    struct buffer head = {0};
    buffer_append_format(&head, "*%zu\r\n", asked->arguments + 2);
    redis_append_argument(&head, with_script ? SLICE("EVAL") : SLICE("EVALSHA"));
    redis_append_argument(&head, with_script ? SLICE(script) : slice_from_string(rate->digest));
    buffer_append_slice(&head, buffer_slice(&asked->command));
    redis_link_send(rate->link, buffer_slice(&head), 1);
    buffer_free(&head);
    TAILQ_INSERT_TAIL(&rate->flight, asked, link);
    rate->counts.in_flight++;
    set_timer(rate);
}

/* ---- trouble */

static void say_away(struct shared_rate *rate, const char *reason)
{
    if (!rate->away)
        log_warning("rates are not shared for now, Redis does not answer; until it does, `on_error` of the modules "
                    "decides",
                    LOG_STRING("reason", reason));
    rate->away = true;
}

static void say_back(struct shared_rate *rate)
{
    if (rate->away)
        log_info("rates are shared again", LOG_INTEGER("questions_failed", rate->counts.failed));
    rate->away = false;
}

static void fail(struct shared_rate *rate, uint64_t ticket, const char *reason)
{
    const struct service_answer answer = {.error = slice_from_string(reason)};
    rate->counts.failed++;
    rate->answered(rate->context, ticket, &answer);
}

/* Answers may ask again, which is refused while the link is not ready. */
static void on_lost(void *context, const char *reason)
{
    struct shared_rate *rate = context;
    struct asked_list lost;
    struct asked *asked;
    if (rate->counts.in_flight)
        say_away(rate, reason);
    TAILQ_INIT(&lost);
    TAILQ_CONCAT(&lost, &rate->flight, link);
    rate->counts.in_flight = 0;
    while ((asked = TAILQ_FIRST(&lost))) {
        TAILQ_REMOVE(&lost, asked, link);
        if (asked->ticket)
            fail(rate, asked->ticket, "the connection to Redis was lost");
        let_go(rate, asked);
    }
}

/* Those that became too old are found first: what is asked meanwhile is behind them. */
static void on_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct shared_rate *rate = context;
    uint64_t now_ns = clock_now_ns();
    struct asked *asked, *last = TAILQ_LAST(&rate->flight, asked_list);
    for (asked = TAILQ_FIRST(&rate->flight); asked; asked = asked == last ? NULL : TAILQ_NEXT(asked, link)) {
        if (now_ns - asked->asked_ns < (uint64_t)SHARED_RATE_PATIENCE_MS * 1000000u)
            break;
        uint64_t ticket = asked->ticket;
        if (!ticket)
            continue;
        asked->ticket = 0;
        say_away(rate, "no answer in time");
        fail(rate, ticket, "Redis did not answer in time");
    }
    if (!TAILQ_EMPTY(&rate->flight))
        set_timer(rate);
}

static void report_error(struct shared_rate *rate, struct slice error)
{
    uint64_t suppressed;
    if (log_gate_pass(&rate->gate, &suppressed))
        log_warning("Redis refuses to keep a shared rate", LOG_TEXT("error", error),
                    LOG_STRING("advice", redis_error_advice(error)), LOG_INTEGER("suppressed", suppressed));
    if (slice_starts_with(error, SLICE("READONLY")))
        redis_link_reset(rate->link, "this Redis has become a replica");
}

/* ---- answers */

static void on_reply(void *context, const redisReply *reply)
{
    struct shared_rate *rate = context;
    struct asked *asked = take_first(rate);
    struct slice error = reply->type == REDIS_REPLY_ERROR ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
    if (!asked)
        return;
    uint64_t ticket = asked->ticket;
    if (ticket && slice_starts_with(error, SLICE("NOSCRIPT"))) {
        rate->counts.scripts++;
        send_question(rate, asked, true);
        return;
    }
    uint64_t asked_ns = asked->asked_ns;
    let_go(rate, asked);
    if (slice_present(error))
        report_error(rate, error);
    if (!ticket)
        return;
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0 || reply->integer > INT32_MAX) {
        fail(rate, ticket, "Redis refused to keep the rate");
        return;
    }
    say_back(rate);
    latency_record(rate->latency, clock_now_ns() - asked_ns);
    const struct service_answer answer = {.arrived = true, .status = (int)reply->integer};
    rate->answered(rate->context, ticket, &answer);
}

static void on_ready(void *context)
{
    (void)context;
}

/* ---- questions */

static void append_number(struct asked *asked, int64_t number)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRId64, number);
    redis_append_argument(&asked->command, slice_of(text, (size_t)length));
    asked->arguments++;
}

static void append_key(struct shared_rate *rate, struct asked *asked, struct slice key)
{
    buffer_clear(&rate->key);
    buffer_append_slice(&rate->key, buffer_slice(&rate->prefix));
    buffer_append_slice(&rate->key, key);
    redis_append_argument(&asked->command, buffer_slice(&rate->key));
    asked->arguments++;
}

/* So many tokens as milliseconds and parts. */
static void append_tokens(struct asked *asked, const struct rate_limit *limit, int64_t tokens)
{
    int64_t steps = tokens * limit->period_ms;
    append_number(asked, steps / limit->count);
    append_number(asked, steps % limit->count);
}

static void write_question(struct shared_rate *rate, struct asked *asked, const struct shared_question *question)
{
    bool once = slice_present(question->once);
    append_number(asked, (int64_t)question->count + once);
    if (once)
        append_key(rate, asked, question->once);
    for (uint32_t index = 0; index < question->count; index++)
        append_key(rate, asked, question->buckets[index].key);
    append_number(asked, question->now_ms);
    append_number(asked, once ? ONCE_MS : 0);
    for (uint32_t index = 0; index < question->count; index++) {
        const struct shared_bucket *bucket = &question->buckets[index];
        append_number(asked, bucket->number);
        append_number(asked, bucket->limit->count);
        append_tokens(asked, bucket->limit, bucket->cost);
        append_tokens(asked, bucket->limit, bucket->limit->burst - bucket->cost);
        append_tokens(asked, bucket->limit, bucket->limit->burst);
    }
}

static const char *objection(const struct shared_rate *rate)
{
    const struct asked *first = TAILQ_FIRST(&rate->flight);
    if (!rate->link || !redis_link_is_ready(rate->link))
        return "there is no connection to Redis";
    if (first && !first->ticket)
        return "Redis has not answered what was asked before";
    return rate->counts.in_flight < SHARED_RATE_IN_FLIGHT ? NULL : "too many questions wait for Redis";
}

static uint64_t ask(void *context, const struct shared_question *question, const char **refusal)
{
    struct shared_rate *rate = context;
    rate->counts.questions++;
    *refusal = objection(rate);
    if (*refusal) {
        rate->counts.failed++;
        say_away(rate, *refusal);
        return 0;
    }
    struct asked *asked = take_spare(rate);
    asked->ticket = SHARED_RATE_TICKET | ++rate->last_ticket;
    asked->asked_ns = clock_now_ns();
    write_question(rate, asked, question);
    send_question(rate, asked, false);
    return asked->ticket;
}

/* ---- life */

void shared_rate_wake(struct shared_rate *rate)
{
    const struct redis_link_callbacks callbacks = {
        .context = rate, .ready = on_ready, .lost = on_lost, .reply = on_reply};
    if (rate->address && __atomic_load_n(&rate->members, __ATOMIC_RELAXED) && !rate->link)
        rate->link = redis_link_create(rate->base, rate->address, "shared rates", &callbacks);
}

static void join(void *context)
{
    struct shared_rate *rate = context;
    __atomic_fetch_add(&rate->members, 1, __ATOMIC_RELAXED);
}

static void leave(void *context)
{
    struct shared_rate *rate = context;
    __atomic_fetch_sub(&rate->members, 1, __ATOMIC_RELAXED);
}

/* A thread that was left behind with a chain (engine/worker.h) makes or ends modules that count themselves here after
 * everything else is gone. */
static void free_left(void)
{
    while (left_rates && !worker_left_behind()) {
        struct shared_rate *rate = left_rates;
        left_rates = rate->next_left;
        free(rate);
    }
}

struct shared_rate *shared_rate_create(struct event_base *base, struct metrics *metrics,
                                       services_answered_function *answered, void *context)
{
    static const struct metric_member members[] = {
        METRIC_MEMBER(struct shared_rate_counts, questions, "weir_shared_rate_questions_total", METRIC_COUNTER,
                      "Questions about rates that several engines keep together in Redis."),
        METRIC_MEMBER(struct shared_rate_counts, failed, "weir_shared_rate_failed_total", METRIC_COUNTER,
                      "Of those, the ones that got no answer, so that `on_error` of the module decided."),
        METRIC_MEMBER(struct shared_rate_counts, in_flight, "weir_shared_rate_in_flight", METRIC_GAUGE,
                      "Questions about shared rates that wait for Redis now."),
        METRIC_MEMBER(struct shared_rate_counts, scripts, "weir_shared_rate_scripts_total", METRIC_COUNTER,
                      "Times Redis did not know the script of the shared rates and was sent it again."),
    };
    struct shared_rate *rate = memory_allocate_zeroed(1, sizeof *rate);
    unsigned char digest[SHA_DIGEST_LENGTH];
    free_left();
    rate->base = base;
    rate->answered = answered;
    rate->context = context;
    rate->interface = (struct shared_rates){rate, join, leave, ask};
    rate->timer = event_new(base, -1, 0, on_timer, rate);
    TAILQ_INIT(&rate->flight);
    TAILQ_INIT(&rate->spare);
    SHA1((const unsigned char *)script, sizeof script - 1, digest);
    for (size_t index = 0; index < sizeof digest; index++)
        snprintf(rate->digest + 2 * index, 3, "%02x", digest[index]);
    metrics_register_members(metrics, members, sizeof members / sizeof *members, &rate->counts);
    rate->latency = metrics_register_latency(metrics, "weir_shared_rate_answer_seconds",
                                             "From a question about a shared rate to Redis's answer.");
    return rate;
}

void shared_rate_destroy(struct shared_rate *rate)
{
    struct asked *asked;
    if (!rate)
        return;
    redis_link_destroy(rate->link);
    while ((asked = take_first(rate)))
        free_asked(asked);
    while ((asked = TAILQ_FIRST(&rate->spare))) {
        TAILQ_REMOVE(&rate->spare, asked, link);
        free_asked(asked);
    }
    event_free(rate->timer);
    buffer_free(&rate->prefix);
    buffer_free(&rate->key);
    rate->next_left = left_rates;
    left_rates = rate;
    free_left();
}

void shared_rate_use(struct shared_rate *rate, const struct redis_address *address, const char *server_name)
{
    rate->address = address;
    buffer_clear(&rate->prefix);
    buffer_append_format(&rate->prefix, "%s/weir/rates/", server_name);
    shared_rate_wake(rate);
}

const struct shared_rates *shared_rate_interface(struct shared_rate *rate)
{
    return &rate->interface;
}
