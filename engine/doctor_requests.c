/* What Weir keeps on Redis: the durable verdicts, and the requests with those who answer them. */
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "engine/doctor_parts.h"

#define SLACK 5000         /* entries: MAXLEN ~ cuts whole nodes */
#define LATE_FACTOR 20     /* times claim_after */
#define RECENT_MS 86400000 /* a day */
#define NAME_SHOWN 100

/* A question about one of Weir's keys: COMMAND [WORD] KEY. */
static bool ask_number(struct doctor *doctor, const char *command, const char *word, const char *key, int64_t *number,
                       struct buffer *text)
{
    const char *words[] = {command, word ? word : key, word ? key : NULL, NULL};
    bool good = redis_probe_text(doctor->redis, words, text);
    *number = good ? strtoll(buffer_string(text), NULL, 10) : 0;
    return good;
}

static void check_verdicts(struct doctor *doctor)
{
    const struct configuration *configuration = doctor->configuration;
    struct buffer key = {0}, text = {0};
    int64_t length, bytes;
    buffer_append_format(&key, "%s/weir/verdicts", configuration->server_name);
    const char *name = buffer_string(&key);
    if (!ask_number(doctor, "XLEN", NULL, name, &length, &text)) {
        doctor_say(doctor, DOCTOR_OK, "their number is not told: %s", buffer_string(&text));
    } else {
        bool more = length > configuration->publish_keep + configuration->publish_keep / 10 + SLACK;
        struct buffer memory = {0};
        if (ask_number(doctor, "MEMORY", "USAGE", name, &bytes, &text))
            buffer_append_format(&memory, ", %.1f MiB", (double)bytes / (1 << 20));
        doctor_say(doctor, more ? DOCTOR_NOTE : DOCTOR_OK, "%lld verdicts of at most %lld (publish.keep)%s",
                   (long long)length, (long long)configuration->publish_keep, buffer_string(&memory));
        buffer_free(&memory);
        if (more)
            doctor_fix(doctor, "redis-cli XTRIM %s MAXLEN %lld     (an engine that runs does so by itself)", name,
                       (long long)configuration->publish_keep);
    }
    buffer_free(&key);
    buffer_free(&text);
}

/* The time in a stream's id, "1795700000000-0". */
static int64_t time_of(const redisReply *id)
{
    return id->type == REDIS_REPLY_STRING ? strtoll(id->str, NULL, 10) : 0;
}

/* XPENDING's summary: [count, lowest id, highest id, [[consumer, count], …]]. */
struct pending {
    bool known;
    bool no_group;
    int64_t count;
    int64_t oldest_ms;
    char error[NAME_SHOWN];
};

static void take_pending(void *context, const redisReply *reply)
{
    struct pending *pending = context;
    if (reply->type == REDIS_REPLY_ERROR) {
        pending->no_group = strncmp(reply->str, "NOGROUP", 7) == 0;
        snprintf(pending->error, sizeof pending->error, "%s", reply->str);
        return;
    }
    pending->known =
        reply->type == REDIS_REPLY_ARRAY && reply->elements == 4 && reply->element[0]->type == REDIS_REPLY_INTEGER;
    if (!pending->known)
        return;
    pending->count = reply->element[0]->integer;
    pending->oldest_ms = time_of(reply->element[1]);
}

static void check_group(struct doctor *doctor)
{
    const struct configuration *configuration = doctor->configuration;
    struct buffer key = {0};
    struct pending pending = {0};
    if (!configuration->requests_redis) {
        doctor_say(doctor, DOCTOR_OK, "not answered over Redis (`requests: {redis: false}`)");
        return;
    }
    buffer_append_format(&key, "%s/weir/requests", configuration->server_name);
    struct slice words[] = {SLICE("XPENDING"), buffer_slice(&key), SLICE("weir")};
    redis_probe_ask(doctor->redis, words, 3, take_pending, &pending);
    int64_t age_ms = pending.count ? clock_wall_ms() - pending.oldest_ms : 0;
    if (pending.no_group) {
        doctor_say(doctor, doctor->engine_runs ? DOCTOR_PROBLEM : DOCTOR_NOTE,
                   "there is no group of those who answer requests: no engine has answered any yet");
        doctor_fix(doctor, "start an engine; it makes the group");
    } else if (!pending.known) {
        doctor_say(doctor, DOCTOR_NOTE, "not told: %s", pending.error);
    } else if (age_ms > LATE_FACTOR * configuration->requests_claim_after_ms) {
        doctor_say(doctor, DOCTOR_PROBLEM, "%lld requests were taken and not answered, the oldest %lld s ago",
                   (long long)pending.count, (long long)(age_ms / 1000));
        doctor_fix(doctor, "start an engine: it takes over what others left behind (requests.claim_after)");
    } else {
        doctor_say(doctor, DOCTOR_OK, "%lld requests are under way", (long long)pending.count);
    }
    buffer_free(&key);
}

