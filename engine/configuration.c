/* Loading in a fixed order: our file, then those that it includes for what it leaves open, then Synapse's, then the
 * modules, which ask whether there are bodies. Everything lives in the reader and in what is handed out, so that a
 * reload may run beside the configuration in use. */
#include "engine/configuration.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_include.h"

static char *copy(const char *text)
{
    return memory_copy_text(text, strlen(text));
}

static struct configuration *configuration_create(const char *path)
{
    struct configuration *configuration = memory_allocate_zeroed(1, sizeof *configuration);
    configuration->path = copy(path);
    configuration->instance_name = copy("weir1");
    configuration->redis.port = 6379;
    configuration->bodies_retry_ms = 2000;
    configuration->bodies_queue = 10000;
    configuration->http_listen = copy("127.0.0.1:9180");
    configuration->publish_keep = 1000000;
    configuration->observe = true;
    configuration->requests_redis = true;
    configuration->requests_batch = 500;
    configuration->requests_queue = 10000;
    configuration->requests_claim_after_ms = 1000;
    configuration->requests_stream = 100000;
    configuration->requests_tries = 3;
    configuration->requests_waiting = 1000;
    configuration->requests_waiting_per_asker = 500;
    configuration->requests_waiting_per_room = 100;
    configuration->requests_timeout_ms = 10000;
    configuration->requests_publish = true;
    configuration->http_connections = 1000;
    configuration->console_session_ms = 12 * 3600000;
    configuration->policy.authenticate = true;
    configuration->policy.cache = 100000;
    configuration->policy.cache_for_ms = 24 * 3600000;
    configuration->policy.timeout_ms = 20000;
    configuration->policy.waiting = 800;
    configuration->presence_cache = 10000;
    configuration->presence_cache_for_ms = 60000;
    configuration->catch_up_page = 1000;
    configuration->catch_up_timeout_ms = 30000;
    configuration->catch_up_verify = true;
    configuration->shutdown_timeout_ms = 5000;
    configuration->state_interval_ms = 300000;
    configuration->lease_ms = 1500;
    configuration->log_level = LOG_INFO;
    configuration->take_modules = true;
    return configuration;
}

static void free_instances(struct configuration *configuration)
{
    for (size_t index = 0; index < configuration->instance_count; index++) {
        free(configuration->instances[index].name);
        free(configuration->instances[index].host);
        free(configuration->instances[index].unix_path);
    }
    free(configuration->instances);
    for (size_t index = 0; index < configuration->event_writer_count; index++)
        free(configuration->event_writers[index]);
    free(configuration->event_writers);
}

static void free_policy(struct policy_settings *policy)
{
    free(policy->signing_key_path);
    signing_key_destroy(policy->key);
    free(policy->server_name);
    free(policy->key_server);
    free(policy->key_server_ca_file);
    for (size_t index = 0; index < policy->room_count; index++)
        free(policy->rooms[index]);
    free(policy->rooms);
    free(policy->default_room_version);
}

