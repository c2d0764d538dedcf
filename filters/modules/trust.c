/* Who is trusted: moderators, members of a room, whoever has been here for long. It refuses nobody; it sets a tag, by
 * which modules behind it leave people out (`except: {tags: …}`) or are milder with them.
 *
 * What it knows comes from where nobody can claim it: power levels from the state that the homeserver sends along, now
 * or with an earlier event of the room, or from events that it has stored; members from the current state of the rooms
 * that are followed; age and messages from what this engine has itself seen of a user. A message that another module
 * refuses is taken back, or a flood would earn trust. */
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"
#include "base/recent_table.h"
#include "filters/followed_members.h"
#include "filters/map_host.h"
#include "filters/module.h"
#include "filters/name_list.h"
#include "filters/room_state.h"
#include "filters/seen_power.h"
#include "filters/server_name.h"
#include "filters/subject.h"

#define SOURCES_MAXIMUM 32u
/* Users in followed rooms, in at most 64 MiB. */
#define MEMBERS_MAXIMUM 1000000u
/* Rooms whose power levels are known, in 2 MiB as rooms are, and in 40 MiB at most. */
#define ROOMS_MAXIMUM 16384u
/* Messages whose ids are remembered, 1 MiB. */
#define EVENTS_REMEMBERED 65536u
#define SAVED_VERSION 1u

struct source_configuration {
    struct text_list users;
    struct text_list servers;
    int64_t power_level;
    struct text_list member_of;
    int64_t min_age;
    int64_t min_messages;
};

struct configuration {
    struct map_list sources;
    char *tag;
    int64_t capacity;
};

struct source {
    const struct source_configuration *configuration;
    struct name_list users;
    struct name_list servers;
    char name[40]; /* "sources[3]" */
};

struct state {
    const struct configuration *configuration;
    uint64_t tag;
    uint32_t membership; /* its slot */
    uint64_t seed;
    struct source *sources;
    size_t source_count;
    const char **rooms; /* all that are followed */
    uint32_t room_count;
    struct seen_power *power;         /* NULL: no source asks for it */
    struct followed_members *members; /* NULL likewise, and the two below */
    struct recent_table *users;       /* since when, and how many messages */
    struct recent_table *events;      /* whether a message has counted: enum message */
};

static const struct parameter source_parameters[] = {
    {.name = "users",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct source_configuration, users),
     .fallback = "[]",
     .text = "It is one of these users: ids, or globs over the whole id."},
    {.name = "servers",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct source_configuration, servers),
     .fallback = "[]",
     .text = "It is of one of these servers: names, or globs, without a port."},
    {.name = "power_level",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct source_configuration, power_level),
     .fallback = "0",
     .minimum = 0,
     .maximum = 100,
     .text = "It has at least this power level in the room, such as 50. 0: that does not matter."},
    {.name = "member_of",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct source_configuration, member_of),
     .fallback = "[]",
     .text = "It is in one of these rooms: ids."},
    {.name = "min_age",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct source_configuration, min_age),
     .fallback = "0s",
     .minimum = 0,
     .maximum = (int64_t)3650 * 86400 * 1000,
     .text = "This engine has seen it first so long ago, to ten minutes. 0s: that does not matter."},
    {.name = "min_messages",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct source_configuration, min_messages),
     .fallback = "0",
     .minimum = 0,
     .maximum = 1000,
     .text =
         "This engine has seen so many messages of it, in any rooms, that nothing refused. 0: that does not matter."},
};

static const struct parameter parameters[] = {
    {.name = "sources",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, sources),
     .fallback = "[]",
     .fields = source_parameters,
     .field_count = sizeof source_parameters / sizeof *source_parameters,
     .map_size = sizeof(struct source_configuration),
     .text = "Who is trusted: a user of whom all keys of one of these maps hold."},
    {.name = "tag",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, tag),
     .fallback = "trusted",
     .text = "The tag that what trusted users do gets, for the modules behind this one."},
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, capacity),
     .fallback = "262144",
     .minimum = 1024,
     .maximum = 16000000,
     .text =
         "How many users are known at a time for `min_age` and `min_messages`, in 64 bytes each; beyond that, those "
         "of whom nothing was seen for longest are forgotten, and begin anew."},
};

/* ---- the configuration */

static void destroy(void *pointer)
{
    struct state *state = pointer;
    for (size_t index = 0; index < state->source_count; index++) {
        name_list_free(&state->sources[index].users);
        name_list_free(&state->sources[index].servers);
    }
    seen_power_destroy(state->power);
    followed_members_destroy(state->members);
    recent_table_destroy(state->users);
    recent_table_destroy(state->events);
    free(state->rooms);
    free(state->sources);
    free(state);
}

