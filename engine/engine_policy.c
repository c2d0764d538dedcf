#include "engine/engine_policy.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/log.h"
#include "engine/policy_server.h"
#include "replication/curl_library.h"

/* Of the time that a request has; the rest is for the check. */
#define KEYS_SHARE 2

struct engine_policy {
    struct string_table *only_rooms;
    struct policy_rooms *rooms;
    struct server_keys *keys;
    struct policy_checks *checks;
    struct policy_server *server;
};

static struct string_table *table_of_rooms(const struct policy_settings *settings)
{
    if (!settings->room_count)
        return NULL;
    struct string_table *table = string_table_create();
    for (size_t index = 0; index < settings->room_count; index++)
        string_table_add(table, slice_from_string(settings->rooms[index]), 0);
    return table;
}

static void start_keys(struct engine_policy *policy, struct event_base *base, const struct policy_settings *settings,
                       struct metrics *metrics)
{
    struct server_keys_settings keys = {.notary = settings->key_server,
                                        .ca_file = settings->key_server_ca_file,
                                        .timeout_ms = settings->timeout_ms / KEYS_SHARE};
    if (settings->authenticate)
        policy->keys = server_keys_create(base, &keys, metrics);
    else
        log_warning("the policy server believes whoever asks: policy_server.authenticate is false");
}

/* Whether whoever asks can be told from a stranger. */
static bool can_authenticate(const struct policy_settings *settings)
{
    struct buffer error = {0};
    bool can = !settings->authenticate || curl_library_load(&error);
    if (!can)
        log_error("is no policy server: the keys of those who ask could not be fetched",
                  LOG_TEXT("reason", buffer_slice(&error)));
    buffer_free(&error);
    return can;
}

struct engine_policy *engine_policy_start(struct event_base *base, const struct configuration *configuration,
                                          struct questions *questions, struct http_server *http,
                                          struct metrics *metrics)
{
    const struct policy_settings *settings = &configuration->policy;
    const char *server_name = settings->server_name ? settings->server_name : configuration->server_name;
    if (!settings->enabled || !http || !can_authenticate(settings))
        return NULL;
    struct engine_policy *policy = memory_allocate_zeroed(1, sizeof *policy);
    policy->only_rooms = table_of_rooms(settings);
    if (configuration->body_source == BODY_SOURCE_POSTGRES)
        policy->rooms = policy_rooms_create(base, &configuration->postgres);
    start_keys(policy, base, settings, metrics);
    policy->checks =
        policy_checks_create(&(struct policy_checks_settings){.questions = questions,
                                                              .key = settings->key,
                                                              .rooms = policy->rooms,
                                                              .default_room_version = settings->default_room_version,
                                                              .only_rooms = policy->only_rooms,
                                                              .cache = (size_t)settings->cache,
                                                              .cache_for_ms = settings->cache_for_ms},
                             metrics);
    policy->server =
        policy_server_create(base,
                             &(struct policy_server_settings){.server_name = server_name,
                                                              .public_key = signing_key_public(settings->key),
                                                              .checks = policy->checks,
                                                              .keys = policy->keys,
                                                              .timeout_ms = settings->timeout_ms,
                                                              .waiting = (size_t)settings->waiting},
                             metrics);
    struct http_area area = policy_server_area(policy->server);
    http_server_add_area(http, &area);
    log_info("is a policy server for rooms that choose it", LOG_STRING("via", server_name),
             LOG_STRING("public_key", signing_key_public(settings->key)));
    return policy;
}

void engine_policy_stop(struct engine_policy *policy)
{
    if (!policy)
        return;
    policy_server_destroy(policy->server);
    policy_checks_destroy(policy->checks);
    server_keys_destroy(policy->keys);
    policy_rooms_destroy(policy->rooms);
    string_table_destroy(policy->only_rooms);
    free(policy);
}
