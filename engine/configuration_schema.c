/* The keys of the configuration as one table. A key that Synapse has is called and shaped as in homeserver.yaml; which
 * keys those are, see its docs/usage/configuration/config_documentation.md. */
#include <stddef.h>
#include <string.h>

#include "engine/configuration_reader.h"

#define INTO(member)                                                                                                   \
    .offset = offsetof(struct configuration, member), .size = sizeof(((struct configuration *)NULL)->member)
#define HOUR_MS INT64_C(3600000)

static const char *const verdict_choices[] = {"denied", "all", NULL};
static const char *const ask_choices[] = {"both", "as_synapse", NULL};
static const char *const role_choices[] = {"alone", "active", "standby", NULL};
static const char *const level_choices[] = {"debug", "info", "warning", "error", NULL};

/* Who says where the master is; Synapse has nothing of the kind. */
static const struct setting sentinel_settings[] = {
    {.name = "master_name", .type = SETTING_TEXT, INTO(redis.sentinels.master_name)},
    {.name = "sentinels", .type = SETTING_KNOWN, .check = configuration_check_sentinel_list},
    {.name = "username", .type = SETTING_TEXT, INTO(redis.sentinels.username)},
    {.name = "password", .type = SETTING_TEXT, INTO(redis.sentinels.password)},
    {.name = "password_path", .type = SETTING_SECRET, INTO(redis.sentinels.password)},
    {.name = "use_tls", .type = SETTING_BOOLEAN, INTO(redis.sentinels.tls)},
    {.name = NULL},
};

static const struct setting redis_settings[] = {
    {.name = "enabled", .type = SETTING_KNOWN, .check = configuration_check_redis_enabled},
    {.name = "host", .type = SETTING_TEXT, INTO(redis.host)},
    {.name = "port", .type = SETTING_INTEGER, INTO(redis.port), .minimum = 1, .maximum = 65535},
    {.name = "path", .type = SETTING_PATH, INTO(redis.unix_path)},
    {.name = "dbid", .type = SETTING_INTEGER, INTO(redis.database), .maximum = 1000000},
    {.name = "username", .type = SETTING_TEXT, INTO(redis.username)},
    {.name = "password", .type = SETTING_TEXT, INTO(redis.password)},
    {.name = "password_path", .type = SETTING_SECRET, INTO(redis.password)},
    {.name = "use_tls", .type = SETTING_BOOLEAN, INTO(redis.tls.enabled)},
    {.name = "certificate_file", .type = SETTING_PATH, INTO(redis.tls.certificate_file)},
    {.name = "private_key_file", .type = SETTING_PATH, INTO(redis.tls.private_key_file)},
    {.name = "ca_file", .type = SETTING_PATH, INTO(redis.tls.ca_file)},
    {.name = "ca_path", .type = SETTING_PATH, INTO(redis.tls.ca_path)},
    {.name = "verify", .type = SETTING_BOOLEAN, INTO(redis.tls.unverified), .check = configuration_check_redis_verify},
    {.name = "sentinel", .type = SETTING_MAP, .children = sentinel_settings, .check = configuration_check_sentinel},
    {.name = NULL},
};

const struct setting configuration_postgres_settings[] = {
    {.name = "host", .type = SETTING_TEXT, INTO(postgres.host)},
    {.name = "port", .type = SETTING_PORT, INTO(postgres.port)},
    {.name = "dbname", .type = SETTING_TEXT, INTO(postgres.dbname)},
    {.name = "database", .type = SETTING_TEXT, INTO(postgres.dbname)},
    {.name = "user", .type = SETTING_TEXT, INTO(postgres.user)},
    {.name = "password", .type = SETTING_TEXT, INTO(postgres.password)},
    {.name = "password_path", .type = SETTING_SECRET, INTO(postgres.password)},
    {.name = NULL},
};

static const struct setting bodies_settings[] = {
    {.name = "file", .type = SETTING_PATH, INTO(bodies_file)},
    {.name = "postgres",
     .type = SETTING_MAP,
     .children = configuration_postgres_settings,
     .check = configuration_check_postgres},
    {.name = "retry_for", .type = SETTING_DURATION, INTO(bodies_retry_ms), .maximum = HOUR_MS},
    {.name = "queue", .type = SETTING_INTEGER, INTO(bodies_queue), .minimum = 1, .maximum = 10000000},
    {.name = NULL},
};

static const struct setting http_tls_settings[] = {
    {.name = "certificate_file", .type = SETTING_PATH, INTO(http_certificate_file)},
    {.name = "private_key_file", .type = SETTING_PATH, INTO(http_private_key_file)},
    {.name = NULL},
};