static bool read_rooms(struct state *state, const struct text_list *rooms, const struct module_host *host)
{
    bool good = true;
    state->rooms = memory_reallocate(state->rooms, (state->room_count + rooms->count) * sizeof *state->rooms);
    for (size_t index = 0; index < rooms->count; index++) {
        if (*rooms->items[index] != '!') {
            text_list_report(host, "member_of", rooms, index, "must be a room id: it begins with a `!`");
            good = false;
        }
        state->rooms[state->room_count++] = rooms->items[index];
    }
    return good;
}

static bool read_source(struct state *state, struct source *source, const struct source_configuration *configuration,
                        const struct module_host *host)
{
    source->configuration = configuration;
    name_list_open(&source->users, (struct name_list_options){0});
    name_list_open(&source->servers, (struct name_list_options){.ignore_case = true, .servers = true});
    bool good = configuration->users.count || configuration->servers.count || configuration->power_level ||
                configuration->member_of.count || configuration->min_age || configuration->min_messages;
    if (!good)
        module_host_report(host, "",
                           "says nobody: give one of users, servers, power_level, member_of, min_age, "
                           "min_messages");
    good &= name_list_add(&source->users, host, "users", &configuration->users);
    good &= name_list_add(&source->servers, host, "servers", &configuration->servers);
    good &= name_list_compile(&source->users, host);
    good &= name_list_compile(&source->servers, host);
    return read_rooms(state, &configuration->member_of, host) && good;
}

static bool read_sources(struct state *state, const struct module_host *host)
{
    const struct map_list *list = &state->configuration->sources;
    if (list->count > SOURCES_MAXIMUM) {
        module_host_report(host, "sources", "there are more than %u sources", SOURCES_MAXIMUM);
        return false;
    }
    bool good = true;
    state->sources = memory_allocate_zeroed(list->count, sizeof *state->sources);
    state->source_count = list->count;
    for (size_t index = 0; index < list->count; index++) {
        struct map_host map;
        struct source *source = &state->sources[index];
        snprintf(source->name, sizeof source->name, "sources[%zu]", index);
        good &= read_source(state, source, (const struct source_configuration *)list->items + index,
                            map_host_open(&map, host, "sources", index));
    }
    return good;
}

/* What the sources ask for, and nothing else, is remembered. */
static void create_tables(struct state *state)
{
    int64_t least_power = 0;
    bool counts = false;
    for (size_t index = 0; index < state->source_count; index++) {
        const struct source_configuration *source = state->sources[index].configuration;
        if (source->power_level && (!least_power || source->power_level < least_power))
            least_power = source->power_level;
        counts = counts || source->min_age || source->min_messages;
    }
    if (least_power)
        state->power = seen_power_create(ROOMS_MAXIMUM, least_power, state->seed);
    if (state->room_count)
        state->members = followed_members_create(MEMBERS_MAXIMUM);
    if (counts) {
        state->users = recent_table_create(4 * (uint32_t)state->configuration->capacity);
        state->events = recent_table_create(EVENTS_REMEMBERED);
    }
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->seed = keyed_hash_seed;
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    bool named = configuration->tag && *configuration->tag;
    if (!named)
        module_host_report(setup->host, "tag", "must not be empty");
    else
        state->tag = module_tag(setup, configuration->tag, "tag");
    if (!read_sources(state, setup->host) || !state->tag) {
        destroy(state);
        return NULL;
    }
    create_tables(state);
    *setup->reads_state = state->power != NULL;
    *setup->reads_time = state->users != NULL;
    *setup->concurrent = !state->users && !state->power && !state->members;
    if (!state->source_count)
        module_host_warn(setup->host, "sources", "is empty: nobody is trusted");
    return state;
}

/* ---- users: a number of 32 bits for each */

/* 22 bits are when it was first seen, in steps of ten minutes since 1970, which suffice until 2049, and 10 how many
 * messages came since. */
#define STEP_MS 600000
#define MESSAGE_BITS 10
#define STEP_MASK ((1u << (32 - MESSAGE_BITS)) - 1)
#define MESSAGES_MASK ((1u << MESSAGE_BITS) - 1)

enum message { MESSAGE_COUNTED, MESSAGE_TAKEN_BACK };

static uint32_t step_at(int64_t now_ms)
{
    return (uint32_t)(now_ms / STEP_MS) & STEP_MASK;
}

