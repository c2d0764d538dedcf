/* The engine that runs with this configuration, if one does: asked at its admin socket, or at its listener. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/doctor_parts.h"

#define BEHIND_NOTE 1000
#define BEHIND_PROBLEM 100000

static bool ask_socket(struct doctor *doctor, struct buffer *body, struct buffer *problem)
{
    struct http_probe probe = {.socket_path = doctor->configuration->admin_socket,
                               .timeout_ms = doctor->settings.timeout_ms};
    struct stat status;
    if (!probe.socket_path || stat(probe.socket_path, &status) != 0)
        return false;
    int code = http_probe_get(&probe, "/v1/status", body, problem);
    if (code == 200)
        doctor->status = json_loadb(body->data, body->length, 0, NULL);
    if (code == 0)
        doctor_say(doctor, DOCTOR_NOTE, "the admin socket %s does not answer: %s", probe.socket_path,
                   buffer_string(problem));
    return code != 0;
}

static int ask_listener(const struct doctor *doctor, const char *path, struct buffer *body, struct buffer *problem)
{
    const struct configuration *configuration = doctor->configuration;
    struct http_probe probe = {.listen = configuration->http_listen,
                               .tls = configuration->http_certificate_file != NULL,
                               .secret = configuration->http_secret,
                               .timeout_ms = doctor->settings.timeout_ms};
    if (!probe.listen) {
        buffer_append_string(problem, "it has no HTTP listener (`http: false`)");
        return 0;
    }
    return http_probe_get(&probe, path, body, problem);
}

static void check_running(struct doctor *doctor)
{
    struct buffer body = {0}, problem = {0};
    const struct configuration *configuration = doctor->configuration;
    if (ask_socket(doctor, &body, &problem)) {
        doctor->engine_runs = true;
        doctor_say(doctor, DOCTOR_OK, "an engine answers at %s", configuration->admin_socket);
    } else if (ask_listener(doctor, "/readyz", &body, &problem) != 0) {
        doctor->engine_runs = true;
        doctor_say(doctor, DOCTOR_OK, "an engine answers at %s", configuration->http_listen);
        if (ask_listener(doctor, "/v1/status", &body, &problem) == 200)
            doctor->status = json_loadb(body.data, body.length, 0, NULL);
    } else {
        doctor_say(doctor, DOCTOR_PROBLEM, "no engine answers%s%s: %s", configuration->http_listen ? " at " : "",
                   configuration->http_listen ? configuration->http_listen : "", buffer_string(&problem));
        doctor_fix(doctor, "systemctl start weir     (or: weir run -c %s)", doctor->settings.configuration);
    }
    buffer_free(&body);
    buffer_free(&problem);
}

static const char *status_text(const struct doctor *doctor, const char *name)
{
    const char *text = json_string_value(json_object_get(doctor->status, name));
    return text ? text : "";
}

static void check_version(struct doctor *doctor)
{
    const char *version = status_text(doctor, "version"), *server_name = status_text(doctor, "server_name"),
               *instance = status_text(doctor, "instance");
    if (!*version) {
        doctor_say(doctor, DOCTOR_OK, "not told: the admin socket cannot be reached, and the console is off");
        return;
    }
    if (strcmp(server_name, doctor->configuration->server_name) != 0 ||
        strcmp(instance, doctor->configuration->instance_name) != 0) {
        doctor_say(doctor, DOCTOR_PROBLEM, "the engine that answers is another: %s of %s, and not %s of %s", instance,
                   server_name, doctor->configuration->instance_name, doctor->configuration->server_name);
        doctor_fix(doctor, "stop it, or give one of them another http.listen and state_dir");
    } else if (strcmp(version, WEIR_VERSION) != 0) {
        doctor_say(doctor, DOCTOR_NOTE, "the engine is %s, this program %s", version, WEIR_VERSION);
        doctor_fix(doctor, "systemctl restart weir");
    } else {
        doctor_say(doctor, DOCTOR_OK, "%s, as this program", version);
    }
}

static void check_ready(struct doctor *doctor)
{
    struct buffer body = {0}, problem = {0};
    const char *missing = status_text(doctor, "missing");
    bool ready = json_is_true(json_object_get(doctor->status, "ready"));
    if (!json_object_get(doctor->status, "ready")) {
        ready = ask_listener(doctor, "/readyz", &body, &problem) == 200;
        missing = buffer_string(body.length ? &body : &problem);
    }
    int length = (int)strcspn(missing, "\r\n");
    if (ready) {
        doctor_say(doctor, DOCTOR_OK, "connected to everything, and follows");
    } else {
        doctor_say(doctor, DOCTOR_PROBLEM, "it is not ready: %.*s", length, missing);
        doctor_fix(doctor, "journalctl -u weir -n 50     (its log says what it waits for)");
    }
    buffer_free(&body);
    buffer_free(&problem);
}

/* Lag. */

