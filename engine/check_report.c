/* An administrator reads this before a change goes live: it says what will be asked, in which order, and what each
 * answer does, in the words of the tables that the chain itself runs by. */
#include "engine/check_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/text_layout.h"
#include "filters/action.h"

#define PAGE_WIDTH 100u

/* The warnings name Synapse's file in full. A module with a name of its own is shown with it. */
static void append_place(struct buffer *output, const struct configuration *configuration, uint32_t index)
{
    const struct configuration_module *written = &configuration->modules[index];
    const struct configuration_source *source = &configuration->sources[written->file];
    if (written->label && strcmp(written->label, chain_module(configuration->chain, index)->name) != 0)
        buffer_append_format(output, "\"%s\", ", written->label);
    buffer_append_format(output, "%s, line %u", written->key, written->line);
    if (source->kind == SOURCE_SYNAPSE)
        buffer_append_string(output, " of Synapse's file");
    else if (source->kind == SOURCE_INCLUDED)
        buffer_append_format(output, " of %s", source->path);
}

static bool is_about_event(const struct callback_definition *definition)
{
    for (uint32_t index = 0; index < definition->argument_count; index++)
        if (definition->arguments[index].type == ARGUMENT_EVENT)
            return true;
    return false;
}

static void append_actions(struct buffer *output, uint32_t actions)
{
    const char *before = "; actions: ";
    for (int action = 0; action < ACTION_COUNT; action++) {
        if (!(actions & ACTION_BIT(action)))
            continue;
        buffer_append_format(output, "%s%s", before, action_names[action]);
        before = ", ";
    }
}

static void append_module(struct buffer *output, const struct configuration *configuration,
                          const struct callback_definition *definition, uint32_t place, uint32_t index)
{
    bool event = is_about_event(definition);
    const struct module_definition *module = chain_module(configuration->chain, index);
    const struct module_options *options = chain_module_options(configuration->chain, index);
    buffer_append_format(output, "  %3u. %-16s ", place + 1, module->name);
    append_place(output, configuration, index);
    if (event)
        buffer_append_format(output, "; needs %s", chain_module_reads_text(configuration->chain, index));
    buffer_append_string(output, options->dry_run ? "; dry_run: recorded, never counted" : "");
    append_actions(output, options->actions);
    buffer_append_char(output, '\n');
    if (!options->selector)
        return;
    struct buffer selector = {0};
    selector_describe(options->selector, &selector);
    buffer_append_format(output, "       %s\n", buffer_string(&selector));
    if (event && !chain_module_needs_body(configuration->chain, index) && selector_asks_for_sender(options->selector))
        buffer_append_string(output, "       an event without its body has no sender: `only` does not match it, "
                                     "`except` does not exclude it\n");
    buffer_free(&selector);
}

static void append_callback(struct buffer *output, const struct configuration *configuration, enum callback callback,
                            uint32_t count)
{
    const struct chain *chain = configuration->chain;
    const struct callback_definition *definition = &callback_definitions[callback];
    uint32_t *indices = memory_allocate((count + 1) * sizeof *indices);
    chain_callback_modules(chain, callback, indices, count);
    buffer_append_format(output, "\n%s (%s)\n", definition->name, callback_family_texts[definition->family]);
    for (uint32_t place = 0; place < count; place++)
        append_module(output, configuration, definition, place, indices[place]);
    buffer_append_format(output, "  rule: %s\n  when a module fails: %s\n",
                         callback_rule_text(callback, chain_semantics(chain)), raise_class_text(definition->raise));
    free(indices);
}

static void append_callbacks(struct buffer *output, const struct configuration *configuration)
{
    struct buffer unused = {0};
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        uint32_t count = chain_callback_modules(configuration->chain, (enum callback)callback, NULL, 0);
        if (count)
            append_callback(output, configuration, (enum callback)callback, count);
        else if (callback_definitions[callback].rules[configuration->semantics])
            buffer_append_format(&unused, "%s%s", unused.length ? ", " : "", callback_definitions[callback].name);
    }
    if (unused.length) {
        buffer_append_string(output, "\nno module registered\n");
        text_append_wrapped(output, buffer_string(&unused), 2, PAGE_WIDTH);
    }
    buffer_free(&unused);
}

static void append_pages(struct buffer *output, const struct configuration *configuration)
{
    const struct chain *chain = configuration->chain;
    uint32_t module_index;
    const struct web_resource *resource;
    for (uint32_t index = 0; (resource = chain_resource_at(chain, index, &module_index)); index++) {
        void *state;
        bool shown = chain_resource(chain, slice_from_string(resource->path), &state) == resource;
        buffer_append_format(output, "%s  %-5s %s  ", index ? "" : "\npages of modules\n", resource->methods,
                             resource->path);
        append_place(output, configuration, module_index);
        buffer_append_format(output, "%s\n", shown ? "" : "; never shown: an earlier module serves this path");
    }
}