/* Reactions, and what takes something back, are cheaper than messages. What has no id cannot be counted once. */
static bool is_message(const struct callback_arguments *arguments)
{
    const struct event *event = arguments->event;
    return event && slice_present(event->event_id) && !slice_present(event->state_key) &&
           !slice_equal(event->type, SLICE("m.reaction")) && !slice_equal(event->type, SLICE("m.room.redaction"));
}

/* What was known of the user before this question, which from now on is known, too: a message does not count for
 * itself, however often it is asked about. */
static uint32_t see_user(const struct state *state, const struct callback_arguments *arguments, struct slice user)
{
    uint64_t key = keyed_hash(user, state->seed);
    uint32_t known, message;
    if (!recent_table_find(state->users, key, &known))
        known = step_at(arguments->now_ms) << MESSAGE_BITS;
    uint32_t seen = known;
    if (is_message(arguments)) {
        uint64_t event = keyed_hash(arguments->event->event_id, state->seed);
        bool again = recent_table_find(state->events, event, &message);
        if (again && message == MESSAGE_COUNTED && seen & MESSAGES_MASK)
            seen--;
        else if (!again && (known & MESSAGES_MASK) < MESSAGES_MASK)
            known++;
        if (!again && !arguments->trial)
            recent_table_put(state->events, event, MESSAGE_COUNTED);
    }
    if (!arguments->trial)
        recent_table_put(state->users, key, known);
    return seen;
}

/* Who refuses may stand before this module: then the message has not counted. */
static void decided(void *pointer, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    const struct state *state = pointer;
    uint32_t known, message;
    (void)outcome;
    if (!state->users || !is_message(arguments))
        return;
    uint64_t event = keyed_hash(arguments->event->event_id, state->seed);
    uint64_t user = keyed_hash(arguments->event->sender, state->seed);
    if (!recent_table_find(state->events, event, &message) || message != MESSAGE_COUNTED ||
        !recent_table_find(state->users, user, &known))
        return;
    recent_table_put(state->events, event, MESSAGE_TAKEN_BACK);
    if (known & MESSAGES_MASK)
        recent_table_put(state->users, user, known - 1);
}

/* ---- questions */

struct question {
    const struct callback_arguments *arguments;
    struct slice user;
    struct slice room;
    uint32_t seen; /* of the user, as the table has it */
};

/* An answer by the room's state stands above what was seen, which is put right by it: about the same event Synapse asks
 * check_event_for_spam next, and tells it no state. */
static bool has_power(const struct state *state, const struct question *question, int64_t wanted)
{
    const json_t *room = room_state_of(question->arguments);
    int64_t seen = seen_power_of(state->power, question->room, question->user);
    if (!room)
        return seen >= wanted;
    bool has = room_state_power(room, question->user) >= wanted;
    if ((seen == SEEN_POWER_UNKNOWN || has != (seen >= wanted)) && !question->arguments->trial)
        seen_power_learn(state->power, question->room, room);
    return has;
}

static bool is_member(const struct state *state, const struct text_list *rooms, struct slice user)
{
    for (size_t index = 0; index < rooms->count; index++)
        if (followed_members_has(state->members,
                                 keyed_hash_pair(slice_from_string(rooms->items[index]), user, state->seed)))
            return true;
    return false;
}

/* First seen in the future, by a clock that was set back, is first seen now. */
static bool is_old(const struct source_configuration *source, const struct question *question)
{
    uint32_t first = question->seen >> MESSAGE_BITS, now = step_at(question->arguments->now_ms);
    int64_t age = now > first ? (int64_t)(now - first) * STEP_MS : 0;
    return age >= source->min_age && (question->seen & MESSAGES_MASK) >= (uint32_t)source->min_messages;
}

