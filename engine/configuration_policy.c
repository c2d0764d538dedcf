/* `policy_server:`. What is wrong here would make every server that asks refuse every event, so all that can be known
 * before the start is checked: the key is read, too. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"
#include "engine/service_url.h"
#include "filters/room_version.h"
#include "filters/server_name.h"

#define ROOMS_MAXIMUM 100000u

static char *copy(const char *text)
{
    return memory_copy_text(text, strlen(text));
}

void configuration_check_policy_name(struct configuration_reader *reader, const struct configuration_place *place,
                                     const struct yaml_node *node)
{
    if (!server_name_valid(slice_from_string(node->text)))
        configuration_error(reader, place, "must be a server name, such as \"policy.example.org\"");
}

void configuration_check_policy_rooms(struct configuration_reader *reader, const struct configuration_place *place,
                                      const struct yaml_node *node)
{
    struct policy_settings *policy = &reader->configuration->policy;
    if (node->kind == YAML_KIND_NULL || (node->kind == YAML_KIND_TEXT && strcmp(node->text, "all") == 0))
        return;
    if (node->kind != YAML_KIND_LIST) {
        configuration_wrong_kind(reader, place, "`all`, or a list of room ids", node);
        return;
    }
    if (node->count == 0 || node->count > ROOMS_MAXIMUM) {
        configuration_error(reader, place, "must have 1 to 100000 room ids; without it all rooms are served");
        return;
    }
    policy->rooms = memory_allocate_zeroed(node->count, sizeof *policy->rooms);
    for (size_t index = 0; index < node->count; index++) {
        const struct yaml_node *item = node->items[index];
        struct configuration_place at = {place->file, item->mark, place->key};
        if (item->kind != YAML_KIND_TEXT || item->text[0] != '!')
            configuration_error(reader, &at, "must be a room id, such as \"!abcdefgh:example.org\"");
        else
            policy->rooms[policy->room_count++] = copy(item->text);
    }
}

/* YAML reads 10 as a number, so the text as written counts. */
void configuration_check_policy_version(struct configuration_reader *reader, const struct configuration_place *place,
                                        const struct yaml_node *node)
{
    struct policy_settings *policy = &reader->configuration->policy;
    bool scalar = node->kind == YAML_KIND_TEXT || node->kind == YAML_KIND_NUMBER || node->kind == YAML_KIND_INTEGER;
    free(policy->default_room_version);
    policy->default_room_version = NULL;
    if (scalar && room_version_find(slice_from_string(node->text)))
        policy->default_room_version = copy(node->text);
    else if (node->kind != YAML_KIND_NULL)
        configuration_error(reader, place, "must be a room version that is known here, such as \"10\"");
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

void configuration_check_key_server(struct configuration_reader *reader, const struct configuration_place *place,
                                    const struct yaml_node *node)
{
    struct service_url url = {0};
    struct buffer problem = {0};
    char *text = reader->configuration->policy.key_server;
    size_t length = strlen(text);
    if (length && text[length - 1] == '/')
        text[length - 1] = '\0';
    if (!service_url_parse(&url, text, &problem))
        configuration_error(reader, place, "%s", buffer_string(&problem));
    else if (*url.path || url.query)
        configuration_error(reader, place, "must have no path, such as \"https://matrix.example.org\"");
    else if (!url.tls && !is_loopback(url.host))
        configuration_warning(reader, place,
                              "is asked without TLS: whoever can change the answers on their way can pass for any "
                              "server");
    service_url_free(&url);
    buffer_free(&problem);
    (void)node;
}

static void read_key(struct configuration_reader *reader, const struct configuration_place *place)
{
    struct policy_settings *policy = &reader->configuration->policy;
    struct buffer problem = {0};
    struct stat status;
    policy->key = signing_key_load(policy->signing_key_path, &problem);
    if (!policy->key)
        configuration_error(reader, place, "%s; `weir policy-key FILE` makes a key", buffer_string(&problem));
    else if (stat(policy->signing_key_path, &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO) & ~S_IRGRP))
        configuration_warning(reader, place, "\"%s\" can be read or written by others than its owner: `chmod 600` it",
                              policy->signing_key_path);
    buffer_free(&problem);
}

static void check_missing(struct configuration_reader *reader, const struct configuration_place *place, const char *key,
                          bool missing, const char *hint)
{
    struct buffer name = {0};
    buffer_append_format(&name, "%s.%s", place->key, key);
    struct configuration_place at = {place->file, place->mark, buffer_string(&name)};
    if (missing)
        configuration_error(reader, &at, "is missing: %s", hint);
    buffer_free(&name);
}

void configuration_check_policy(struct configuration_reader *reader, const struct configuration_place *place,
                                const struct yaml_node *node)
{
    const struct policy_settings *policy = &reader->configuration->policy;
    if (!policy->enabled || reader->purpose != CONFIGURATION_FOR_RUN)
        return;
    check_missing(reader, place, "signing_key_path", !policy->signing_key_path,
                  "the file of the key that events are signed with; `weir policy-key FILE` makes one");
    check_missing(reader, place, "key_server", policy->authenticate && !policy->key_server,
                  "the homeserver that is asked for the keys of those who ask, such as \"https://matrix.example.org\"");
    if (!policy->authenticate && policy->key_server)
        configuration_warning(reader, place, "`key_server` is not asked while `authenticate` is false");
    const struct yaml_node *path = yaml_node_at(node, "signing_key_path");
    if (policy->signing_key_path && path && reader->read_files)
        read_key(reader, &(struct configuration_place){place->file, path->mark, "policy_server.signing_key_path"});
}

void configuration_check_policy_whole(struct configuration_reader *reader)
{
    const struct configuration *configuration = reader->configuration;
    const struct policy_settings *policy = &configuration->policy;
    uint32_t file;
    const struct yaml_pair *section = configuration_find(reader, "policy_server", &file);
    if (!policy->enabled || !section)
        return;
    struct configuration_place place = {file, section->mark, "policy_server"};
    if (!configuration->http_listen)
        configuration_error(reader, &place, "needs `http.listen`, which is switched off");
    if (policy->waiting >= configuration->http_connections)
        configuration_warning(
            reader, &place, "`waiting` (%lld) leaves nothing of `http.connections` (%lld) to others, such as /metrics",
            (long long)policy->waiting, (long long)configuration->http_connections);
    if (!policy->server_name && configuration->server_name &&
        !server_name_valid(slice_from_string(configuration->server_name)))
        configuration_error(reader, &place, "needs a `server_name` that other servers can know: \"%s\" is none",
                            configuration->server_name);
    if (configuration->body_source != BODY_SOURCE_POSTGRES && !policy->default_room_version)
        configuration_error(reader, &place,
                            "needs to know the versions of rooms: add `bodies.postgres`, or `default_room_version` if "
                            "all rooms that it serves have the same");
    if (configuration->chain && !chain_callback_modules(configuration->chain, CALLBACK_check_event_for_spam, NULL, 0))
        configuration_warning(reader, &place, "signs every event: no module answers `check_event_for_spam`");
}
