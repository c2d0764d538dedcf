/* What the table of keys cannot say about `redis:`: certificates that must be there and fit, and Sentinels, which stand
 * instead of a server's address. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"
#include "engine/tls_client.h"

#define SENTINEL_PORT 26379
#define SENTINELS_MAXIMUM 100u

/* Where the first of `keys` (NULL-terminated) stands that `map` has, and that is not null; NULL if it has none. */
static const char *find_key(const struct yaml_node *map, const char *const *keys, struct yaml_mark *mark)
{
    for (; *keys; keys++) {
        const struct yaml_pair *pair = yaml_map_find(map, *keys);
        if (!pair || pair->value->kind == YAML_KIND_NULL)
            continue;
        *mark = pair->value->mark;
        return *keys;
    }
    return NULL;
}

/* A check of the section while it looks at the certificates. */
struct tls_reading {
    struct configuration_reader *reader;
    const struct configuration_place *place;
    const struct yaml_node *map;
};

static void report_tls(void *context, enum tls_client_part part, const char *sentence)
{
    static const char *const keys[][3] = {[TLS_CLIENT_LIBRARY] = {"use_tls"},
                                          [TLS_CLIENT_AUTHORITIES] = {"ca_file", "ca_path"},
                                          [TLS_CLIENT_CERTIFICATE] = {"certificate_file"},
                                          [TLS_CLIENT_PRIVATE_KEY] = {"private_key_file"}};
    const struct tls_reading *reading = context;
    struct configuration_place at = {reading->place->file, reading->place->mark, NULL};
    struct buffer key = {0};
    const char *name = find_key(reading->map, keys[part], &at.mark);
    buffer_append_format(&key, "%s.%s", reading->place->key, name ? name : "use_tls");
    at.key = buffer_string(&key);
    configuration_error(reading->reader, &at, "%s", sentence);
    buffer_free(&key);
}

/* Synapse's own file may hold what only Synapse uses. */
static void warn_of_unused(struct configuration_reader *reader, const struct configuration_place *place,
                           const struct yaml_node *node, const char *why)
{
    static const char *const keys[] = {"ca_file", "ca_path", "certificate_file", "private_key_file", "verify", NULL};
    struct configuration_place at = *place;
    const char *name = find_key(node, keys, &at.mark);
    struct buffer key = {0};
    if (!name || reader->files[place->file].lenient)
        return;
    buffer_append_format(&key, "%s.%s", place->key, name);
    at.key = buffer_string(&key);
    configuration_warning(reader, &at, "is not used: %s", why);
    buffer_free(&key);
}

static void check_tls(struct configuration_reader *reader, const struct configuration_place *place,
                      const struct yaml_node *node)
{
    const struct redis_address *address = &reader->configuration->redis;
    const struct redis_tls *tls = &address->tls;
    struct tls_reading reading = {reader, place, node};
    if (!tls->enabled && !address->sentinels.tls) {
        warn_of_unused(reader, place, node, "`use_tls` is not set");
        return;
    }
    if (address->unix_path) {
        warn_of_unused(reader, place, node, "there is no TLS on a unix socket (`path`)");
        return;
    }
    if (!tls->certificate_file != !tls->private_key_file)
        report_tls(&reading, tls->certificate_file ? TLS_CLIENT_CERTIFICATE : TLS_CLIENT_PRIVATE_KEY,
                   tls->certificate_file ? "needs `private_key_file` beside it" : "needs `certificate_file` beside it");
    struct tls_client_settings settings = {.ca_file = tls->ca_file,
                                           .ca_path = tls->ca_path,
                                           .certificate_file = tls->certificate_file,
                                           .private_key_file = tls->private_key_file,
                                           .verify = !tls->unverified};
    if (reader->read_files && reader->purpose != CONFIGURATION_FOR_REPLAY &&
        reader->purpose != CONFIGURATION_FOR_BACKTEST)
        tls_client_check(&settings, report_tls, &reading);
}

static void check_instead_of_address(struct configuration_reader *reader, const struct configuration_place *place,
                                     const struct yaml_node *node)
{
    static const char *const keys[] = {"host", "port", "path"};
    for (size_t index = 0; index < sizeof keys / sizeof *keys; index++)
        configuration_check_exclusive(reader, place, node, "sentinel", keys[index]);
}

