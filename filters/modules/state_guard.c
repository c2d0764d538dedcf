/* Who may change a room's state, beyond what the room's own power levels say. Old rooms let moderators replace the
 * room, shut servers out or turn encryption on, since they were made before those had levels of their own; and a bot
 * that changes a topic each second is allowed to by everybody's rules.
 *
 * How much power somebody has, and whether there was something to change, only the room's state tells.
 * check_event_allowed has it, so that is where this is decided; user_may_send_state_event, which is asked a moment
 * before, and events that are only observed have none: there, rules that need it let pass.
 *
 * Intervals are token buckets of one token, one for each piece of state. An event counts once, as in rate.c. */
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/rate_table.h"
#include "base/recent_table.h"
#include "filters/kept_tables.h"
#include "filters/map_host.h"
#include "filters/module.h"
#include "filters/name_list.h"
#include "filters/room_state.h"
#include "filters/server_name.h"
#include "filters/subject.h"
#include "filters/type_globs.h"

#define RULES_MAXIMUM 64u
#define POWER_NONE (-1)
/* Pieces of state whose last change is remembered at once, in 2 MiB, and ids of events, in 1 MiB. */
#define CHANGES_REMEMBERED 65536u
#define EVENTS_REMEMBERED 65536u
#define SAVED_VERSION 1u

enum action { ACTION_DENY, ACTION_FREEZE };
static const char *const action_names[] = {"deny", "freeze", NULL};

static const char *const protect_names[] = {"power_levels", "server_acl", "join_rules", "tombstone",
                                            "policy",       "encryption", NULL};
static const struct protected_type {
    struct slice type;
    unsigned bit; /* by place in `protect_names` */
} protected_types[] = {
#define PROTECTED(type, place)                                                                                         \
    {                                                                                                                  \
        {type, sizeof(type) - 1}, 1u << (place)                                                                        \
    }
    PROTECTED("m.room.power_levels", 0), PROTECTED("m.room.server_acl", 1), PROTECTED("m.room.join_rules", 2),
    PROTECTED("m.room.tombstone", 3),    PROTECTED("m.room.policy", 4),     PROTECTED("org.matrix.msc4284.policy", 4),
    PROTECTED("m.room.encryption", 5),
#undef PROTECTED
};

struct rule_configuration {
    char *name;
    struct text_list types;
    int action;
    int64_t power;
    struct text_list users;
    struct text_list servers;
};

struct configuration {
    struct map_list rules;
    unsigned protect;
    int64_t protect_power;
    int64_t min_interval;
    char *code;
};

struct rule {
    const struct rule_configuration *configuration;
    struct type_globs types;
    struct name_list users;
    struct name_list servers;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct rule *rules;
    size_t rule_count;
    struct kept_tables kept;     /* with the tables that follow */
    struct rate_table *changes;  /* NULL: no interval */
    struct recent_table *recent; /* whether the event came too early */
};

static const struct parameter rule_parameters[] = {
    {.name = "name",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct rule_configuration, name),
     .text = "What verdicts call the rule; without one, the glob that matched."},
    {.name = "types",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct rule_configuration, types),
     .fallback = "[]",
     .text = "Globs over the type of the state; with a `/`, over the type and the state key: m.room.member/@bot:*."},
    {.name = "action",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct rule_configuration, action),
     .fallback = "deny",
     .choices = action_names,
     .text =
         "deny: it may not be set, also while a room is made; freeze: it may be set once, and then stays as it is."},
    {.name = "power",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct rule_configuration, power),
     .fallback = "-1",
     .minimum = -1,
     .maximum = INT64_C(1) << 53,
     .text = "Users with this power level in the room may all the same; -1: nobody by power alone. Where the room's "
             "state is not known, the rule lets pass."},
    {.name = "users",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct rule_configuration, users),
     .fallback = "[]",
     .text = "Users who may all the same: ids, or globs over the whole id."},
    {.name = "servers",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct rule_configuration, servers),
     .fallback = "[]",
     .text = "Servers whose users may all the same: names, or globs, without a port."},
};

static const struct parameter parameters[] = {
    {.name = "rules",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, rules),
     .fallback = "[]",
     .fields = rule_parameters,
     .field_count = sizeof rule_parameters / sizeof *rule_parameters,
     .map_size = sizeof(struct rule_configuration),
     .text = "Which state may not be changed, and who may all the same."},
    {.name = "protect",
     .type = PARAMETER_CHOICES,
     .offset = offsetof(struct configuration, protect),
     .fallback = "[]",
     .choices = protect_names,
     .text = "State that only users with the power of `protect_power` may change, or those who have the most in a room "
             "where nobody has that. policy: the room's policy server."},
    {.name = "protect_power",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, protect_power),
     .fallback = "100",
     .minimum = 0,
     .maximum = INT64_C(1) << 53,
     .text = "The power level for `protect`."},
    {.name = "min_interval",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct configuration, min_interval),
     .fallback = "0s",
     .minimum = 0,
     .maximum = RATE_PERIOD_MAXIMUM_MS,
     .text = "How long one piece of a room's state must stay as it is before it may be changed again, whoever does it; "
             "0s: not at all. Memberships do not count."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

