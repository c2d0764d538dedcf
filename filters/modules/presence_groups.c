/* Presence by groups: whoever is in `to` gets the presence of whoever is in `from`, whether they share a room or not.
 *
 * Synapse wants names: a set of users when somebody syncs, and for each change the users who get it. Of globs it
 * follows who is meant only when somebody is there: who receives is learnt as they sync (get_interested_users), who is
 * watched as their presence changes. Both are remembered in bounded tables (known_users.h). Of a room the module knows
 * who is a member (presence_rooms.h), but by hashes only: a member is learnt as a glob's user is, when it syncs.
 *
 * Only who gets everybody's presence is answered with "ALL": of a user with that answer Synapse takes nothing from the
 * rooms any more but what get_users_for_states routes, and fails the sync if that has no entry for the user
 * (callbacks.md, section 2.3). So these users are in every answer. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/parts.h"
#include "base/utf8.h"
#include "filters/followed_members.h"
#include "filters/glob.h"
#include "filters/known_users.h"
#include "filters/map_host.h"
#include "filters/module.h"
#include "filters/name_list.h"
#include "filters/presence_batch.h"
#include "filters/presence_rooms.h"
#include "filters/server_name.h"
#include "filters/subject.h"
#include "filters/user_id.h"

/* Groups are bits of a number. */
#define GROUPS_MAXIMUM 64u
#define SAVED_VERSION 2u
#define USER_ID_MAXIMUM 255u
/* Sets that are made once for all users of the same groups; beyond that each user has one of their own. */
#define SHARED_SETS 64u

struct group_configuration {
    struct text_list from;
    struct text_list to;
};

struct configuration {
    struct map_list groups;
    int64_t max_fanout;
    struct text_list servers;
};

struct group {
    struct name_list from, to;
};

struct state {
    const struct configuration *configuration;
    struct slice server_name;
    struct group *groups;
    size_t group_count;
    uint64_t from_all;           /* groups whose `from` is everybody */
    uint32_t membership;         /* its slot */
    struct presence_rooms rooms; /* of `to` */
    struct known_users named_receivers,
        named_sources;                     /* those of the configuration, by their groups; never forgotten */
    struct known_users receivers, sources; /* those that were learnt */
    struct value *forwarded;               /* for each of `servers`, the user that stands for it */
    struct buffer forwarded_ids;
};

static const struct parameter group_parameters[] = {
    {.name = "from",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct group_configuration, from),
     .fallback = "[]",
     .text = "Whose presence it is: user ids, globs over the whole id, or ALL."},
    {.name = "to",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct group_configuration, to),
     .fallback = "[]",
     .text = "Who gets it: user ids; globs, or ALL, for those who have synced; room ids, for the members of the room "
             "who have "
             "synced."},
};

static const struct parameter parameters[] = {
    {.name = "groups",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, groups),
     .fallback = "[]",
     .fields = group_parameters,
     .field_count = sizeof group_parameters / sizeof *group_parameters,
     .map_size = sizeof(struct group_configuration),
     .text = "Who gets whose presence, beside that of those in the same rooms; groups add up."},
    {.name = "max_fanout",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, max_fanout),
     .fallback = "10000",
     .minimum = 1,
     .maximum = 1000000,
     .text =
         "How many users a change goes to at most, and how many are remembered of those who receive and of those who "
         "are watched; those who were not seen for long are forgotten first."},
    {.name = "servers",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, servers),
     .fallback = "[]",
     .text = "Servers that get the presence of those of our users who are in the `from` of a group."},
};

/* ---- the configuration */

static void destroy(void *pointer)
{
    struct state *state = pointer;
    for (size_t index = 0; index < state->group_count; index++) {
        name_list_free(&state->groups[index].from);
        name_list_free(&state->groups[index].to);
    }
    presence_rooms_free(&state->rooms);
    known_users_free(&state->named_receivers);
    known_users_free(&state->named_sources);
    known_users_free(&state->receivers);
    known_users_free(&state->sources);
    buffer_free(&state->forwarded_ids);
    free(state->forwarded);
    free(state->groups);
    free(state);
}

