/* Synapse's replication: whether this is the channel of a Synapse, and who of it answers. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/doctor_parts.h"

#define CHANNELS_SHOWN 3u

/* Who writes events; by itself the main process alone. */
static void expected_writers(const struct configuration *configuration, const char *const **names, size_t *count)
{
    static const char *const main_process[] = {"master"};
    bool named = configuration->event_writer_count > 0;
    *names = named ? (const char *const *)configuration->event_writers : main_process;
    *count = named ? configuration->event_writer_count : 1;
}

/* Names of channels that seem to be a homeserver's: NAME beside NAME/USER_IP. */
static void take_channels(void *context, const redisReply *reply)
{
    static const char suffix[] = "/USER_IP";
    struct buffer *found = context;
    unsigned count = 0;
    if (reply->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t index = 0; index < reply->elements && count < CHANNELS_SHOWN; index++) {
        const redisReply *channel = reply->element[index];
        size_t length = sizeof suffix - 1;
        if (channel->type != REDIS_REPLY_STRING || channel->len <= length ||
            memcmp(channel->str + channel->len - length, suffix, length) != 0)
            continue;
        buffer_append_format(found, "%s%.*s", count++ ? ", " : "", (int)(channel->len - length), channel->str);
    }
}

static void say_nobody(struct doctor *doctor)
{
    struct slice words[] = {SLICE("PUBSUB"), SLICE("CHANNELS")};
    struct buffer found = {0};
    redis_probe_ask(doctor->redis, words, 2, take_channels, &found);
    doctor_say(doctor, DOCTOR_PROBLEM, "nobody listens on the channel \"%s\" of this Redis: %s%s",
               doctor->configuration->server_name,
               found.length ? "Synapses seem to be on: " : "Synapse does not run, does not use Redis, or uses another",
               buffer_string(&found));
    doctor_fix(doctor, found.length
                           ? "server_name: as `server_name` in homeserver.yaml, with its port if it has one there"
                           : "redis: {enabled: true} in homeserver.yaml, with the same host as here; then restart "
                             "Synapse");
    buffer_free(&found);
}

static void check_channel(struct doctor *doctor)
{
    const char *const *names;
    size_t count;
    struct buffer problem = {0};
    const char *server_name = doctor->configuration->server_name;
    doctor->answers = memory_allocate_zeroed(1, sizeof *doctor->answers);
    if (!doctor->configuration->observe) {
        doctor_say(doctor, DOCTOR_OK, "not followed (`observe: false`)");
        return;
    }
    expected_writers(doctor->configuration, &names, &count);
    if (!replication_probe(doctor->redis, server_name, names, count, doctor->settings.listen_ms, doctor->answers,
                           &problem)) {
        doctor_say(doctor, DOCTOR_PROBLEM, "the channel \"%s\" cannot be listened to: %s", server_name,
                   buffer_string(&problem));
        doctor_fix(doctor, "ACL SETUSER %s +subscribe +publish &%s &%s/weir &%s/weir/*",
                   doctor->configuration->redis.username ? doctor->configuration->redis.username : "default",
                   server_name, server_name, server_name);
    } else if (doctor->answers->receivers == 0) {
        say_nobody(doctor);
    } else {
        doctor_say(doctor, DOCTOR_OK, "%lld processes listen on the channel \"%s\"; %llu lines were heard",
                   (long long)doctor->answers->receivers, server_name, (unsigned long long)doctor->answers->lines);
    }
    buffer_free(&problem);
}