/* XINFO STREAM's answer: names and values in turn. An entry is deleted once it is answered; the id stays. */
static void take_stream(void *context, const redisReply *reply)
{
    int64_t *last_ms = context;
    for (size_t index = 0; reply->type == REDIS_REPLY_ARRAY && index + 1 < reply->elements; index += 2) {
        const redisReply *name = reply->element[index];
        if (name->type == REDIS_REPLY_STRING && strcmp(name->str, "last-generated-id") == 0)
            *last_ms = time_of(reply->element[index + 1]);
    }
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) == 0)
        *last_ms = -1;
}

/* Without that right, whether the engine has answered any. */
static bool engine_has_answered(const struct doctor *doctor)
{
    return json_integer_value(json_object_get(json_object_get(doctor->status, "requests"), "answered")) > 0;
}

static void say_never(struct doctor *doctor, const char *sentence)
{
    doctor_say(doctor, DOCTOR_NOTE, "%s", sentence);
    doctor_fix(doctor, "modules:     # in homeserver.yaml; then restart Synapse\n"
                       "  - module: weir_module.WeirModule\n"
                       "    config: {callbacks: all, timeout: 2s, on_timeout: pass}");
}

static void check_module(struct doctor *doctor)
{
    const struct configuration *configuration = doctor->configuration;
    struct buffer key = {0};
    int64_t last_ms = 0;
    if (!configuration->requests_redis)
        return;
    buffer_append_format(&key, "%s/weir/requests", configuration->server_name);
    struct slice words[] = {SLICE("XINFO"), SLICE("STREAM"), buffer_slice(&key)};
    redis_probe_ask(doctor->redis, words, 3, take_stream, &last_ms);
    int64_t age_ms = clock_wall_ms() - last_ms;
    if (last_ms < 0 && engine_has_answered(doctor))
        doctor_say(doctor, DOCTOR_OK, "Synapse's module has asked since the engine was started");
    else if (last_ms < 0)
        doctor_say(doctor, DOCTOR_OK, "when Synapse's module asked last is not told (Redis: +xinfo|stream)");
    else if (last_ms == 0)
        say_never(doctor, "Synapse's module has never asked: Weir sees what was stored, and Synapse refuses nothing");
    else if (age_ms > RECENT_MS)
        say_never(doctor, "Synapse's module has not asked for more than a day: what Weir denies is told, not refused");
    else
        doctor_say(doctor, DOCTOR_OK, "Synapse's module asks: the last time %lld s ago", (long long)(age_ms / 1000));
    buffer_free(&key);
}

static void check_notice(struct doctor *doctor)
{
    const struct configuration *configuration = doctor->configuration;
    struct buffer key = {0}, text = {0};
    if (!configuration->requests_redis)
        return;
    buffer_append_format(&key, "%s/weir/callbacks", configuration->server_name);
    const char *words[] = {"GET", buffer_string(&key), NULL};
    bool good = redis_probe_text(doctor->redis, words, &text);
    if (good) {
        doctor_say(doctor, DOCTOR_OK, "the engine has told Synapse's module what to ask about");
    } else if (slice_starts_with(buffer_slice(&text), SLICE("NOPERM"))) {
        doctor_say(doctor, DOCTOR_OK, "not told: this user of Redis may write it, not read it");
    } else {
        doctor_say(doctor, DOCTOR_NOTE,
                   "no engine has told Synapse's module what to ask about: it asks about everything");
        doctor_fix(doctor, "start an engine with this configuration");
    }
    buffer_free(&key);
    buffer_free(&text);
}

const struct doctor_check doctor_requests_checks[] = {
    {"verdicts.stream", "redis.reachable", check_verdicts, "The durable verdicts are no more than publish.keep."},
    {"requests.group", "redis.reachable", check_group, "Requests are answered, and none is left behind."},
    {"requests.notice", "redis.reachable", check_notice, "The engine has told which callbacks its modules have."},
    {"requests.module", "redis.reachable", check_module, "Synapse's module asks."},
    {NULL, NULL, NULL, NULL},
};
