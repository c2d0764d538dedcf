/* Each question has a connection of its own, a redis_link that is destroyed with the first thing that goes wrong: so a
 * sentinel that hangs, or that is no sentinel, costs its time limit and nothing else. */
#include "engine/redis_sentinel.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/log.h"
#include "engine/redis_link.h"
#include "replication/command.h"

#define HOST_MAXIMUM 255u

struct sentinel_answer {
    char *host; /* NULL: none */
    uint16_t port;
    int64_t epoch;
};

struct redis_sentinel {
    struct event_base *base;
    const struct redis_address *address;
    struct redis_sentinel_callbacks callbacks;
    struct event *watch_timer;
    bool watching;
    size_t first; /* the one that answered last */
    size_t asked; /* how many were, of this question */
    size_t index; /* whom the question is to */
    struct redis_address question;
    struct redis_link *link; /* of the question; NULL: none is out */
    size_t answers;          /* to it */
    struct sentinel_answer answer;
    struct sentinel_answer best;  /* of this question */
    struct sentinel_answer known; /* what was found */
    struct buffer reason;         /* why the last one did not answer */
};

static void ask_one(struct redis_sentinel *sentinel);

static void end_question(struct redis_sentinel *sentinel)
{
    redis_link_destroy(sentinel->link);
    sentinel->link = NULL;
    free(sentinel->answer.host);
    sentinel->answer = (struct sentinel_answer){0};
}

static void schedule(struct redis_sentinel *sentinel, uint32_t milliseconds)
{
    struct timeval delay = {milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000};
    event_add(sentinel->watch_timer, &delay);
}

static void fail(struct redis_sentinel *sentinel)
{
    struct buffer words = {0};
    const struct redis_endpoint *last = &sentinel->address->sentinels.endpoints[sentinel->index];
    buffer_append_format(
        &words, "none of the %zu sentinels tells where the master %s is; %s:%u: ", sentinel->address->sentinels.count,
        sentinel->address->sentinels.master_name, last->host, last->port);
    buffer_append_slice(&words, buffer_slice(&sentinel->reason));
    sentinel->callbacks.failed(sentinel->callbacks.context, buffer_string(&words));
    buffer_free(&words);
}

/* The best answer is what counts from now on. */
static void find(struct redis_sentinel *sentinel)
{
    free(sentinel->known.host);
    sentinel->known = sentinel->best;
    sentinel->best.host = NULL;
    sentinel->callbacks.found(sentinel->callbacks.context, sentinel->known.host, sentinel->known.port);
}

static void ask_next(struct redis_sentinel *sentinel)
{
    if (sentinel->asked < sentinel->address->sentinels.count)
        ask_one(sentinel);
    else if (sentinel->best.host)
        find(sentinel);
    else
        fail(sentinel);
}

static void take_answer(struct redis_sentinel *sentinel)
{
    struct sentinel_answer answer = sentinel->answer;
    sentinel->answer.host = NULL;
    end_question(sentinel);
    if (sentinel->watching) {
        bool same = strcmp(answer.host, sentinel->known.host) == 0 && answer.port == sentinel->known.port;
        bool newer = answer.epoch > sentinel->known.epoch;
        free(answer.host);
        if (same && newer)
            sentinel->known.epoch = answer.epoch;
        schedule(sentinel, REDIS_SENTINEL_WATCH_MS);
        if (!same && newer)
            sentinel->callbacks.moved(sentinel->callbacks.context);
        return;
    }
    if (!sentinel->best.host || answer.epoch > sentinel->best.epoch) {
        free(sentinel->best.host);
        sentinel->best = answer;
        sentinel->first = sentinel->index;
    } else {
        free(answer.host);
    }
    if (sentinel->best.epoch >= sentinel->known.epoch)
        find(sentinel);
    else
        ask_next(sentinel);
}

static void give_up(struct redis_sentinel *sentinel, const char *reason)
{
    buffer_clear(&sentinel->reason);
    buffer_append_string(&sentinel->reason, reason);
    end_question(sentinel);
    log_debug("a sentinel does not help", LOG_INTEGER("place", sentinel->index + 1), LOG_STRING("reason", reason));
    if (sentinel->watching)
        schedule(sentinel, REDIS_SENTINEL_WATCH_MS);
    else
        ask_next(sentinel);
}

/* Answers. */

static struct slice text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
}