static void check_writers(struct doctor *doctor)
{
    const char *const *names;
    size_t count, silent = 0;
    struct buffer good = {0}, bad = {0};
    if (!doctor->configuration->observe)
        return;
    expected_writers(doctor->configuration, &names, &count);
    for (size_t index = 0; index < count; index++) {
        const struct replication_writer *writer = replication_answers_find(doctor->answers, names[index]);
        bool answered = writer && writer->events;
        silent += !answered;
        struct buffer *list = answered ? &good : &bad;
        buffer_append_format(list, "%s%s", list->length ? ", " : "", names[index]);
        if (answered)
            buffer_append_format(list, " (at %lld)", (long long)writer->newest);
    }
    if (good.length)
        doctor_say(doctor, DOCTOR_OK, "writers of events that told their position: %s", buffer_string(&good));
    if (silent) {
        doctor_say(doctor, DOCTOR_PROBLEM, "writers of events that told nothing within %lld ms: %s",
                   (long long)doctor->settings.listen_ms, buffer_string(&bad));
        doctor_fix(doctor, "see that these workers run, and that stream_writers.events here is that of "
                           "homeserver.yaml (`synapse_config` takes it from there)");
    }
    buffer_free(&good);
    buffer_free(&bad);
}

/* A writer that is not expected writes events all the same: the configuration is not Synapse's. */
static void check_others(struct doctor *doctor)
{
    const char *const *names;
    size_t count;
    struct buffer others = {0};
    if (!doctor->configuration->observe)
        return;
    expected_writers(doctor->configuration, &names, &count);
    for (size_t index = 0; index < doctor->answers->writer_count; index++) {
        const struct replication_writer *writer = &doctor->answers->writers[index];
        bool known = !writer->events;
        for (size_t name = 0; name < count; name++)
            known = known || strcmp(names[name], writer->name) == 0;
        if (!known)
            buffer_append_format(&others, "%s%s", others.length ? ", " : "", writer->name);
    }
    if (others.length) {
        doctor_say(doctor, DOCTOR_NOTE, "told positions of events and are not in stream_writers.events: %s",
                   buffer_string(&others));
        doctor_fix(doctor, "stream_writers: {events: [%s]}, as in homeserver.yaml", buffer_string(&others));
    } else {
        doctor_say(doctor, DOCTOR_OK, "nobody writes events who is not expected to");
    }
    buffer_free(&others);
}

static void check_map(struct doctor *doctor)
{
    const struct configuration *configuration = doctor->configuration;
    struct buffer silent = {0};
    if (configuration->instance_count == 0) {
        bool database = configuration->body_source == BODY_SOURCE_POSTGRES;
        if (!configuration->observe)
            return;
        doctor_say(doctor, database ? DOCTOR_OK : DOCTOR_NOTE,
                   database ? "none: missed events are fetched from the database"
                            : "none: events that are published while Weir does not listen are not judged");
        if (!database)
            doctor_fix(doctor, "instance_map, as in homeserver.yaml, or bodies.postgres");
        return;
    }
    for (size_t index = 0; index < configuration->instance_count && configuration->observe; index++)
        if (!replication_answers_find(doctor->answers, configuration->instances[index].name))
            buffer_append_format(&silent, "%s%s", silent.length ? ", " : "", configuration->instances[index].name);
    if (silent.length) {
        doctor_say(doctor, DOCTOR_NOTE, "processes of instance_map that told nothing: %s", buffer_string(&silent));
        doctor_fix(doctor, "see that they run; names that are no more can be taken out of instance_map");
    }
    if (!configuration->replication_secret) {
        doctor_say(doctor, DOCTOR_NOTE,
                   "instance_map is used without worker_replication_secret: workers that have one "
                   "answer nothing (500)");
        doctor_fix(doctor, "worker_replication_secret_path: FILE, with what stands in homeserver.yaml");
    }
    if (!silent.length && configuration->replication_secret)
        doctor_say(doctor, DOCTOR_OK, "%zu processes, with a secret", configuration->instance_count);
    buffer_free(&silent);
}

const struct doctor_check doctor_replication_checks[] = {
    {"replication.channel", "redis.reachable", check_channel, "Somebody listens on Synapse's channel of this name."},
    {"replication.writers", "replication.channel", check_writers, "Every writer of events answers REPLICATE."},
    {"replication.others", "replication.channel", check_others, "Nobody else writes events."},
    {"replication.map", "replication.channel", check_map, "Who is asked for missed events answers, and has a secret."},
    {NULL, NULL, NULL, NULL},
};