const struct setting configuration_http_settings[] = {
    {.name = "listen", .type = SETTING_TEXT, INTO(http_listen), .check = configuration_check_listen},
    {.name = "secret", .type = SETTING_TEXT, INTO(http_secret), .check = configuration_check_http_secret},
    {.name = "secret_path", .type = SETTING_SECRET, INTO(http_secret), .check = configuration_check_http_secret_path},
    {.name = "tls", .type = SETTING_MAP, .children = http_tls_settings, .check = configuration_check_http_tls},
    {.name = "connections", .type = SETTING_INTEGER, INTO(http_connections), .minimum = 1, .maximum = 1000000},
    {.name = NULL},
};

static const struct setting publish_settings[] = {
    {.name = "verdicts", .type = SETTING_CHOICE, INTO(publish_all), .choices = verdict_choices},
    {.name = "keep", .type = SETTING_INTEGER, INTO(publish_keep), .minimum = 1, .maximum = INT64_C(1000000000)},
    {.name = NULL},
};

const struct setting configuration_observe_settings[] = {
    {.name = "rejected", .type = SETTING_BOOLEAN, INTO(observe_rejected)},
    {.name = "outliers", .type = SETTING_BOOLEAN, INTO(observe_outliers)},
    {.name = "ask", .type = SETTING_CHOICE, INTO(observe_as_synapse), .choices = ask_choices},
    {.name = NULL},
};

/* A request that takes longer than `claim_after` is taken over by another engine. */
static const struct setting requests_settings[] = {
    {.name = "redis", .type = SETTING_BOOLEAN, INTO(requests_redis)},
    {.name = "http", .type = SETTING_BOOLEAN, INTO(requests_http)},
    {.name = "batch", .type = SETTING_INTEGER, INTO(requests_batch), .minimum = 1, .maximum = 10000},
    {.name = "queue", .type = SETTING_INTEGER, INTO(requests_queue), .minimum = 10, .maximum = 1000000},
    {.name = "claim_after",
     .type = SETTING_DURATION,
     INTO(requests_claim_after_ms),
     .minimum = 100,
     .maximum = HOUR_MS},
    {.name = "stream", .type = SETTING_INTEGER, INTO(requests_stream), .minimum = 100, .maximum = 10000000},
    {.name = "tries", .type = SETTING_INTEGER, INTO(requests_tries), .minimum = 1, .maximum = 1000},
    {.name = "waiting", .type = SETTING_INTEGER, INTO(requests_waiting), .minimum = 1, .maximum = 100000},
    {.name = "waiting_per_asker",
     .type = SETTING_INTEGER,
     INTO(requests_waiting_per_asker),
     .minimum = 1,
     .maximum = 100000},
    {.name = "waiting_per_room",
     .type = SETTING_INTEGER,
     INTO(requests_waiting_per_room),
     .minimum = 1,
     .maximum = 100000},
    {.name = "timeout", .type = SETTING_DURATION, INTO(requests_timeout_ms), .minimum = 10, .maximum = HOUR_MS},
    {.name = "publish", .type = SETTING_BOOLEAN, INTO(requests_publish)},
    {.name = NULL},
};

static const struct setting policy_settings[] = {
    {.name = "enabled", .type = SETTING_BOOLEAN, INTO(policy.enabled)},
    {.name = "signing_key_path", .type = SETTING_PATH, INTO(policy.signing_key_path)},
    {.name = "server_name", .type = SETTING_TEXT, INTO(policy.server_name), .check = configuration_check_policy_name},
    {.name = "authenticate", .type = SETTING_BOOLEAN, INTO(policy.authenticate)},
    {.name = "key_server", .type = SETTING_TEXT, INTO(policy.key_server), .check = configuration_check_key_server},
    {.name = "key_server_ca_file", .type = SETTING_PATH, INTO(policy.key_server_ca_file)},
    {.name = "rooms", .type = SETTING_KNOWN, .check = configuration_check_policy_rooms},
    {.name = "default_room_version", .type = SETTING_KNOWN, .check = configuration_check_policy_version},
    {.name = "cache", .type = SETTING_INTEGER, INTO(policy.cache), .maximum = 10000000},
    {.name = "cache_for", .type = SETTING_DURATION, INTO(policy.cache_for_ms), .maximum = 365 * 24 * HOUR_MS},
    {.name = "timeout", .type = SETTING_DURATION, INTO(policy.timeout_ms), .minimum = 100, .maximum = 60000},
    {.name = "waiting", .type = SETTING_INTEGER, INTO(policy.waiting), .minimum = 1, .maximum = 100000},
    {.name = NULL},
};

/* Beside our own keys those of Synapse's section, of which `presence_router` is taken with the other old sections. */
static const struct setting presence_settings[] = {
    {.name = "enabled", .type = SETTING_KNOWN, .check = configuration_check_presence_enabled},
    {.name = "presence_router", .type = SETTING_KNOWN},
    {.name = "cache", .type = SETTING_INTEGER, INTO(presence_cache), .maximum = 10000000},
    {.name = "cache_for", .type = SETTING_DURATION, INTO(presence_cache_for_ms), .maximum = HOUR_MS},
    {.name = "include_offline_users_on_sync", .type = SETTING_KNOWN},
    {.name = NULL},
};

