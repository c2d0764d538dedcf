/* Any answers to `weir init`: they are refused, or what is written of them is a configuration that loads with the same
 * values. Zeros part the answers; the first byte says which of them there are. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"
#include "engine/init.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const char *text;
    size_t length;
};

/* The next answer, NULL for an empty one; the caller frees it. */
static char *next(struct input *input)
{
    const char *end = input->length ? memchr(input->text, '\0', input->length) : NULL;
    size_t length = end ? (size_t)(end - input->text) : input->length;
    char *text = length ? memory_copy_text(input->text, length) : NULL;
    size_t used = end ? length + 1 : length;
    input->text += used;
    input->length -= used;
    return text;
}

static uint16_t next_number(struct input *input)
{
    char *text = next(input);
    uint16_t number = text ? (uint16_t)strtol(text, NULL, 10) : 0;
    free(text);
    return number;
}

static void take_instance(struct init_answers *answers, struct input *input)
{
    struct instance_address instance = {.name = next(input), .host = next(input), .port = next_number(input)};
    if (!instance.name) {
        free(instance.host);
        return;
    }
    if (instance.host && *instance.host == '/') {
        instance.unix_path = instance.host;
        instance.host = NULL;
    }
    answers->instances =
        memory_reallocate(answers->instances, (answers->instance_count + 1) * sizeof *answers->instances);
    answers->instances[answers->instance_count++] = instance;
}

static void take_answers(struct init_answers *answers, uint8_t flags, struct input *input)
{
    answers->server_name = next(input);
    answers->redis.host = next(input);
    answers->redis.port = next_number(input);
    answers->redis.database = next_number(input);
    answers->redis.username = next(input);
    answers->redis.password = next(input);
    answers->redis.tls.ca_file = next(input);
    if (flags & 1)
        answers->redis.unix_path = next(input);
    answers->redis.tls.enabled = flags & 2;
    answers->redis.tls.unverified = flags & 4;
    answers->bodies = flags & 8;
    answers->postgres = (struct postgres_settings){
        .host = next(input), .port = next(input), .dbname = next(input), .user = next(input), .password = next(input)};
    answers->profile = next(input);
    answers->state_dir = next(input);
    answers->replication_secret = next(input);
    if (flags & 16) {
        answers->event_writers = memory_allocate_zeroed(1, sizeof *answers->event_writers);
        answers->event_writers[0] = next(input);
        answers->event_writer_count = answers->event_writers[0] != NULL;
    }
    while (input->length && answers->instance_count < 8)
        take_instance(answers, input);
}

static void expect(const char *what, const char *wanted, const char *got)
{
    if (wanted ? got && strcmp(wanted, got) == 0 : !got)
        return;
    fprintf(stderr, "%s: wanted %s, got %s\n", what, wanted ? wanted : "nothing", got ? got : "nothing");
    abort();
}

/* The map calls the main process `main`. */
static const char *wire_name(const char *name)
{
    return strcmp(name, "main") == 0 ? "master" : name;
}

static void compare(const struct init_answers *answers, const struct configuration *configuration)
{
    const struct redis_address *redis = &answers->redis, *other = &configuration->redis;
    expect("server_name", answers->server_name, configuration->server_name);
    expect("redis.path", redis->unix_path, other->unix_path);
    if (!redis->unix_path)
        expect("redis.host", redis->host ? redis->host : "127.0.0.1", other->host);
    expect("redis.username", redis->username, other->username);
    expect("redis.password", redis->password, other->password);
    expect("redis.ca_file", redis->tls.ca_file, other->tls.ca_file);
    if ((!redis->unix_path && redis->port != other->port) || redis->database != other->database ||
        redis->tls.enabled != other->tls.enabled || redis->tls.unverified != other->tls.unverified)
        abort();
    if ((configuration->body_source == BODY_SOURCE_POSTGRES) != answers->bodies)
        abort();
    if (answers->bodies) {
        expect("host", answers->postgres.host, configuration->postgres.host);
        expect("port", answers->postgres.port, configuration->postgres.port);
        expect("dbname", answers->postgres.dbname, configuration->postgres.dbname);
        expect("user", answers->postgres.user, configuration->postgres.user);
        expect("password", answers->postgres.password, configuration->postgres.password);
    }
    expect("state_dir", answers->state_dir, configuration->state_dir);
    expect("worker_replication_secret", answers->replication_secret, configuration->replication_secret);
    if (answers->event_writer_count != configuration->event_writer_count ||
        answers->instance_count != configuration->instance_count)
        abort();
    if (answers->event_writer_count)
        expect("writer", wire_name(answers->event_writers[0]), configuration->event_writers[0]);
    for (size_t index = 0; index < answers->instance_count; index++) {
        expect("name", wire_name(answers->instances[index].name), configuration->instances[index].name);
        expect("host", answers->instances[index].unix_path ? NULL : answers->instances[index].host,
               configuration->instances[index].host);
        expect("path", answers->instances[index].unix_path, configuration->instances[index].unix_path);
    }
}

static bool no_text(void *context, const char *path, struct buffer *text)
{
    (void)context, (void)path, (void)text;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct input input = {(const char *)data + 1, size - 1};
    struct init_answers answers = {0};
    struct init_secret_files inside = {0};
    struct buffer text = {0}, problem = {0}, errors = {0}, warnings = {0};
    take_answers(&answers, data[0], &input);
    if (init_answers_check(&answers, &problem)) {
        init_file_append(&answers, &inside, &text);
        struct configuration *configuration = configuration_load_texts(
            "/etc/weir/weir.yaml", buffer_slice(&text), CONFIGURATION_FOR_CLIENT, no_text, NULL, &errors, &warnings);
        if (!configuration) {
            fprintf(stderr, "%s%s", buffer_string(&text), buffer_string(&errors));
            abort();
        }
        compare(&answers, configuration);
        configuration_destroy(configuration);
    } else if (problem.length == 0) {
        abort();
    }
    init_answers_free(&answers);
    buffer_free(&text);
    buffer_free(&problem);
    buffer_free(&errors);
    buffer_free(&warnings);
    return 0;
}
