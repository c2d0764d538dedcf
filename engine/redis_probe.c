/* The loop runs only while somebody waits, and ends with the answer, with the loss of the connection, or when the time
 * is up. A link makes a lost connection again by itself; here the first loss is the end, since whoever looks once wants
 * to know of it. */
#include "engine/redis_probe.h"

#include <stdlib.h>

#include "base/memory.h"

#define WORDS_MAXIMUM 16u

struct redis_probe {
    struct event_base *base;
    const struct redis_address *address;
    struct redis_link *link;
    int64_t timeout_ms;
    struct buffer problem;
    bool ready;
    bool answered;
    redis_probe_answer *answer;
    void *answer_context;
};

static void on_ready(void *context)
{
    struct redis_probe *probe = context;
    probe->ready = true;
    event_base_loopbreak(probe->base);
}

static void on_lost(void *context, const char *reason)
{
    struct redis_probe *probe = context;
    if (probe->problem.length == 0)
        buffer_append_string(&probe->problem, reason);
    event_base_loopbreak(probe->base);
}

static void on_reply(void *context, const redisReply *reply)
{
    struct redis_probe *probe = context;
    redis_probe_answer *answer = probe->answer;
    probe->answer = NULL;
    probe->answered = true;
    if (answer)
        answer(probe->answer_context, reply);
    event_base_loopbreak(probe->base);
}

static void on_time(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    bool *late = context;
    *late = true;
}

/* Runs the loop until `*done`, a problem, or the end of the time. */
static void run_until(struct event_base *base, const bool *done, const struct buffer *problem, int64_t timeout_ms)
{
    bool late = false;
    struct event *timer = event_new(base, -1, 0, on_time, &late);
    struct timeval time = {.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    event_add(timer, &time);
    while (!*done && problem->length == 0 && !late)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(timer);
}

struct redis_probe *redis_probe_open(const struct redis_address *address, int64_t timeout_ms, struct buffer *problem)
{
    struct event_base *base = event_base_new();
    if (!base) {
        buffer_append_string(problem, "no event loop can be made");
        return NULL;
    }
    struct redis_probe *probe = memory_allocate_zeroed(1, sizeof *probe);
    *probe = (struct redis_probe){.base = base, .address = address, .timeout_ms = timeout_ms};
    struct redis_link_callbacks callbacks = {
        .context = probe, .ready = on_ready, .lost = on_lost, .reply = on_reply, .message = NULL};
    probe->link = redis_link_create(base, address, NULL, &callbacks);
    run_until(base, &probe->ready, &probe->problem, timeout_ms);
    if (probe->ready && probe->problem.length == 0)
        return probe;
    if (probe->problem.length)
        buffer_append_slice(problem, buffer_slice(&probe->problem));
    else
        buffer_append_format(problem, "Redis did not answer within %lld ms", (long long)timeout_ms);
    redis_probe_close(probe);
    return NULL;
}

void redis_probe_close(struct redis_probe *probe)
{
    if (!probe)
        return;
    redis_link_destroy(probe->link);
    event_base_free(probe->base);
    buffer_free(&probe->problem);
    free(probe);
}

bool redis_probe_ask(struct redis_probe *probe, const struct slice *arguments, size_t count, redis_probe_answer *answer,
                     void *context)
{
    if (probe->problem.length)
        return false;
    probe->answered = false;
    probe->answer = answer;
    probe->answer_context = context;
    redis_link_command(probe->link, arguments, count);
    run_until(probe->base, &probe->answered, &probe->problem, probe->timeout_ms);
    probe->answer = NULL;
    if (!probe->answered && probe->problem.length == 0)
        buffer_append_format(&probe->problem, "Redis did not answer within %lld ms", (long long)probe->timeout_ms);
    return probe->answered;
}

const char *redis_probe_problem(struct redis_probe *probe)
{
    return buffer_string(&probe->problem);
}

/* A question for a text. */

struct text_question {
    struct buffer *text;
    bool good;
};

static void take_text(void *context, const redisReply *reply)
{
    struct text_question *question = context;
    question->good = true;
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        buffer_append_integer(question->text, reply->integer);
        return;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        buffer_append(question->text, reply->str, reply->len);
        return;
    case REDIS_REPLY_ERROR:
        buffer_append(question->text, reply->str, reply->len);
        break;
    default:
        buffer_append_string(question->text, "Redis answered something else");
    }
    question->good = false;
}

