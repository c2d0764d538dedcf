/* The two presence routers of Synapse's documentation in one module, doing what their pages say (callbacks.md, section
 * 6.3): users who get everybody's presence, and users who get that of certain others.
 *
 * Synapse asks about batches of changes, and each time anybody syncs. So a question costs by what is in it and not by
 * what is configured, but for the users who get everything: each of them is in every answer, also where nothing is left
 * to send, since Synapse fails the sync of a user for whom get_interested_users says ALL and get_users_for_states says
 * nothing (section 2.3). */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "filters/module.h"
#include "filters/presence_batch.h"
#include "filters/user_id.h"

struct configuration {
    struct text_list always_send_to_users;
    struct text_list blacklisted_users;
    struct map_list routes; /* of struct route */
};

struct route {
    char *to;
    struct text_list from;
};

/* A user who gets the presence of certain others. */
struct destination {
    struct value user;
    struct value *sources; /* the others: texts, each once */
    uint32_t source_count;
    uint32_t matched; /* during a question: how many of its states go here; 0 between questions */
    struct value *states;
};

/* One of those others, with the places of all that get its presence. */
struct source {
    uint32_t *destinations;
    uint32_t count;
};

/* All texts are the configuration's own, which outlives the state. */
struct state {
    struct value *always; /* the users who get everything: texts, each once */
    uint32_t always_count;
    struct string_table *always_users; /* → place in `always` */
    struct string_table *blacklisted;
    struct string_table *destination_users; /* → place in `destinations` */
    struct destination *destinations;
    uint32_t destination_count;
    struct string_table *source_users; /* → place in `sources` */
    struct source *sources;
    uint32_t source_count;
    uint32_t *touched; /* during a question: the places of destinations with states, `destination_count` at most */
};

static const struct parameter route_fields[] = {
    {.name = "to",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct route, to),
     .text = "The user id of who gets the presence."},
    {.name = "from",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct route, from),
     .fallback = "[]",
     .text = "The user ids of those whose presence it is."},
};

static const struct parameter parameters[] = {
    {.name = "always_send_to_users",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, always_send_to_users),
     .fallback = "[]",
     .text = "User ids of those who get the presence of everybody."},
    {.name = "blacklisted_users",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, blacklisted_users),
     .fallback = "[]",
     .text = "User ids of those whose presence this module sends to nobody. Those who share a room with them get it "
             "from Synapse all the same."},
    {.name = "routes",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, routes),
     .fallback = "[]",
     .fields = route_fields,
     .field_count = sizeof route_fields / sizeof *route_fields,
     .map_size = sizeof(struct route),
     .text = "Who gets whose presence, beside that of those in the same rooms. Routes to one user add up."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    for (uint32_t index = 0; index < state->destination_count; index++)
        free(state->destinations[index].sources);
    for (uint32_t index = 0; index < state->source_count; index++)
        free(state->sources[index].destinations);
    string_table_destroy(state->always_users);
    string_table_destroy(state->blacklisted);
    string_table_destroy(state->destination_users);
    string_table_destroy(state->source_users);
    free(state->always);
    free(state->destinations);
    free(state->sources);
    free(state->touched);
    free(state);
}

/* Room for one more behind `count` items. */
static void *grow(void *items, uint32_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? memory_reallocate(items, (count ? (size_t)count * 2 : 1) * size) : items;
}

/* A malformed user id among the answers would fail the whole batch in Synapse, past all that guards it from modules. */
static bool check_user(const struct module_host *host, const char *path, const char *user)
{
    if (user_id_valid(slice_from_string(user)))
        return true;
    module_host_report(host, path, "must be a user id, as @alice:example.org");
    return false;
}

static bool check_users(const struct module_host *host, const char *prefix, const struct text_list *list)
{
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        char path[96];
        snprintf(path, sizeof path, "%s[%zu]", prefix, item);
        good &= check_user(host, path, list->items[item]);
    }
    return good;
}