static bool trusts(const struct state *state, const struct source *source, const struct question *question)
{
    const struct source_configuration *wanted = source->configuration;
    bool is_glob;
    if (wanted->users.count && !slice_present(name_list_match(&source->users, question->user, &is_glob)))
        return false;
    if (wanted->servers.count &&
        !slice_present(name_list_match(&source->servers, server_name_host(server_name_of(question->user)), &is_glob)))
        return false;
    if ((wanted->min_age || wanted->min_messages) && !is_old(wanted, question))
        return false;
    if (wanted->member_of.count && !is_member(state, &wanted->member_of, question->user))
        return false;
    return !wanted->power_level || has_power(state, question, wanted->power_level);
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct question question = {.arguments = arguments,
                                .user = subject_text(arguments, SUBJECT_USER),
                                .room = subject_text(arguments, SUBJECT_ROOM)};
    result->value.kind = VALUE_PASS;
    if (!slice_present(question.user))
        return;
    /* An event that somebody only asks about may be refused by the room's own rules: it says nothing yet. */
    bool stored = arguments->event && !arguments->values;
    if (state->power && stored)
        seen_power_see(state->power, arguments);
    if (state->users)
        question.seen = see_user(state, arguments, question.user);
    for (size_t index = 0; index < state->source_count; index++)
        if (trusts(state, &state->sources[index], &question)) {
            result->tags = state->tag;
            result->rule = slice_from_string(state->sources[index].name);
            return;
        }
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge},
    {.callback = CALLBACK_check_event_allowed, .function = judge},
    {.callback = CALLBACK_user_may_invite, .function = judge},
    {.callback = CALLBACK_federated_user_may_invite, .function = judge, .where_known = true},
    {.callback = CALLBACK_user_may_join_room, .function = judge, .companion = true},
    {.callback = CALLBACK_user_may_send_3pid_invite, .function = judge, .companion = true},
    {.callback = CALLBACK_user_may_create_room, .function = judge, .companion = true},
    {.callback = CALLBACK_user_may_create_room_alias, .function = judge, .companion = true},
    {.callback = CALLBACK_user_may_publish_room, .function = judge, .companion = true},
    {.callback = CALLBACK_user_may_send_state_event, .function = judge, .where_known = true, .companion = true},
};

/* ---- the rooms that are followed */

static const char *const *followed_rooms(const void *pointer, uint32_t *count)
{
    const struct state *state = pointer;
    *count = state->room_count;
    return state->rooms;
}

static void state_event(void *pointer, const struct event *event, int64_t ordering)
{
    struct state *state = pointer;
    struct slice membership = subject_membership(event, state->membership);
    bool gone = slice_equal(event->type, SLICE("m.room.member")) && !slice_present(event->event_id);
    if ((!slice_present(membership) && !gone) || !slice_present(event->state_key) || !slice_present(event->room_id) ||
        !state->members)
        return;
    (void)followed_members_see(state->members, keyed_hash_pair(event->room_id, event->state_key, state->seed), ordering,
                               slice_equal(membership, SLICE("join")));
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    figure(context, "rooms", "Rooms whose power levels were seen.", state->power ? seen_power_rooms(state->power) : 0);
    figure(context, "members", "Users who are, or were, in the rooms of `member_of`.",
           state->members ? followed_members_count(state->members) : 0);
}

/* ---- snapshots: the version and the seed, then each table behind its length, an empty one where there is none */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    parts_put_head(output, SAVED_VERSION, state->seed);
    size_t start = parts_begin(output);
    if (state->power)
        seen_power_save(state->power, output);
    parts_end(output, start);
    start = parts_begin(output);
    if (state->members)
        followed_members_save(state->members, output);
    parts_end(output, start);
    const struct recent_table *const tables[] = {state->users, state->events};
    for (size_t index = 0; index < 2; index++) {
        start = parts_begin(output);
        if (tables[index])
            recent_table_save(tables[index], output);
        parts_end(output, start);
    }
}

static bool restore_tables(struct state *state, struct slice saved, uint64_t seed)
{
    struct slice power = parts_take(&saved), members = parts_take(&saved), users = parts_take(&saved);
    struct slice events = parts_take(&saved);
    return slice_present(events) && saved.length == 0 &&
           (state->power ? seen_power_restore(state->power, power, seed) : power.length == 0) &&
           (state->members ? followed_members_restore(state->members, members) : members.length == 0) &&
           (state->users ? recent_table_restore(state->users, users) && recent_table_restore(state->events, events)
                         : users.length + events.length == 0);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    uint64_t seed = 0;
    if (parts_take_head(&saved, SAVED_VERSION, &seed) && restore_tables(state, saved, seed)) {
        state->seed = seed;
        return true;
    }
    if (state->power)
        (void)seen_power_restore(state->power, SLICE(""), state->seed);
    if (state->members)
        (void)followed_members_restore(state->members, SLICE(""));
    if (state->users) {
        (void)recent_table_restore(state->users, SLICE(""));
        (void)recent_table_restore(state->events, SLICE(""));
    }
    return false;
}

extern const struct module_definition module_trust;
const struct module_definition module_trust = {
    .name = "trust",
    .summary = "Refuses nobody; sets a tag on what trusted users do, for the modules behind it.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .sets_tags = true,
    .reads_time = true,
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
    .decided = decided,
};