static void free_secret(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

struct chain *configuration_take_chain(struct configuration *to, struct configuration *from)
{
    struct chain *before = to->chain;
    to->chain = from->chain;
    from->chain = NULL;
    memory_exchange(&to->modules, &from->modules, sizeof to->modules);
    memory_exchange(&to->module_count, &from->module_count, sizeof to->module_count);
    memory_exchange(&to->sources, &from->sources, sizeof to->sources);
    memory_exchange(&to->source_count, &from->source_count, sizeof to->source_count);
    return before;
}

static void free_places(struct configuration *configuration)
{
    for (size_t index = 0; index < configuration->module_count; index++)
        free(configuration->modules[index].label);
    free(configuration->modules);
    for (size_t index = 0; index < configuration->source_count; index++)
        free(configuration->sources[index].path);
    free(configuration->sources);
}

void configuration_destroy(struct configuration *configuration)
{
    if (!configuration)
        return;
    free_places(configuration);
    chain_destroy(configuration->chain);
    redis_address_free(&configuration->redis);
    free(configuration->path);
    free(configuration->server_name);
    free(configuration->instance_name);
    free(configuration->bodies_file);
    free(configuration->postgres.host);
    free(configuration->postgres.port);
    free(configuration->postgres.dbname);
    free(configuration->postgres.user);
    free(configuration->postgres.password);
    free(configuration->http_listen);
    free_secret(configuration->http_secret);
    free(configuration->http_certificate_file);
    free(configuration->http_private_key_file);
    free_instances(configuration);
    free_policy(&configuration->policy);
    free_secret(configuration->replication_secret);
    free(configuration->catch_up_ca_file);
    free(configuration->catch_up_ca_path);
    free(configuration->state_dir);
    free(configuration->cache_dir);
    free(configuration->admin_socket);
    free(configuration->console_backtest);
    free(configuration);
}

/* What the YAML reader finds wrong, with the file that it is in. */
struct yaml_reporting {
    struct configuration_reader *reader;
    uint32_t file;
};

static void report_yaml(void *context, struct yaml_mark mark, const char *sentence)
{
    const struct yaml_reporting *reporting = context;
    struct configuration_place place = {reporting->file, mark, ""};
    configuration_error(reporting->reader, &place, "%s", sentence);
}

/* The new file's tree must be a map; a file whose tree is none keeps its place, so that errors can name it. */
static bool add_text(struct configuration_reader *reader, const char *path, bool lenient, struct slice text)
{
    uint32_t number = reader->file_count++;
    reader->files = memory_reallocate(reader->files, reader->file_count * sizeof *reader->files);
    struct configuration_file *file = &reader->files[number];
    *file = (struct configuration_file){.path = copy(path), .lenient = lenient};
    struct yaml_reporting reporting = {reader, number};
    file->document = yaml_document_read(text, report_yaml, &reporting);
    if (!file->document)
        return false;
    const struct yaml_node *root = yaml_document_root(file->document);
    if (root->kind == YAML_KIND_MAP)
        return true;
    struct configuration_place place = {number, root->mark, ""};
    if (root->kind == YAML_KIND_NULL)
        configuration_error(reader, &place, "the file is empty");
    else
        configuration_error(reader, &place, "the file must be a map of keys, but is %s", yaml_kind_text(root->kind));
    return false;
}

bool configuration_add_text(struct configuration_reader *reader, const char *path, struct slice text)
{
    return add_text(reader, path, false, text);
}

bool configuration_add_file(struct configuration_reader *reader, const char *path, bool lenient,
                            const struct configuration_place *place)
{
    struct buffer text = {0}, reason = {0};
    bool read = reader->text_of
                    ? reader->text_of(reader->text_context, path, &text)
                    : reader->read_files && configuration_read_watched(reader, path, YAML_SIZE_MAXIMUM, &text, &reason);
    if (!read)
        configuration_error(reader, place, "\"%s\" cannot be read: %s", path, buffer_string(&reason));
    bool added = read && add_text(reader, path, lenient, buffer_slice(&text));
    buffer_free(&text);
    buffer_free(&reason);
    return added;
}

static void take_all(struct configuration_reader *reader)
{
    const struct yaml_node *root = yaml_document_root(reader->files[0].document);
    struct configuration_place place = {0, root->mark, ""};
    configuration_read_includes(reader);
    configuration_take_map(reader, configuration_settings, false, &place, root);
    configuration_take_included(reader);
    configuration_take_synapse(reader, root);
    if (reader->purpose != CONFIGURATION_FOR_CLIENT)
        configuration_take_modules(reader);
    configuration_check_whole(reader, root);
}

/* The configuration takes over their paths. */
static void keep_sources(struct configuration_reader *reader)
{
    struct configuration *configuration = reader->configuration;
    configuration->sources = memory_allocate_zeroed(reader->file_count, sizeof *configuration->sources);
    configuration->source_count = reader->file_count;
    for (uint32_t index = 0; index < reader->file_count; index++) {
        const struct configuration_file *file = &reader->files[index];
        enum configuration_source_kind kind = file->lenient ? SOURCE_SYNAPSE : SOURCE_INCLUDED;
        configuration->sources[index] = (struct configuration_source){file->path, index ? kind : SOURCE_OWN};
        yaml_document_destroy(file->document);
    }
}

static struct configuration *finish(struct configuration_reader *reader, struct buffer *errors, struct buffer *warnings)
{
    configuration_report_finish(reader, errors, warnings);
    keep_sources(reader);
    free(reader->files);
    if (reader->error_count == 0)
        return reader->configuration;
    configuration_destroy(reader->configuration);
    return NULL;
}

static struct configuration *load_text(struct configuration_reader *reader, const char *path, struct slice text,
                                       struct buffer *errors, struct buffer *warnings)
{
    reader->configuration = configuration_create(path);
    if (add_text(reader, path, false, text))
        take_all(reader);
    return finish(reader, errors, warnings);
}

struct configuration *configuration_load_text(const char *path, struct slice text, enum configuration_purpose purpose,
                                              const struct module_services *services, bool read_files,
                                              struct buffer *errors, struct buffer *warnings)
{
    struct configuration_reader reader = {.purpose = purpose, .services = services, .read_files = read_files};
    return load_text(&reader, path, text, errors, warnings);
}

struct configuration *configuration_load_with(const struct configuration_loading *loading, struct buffer *errors,
                                              struct buffer *warnings)
{
    struct configuration_reader reader = {.purpose = loading->purpose,
                                          .services = loading->services,
                                          .files_read = loading->files,
                                          .given_up = loading->given_up,
                                          .read_files = true};
    struct buffer text = {0}, reason = {0};
    struct configuration *configuration = NULL;
    if (configuration_read_watched(&reader, loading->path, YAML_SIZE_MAXIMUM, &text, &reason))
        configuration = load_text(&reader, loading->path, buffer_slice(&text), errors, warnings);
    else
        buffer_append_format(errors, "%s: cannot be read: %s\n", loading->path, buffer_string(&reason));
    buffer_free(&text);
    buffer_free(&reason);
    return configuration;
}

struct configuration *configuration_load_texts(const char *path, struct slice text, enum configuration_purpose purpose,
                                               configuration_text_function *text_of, void *context,
                                               struct buffer *errors, struct buffer *warnings)
{
    struct configuration_reader reader = {.purpose = purpose, .text_of = text_of, .text_context = context};
    return load_text(&reader, path, text, errors, warnings);
}

struct configuration *configuration_load(const char *path, enum configuration_purpose purpose,
                                         const struct module_services *services, struct buffer *errors,
                                         struct buffer *warnings)
{
    const struct configuration_loading loading = {.path = path, .purpose = purpose, .services = services};
    return configuration_load_with(&loading, errors, warnings);
}