struct stored {
    const char *field;
    bool found;
    int64_t token;
};

/* HMGET's answer for one field. */
static void take_position(void *context, const redisReply *reply)
{
    struct stored *stored = context;
    const redisReply *value = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 ? reply->element[0] : NULL;
    stored->found = value && value->type == REDIS_REPLY_STRING;
    if (stored->found)
        stored->token = strtoll(value->str, NULL, 10);
}

static void check_writer(struct doctor *doctor, const struct replication_writer *writer)
{
    const struct configuration *configuration = doctor->configuration;
    struct buffer key = {0}, field = {0};
    struct stored stored = {0};
    buffer_append_format(&key, "%s/weir/positions", configuration->server_name);
    buffer_append_format(&field, "%s events %s", configuration->instance_name, writer->name);
    struct slice words[] = {SLICE("HMGET"), buffer_slice(&key), buffer_slice(&field)};
    redis_probe_ask(doctor->redis, words, 3, take_position, &stored);
    int64_t behind = stored.token < writer->newest ? writer->newest - stored.token : 0;
    if (!stored.found) {
        doctor_say(doctor, DOCTOR_NOTE, "no event of %s was judged yet by %s", writer->name,
                   configuration->instance_name);
    } else {
        enum doctor_state state = behind > BEHIND_PROBLEM ? DOCTOR_PROBLEM
                                  : behind > BEHIND_NOTE  ? DOCTOR_NOTE
                                                          : DOCTOR_OK;
        doctor_say(doctor, state, "%s: judged up to %lld, %s is at %lld", configuration->instance_name,
                   (long long)stored.token, writer->name, (long long)writer->newest);
        if (state != DOCTOR_OK)
            doctor_fix(doctor, "weir positions -c %s     (whether it catches up; docs/alerts.md says what slows it)",
                       doctor->settings.configuration);
    }
    buffer_free(&key);
    buffer_free(&field);
}

/* What the engine says of its own writers: one that is not followed as it writes. */
static void check_states(struct doctor *doctor)
{
    json_t *writer;
    size_t index;
    json_array_foreach(json_object_get(doctor->status, "writers"), index, writer)
    {
        const char *state = json_string_value(json_object_get(writer, "state"));
        const char *name = json_string_value(json_object_get(writer, "writer"));
        if (!state || !name || strcmp(state, "live") == 0)
            continue;
        doctor_say(doctor, DOCTOR_NOTE, "%s is not followed as it writes now: %s", name,
                   strcmp(state, "fetching") == 0 ? "events that were missed are being fetched"
                                                  : "its position is not known yet");
        doctor_fix(doctor, "weir positions -c %s     (again, in a minute)", doctor->settings.configuration);
    }
}

static void check_lag(struct doctor *doctor)
{
    if (!doctor->configuration->observe || !doctor->answers)
        return;
    for (size_t index = 0; index < doctor->answers->writer_count; index++)
        if (doctor->answers->writers[index].events)
            check_writer(doctor, &doctor->answers->writers[index]);
    check_states(doctor);
}

const struct doctor_check doctor_engine_checks[] = {
    {"engine.running", "configuration", check_running, "An engine answers at the admin socket or the listener."},
    {"engine.version", "engine.running", check_version, "It is this one's engine, of this version."},
    {"engine.ready", "engine.running", check_ready, "It is connected to all that it needs."},
    {"engine.lag", "replication.channel", check_lag, "How far it is behind each writer, by its stored positions."},
    {NULL, NULL, NULL, NULL},
};