static bool is_everybody(const char *entry)
{
    return strcmp(entry, "ALL") == 0 || strcmp(entry, "*") == 0 || strcmp(entry, "@*") == 0 ||
           strcmp(entry, "@*:*") == 0;
}

static bool is_room(const char *entry)
{
    return entry[0] == '!' && entry[1] && !glob_has_wildcard(slice_from_string(entry));
}

/* Fills one side of a group; `*everybody`: it is ALL; `rooms`: whether it may hold some. A malformed id among the
 * answers would fail the whole batch in Synapse. */
static bool read_side(struct name_list *side, const struct module_host *host, const char *parameter,
                      const struct text_list *list, bool *everybody, bool rooms)
{
    bool good = list->count != 0;
    *everybody = false;
    name_list_open(side, (struct name_list_options){0});
    if (!good)
        module_host_report(host, parameter, "is empty: the group would be nobody's");
    for (size_t item = 0; item < list->count; item++) {
        struct slice entry = slice_from_string(list->items[item]);
        *everybody = *everybody || is_everybody(list->items[item]);
        bool user = is_everybody(list->items[item]) || glob_has_wildcard(entry) || user_id_valid(entry);
        if (*list->items[item] == '!' ? rooms && is_room(list->items[item]) : user)
            continue;
        text_list_report(host, parameter, list, item,
                         rooms ? "is no user id, as @alice:example.org, no glob over them, and no room id"
                               : "is no user id, as @alice:example.org, and no glob");
        good = false;
    }
    return good && name_list_add(side, host, parameter, list) && name_list_compile(side, host);
}

static bool read_groups(struct state *state, const struct module_host *host)
{
    const struct map_list *list = &state->configuration->groups;
    bool good = list->count <= GROUPS_MAXIMUM;
    if (!good)
        module_host_report(host, "groups", "there are more than %u groups", GROUPS_MAXIMUM);
    state->groups = memory_allocate_zeroed(list->count, sizeof *state->groups);
    state->group_count = list->count;
    for (size_t index = 0; index < list->count && index < GROUPS_MAXIMUM; index++) {
        const struct group_configuration *group = (const struct group_configuration *)list->items + index;
        struct map_host map;
        const struct module_host *inner = map_host_open(&map, host, "groups", index);
        bool from_all, to_all;
        bool from = read_side(&state->groups[index].from, inner, "from", &group->from, &from_all, false);
        bool to = read_side(&state->groups[index].to, inner, "to", &group->to, &to_all, true);
        for (size_t item = 0; item < group->to.count; item++)
            if (is_room(group->to.items[item]))
                presence_rooms_add(&state->rooms, group->to.items[item], (uint64_t)1 << index);
        state->from_all |= (uint64_t)from_all << index;
        good = good && from && to;
    }
    return good;
}

/* Presence goes to a server by way of any user there: Synapse looks at no more than the name behind the colon. */
static bool read_servers(struct state *state, const struct module_host *host)
{
    const struct text_list *servers = &state->configuration->servers;
    bool good = true;
    for (size_t item = 0; item < servers->count; item++) {
        if (!server_name_valid(slice_from_string(servers->items[item]))) {
            text_list_report(host, "servers", servers, item, "is no server name");
            good = false;
        }
        buffer_append_format(&state->forwarded_ids, "@presence:%s\n", servers->items[item]);
    }
    state->forwarded = memory_allocate_zeroed(servers->count, sizeof *state->forwarded);
    const char *at = buffer_string(&state->forwarded_ids);
    for (size_t item = 0; item < servers->count; item++) {
        size_t length = strcspn(at, "\n");
        state->forwarded[item] = value_text(slice_of(at, length));
        at += length + 1;
    }
    return good;
}

static uint64_t groups_from(const struct state *state, struct slice user)
{
    uint64_t groups = state->from_all;
    bool is_glob;
    for (size_t index = 0; index < state->group_count; index++)
        if (slice_present(name_list_match(&state->groups[index].from, user, &is_glob)))
            groups |= (uint64_t)1 << index;
    return groups;
}