bool redis_probe_text(struct redis_probe *probe, const char *const *words, struct buffer *text)
{
    struct slice arguments[WORDS_MAXIMUM];
    struct text_question question = {.text = text};
    size_t count = 0;
    for (; words[count] && count < WORDS_MAXIMUM; count++)
        arguments[count] = slice_from_string(words[count]);
    buffer_clear(text);
    if (redis_probe_ask(probe, arguments, count, take_text, &question))
        return question.good;
    buffer_append_slice(text, buffer_slice(&probe->problem));
    return false;
}

struct slice redis_info_find(struct slice info, const char *name)
{
    size_t length = strlen(name);
    const char *end = info.data + info.length;
    for (const char *line = info.data; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)((newline ? newline : end) - line);
        if (size > length && line[length] == ':' && memcmp(line, name, length) == 0) {
            struct slice value = slice_of(line + length + 1, size - length - 1);
            if (value.length && value.data[value.length - 1] == '\r')
                value.length--;
            return value;
        }
        line += size + 1;
    }
    return SLICE_ABSENT;
}

/* A second connection that subscribes. */

struct listening {
    struct redis_probe *probe;
    struct redis_link *link;
    const char *channel;
    const struct redis_probe_listener *listener;
    bool subscribed;
    bool enough;
    int64_t receivers; /* -1: not told */
    struct buffer *problem;
};

static void on_subscriber_ready(void *context)
{
    struct listening *listening = context;
    struct slice arguments[] = {SLICE("SUBSCRIBE"), slice_from_string(listening->channel)};
    redis_link_command(listening->link, arguments, 2);
}

static void on_subscribed(void *context, struct slice channel)
{
    struct listening *listening = context;
    (void)channel;
    listening->subscribed = true;
    event_base_loopbreak(listening->probe->base);
}

static void on_subscriber_lost(void *context, const char *reason)
{
    struct listening *listening = context;
    if (listening->problem->length == 0)
        buffer_append_string(listening->problem, reason);
    event_base_loopbreak(listening->probe->base);
}

static void on_message(void *context, struct slice channel, struct slice data)
{
    struct listening *listening = context;
    (void)channel;
    listening->listener->message(listening->listener->context, data);
    if (listening->enough || !listening->listener->enough(listening->listener->context))
        return;
    listening->enough = true;
    event_base_loopbreak(listening->probe->base);
}

static void take_receivers(void *context, const redisReply *reply)
{
    struct listening *listening = context;
    if (reply->type == REDIS_REPLY_INTEGER)
        listening->receivers = reply->integer - 1;
    else if (reply->type == REDIS_REPLY_ERROR)
        buffer_append(listening->problem, reply->str, reply->len);
}

static bool listen_to(struct listening *listening, struct slice question, int64_t listen_ms)
{
    struct redis_probe *probe = listening->probe;
    run_until(probe->base, &listening->subscribed, listening->problem, probe->timeout_ms);
    if (!listening->subscribed && listening->problem->length == 0)
        buffer_append_format(listening->problem, "Redis did not confirm the subscription within %lld ms",
                             (long long)probe->timeout_ms);
    if (listening->problem->length)
        return false;
    struct slice arguments[] = {SLICE("PUBLISH"), slice_from_string(listening->channel), question};
    if (!redis_probe_ask(probe, arguments, 3, take_receivers, listening) && listening->problem->length == 0)
        buffer_append_slice(listening->problem, buffer_slice(&probe->problem));
    if (listening->problem->length)
        return false;
    run_until(probe->base, &listening->enough, listening->problem, listen_ms);
    return listening->problem->length == 0;
}

bool redis_probe_listen(struct redis_probe *probe, const char *channel, struct slice question, int64_t listen_ms,
                        const struct redis_probe_listener *listener, int64_t *receivers, struct buffer *problem)
{
    struct listening listening = {
        .probe = probe, .channel = channel, .listener = listener, .receivers = -1, .problem = problem};
    struct redis_link_callbacks callbacks = {.context = &listening,
                                             .ready = on_subscriber_ready,
                                             .lost = on_subscriber_lost,
                                             .message = on_message,
                                             .subscribed = on_subscribed};
    buffer_clear(problem);
    listening.link = redis_link_create(probe->base, probe->address, NULL, &callbacks);
    bool heard = listen_to(&listening, question, listen_ms);
    redis_link_destroy(listening.link);
    *receivers = listening.receivers;
    return heard;
}