/* How rows are fetched that were missed; where from, `bodies.postgres` and `instance_map` say. */
static const struct setting catch_up_settings[] = {
    {.name = "page", .type = SETTING_INTEGER, INTO(catch_up_page), .minimum = 1, .maximum = 100000},
    {.name = "timeout", .type = SETTING_DURATION, INTO(catch_up_timeout_ms), .minimum = 100, .maximum = HOUR_MS},
    {.name = "ca_file", .type = SETTING_PATH, INTO(catch_up_ca_file)},
    {.name = "ca_path", .type = SETTING_PATH, INTO(catch_up_ca_path)},
    {.name = "verify", .type = SETTING_BOOLEAN, INTO(catch_up_verify)},
    {.name = NULL},
};

static const struct setting log_settings[] = {
    {.name = "level", .type = SETTING_CHOICE, INTO(log_level), .choices = level_choices},
    {.name = NULL},
};

/* `synapse_config`, `include`, `modules` and the old sections of modules are read by files of their own. */
const struct setting configuration_settings[] = {
    {.name = "server_name", .type = SETTING_TEXT, INTO(server_name), .check = configuration_check_server_name},
    {.name = "instance_name", .type = SETTING_TEXT, INTO(instance_name), .check = configuration_check_instance_name},
    {.name = "synapse_config", .type = SETTING_KNOWN},
    {.name = "include", .type = SETTING_KNOWN},
    {.name = "redis", .type = SETTING_MAP, .children = redis_settings, .check = configuration_check_redis},
    {.name = "bodies", .type = SETTING_MAP, .children = bodies_settings, .check = configuration_check_bodies},
    {.name = "database", .type = SETTING_KNOWN, .check = configuration_take_database},
    {.name = "http", .type = SETTING_KNOWN, .check = configuration_check_http},
    {.name = "publish", .type = SETTING_MAP, .children = publish_settings},
    {.name = "observe", .type = SETTING_KNOWN, .check = configuration_check_observe},
    {.name = "requests", .type = SETTING_MAP, .children = requests_settings},
    {.name = "policy_server", .type = SETTING_MAP, .children = policy_settings, .check = configuration_check_policy},
    {.name = "presence", .type = SETTING_MAP, .children = presence_settings},
    {.name = "log", .type = SETTING_MAP, .children = log_settings},
    {.name = "semantics", .type = SETTING_KNOWN, .check = configuration_check_semantics},
    {.name = "strict", .type = SETTING_BOOLEAN, INTO(strict)},
    {.name = "take_modules", .type = SETTING_BOOLEAN, INTO(take_modules)},
    {.name = "modules", .type = SETTING_KNOWN},
    {.name = "spam_checker", .type = SETTING_KNOWN},
    {.name = "third_party_event_rules", .type = SETTING_KNOWN},
    {.name = "ldap_config", .type = SETTING_KNOWN},
    {.name = "password_providers", .type = SETTING_KNOWN},
    {.name = "instance_map", .type = SETTING_KNOWN, .check = configuration_check_instances},
    {.name = "stream_writers", .type = SETTING_KNOWN, .check = configuration_check_stream_writers},
    {.name = "worker_replication_secret",
     .type = SETTING_TEXT,
     INTO(replication_secret),
     .check = configuration_check_secret},
    {.name = "worker_replication_secret_path",
     .type = SETTING_SECRET,
     INTO(replication_secret),
     .check = configuration_check_secret},
    {.name = "catch_up", .type = SETTING_MAP, .children = catch_up_settings},
    {.name = "audit", .type = SETTING_DURATION, INTO(audit_ms), .maximum = 24 * HOUR_MS},
    {.name = "state_dir", .type = SETTING_PATH, INTO(state_dir), .check = configuration_check_state_dir},
    {.name = "state_interval", .type = SETTING_DURATION, INTO(state_interval_ms), .maximum = 24 * HOUR_MS},
    {.name = "watch", .type = SETTING_BOOLEAN, INTO(watch)},
    {.name = "cache_dir", .type = SETTING_PATH, INTO(cache_dir)},
    {.name = "shutdown_timeout", .type = SETTING_DURATION, INTO(shutdown_timeout_ms), .maximum = HOUR_MS},
    {.name = "role", .type = SETTING_CHOICE, INTO(role), .choices = role_choices},
    {.name = "lease", .type = SETTING_DURATION, INTO(lease_ms), .minimum = 300, .maximum = HOUR_MS},
    {.name = NULL},
};

const struct setting *configuration_setting_find(const char *name)
{
    const struct setting *setting = configuration_settings;
    while (strcmp(setting->name, name) != 0)
        setting++;
    return setting;
}
