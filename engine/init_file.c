/* The text of the configuration. Every answer is written in quotes with all that is not printable ASCII escaped, so
 * that none can be read as anything but a text; comments hold no answers. Beside each key stands why it is there, since
 * this file is what an administrator will edit from now on. */
#include <string.h>

#include "base/utf8.h"
#include "engine/init.h"

void init_append_text(const char *text, struct buffer *output)
{
    const unsigned char *cursor = (const unsigned char *)text, *end = cursor + strlen(text);
    buffer_append_char(output, '"');
    while (cursor < end) {
        uint32_t point = utf8_decode(&cursor, end);
        if (point == '"' || point == '\\')
            buffer_append_format(output, "\\%c", (int)point);
        else if (point >= ' ' && point < 0x7f)
            buffer_append_char(output, (char)point);
        else if (point <= 0xffff)
            buffer_append_format(output, "\\u%04x", point);
        else
            buffer_append_format(output, "\\U%08x", point);
    }
    buffer_append_char(output, '"');
}

/* A line `key: "text"`; none for NULL. */
static void append_key(int indent, const char *key, const char *text, struct buffer *output)
{
    if (!text)
        return;
    buffer_append_format(output, "%*s%s: ", indent, "", key);
    init_append_text(text, output);
    buffer_append_char(output, '\n');
}

/* A secret: the name of its file, or itself. */
static void append_secret(int indent, const char *key, const char *secret, const char *file, struct buffer *output)
{
    struct buffer with_path = {0};
    buffer_append_format(&with_path, "%s_path", key);
    if (secret && file)
        append_key(indent, buffer_string(&with_path), file, output);
    else
        append_key(indent, key, secret, output);
    buffer_free(&with_path);
}

static void append_head(const struct init_answers *answers, struct buffer *output)
{
    buffer_append_string(
        output,
        "# Weir's configuration, made by `weir init`. Paths are relative to this file; man weir.yaml has every key.\n"
        "#\n"
        "#   weir check -c THIS-FILE     what it does, or everything that is wrong with it\n"
        "#   weir doctor -c THIS-FILE    whether all that it needs is there and works\n"
        "#   weir run -c THIS-FILE       the engine; SIGHUP, or `weir reload`, loads a changed file\n"
        "\n"
        "# The name of your homeserver, as in its user ids; also the name of Synapse's channel on Redis.\n");
    append_key(0, "server_name", answers->server_name, output);
    buffer_append_string(output, "\n# The name of this engine on the wire. A second engine beside it needs another.\n"
                                 "instance_name: weir1\n");
}

static void append_redis(const struct redis_address *redis, const char *file, struct buffer *output)
{
    buffer_append_string(output,
                         "\n# The Redis of Synapse's workers; the keys are those of homeserver.yaml, and `username`.\n"
                         "redis:\n");
    append_key(2, "path", redis->unix_path, output);
    if (!redis->unix_path) {
        append_key(2, "host", redis->host ? redis->host : "127.0.0.1", output);
        buffer_append_format(output, "  port: %u\n", (unsigned)redis->port);
    }
    if (redis->database)
        buffer_append_format(output, "  dbid: %d\n", redis->database);
    append_key(2, "username", redis->username, output);
    append_secret(2, "password", redis->password, file, output);
    if (redis->tls.enabled)
        buffer_append_string(output, "  use_tls: true\n");
    append_key(2, "ca_file", redis->tls.ca_file, output);
    append_key(2, "ca_path", redis->tls.ca_path, output);
    append_key(2, "certificate_file", redis->tls.certificate_file, output);
    append_key(2, "private_key_file", redis->tls.private_key_file, output);
    if (redis->tls.unverified)
        buffer_append_string(output, "  verify: false\n");
}