static bool check_routes(const struct state *state, const struct module_host *host, const struct map_list *routes)
{
    bool good = true;
    for (size_t index = 0; index < routes->count; index++) {
        const struct route *route = (const struct route *)routes->items + index;
        char path[96];
        snprintf(path, sizeof path, "routes[%zu].to", index);
        if (route->to) {
            good &= check_user(host, path, route->to);
        } else {
            module_host_report(host, path, "is missing: who gets the presence?");
            good = false;
        }
        snprintf(path, sizeof path, "routes[%zu].from", index);
        good &= check_users(host, path, &route->from);
        for (size_t item = 0; item < route->from.count; item++) {
            struct slice user = slice_from_string(route->from.items[item]);
            snprintf(path, sizeof path, "routes[%zu].from[%zu]", index, item);
            if (string_table_find(state->blacklisted, user) != STRING_TABLE_NONE)
                module_host_warn(host, path, "is in blacklisted_users too: this user's presence is not sent");
        }
    }
    return good;
}

static uint32_t find_destination(struct state *state, struct slice user)
{
    if (string_table_add(state->destination_users, user, state->destination_count)) {
        state->destinations = grow(state->destinations, state->destination_count, sizeof *state->destinations);
        state->destinations[state->destination_count++] = (struct destination){.user = value_text(user)};
    }
    return string_table_find(state->destination_users, user);
}

static uint32_t find_source(struct state *state, struct slice user)
{
    if (string_table_add(state->source_users, user, state->source_count)) {
        state->sources = grow(state->sources, state->source_count, sizeof *state->sources);
        state->sources[state->source_count++] = (struct source){0};
    }
    return string_table_find(state->source_users, user);
}

/* Routes of one `to` come one after another or apart; a source that is named twice counts once. */
static void add_route(struct state *state, struct slice to, struct slice from, struct string_table *pairs)
{
    uint32_t destination_place = find_destination(state, to);
    struct buffer pair = {0};
    buffer_append_format(&pair, "%u ", destination_place);
    buffer_append_slice(&pair, from);
    bool new = string_table_add(pairs, buffer_slice(&pair), 0);
    buffer_free(&pair);
    if (!new)
        return;
    struct destination *destination = &state->destinations[destination_place];
    destination->sources = grow(destination->sources, destination->source_count, sizeof *destination->sources);
    destination->sources[destination->source_count++] = value_text(from);
    uint32_t source_place = find_source(state, from);
    struct source *source = &state->sources[source_place];
    source->destinations = grow(source->destinations, source->count, sizeof *source->destinations);
    source->destinations[source->count++] = destination_place;
}

static void take_configuration(struct state *state, const struct configuration *configuration)
{
    const struct text_list *always = &configuration->always_send_to_users;
    state->always = memory_allocate_zeroed(always->count, sizeof *state->always);
    for (size_t item = 0; item < always->count; item++) {
        struct slice user = slice_from_string(always->items[item]);
        if (string_table_add(state->always_users, user, state->always_count))
            state->always[state->always_count++] = value_text(user);
    }
    struct string_table *pairs = string_table_create();
    for (size_t index = 0; index < configuration->routes.count; index++) {
        const struct route *route = (const struct route *)configuration->routes.items + index;
        struct slice to = slice_from_string(route->to);
        if (string_table_find(state->always_users, to) != STRING_TABLE_NONE)
            continue; /* gets everything already */
        for (size_t item = 0; item < route->from.count; item++) {
            struct slice from = slice_from_string(route->from.items[item]);
            if (string_table_find(state->blacklisted, from) == STRING_TABLE_NONE)
                add_route(state, to, from, pairs);
        }
    }
    string_table_destroy(pairs);
    state->touched = memory_allocate_zeroed(state->destination_count, sizeof *state->touched);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->always_users = string_table_create();
    state->blacklisted = string_table_create();
    state->destination_users = string_table_create();
    state->source_users = string_table_create();
    for (size_t item = 0; item < configuration->blacklisted_users.count; item++)
        string_table_add(state->blacklisted, slice_from_string(configuration->blacklisted_users.items[item]), 0);
    bool good = check_users(setup->host, "always_send_to_users", &configuration->always_send_to_users);
    good &= check_users(setup->host, "blacklisted_users", &configuration->blacklisted_users);
    good &= check_routes(state, setup->host, &configuration->routes);
    if (!good) {
        destroy(state);
        return NULL;
    }
    take_configuration(state, configuration);
    return state;
}