/* ---- the configuration */

static void destroy(void *pointer)
{
    struct state *state = pointer;
    for (size_t index = 0; index < state->rule_count; index++) {
        type_globs_free(&state->rules[index].types);
        name_list_free(&state->rules[index].users);
        name_list_free(&state->rules[index].servers);
    }
    kept_tables_free(&state->kept);
    free(state->rules);
    free(state);
}

static bool read_rule(struct rule *rule, const struct rule_configuration *configuration, const struct module_host *host)
{
    rule->configuration = configuration;
    name_list_open(&rule->users, (struct name_list_options){0});
    name_list_open(&rule->servers, (struct name_list_options){.ignore_case = true, .servers = true});
    bool good = configuration->types.count != 0;
    if (!good)
        module_host_report(host, "types", "is empty: the rule would guard nothing");
    good &= type_globs_create(&rule->types, host, "types", &configuration->types);
    good &= name_list_add(&rule->users, host, "users", &configuration->users);
    good &= name_list_add(&rule->servers, host, "servers", &configuration->servers);
    good &= name_list_compile(&rule->users, host);
    good &= name_list_compile(&rule->servers, host);
    return good;
}

static bool read_rules(struct state *state, const struct module_host *host)
{
    const struct map_list *list = &state->configuration->rules;
    if (list->count > RULES_MAXIMUM) {
        module_host_report(host, "rules", "there are more than %u rules", RULES_MAXIMUM);
        return false;
    }
    bool good = true;
    state->rules = memory_allocate_zeroed(list->count, sizeof *state->rules);
    state->rule_count = list->count;
    for (size_t index = 0; index < list->count; index++) {
        struct map_host map;
        const struct rule_configuration *rule = (const struct rule_configuration *)list->items + index;
        good &= read_rule(&state->rules[index], rule, map_host_open(&map, host, "rules", index));
    }
    return good;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->kept = kept_tables_open(SAVED_VERSION);
    if (!read_rules(state, setup->host)) {
        destroy(state);
        return NULL;
    }
    if (configuration->min_interval) {
        const struct rate_limit limit = {.count = 1, .period_ms = configuration->min_interval, .burst = 1};
        kept_tables_add_recent(&state->kept, &state->recent, recent_table_create(EVENTS_REMEMBERED));
        kept_tables_add_rate(&state->kept, &state->changes, rate_table_create(&limit, CHANGES_REMEMBERED));
    }
    if (!state->rule_count && !configuration->protect && !state->changes)
        module_host_warn(setup->host, "", "nothing is guarded: every change passes");
    return state;
}

/* ---- questions */

/* A change of a room's state, and what is known of the room. */
struct change {
    const struct callback_arguments *arguments;
    struct slice type, state_key, user;
    const json_t *room; /* NULL: its state is not known */
    bool compared;      /* `before` and `same` are known */
    const json_t *before;
    bool same;
};

/* The content that is to be set, in the arena; NULL if there is none. */
static const json_t *new_content(const struct callback_arguments *arguments)
{
    const struct event *event = arguments->event;
    if (!event)
        return arguments->count > 4 && arguments->values[4].kind == VALUE_JSON ? arguments->values[4].object : NULL;
    json_t *whole = event->has_body ? json_loadb(event->body.data, event->body.length, 0, NULL) : NULL;
    return whole ? json_object_get(value_own_json(arguments->arena, whole), "content") : NULL;
}

/* What the room has there, and whether that is what is to be set, which changes nothing. */
static void compare(struct change *change)
{
    if (change->compared)
        return;
    change->compared = true;
    change->before = change->room ? room_state_find(change->room, change->type, change->state_key) : NULL;
    const json_t *content = change->before ? new_content(change->arguments) : NULL;
    change->same = content && json_equal(json_object_get(change->before, "content"), content);
}

static bool is_exempt(const struct rule *rule, const struct change *change)
{
    bool is_glob;
    struct slice server = server_name_host(server_name_of(change->user));
    return slice_present(name_list_match(&rule->users, change->user, &is_glob)) ||
           slice_present(name_list_match(&rule->servers, server, &is_glob));
}

static bool refuse(const struct state *state, struct slice rule, struct slice reason, const struct change *change,
                   struct result *result)
{
    result->value = value_refuse(state->code);
    result->rule = rule;
    result->reason = reason;
    result->evidence = change->type;
    return true;
}