static void append_bodies(const struct init_answers *answers, const char *file, struct buffer *output)
{
    const struct postgres_settings *postgres = &answers->postgres;
    if (!answers->bodies) {
        buffer_append_string(
            output,
            "\n# Synapse's stream says that there is an event, not what is in it; without its database Weir only\n"
            "# answers what Synapse's module asks. With it, Weir sees every event:\n"
            "#\n"
            "# bodies: {postgres: {host: /run/postgresql, dbname: synapse, user: weir}}\n"
            "observe: false\n");
        return;
    }
    buffer_append_string(
        output, "\n# Where the bodies of events, and events that were missed, are read from: Synapse's database. A\n"
                "# role that may only read is enough (docs/first-run.md has its GRANT).\n"
                "bodies:\n");
    bool any = postgres->host || postgres->port || postgres->dbname || postgres->user || postgres->password;
    buffer_append_string(output, any ? "  postgres:\n" : "  postgres: {}\n");
    append_key(4, "host", postgres->host, output);
    append_key(4, "port", postgres->port, output);
    append_key(4, "dbname", postgres->dbname, output);
    append_key(4, "user", postgres->user, output);
    append_secret(4, "password", postgres->password, file, output);
}

static void append_instance(const struct instance_address *instance, struct buffer *output)
{
    buffer_append_string(output, "  ");
    init_append_text(instance->name, output);
    buffer_append_string(output, ":\n");
    append_key(4, "path", instance->unix_path, output);
    if (instance->unix_path)
        return;
    append_key(4, "host", instance->host, output);
    buffer_append_format(output, "    port: %u\n", (unsigned)instance->port);
    if (instance->tls)
        buffer_append_string(output, "    tls: true\n");
}

static void append_workers(const struct init_answers *answers, const char *file, struct buffer *output)
{
    if (answers->instance_count)
        buffer_append_string(
            output,
            "\n# Synapse's processes, as in homeserver.yaml: who is asked for events that were missed while the\n"
            "# database does not answer.\n"
            "instance_map:\n");
    for (size_t index = 0; index < answers->instance_count; index++)
        append_instance(&answers->instances[index], output);
    append_secret(0, "worker_replication_secret", answers->replication_secret, file, output);
    if (answers->event_writer_count == 0)
        return;
    buffer_append_string(output, "\n# Who writes events, as in homeserver.yaml.\nstream_writers:\n  events:\n");
    for (size_t index = 0; index < answers->event_writer_count; index++) {
        buffer_append_string(output, "    - ");
        init_append_text(answers->event_writers[index], output);
        buffer_append_char(output, '\n');
    }
}

static void append_rest(const struct init_answers *answers, const char *secret_file, struct buffer *output)
{
    buffer_append_string(
        output, "\n# Metrics, health and the console in the browser, for this machine alone. The console asks for the\n"
                "# secret in this file.\n"
                "http:\n  listen: \"127.0.0.1:9180\"\n");
    append_key(2, "secret_path", secret_file, output);
    if (answers->state_dir)
        buffer_append_string(
            output,
            "\n# A folder of Weir's own: positions, what modules remember, compiled patterns, and the socket of\n"
            "# `weir status`.\n");
    append_key(0, "state_dir", answers->state_dir, output);
    buffer_append_string(output,
                         "\n# Verdicts of events that pass are not published; `all` for everything.\n"
                         "publish: {verdicts: denied}\n"
                         "\n# Asked in this order; the first that denies decides. `weir modules` shows them all.\n");
    if (!answers->profile || strcmp(answers->profile, "none") == 0) {
        buffer_append_string(output, "modules: []\n");
        return;
    }
    buffer_append_string(
        output,
        "#\n# In dry run a module is asked and its verdict recorded, and nothing is denied. When you like what it\n"
        "# says (`weir tail`, the console), take `dry_run` off, or turn modules on one by one:\n"
        "#\n"
        "#     with: {words: {dry_run: false}}\n"
        "modules:\n");
    buffer_append_string(output, "  - include: ");
    init_append_text(answers->profile, output);
    buffer_append_string(output, "\n    dry_run: true\n");
}

void init_file_append(const struct init_answers *answers, const struct init_secret_files *files, struct buffer *output)
{
    append_head(answers, output);
    append_redis(&answers->redis, files->redis_password, output);
    append_bodies(answers, files->postgres_password, output);
    append_workers(answers, files->replication_secret, output);
    append_rest(answers, files->http_secret, output);
}