/* The states of a question that may be sent, each once as in Python's set, and for each the place of its user in
 * `sources`. */
struct remaining {
    struct value *states;
    uint32_t *sources;
    uint32_t count;
};

static void collect(const struct state *state, const struct value *updates, struct arena *arena,
                    struct remaining *remaining)
{
    struct presence_batch batch = presence_batch_collect(updates, arena);
    remaining->states = batch.states;
    remaining->sources = arena_allocate(arena, batch.count * sizeof *remaining->sources);
    for (uint32_t index = 0; index < batch.count; index++) {
        struct slice user = batch.states[index].state->user_id;
        if (string_table_find(state->blacklisted, user) != STRING_TABLE_NONE)
            continue;
        remaining->states[remaining->count] = batch.states[index];
        remaining->sources[remaining->count++] = string_table_find(state->source_users, user);
    }
}

/* Counts for each destination what goes there; returns how many have anything, their places in `touched`. */
static uint32_t count_matches(struct state *state, const struct remaining *remaining)
{
    uint32_t touched = 0;
    for (uint32_t index = 0; index < remaining->count; index++) {
        if (remaining->sources[index] == STRING_TABLE_NONE)
            continue;
        const struct source *source = &state->sources[remaining->sources[index]];
        for (uint32_t number = 0; number < source->count; number++)
            if (state->destinations[source->destinations[number]].matched++ == 0)
                state->touched[touched++] = source->destinations[number];
    }
    return touched;
}

/* Hands each destination its states; `matched` counts them again. */
static void share_out(struct state *state, const struct remaining *remaining, uint32_t touched, struct arena *arena)
{
    for (uint32_t place = 0; place < touched; place++) {
        struct destination *destination = &state->destinations[state->touched[place]];
        destination->states = arena_allocate(arena, destination->matched * sizeof *destination->states);
        destination->matched = 0;
    }
    for (uint32_t index = 0; touched && index < remaining->count; index++) {
        if (remaining->sources[index] == STRING_TABLE_NONE)
            continue;
        const struct source *source = &state->sources[remaining->sources[index]];
        for (uint32_t number = 0; number < source->count; number++) {
            struct destination *destination = &state->destinations[source->destinations[number]];
            destination->states[destination->matched++] = remaining->states[index];
        }
    }
}

static void get_users_for_states(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    struct remaining remaining = {0};
    collect(state, &arguments->values[0], arguments->arena, &remaining);
    uint32_t touched = count_matches(state, &remaining);
    struct presence_routes routes = presence_routes_open(state->always_count + touched, arguments->arena);
    share_out(state, &remaining, touched, arguments->arena);
    for (uint32_t place = 0; place < state->always_count; place++)
        presence_routes_add(&routes, state->always[place],
                            value_container(VALUE_SET, remaining.states, remaining.count));
    for (uint32_t place = 0; place < touched; place++) {
        struct destination *destination = &state->destinations[state->touched[place]];
        presence_routes_add(&routes, destination->user,
                            value_container(VALUE_SET, destination->states, destination->matched));
        destination->matched = 0;
        destination->states = NULL;
    }
    result->value = presence_routes_answer(&routes);
}

static void get_interested_users(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice user = arguments->values[0].text;
    result->value.kind = VALUE_PASS;
    if (string_table_find(state->always_users, user) != STRING_TABLE_NONE) {
        result->value = value_text(SLICE("ALL"));
        result->reason = SLICE("the user is in always_send_to_users");
        return;
    }
    uint32_t place = string_table_find(state->destination_users, user);
    if (place == STRING_TABLE_NONE)
        return;
    const struct destination *destination = &state->destinations[place];
    result->value = value_container(VALUE_SET, destination->sources, destination->source_count);
    result->reason = SLICE("the user is the `to` of a route");
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_get_users_for_states, .function = get_users_for_states},
    {.callback = CALLBACK_get_interested_users, .function = get_interested_users},
};

extern const struct module_definition module_presence_router;
const struct module_definition module_presence_router = {
    .name = "presence_router",
    .summary = "Sends users the presence of everybody, or of certain others, with whom they need share no room "
               "(Synapse's two examples in one).",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = false,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
