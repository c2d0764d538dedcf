/* What keeps the stream, the group and the key of callbacks in order; none of it is urgent. */
#include "engine/callbacks_notice.h"
#include "engine/clock.h"
#include "engine/requests_parts.h"

#define MS_NS UINT64_C(1000000)
/* The stream is trimmed each time that so many times `claim_after` have passed. */
#define TRIM_EVERY 10
/* Engines that are gone are looked for in so many parts of the time after which they are forgotten. */
#define CONSUMERS_PARTS 4

/* ---- what the chain has anything for */

static bool is_tell_due(struct requests *requests)
{
    return requests->tell && !requests->paused;
}

static void send_tell(struct requests *requests)
{
    buffer_clear(&requests->callbacks);
    callbacks_notice_append(questions_chain(requests->questions), requests->settings.instance_name,
                            &requests->callbacks);
    requests->tell = false;
    REQUESTS_SEND(requests, SLICE("SET"), buffer_slice(&requests->callbacks_key), buffer_slice(&requests->callbacks));
}

static void take_tell(struct requests *requests, const redisReply *reply)
{
    (void)reply;
    requests->tell_all = true;
}

static bool is_tell_all_due(struct requests *requests)
{
    return requests->tell_all && !requests->paused;
}

static void send_tell_all(struct requests *requests)
{
    struct buffer message = {0};
    buffer_append_string(&message, "CALLBACKS ");
    buffer_append_slice(&message, buffer_slice(&requests->callbacks));
    requests->tell_all = false;
    REQUESTS_SEND(requests, SLICE("PUBLISH"), buffer_slice(&requests->callbacks_channel), buffer_slice(&message));
    buffer_free(&message);
}

static void take_nothing(struct requests *requests, const redisReply *reply)
{
    (void)requests, (void)reply;
}

/* Requests are answered all the same. */
static bool tell_forgives(struct requests *requests, struct slice error)
{
    if (!slice_starts_with(error, SLICE("NOPERM")))
        return false;
    log_warning("Redis does not let this engine tell for which callbacks it has modules: workers cannot ask for those "
                "alone",
                LOG_TEXT("key", buffer_slice(&requests->callbacks_key)),
                LOG_TEXT("channel", buffer_slice(&requests->callbacks_channel)), LOG_TEXT("error", error));
    return true;
}

/* ---- the stream's length. What is answered is taken out of the stream, so that whatever is cut off is not. */

static bool is_trim_due(struct requests *requests)
{
    return !requests->paused && clock_now_ns() >= requests->trim_at_ns;
}

static void send_trim(struct requests *requests)
{
    char length[REQUESTS_NUMBER_SIZE];
    requests->trim_at_ns = clock_now_ns() + (uint64_t)requests->settings.claim_after_ms * TRIM_EVERY * MS_NS;
    REQUESTS_SEND(requests, SLICE("XTRIM"), buffer_slice(&requests->key), SLICE("MAXLEN"), SLICE("~"),
                  requests_number(length, requests->settings.stream));
}

static void take_trim(struct requests *requests, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer <= 0)
        return;
    requests->counts.trimmed += (uint64_t)reply->integer;
    log_error("the stream of requests was longer than `requests.stream`: its oldest requests were cut off, and those "
              "that no engine had in hand are not answered",
              LOG_INTEGER("requests", reply->integer), LOG_INTEGER("stream", requests->settings.stream));
}

/* ---- engines that are gone. The names of those that are stopped for good stay in the group, since nobody but an
 * engine of that name knows that it will not come back. One that has left nothing and was silent for long is forgotten;
 * should it come back, it is made again with its first read. It is one script, since a consumer that is forgotten takes
 * with it what it has pending: between looking and forgetting it might have read something. */

static const char forget_script[] = "local gone={}\n"
                                    "for _,consumer in ipairs(redis.call('XINFO','CONSUMERS',KEYS[1],ARGV[1])) do\n"
                                    "local of={}\n"
                                    "for at=1,#consumer,2 do of[consumer[at]]=consumer[at+1] end\n"
                                    "if of.pending==0 and of.idle>=tonumber(ARGV[2]) and of.name~=ARGV[3] then\n"
                                    "redis.call('XGROUP','DELCONSUMER',KEYS[1],ARGV[1],of.name)\n"
                                    "gone[#gone+1]=of.name\n"
                                    "end\n"
                                    "end\n"
                                    "return gone\n";

static bool is_consumers_due(struct requests *requests)
{
    return !requests->paused && clock_now_ns() >= requests->consumers_at_ns;
}

static void send_consumers(struct requests *requests)
{
    char idle[REQUESTS_NUMBER_SIZE];
    requests->consumers_at_ns = clock_now_ns() + (uint64_t)requests->settings.forget_after_ms * MS_NS / CONSUMERS_PARTS;
    REQUESTS_SEND(requests, SLICE("EVAL"), SLICE(forget_script), SLICE("1"), buffer_slice(&requests->key),
                  REQUESTS_GROUP, requests_number(idle, requests->settings.forget_after_ms),
                  slice_from_string(requests->settings.instance_name));
}

static void take_consumers(struct requests *requests, const redisReply *reply)
{
    (void)requests;
    for (size_t index = 0; reply->type == REDIS_REPLY_ARRAY && index < reply->elements; index++)
        log_info("an engine that was silent for long left the group of those that answer requests",
                 LOG_TEXT("instance", request_reply_text(reply->element[index])));
}

/* A name too many in the group costs nobody anything. Who may not do it need not try again. */
static bool consumers_forgive(struct requests *requests, struct slice error)
{
    if (slice_starts_with(error, SLICE("NOGROUP")) || slice_starts_with(error, SLICE("READONLY")))
        return false;
    requests->consumers_at_ns = UINT64_MAX;
    log_info("engines that are gone stay in the group of those that answer requests", LOG_TEXT("error", error));
    return true;
}

void requests_upkeep_begin(struct requests *requests)
{
    requests->consumers_at_ns = clock_now_ns() + (uint64_t)requests->settings.forget_after_ms * MS_NS / CONSUMERS_PARTS;
}

const struct request_step_definition request_step_tell = {is_tell_due, send_tell, take_tell, tell_forgives};
const struct request_step_definition request_step_tell_all = {is_tell_all_due, send_tell_all, take_nothing,
                                                              tell_forgives};
const struct request_step_definition request_step_trim = {is_trim_due, send_trim, take_trim, NULL};
const struct request_step_definition request_step_consumers = {is_consumers_due, send_consumers, take_consumers,
                                                               consumers_forgive};