static uint64_t groups_to(const struct state *state, struct slice user)
{
    uint64_t groups = presence_rooms_groups(&state->rooms, user);
    bool is_glob;
    for (size_t index = 0; index < state->group_count; index++) {
        const struct text_list *to =
            &((const struct group_configuration *)state->configuration->groups.items)[index].to;
        bool meant = slice_present(name_list_match(&state->groups[index].to, user, &is_glob));
        for (size_t item = 0; !meant && item < to->count; item++)
            meant = is_everybody(to->items[item]);
        groups |= (uint64_t)meant << index;
    }
    return groups;
}

/* Room for all users that are named on a side, so that none is forgotten. */
static uint32_t count_named(const struct state *state, size_t offset)
{
    size_t count = 1;
    for (size_t index = 0; index < state->group_count; index++) {
        const char *group =
            (const char *)state->configuration->groups.items + index * sizeof(struct group_configuration);
        count += ((const struct text_list *)(const void *)(group + offset))->count;
    }
    return (uint32_t)(2 * count);
}

static void see_named(struct known_users *users, const struct state *state, const struct text_list *list,
                      uint64_t groups_of(const struct state *state, struct slice user))
{
    for (size_t item = 0; item < list->count; item++) {
        struct slice user = slice_from_string(list->items[item]);
        if (user_id_valid(user) && !glob_has_wildcard(user))
            known_users_see(users, user, groups_of(state, user));
    }
}

static void take_configuration(struct state *state)
{
    const struct group_configuration *groups = state->configuration->groups.items;
    int64_t most = state->configuration->max_fanout;
    known_users_create(&state->named_receivers, count_named(state, offsetof(struct group_configuration, to)));
    known_users_create(&state->named_sources, count_named(state, offsetof(struct group_configuration, from)));
    known_users_create(&state->receivers, (uint32_t)(most < 2 ? 2 : most));
    known_users_create(&state->sources, (uint32_t)(most < 2 ? 2 : most));
    for (size_t index = 0; index < state->group_count; index++) {
        see_named(&state->named_receivers, state, &groups[index].to, groups_to);
        see_named(&state->named_sources, state, &groups[index].from, groups_from);
    }
}

static void *create(const struct module_setup *setup)
{
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = setup->configuration;
    state->server_name = slice_from_string(setup->server_name);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    bool good = read_groups(state, setup->host);
    good = read_servers(state, setup->host) && good;
    if (!good) {
        destroy(state);
        return NULL;
    }
    if (state->group_count == 0)
        module_host_warn(setup->host, "groups", "is empty: nobody gets anything");
    take_configuration(state);
    return state;
}

/* ---- questions */

/* The groups of a user on one side. Whoever is not named, and is in any group that is `worth` it, is remembered, unless
 * it is a trial. */
static uint64_t learn(const struct state *state, const struct known_users *named, struct known_users *learnt,
                      uint64_t worth, struct slice user, bool trial,
                      uint64_t groups_of(const struct state *state, struct slice user))
{
    uint64_t groups;
    if (known_users_find(named, user, &groups))
        return groups;
    if (!known_users_find(learnt, user, &groups))
        groups = groups_of(state, user);
    if (groups & worth && !trial && user.length <= USER_ID_MAXIMUM && user_id_valid(user))
        known_users_see(learnt, user, groups);
    return groups;
}

/* The states of a question, with the groups of their users. */
struct routing {
    struct presence_batch batch;
    uint64_t *groups;
    struct arena *arena;
    struct {
        uint64_t groups;
        struct value set;
    } shared[SHARED_SETS];
    uint32_t shared_count;
    struct presence_routes routes;
    uint32_t most; /* users, beside servers */
};

/* The states that go to a user of these groups. */
static struct value set_for(struct routing *routing, uint64_t groups)
{
    for (uint32_t index = 0; index < routing->shared_count; index++)
        if (routing->shared[index].groups == groups)
            return routing->shared[index].set;
    struct value *states = arena_allocate(routing->arena, routing->batch.count * sizeof *states);
    uint32_t count = 0;
    for (uint32_t index = 0; index < routing->batch.count; index++)
        if (routing->groups[index] & groups)
            states[count++] = routing->batch.states[index];
    struct value set = value_container(VALUE_SET, states, count);
    if (routing->shared_count < SHARED_SETS) {
        routing->shared[routing->shared_count].groups = groups;
        routing->shared[routing->shared_count++].set = set;
    }
    return set;
}