static bool rule_refuses(const struct state *state, const struct rule *rule, struct change *change,
                         struct result *result)
{
    const struct rule_configuration *configuration = rule->configuration;
    struct slice glob = type_globs_match(&rule->types, change->type, change->state_key, change->arguments->arena);
    bool needs_state = configuration->action == ACTION_FREEZE || configuration->power != POWER_NONE;
    if (!glob.data || is_exempt(rule, change) || (needs_state && !change->room))
        return false;
    compare(change);
    if (change->same || (configuration->action == ACTION_FREEZE && !change->before))
        return false;
    if (configuration->power != POWER_NONE && room_state_power(change->room, change->user) >= configuration->power)
        return false;
    struct slice reason = configuration->action == ACTION_FREEZE
                              ? SLICE("this part of the room's state is frozen")
                              : SLICE("this user may not set this part of the state");
    return refuse(state, configuration->name ? slice_from_string(configuration->name) : glob, reason, change, result);
}

static bool protection_refuses(const struct state *state, struct change *change, struct result *result)
{
    if (!change->room || !state->configuration->protect)
        return false;
    for (size_t index = 0; index < sizeof protected_types / sizeof *protected_types; index++) {
        const struct protected_type *protected = &protected_types[index];
        if (!(state->configuration->protect & protected->bit) || !slice_equal(protected->type, change->type))
            continue;
        int64_t highest = room_state_highest_power(change->room);
        int64_t wanted = state->configuration->protect_power;
        wanted = highest < wanted ? highest : wanted;
        compare(change);
        int64_t power = room_state_power(change->room, change->user);
        if (change->same || power >= wanted)
            return false;
        struct slice reason = arena_format(change->arguments->arena, "protected: needs power %lld, the user has %lld",
                                           (long long)wanted, (long long)power);
        return refuse(state, SLICE("protect"), reason, change, result);
    }
    return false;
}

/* Whether the interval is not over; if it is, the change begins the next one, unless it is a trial or only asked for:
 * the same change comes again as an event. */
static bool comes_early(const struct state *state, const struct change *change)
{
    const struct callback_arguments *arguments = change->arguments;
    const struct event *event = arguments->event;
    struct slice id = event ? event->event_id : SLICE_ABSENT;
    uint64_t event_hash = slice_present(id) ? keyed_hash(id, state->kept.seed) : 0;
    uint32_t early;
    if (slice_present(id) && recent_table_find(state->recent, event_hash, &early))
        return early;
    uint64_t key = keyed_hash_pair(change->type, change->state_key,
                                   keyed_hash(subject_text(arguments, SUBJECT_ROOM), state->kept.seed));
    early = !rate_table_has(state->changes, key, 1, arguments->now_ms);
    if (!event || arguments->trial)
        return early;
    if (!early)
        (void)rate_table_take(state->changes, key, 1, arguments->now_ms);
    if (slice_present(id))
        recent_table_put(state->recent, event_hash, early);
    return early;
}

static bool interval_refuses(const struct state *state, struct change *change, struct result *result)
{
    if (!state->changes || slice_equal(change->type, SLICE("m.room.member")))
        return false;
    compare(change);
    return !change->same && comes_early(state, change) &&
           refuse(state, SLICE("min_interval"), SLICE("this part of the room's state was changed a moment ago"), change,
                  result);
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct change change = {.arguments = arguments,
                            .type = subject_text(arguments, SUBJECT_TYPE),
                            .state_key = subject_text(arguments, SUBJECT_STATE_KEY),
                            .user = subject_text(arguments, SUBJECT_USER),
                            .room = room_state_of(arguments)};
    result->value.kind = VALUE_PASS;
    if (!slice_present(change.state_key) || !slice_present(change.type))
        return;
    for (size_t index = 0; index < state->rule_count; index++)
        if (rule_refuses(state, &state->rules[index], &change, result))
            return;
    if (!protection_refuses(state, &change, result))
        (void)interval_refuses(state, &change, result);
}

/* ---- what is remembered */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    kept_tables_save(&state->kept, output);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    return kept_tables_restore(&state->kept, saved);
}

static void take_over(void *pointer, void *other)
{
    struct state *state = pointer, *from = other;
    kept_tables_exchange(&state->kept, &from->kept);
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    if (state->changes)
        figure(context, "changes_forgotten_total", "Changes of state that were forgotten before min_interval was over.",
               (double)rate_table_forgotten(state->changes));
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_allowed, .function = judge},
    {.callback = CALLBACK_user_may_send_state_event, .function = judge, .where_known = true},
};

extern const struct module_definition module_state_guard;
const struct module_definition module_state_guard = {
    .name = "state_guard",
    .summary = "Denies changes of a room's state by those who shall not make them, or too soon after the last.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .reads_state = true,
    .reads_time = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
    .save = save,
    .restore = restore,
    .take_over = take_over,
    .figures = figures,
};
