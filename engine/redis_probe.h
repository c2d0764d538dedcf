/* Redis asked one thing at a time by whoever waits for the answer: for `weir init` and `weir doctor`, which look once
 * and end. The connection is a redis_link on a loop of its own, so that it is made as the engine's is: with TLS,
 * through sentinels, with an ACL user. */
#ifndef WEIR_ENGINE_REDIS_PROBE_H
#define WEIR_ENGINE_REDIS_PROBE_H

#include "engine/redis_link.h"

struct redis_probe;

/* Connects, in `timeout_ms` at most, which is also the time of each answer. NULL with a sentence in `problem`.
 * `address` must stay valid. */
struct redis_probe *redis_probe_open(const struct redis_address *address, int64_t timeout_ms, struct buffer *problem);
void redis_probe_close(struct redis_probe *probe);

/* Gets the answer, also an error (REDIS_REPLY_ERROR); it lives until the call returns. */
typedef void redis_probe_answer(void *context, const redisReply *reply);

/* Sends a command and hands its answer on. False if none came in time or the connection was lost, of which
 * redis_probe_problem tells; every further question then fails in the same way. */
bool redis_probe_ask(struct redis_probe *probe, const struct slice *arguments, size_t count, redis_probe_answer *answer,
                     void *context);
/* A sentence; "" while nothing is wrong. */
const char *redis_probe_problem(struct redis_probe *probe);

/* Of a question whose answer is a text or a number, that text. False without one, with Redis's error or the reason in
 * `text`. The words are a list that ends with NULL. */
bool redis_probe_text(struct redis_probe *probe, const char *const *words, struct buffer *text);

/* The value of a line "name:value" of INFO's answer; absent without one. */
struct slice redis_info_find(struct slice info, const char *name);

/* What a channel brought, and how it went. */
struct redis_probe_listener {
    void *context;
    /* May ask the probe nothing: it runs within its loop. */
    void (*message)(void *context, struct slice data);
    /* Whether enough was heard. Asked after every message. */
    bool (*enough)(void *context);
};

/* Subscribes to `channel` on a second connection, then publishes `question` there and listens: until it is enough, or
 * for `listen_ms`. `receivers`: how many got the question, without this listener. False with a sentence in `problem` if
 * it could not subscribe or publish. */
bool redis_probe_listen(struct redis_probe *probe, const char *channel, struct slice question, int64_t listen_ms,
                        const struct redis_probe_listener *listener, int64_t *receivers, struct buffer *problem);

#endif