static void route_to(struct routing *routing, const struct state *state, const struct known_users *users)
{
    const struct known_user *user;
    for (uint32_t place = 0; routing->routes.users < routing->most && (user = known_users_next(users, &place));) {
        struct value set = set_for(routing, user->mark);
        if (set.count == 0 && !(user->mark & state->from_all))
            continue;
        struct slice id = arena_copy(routing->arena, slice_of(user->id, user->length));
        presence_routes_add(&routing->routes, value_text(id), set);
    }
}

/* To other servers goes what is ours, and any group's. */
static void forward(struct routing *routing, const struct state *state)
{
    size_t servers = state->configuration->servers.count;
    struct value *states = arena_allocate(routing->arena, routing->batch.count * sizeof *states);
    uint32_t count = 0;
    for (uint32_t index = 0; index < routing->batch.count; index++)
        if (routing->groups[index] &&
            slice_equal(server_name_of(routing->batch.states[index].state->user_id), state->server_name))
            states[count++] = routing->batch.states[index];
    for (size_t server = 0; count && server < servers; server++)
        presence_routes_add(&routing->routes, state->forwarded[server], value_container(VALUE_SET, states, count));
}

static uint32_t count_users(const struct known_users *users)
{
    return users->old.count + users->young.count;
}

static void get_users_for_states(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    struct routing routing = {.batch = presence_batch_collect(&arguments->values[0], arguments->arena),
                              .arena = arguments->arena};
    routing.groups = arena_allocate(arguments->arena, routing.batch.count * sizeof *routing.groups);
    for (uint32_t index = 0; index < routing.batch.count; index++)
        routing.groups[index] = learn(state, &state->named_sources, &state->sources, ~state->from_all,
                                      routing.batch.states[index].state->user_id, arguments->trial, groups_from);
    size_t most = (size_t)count_users(&state->named_receivers) + count_users(&state->receivers);
    size_t limit = (size_t)state->configuration->max_fanout;
    routing.most = (uint32_t)(most < limit ? most : limit);
    size_t servers = state->configuration->servers.count;
    routing.routes = presence_routes_open(routing.most + (uint32_t)servers, arguments->arena);
    route_to(&routing, state, &state->named_receivers);
    route_to(&routing, state, &state->receivers);
    forward(&routing, state);
    result->value = presence_routes_answer(&routing.routes);
}

/* Appends the users of these groups but `user`. Ids are copied: another question may forget a user before this one's
 * answer was used. */
static uint32_t add_sources(const struct known_users *sources, uint64_t groups, struct slice user, struct arena *arena,
                            struct value *items, uint32_t count)
{
    const struct known_user *source;
    for (uint32_t place = 0; (source = known_users_next(sources, &place));) {
        struct slice id = slice_of(source->id, source->length);
        if (source->mark & groups && !slice_equal(id, user))
            items[count++] = value_text(arena_copy(arena, id));
    }
    return count;
}

/* Whether get_users_for_states will have an entry for the user, whom learn() has just seen. */
static bool is_routed_to(const struct state *state, struct slice user)
{
    uint64_t groups;
    return known_users_find(&state->named_receivers, user, &groups) ||
           (int64_t)count_users(&state->named_receivers) < state->configuration->max_fanout;
}

static void get_interested_users(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    struct slice user = arguments->values[0].text;
    uint64_t groups =
        learn(state, &state->named_receivers, &state->receivers, UINT64_MAX, user, arguments->trial, groups_to);
    result->value.kind = VALUE_PASS;
    if (!groups)
        return;
    result->reason = SLICE("the user is in the `to` of a group");
    if (groups & state->from_all && is_routed_to(state, user)) {
        result->value = value_text(SLICE("ALL"));
        return;
    }
    size_t most = (size_t)count_users(&state->named_sources) + count_users(&state->sources);
    struct value *items = arena_allocate(arguments->arena, most * sizeof *items);
    uint32_t count = add_sources(&state->named_sources, groups, user, arguments->arena, items, 0);
    count = add_sources(&state->sources, groups, user, arguments->arena, items, count);
    result->value = value_container(VALUE_SET, items, count);
}