static void append_login_types(struct buffer *output, const struct configuration *configuration)
{
    struct arena arena = {0};
    struct value types = chain_login_types(configuration->chain, &arena);
    for (uint32_t index = 0; index < types.count; index++) {
        const struct value *fields = &types.items[2 * index + 1];
        buffer_append_format(output, "%s  ", index ? "" : "\nlogin types and the fields that a login must carry\n");
        buffer_append_slice(output, types.items[2 * index].text);
        buffer_append_string(output, fields->count ? ": " : ": none");
        for (uint32_t field = 0; field < fields->count; field++) {
            buffer_append_string(output, field ? ", " : "");
            buffer_append_slice(output, fields->items[field].text);
        }
        buffer_append_char(output, '\n');
    }
    arena_free(&arena);
}

static void append_bodies(struct buffer *output, const struct configuration *configuration)
{
    const struct postgres_settings *postgres = &configuration->postgres;
    switch (configuration->body_source) {
    case BODY_SOURCE_FILE:
        buffer_append_format(output, "  bodies    from the file %s\n", configuration->bodies_file);
        break;
    case BODY_SOURCE_POSTGRES:
        buffer_append_format(output, "  bodies    from PostgreSQL, database %s at %s\n",
                             postgres->dbname ? postgres->dbname : "(libpq's default)",
                             postgres->host ? postgres->host : "(libpq's default)");
        break;
    case BODY_SOURCE_NONE:
        buffer_append_string(output, "  bodies    none\n");
        break;
    }
}

static void append_policy(struct buffer *output, const struct configuration *configuration)
{
    const struct policy_settings *policy = &configuration->policy;
    if (!policy->enabled)
        return;
    buffer_append_format(output, "  policy    signs events as %s, public key %s",
                         policy->server_name ? policy->server_name : configuration->server_name,
                         policy->key ? signing_key_public(policy->key) : "(not read)");
    if (policy->room_count)
        buffer_append_format(output, ", of %zu rooms", policy->room_count);
    if (policy->authenticate)
        buffer_append_format(output, "\n            for servers whose keys %s knows\n", policy->key_server);
    else
        buffer_append_string(output, "\n            for whoever asks: `authenticate` is false\n");
}

/* What comes in beside the events that are observed. */
static void append_ways_in(struct buffer *output, const struct configuration *configuration)
{
    bool routes = chain_callback_modules(configuration->chain, CALLBACK_get_users_for_states, NULL, 0) > 0;
    if (configuration->requests_redis)
        buffer_append_format(output, "  requests  from the stream %s/weir/requests, any callback\n",
                             configuration->server_name);
    else
        buffer_append_string(output, "  requests  none (requests.redis is false)\n");
    if (configuration->requests_http && configuration->http_listen)
        buffer_append_format(output,
                             "            and over HTTP%s: POST %s://%s/v1/callbacks/CALLBACK, and as the server of\n"
                             "            synapse-http-antispam under /antispam\n",
                             configuration->http_secret ? " with the secret" : "",
                             configuration->http_certificate_file ? "https" : "http", configuration->http_listen);
    append_policy(output, configuration);
    buffer_append_string(output, !configuration->observe ? "  presence  is not read\n"
                                 : routes                ? "  presence  is routed\n"
                                                         : "  presence  is not read: no module routes it\n");
}

void check_report_append(const struct configuration *configuration, struct buffer *output)
{
    buffer_append_format(output, "%s is good.\n\n  server    %s\n  instance  %s\n", configuration->path,
                         configuration->server_name, configuration->instance_name);
    buffer_append_string(output, "  redis     ");
    if (configuration->redis_configured)
        redis_address_describe(&configuration->redis, output);
    else
        buffer_append_string(output, "none");
    buffer_append_char(output, '\n');
    append_bodies(output, configuration);
    buffer_append_format(output, "  http      %s\n  admin     %s\n  publish   %s\n",
                         configuration->http_listen ? configuration->http_listen : "none",
                         configuration->admin_socket ? configuration->admin_socket : "none",
                         configuration->publish_all ? "the verdicts of all events" : "the verdicts that deny");
    if (!configuration->chain)
        return;
    buffer_append_format(output, "  semantics %s%s\n", semantics_texts[configuration->semantics],
                         configuration->strict ? ", strict" : "");
    if (configuration->observe)
        buffer_append_format(output, "  observe   an event is asked of %s\n",
                             configuration->observe_as_synapse ? "those callbacks that Synapse asks"
                                                               : "both callbacks");
    else
        buffer_append_string(output, "  observe   nothing: only questions are answered\n");
    append_ways_in(output, configuration);
    append_callbacks(output, configuration);
    append_pages(output, configuration);
    append_login_types(output, configuration);
}