/* [host, port] */
static bool take_address(struct redis_sentinel *sentinel, const redisReply *reply)
{
    int64_t port;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return false;
    struct slice host = text_of(reply->element[0]), number = text_of(reply->element[1]);
    if (!slice_present(host) || !slice_present(number) || host.length == 0 || host.length > HOST_MAXIMUM ||
        memchr(host.data, '\0', host.length) || !command_parse_integer(number, &port) || port < 1 || port > UINT16_MAX)
        return false;
    free(sentinel->answer.host);
    sentinel->answer.host = memory_copy_text(host.data, host.length);
    sentinel->answer.port = (uint16_t)port;
    return true;
}

/* [field, value, …]; a sentinel that does not tell its epoch counts as the oldest. */
static void take_epoch(struct redis_sentinel *sentinel, const redisReply *reply)
{
    for (size_t place = 0; reply->type == REDIS_REPLY_ARRAY && place + 1 < reply->elements; place += 2) {
        struct slice value = text_of(reply->element[place + 1]);
        if (slice_equal(text_of(reply->element[place]), SLICE("config-epoch")) && slice_present(value) &&
            !command_parse_integer(value, &sentinel->answer.epoch))
            sentinel->answer.epoch = 0;
    }
}

static void on_reply(void *context, const redisReply *reply)
{
    struct redis_sentinel *sentinel = context;
    if (sentinel->answers++ > 0) {
        take_epoch(sentinel, reply);
        take_answer(sentinel);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        give_up(sentinel, reply->str);
    } else if (!take_address(sentinel, reply)) {
        give_up(sentinel, "it knows no master of that name");
    }
}

static void on_ready(void *context)
{
    struct redis_sentinel *sentinel = context;
    struct slice name = slice_from_string(sentinel->address->sentinels.master_name);
    redis_link_command(sentinel->link, (struct slice[]){SLICE("SENTINEL"), SLICE("GET-MASTER-ADDR-BY-NAME"), name}, 3);
    redis_link_command(sentinel->link, (struct slice[]){SLICE("SENTINEL"), SLICE("MASTER"), name}, 3);
}

static void on_lost(void *context, const char *reason)
{
    give_up(context, reason);
}

static void ask_one(struct redis_sentinel *sentinel)
{
    static const struct redis_link_times times = {REDIS_SENTINEL_WAIT_MS, REDIS_SENTINEL_WAIT_MS / 2,
                                                  REDIS_SENTINEL_WAIT_MS, REDIS_SENTINEL_WAIT_MS,
                                                  REDIS_SENTINEL_WAIT_MS};
    const struct redis_sentinels *all = &sentinel->address->sentinels;
    const struct redis_link_callbacks callbacks = {
        .context = sentinel, .ready = on_ready, .lost = on_lost, .reply = on_reply};
    sentinel->index = (sentinel->first + sentinel->asked++) % all->count;
    sentinel->question = (struct redis_address){.host = all->endpoints[sentinel->index].host,
                                                .port = all->endpoints[sentinel->index].port,
                                                .username = all->username,
                                                .password = all->password,
                                                .tls = sentinel->address->tls};
    sentinel->question.tls.enabled = all->tls;
    sentinel->answers = 0;
    sentinel->link = redis_link_create(sentinel->base, &sentinel->question, NULL, &callbacks);
    redis_link_set_times(sentinel->link, &times);
}

static void on_watch_timer(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    ask_one(context);
}

struct redis_sentinel *redis_sentinel_create(struct event_base *base, const struct redis_address *address,
                                             const struct redis_sentinel_callbacks *callbacks)
{
    struct redis_sentinel *sentinel = memory_allocate_zeroed(1, sizeof *sentinel);
    sentinel->base = base;
    sentinel->address = address;
    sentinel->callbacks = *callbacks;
    sentinel->watch_timer = evtimer_new(base, on_watch_timer, sentinel);
    return sentinel;
}

void redis_sentinel_stop(struct redis_sentinel *sentinel)
{
    event_del(sentinel->watch_timer);
    sentinel->watching = false;
    end_question(sentinel);
    free(sentinel->best.host);
    sentinel->best = (struct sentinel_answer){0};
}

void redis_sentinel_destroy(struct redis_sentinel *sentinel)
{
    if (!sentinel)
        return;
    redis_sentinel_stop(sentinel);
    event_free(sentinel->watch_timer);
    free(sentinel->known.host);
    buffer_free(&sentinel->reason);
    free(sentinel);
}

void redis_sentinel_ask(struct redis_sentinel *sentinel)
{
    redis_sentinel_stop(sentinel);
    sentinel->asked = 0;
    ask_one(sentinel);
}

void redis_sentinel_watch(struct redis_sentinel *sentinel)
{
    sentinel->watching = true;
    schedule(sentinel, REDIS_SENTINEL_WATCH_MS);
}