void configuration_check_redis(struct configuration_reader *reader, const struct configuration_place *place,
                               const struct yaml_node *node)
{
    struct redis_address *address = &reader->configuration->redis;
    const struct yaml_pair *sentinel = yaml_map_find(node, "sentinel");
    configuration_check_exclusive(reader, place, node, "password", "password_path");
    check_instead_of_address(reader, place, node);
    reader->configuration->redis_configured = true;
    if (address->username && !yaml_map_find(node, "password") && !yaml_map_find(node, "password_path"))
        configuration_error(reader, place, "has a username, but neither `password` nor `password_path`");
    if (sentinel && !yaml_map_find(sentinel->value, "use_tls"))
        address->sentinels.tls = address->tls.enabled;
    check_tls(reader, place, node);
}

void configuration_check_redis_enabled(struct configuration_reader *reader, const struct configuration_place *place,
                                       const struct yaml_node *node)
{
    if (node->kind != YAML_KIND_BOOLEAN)
        configuration_wrong_kind(reader, place, "true or false", node);
    else if (!node->boolean)
        configuration_warning(reader, place, "Synapse publishes nothing on Redis while this is false");
}

/* Zero is what an address is made of, and must not mean that nothing is checked. */
void configuration_check_redis_verify(struct configuration_reader *reader, const struct configuration_place *place,
                                      const struct yaml_node *node)
{
    (void)place;
    reader->configuration->redis.tls.unverified = !node->boolean;
}

/* Sentinels. */

static void add_sentinel(struct configuration_reader *reader, const struct configuration_place *place,
                         const struct yaml_node *node)
{
    struct redis_sentinels *sentinels = &reader->configuration->redis.sentinels;
    struct redis_endpoint endpoint;
    if (node->kind != YAML_KIND_TEXT)
        configuration_wrong_kind(reader, place, "a host and a port, such as \"10.0.0.1:26379\"", node);
    else if (!redis_endpoint_parse(node->text, SENTINEL_PORT, &endpoint))
        configuration_error(reader, place,
                            "must be a host and a port, such as \"10.0.0.1:26379\" or \"[::1]:26379\" (without a port: "
                            "26379)");
    else
        sentinels->endpoints[sentinels->count++] = endpoint;
}

void configuration_check_sentinel_list(struct configuration_reader *reader, const struct configuration_place *place,
                                       const struct yaml_node *node)
{
    struct redis_sentinels *sentinels = &reader->configuration->redis.sentinels;
    if (node->kind != YAML_KIND_LIST || node->count == 0) {
        configuration_error(reader, place, "must be a list of the sentinels' addresses, such as [\"10.0.0.1:26379\"]");
        return;
    }
    if (node->count > SENTINELS_MAXIMUM) {
        configuration_error(reader, place, "has more than 100 entries");
        return;
    }
    sentinels->endpoints = memory_allocate_zeroed(node->count, sizeof *sentinels->endpoints);
    struct buffer key = {0};
    for (size_t index = 0; index < node->count; index++) {
        buffer_clear(&key);
        buffer_append_format(&key, "%s[%zu]", place->key, index);
        struct configuration_place at = {place->file, node->items[index]->mark, buffer_string(&key)};
        add_sentinel(reader, &at, node->items[index]);
    }
    buffer_free(&key);
}

void configuration_check_sentinel(struct configuration_reader *reader, const struct configuration_place *place,
                                  const struct yaml_node *node)
{
    const struct redis_sentinels *sentinels = &reader->configuration->redis.sentinels;
    if (node->kind != YAML_KIND_MAP)
        return;
    configuration_check_exclusive(reader, place, node, "password", "password_path");
    if (!yaml_map_find(node, "master_name"))
        configuration_error(reader, place, "needs `master_name`, the name after `sentinel monitor` in sentinel.conf");
    if (!yaml_map_find(node, "sentinels"))
        configuration_error(reader, place, "needs `sentinels`, a list of addresses such as [\"10.0.0.1:26379\"]");
    if (sentinels->username && !yaml_map_find(node, "password") && !yaml_map_find(node, "password_path"))
        configuration_error(reader, place, "has a username, but neither `password` nor `password_path`");
}