/* ---- the rooms that are followed */

static const char *const *followed_rooms(const void *pointer, uint32_t *count)
{
    const struct state *state = pointer;
    *count = state->rooms.count;
    return state->rooms.ids;
}

static void note_groups(struct known_users *users, const struct state *state, struct slice user)
{
    uint64_t groups;
    if (known_users_find(users, user, &groups))
        known_users_see(users, user, groups_to(state, user));
}

/* Who has left stays known, in no group, so that nothing goes to them. */
static void state_event(void *pointer, const struct event *event, int64_t ordering)
{
    struct state *state = pointer;
    if (!presence_rooms_see(&state->rooms, event, state->membership, ordering))
        return;
    note_groups(&state->named_receivers, state, event->state_key);
    note_groups(&state->receivers, state, event->state_key);
}

/* ---- snapshots: the version and the seed, the members of the rooms, then the learnt users of each side */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    parts_put_head(output, SAVED_VERSION, state->rooms.seed);
    size_t start = parts_begin(output);
    presence_rooms_save(&state->rooms, output);
    parts_end(output, start);
    start = parts_begin(output);
    known_users_save(&state->receivers, output);
    parts_end(output, start);
    start = parts_begin(output);
    known_users_save(&state->sources, output);
    parts_end(output, start);
}

static bool restore_side(const struct state *state, struct known_users *users, struct slice ids,
                         uint64_t groups_of(const struct state *state, struct slice user))
{
    while (ids.length) {
        struct slice id = parts_take(&ids);
        if (!id.data || !user_id_valid(id) || !utf8_valid(id))
            return false;
        uint64_t groups = groups_of(state, id);
        if (groups)
            known_users_see(users, id, groups);
    }
    return true;
}

static bool restore_parts(struct state *state, struct slice saved)
{
    const struct group_configuration *groups = state->configuration->groups.items;
    uint64_t seed = 0;
    if (!parts_take_head(&saved, SAVED_VERSION, &seed))
        return false;
    struct slice rooms = parts_take(&saved), receivers = parts_take(&saved), sources = parts_take(&saved);
    if (!rooms.data || !receivers.data || !sources.data || saved.length ||
        !presence_rooms_restore(&state->rooms, rooms, seed))
        return false;
    for (size_t index = 0; index < state->group_count; index++)
        see_named(&state->named_receivers, state, &groups[index].to, groups_to);
    return restore_side(state, &state->receivers, receivers, groups_to) &&
           restore_side(state, &state->sources, sources, groups_from);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    const struct group_configuration *groups = state->configuration->groups.items;
    if (restore_parts(state, saved))
        return true;
    uint32_t maximum = 2 * state->receivers.half;
    known_users_free(&state->receivers);
    known_users_free(&state->sources);
    known_users_create(&state->receivers, maximum);
    known_users_create(&state->sources, maximum);
    (void)presence_rooms_restore(&state->rooms, SLICE(""), state->rooms.seed);
    for (size_t index = 0; index < state->group_count; index++)
        see_named(&state->named_receivers, state, &groups[index].to, groups_to);
    return false;
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    figure(context, "receivers", "Users, by globs, who get presence and are known; at most max_fanout.",
           (double)count_users(&state->receivers));
    figure(context, "sources", "Users, by globs, whose presence is routed and who are known; at most max_fanout.",
           (double)count_users(&state->sources));
    figure(context, "members", "Users who are, or were, in the rooms of `to`.",
           state->rooms.members ? (double)followed_members_count(state->rooms.members) : 0);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_get_users_for_states, .function = get_users_for_states},
    {.callback = CALLBACK_get_interested_users, .function = get_interested_users},
};

extern const struct module_definition module_presence_groups;
const struct module_definition module_presence_groups = {
    .name = "presence_groups",
    .summary = "Sends the presence of groups of users to other groups, with whom they need share no room, and to other "
               "servers.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = false,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
    .save = save,
    .restore = restore,
    .figures = figures,
    .followed_rooms = followed_rooms,
    .state_event = state_event,
    .follows_members = true,
};
