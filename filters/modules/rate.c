/* Floods: how much of something one sender, room, server or address may do in a time.
 *
 * Each rule has a table of token buckets (base/rate_table.h). What is asked about is held against all rules that it
 * concerns before any bucket pays: what is refused costs nothing, so that whoever goes on at ten times the rate gets
 * the rate through and no less. In dry_run the buckets work as in earnest, so that the verdicts are those that there
 * would be.
 *
 * Synapse asks about one event up to three times (check_event_for_spam, check_event_allowed, again when it comes over
 * federation a second time), and it is seen once more when it was stored. The ids of the last events are kept with what
 * was said about them: an event counts when it is first asked about, and gets the same answer each time. An event
 * without an id counts each time. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"
#include "base/rate_table.h"
#include "base/recent_table.h"
#include "filters/event_costs.h"
#include "filters/map_host.h"
#include "filters/module.h"
#include "filters/pattern_list.h"
#include "filters/server_name.h"
#include "filters/subject.h"

#define RULES_MAXIMUM 32u
/* Ids of events that are remembered, a mebibyte: a minute of a thousand events a second, half a day of one. */
#define EVENTS_REMEMBERED 65536u
#define SAVED_VERSION 1u

enum key { KEY_SENDER, KEY_ROOM, KEY_SERVER, KEY_SENDER_ROOM, KEY_IP };
static const char *const key_names[] = {"sender", "room", "server", "sender_room", "ip", NULL};
static const char *const key_texts[] = {"for each sender", "for each room", "for each server",
                                        "for each sender in a room", "for each address"};
enum cost { COST_EVENTS, COST_BYTES, COST_MENTIONS, COST_LINKS, COST_MEDIA };
static const char *const cost_names[] = {"events", "bytes", "mentions", "links", "media", NULL};
static const char *const cost_texts[] = {"", " bytes", " mentions", " links", " media"};

#define KEY_BIT(key) (1u << (key))
#define KEYS_OF_USERS (KEY_BIT(KEY_SENDER) | KEY_BIT(KEY_SERVER))
#define KEYS_IN_ROOMS (KEYS_OF_USERS | KEY_BIT(KEY_ROOM) | KEY_BIT(KEY_SENDER_ROOM))

/* What people do, by the callbacks that tell of it, and the keys which those have. Of an invite over federation
 * user_may_invite is asked after federated_user_may_invite; it shall not count twice. */
static const struct action {
    const char *name;
    enum callback callbacks[2];
    unsigned keys;
} actions[] = {
    {"events", {CALLBACK_check_event_for_spam, CALLBACK_check_event_allowed}, KEYS_IN_ROOMS},
    {"joins", {CALLBACK_user_may_join_room, CALLBACK_UNKNOWN}, KEYS_IN_ROOMS},
    {"invites", {CALLBACK_user_may_invite, CALLBACK_UNKNOWN}, KEYS_IN_ROOMS},
    {"threepid_invites", {CALLBACK_user_may_send_3pid_invite, CALLBACK_UNKNOWN}, KEYS_IN_ROOMS},
    {"rooms", {CALLBACK_user_may_create_room, CALLBACK_UNKNOWN}, KEYS_OF_USERS},
    {"aliases", {CALLBACK_user_may_create_room_alias, CALLBACK_UNKNOWN}, KEYS_OF_USERS},
    {"logins", {CALLBACK_check_login_for_spam, CALLBACK_UNKNOWN}, KEY_BIT(KEY_SENDER) | KEY_BIT(KEY_IP)},
    {"registrations", {CALLBACK_check_registration_for_spam, CALLBACK_UNKNOWN}, KEY_BIT(KEY_IP)},
};
#define ACTIONS (sizeof actions / sizeof *actions)
#define ACTION_EVENTS 1u /* the bit of the first row */

struct rule_configuration {
    char *name;
    int key;
    int cost;
    struct rate rate;
    int64_t burst;
    struct text_list actions;
    struct text_list types;
    int64_t capacity;
};

struct configuration {
    struct map_list rules;
    char *code;
};

struct rule {
    enum key key;
    enum cost cost;
    unsigned actions; /* by number in the table, a bit each */
    struct pattern_list types;
    struct rate_table *table;
    struct slice name;
    struct buffer text; /* that `name` and `reason` point into */
    struct slice reason;
};

struct state {
    struct slice code;
    struct rule *rules;
    uint32_t rule_count;
    uint64_t seed;
    struct event_costs costs;
    struct recent_table *recent; /* 0: the event passed; else the number of the rule that refused it, plus one */
};

static const struct parameter rule_parameters[] = {
    {.name = "name",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct rule_configuration, name),
     .text = "What verdicts call the rule; without one, the rate and the key."},
    {.name = "key",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct rule_configuration, key),
     .fallback = "sender",
     .choices = key_names,
     .text = "What has a bucket of its own: each user, room, server of a user, user in a room, or address of a client "
             "(an IPv6 address counts as its /64)."},
    {.name = "rate",
     .type = PARAMETER_RATE,
     .offset = offsetof(struct rule_configuration, rate),
     .minimum = 1,
     .maximum = RATE_COUNT_MAXIMUM,
     .text = "How much comes back into a bucket in which time, evenly: `10/m`, `50/h`, `5/10s`; to be given."},
    {.name = "burst",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct rule_configuration, burst),
     .fallback = "0",
     .minimum = 0,
     .maximum = RATE_BURST_MAXIMUM,
     .text =
         "How much a full bucket holds, which is how much may come at once; 0: as much as comes back in one period."},
    {.name = "cost",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct rule_configuration, cost),
     .fallback = "events",
     .choices = cost_names,
     .text = "What is counted: 1 for each event or request; or of an event the bytes of its JSON, the users that it "
             "mentions, its links, its files and images. What costs more than `burst` never passes."},
    {.name = "actions",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct rule_configuration, actions),
     .fallback = "events",
     .text =
         "What the rule counts: events, joins, invites, threepid_invites, rooms, aliases, logins, registrations. All "
         "but events are questions that Synapse asks before it acts; where it does not ask, joins and invites are "
         "events of the type m.room.member."},
    {.name = "types",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct rule_configuration, types),
     .fallback = "[]",
     .text = "Globs over the type of the events that count (case-sensitive); none: all types."},
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct rule_configuration, capacity),
     .fallback = "1000000",
     .minimum = 1024,
     .maximum = 16000000,
     .text =
         "How many buckets may be other than full at a time, in 32 bytes each; beyond that the fullest are forgotten, "
         "which lets too much pass and never too little."},
};

static const struct parameter parameters[] = {
    {.name = "rules",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, rules),
     .fields = rule_parameters,
     .field_count = sizeof rule_parameters / sizeof *rule_parameters,
     .map_size = sizeof(struct rule_configuration),
     .text = "The rates; what goes beyond any of them is denied, and takes nothing from the others."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

/* ---- questions */

/* The network of an address: of IPv6 the first 64 bits, which one subscriber has at least; mapped IPv4 as IPv4. */
static uint64_t hash_of_address(struct slice address, uint64_t seed)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (address.length >= sizeof text)
        return keyed_hash(address, seed);
    memcpy(text, address.data, address.length);
    text[address.length] = '\0';
    if (inet_pton(AF_INET, text, bytes) == 1)
        return keyed_hash(slice_of((const char *)bytes, 4), seed);
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return keyed_hash(address, seed);
    bool is_mapped = memcmp(bytes, mapped, sizeof mapped) == 0;
    return keyed_hash(is_mapped ? slice_of((const char *)bytes + 12, 4) : slice_of((const char *)bytes, 8), seed);
}

/* The last request of a registration, or of a login, is the one that decides. */
static struct slice address_of(const struct callback_arguments *arguments)
{
    struct subject_origin origin;
    struct slice address = SLICE_ABSENT;
    for (size_t index = 0; subject_origin(arguments, index, &origin); index++)
        if (slice_present(origin.address))
            address = origin.address;
    return address;
}

/* The text that has the bucket; of KEY_SENDER_ROOM the sender. Absent: the rule does not concern the question. */
static struct slice key_text(enum key key, const struct callback_arguments *arguments)
{
    switch (key) {
    case KEY_SENDER:
    case KEY_SENDER_ROOM:
        return subject_text(arguments, SUBJECT_USER);
    case KEY_ROOM:
        return subject_text(arguments, SUBJECT_ROOM);
    case KEY_SERVER:
        return subject_server(arguments);
    case KEY_IP:
        return address_of(arguments);
    }
    return SLICE_ABSENT;
}

static bool hash_key(const struct state *state, enum key key, const struct callback_arguments *arguments,
                     struct slice text, uint64_t *hash)
{
    struct slice room = SLICE_ABSENT;
    if (!slice_present(text))
        return false;
    if (key == KEY_SENDER_ROOM && !slice_present(room = subject_text(arguments, SUBJECT_ROOM)))
        return false;
    *hash = key == KEY_IP            ? hash_of_address(text, state->seed)
            : key == KEY_SENDER_ROOM ? keyed_hash_pair(text, room, state->seed)
                                     : keyed_hash(text, state->seed);
    return true;
}

struct due {
    struct rate_table *table;
    uint64_t key;
    int64_t cost;
};

static int64_t cost_of(const struct state *state, enum cost cost, const struct callback_arguments *arguments)
{
    switch (cost) {
    case COST_EVENTS:
        break;
    case COST_BYTES:
        return (int64_t)arguments->event->body.length;
    case COST_MENTIONS:
        return event_costs_mentions(&state->costs, arguments);
    case COST_LINKS:
        return event_costs_links(&state->costs, arguments);
    case COST_MEDIA:
        return event_costs_media(&state->costs, arguments);
    }
    return 1;
}

/* What the question costs by this rule; false: it does not concern it. */
static bool is_due(const struct state *state, const struct rule *rule, unsigned action,
                   const struct callback_arguments *arguments, struct slice *text, struct due *due)
{
    const struct event *event = arguments->event;
    if (!(rule->actions & action))
        return false;
    if (action == ACTION_EVENTS && rule->types.count && !slice_present(pattern_list_match(&rule->types, event->type)))
        return false;
    *text = key_text(rule->key, arguments);
    if (!hash_key(state, rule->key, arguments, *text, &due->key))
        return false;
    due->table = rule->table;
    due->cost = event && rule->cost != COST_EVENTS ? cost_of(state, rule->cost, arguments) : 1;
    return true;
}

static void refuse(const struct state *state, uint32_t rule, struct slice text, struct result *result)
{
    result->value = value_refuse(state->code);
    result->rule = state->rules[rule].name;
    result->reason = state->rules[rule].reason;
    result->evidence = text;
}

/* The rule that the question goes beyond, plus one; 0: none, and the buckets have paid unless it is a trial. */
static uint32_t count(const struct state *state, unsigned action, const struct callback_arguments *arguments)
{
    struct due dues[RULES_MAXIMUM];
    struct slice text;
    uint32_t due_count = 0;
    for (uint32_t rule = 0; rule < state->rule_count; rule++) {
        struct due *due = &dues[due_count];
        if (!is_due(state, &state->rules[rule], action, arguments, &text, due))
            continue;
        /* Nothing is taken, but the table learns the time: else one whose clock was set back would stand still. */
        if (!arguments->trial)
            (void)rate_table_take(due->table, due->key, 0, arguments->now_ms);
        if (!rate_table_has(due->table, due->key, due->cost, arguments->now_ms))
            return rule + 1;
        due_count++;
    }
    for (uint32_t index = 0; index < due_count && !arguments->trial; index++)
        (void)rate_table_take(dues[index].table, dues[index].key, dues[index].cost, arguments->now_ms);
    return 0;
}

static void judge(struct state *state, unsigned action, const struct callback_arguments *arguments,
                  struct result *result)
{
    struct slice id = arguments->event ? arguments->event->event_id : SLICE_ABSENT;
    uint64_t event = slice_present(id) ? keyed_hash(id, state->seed) : 0;
    uint32_t refused;
    result->value.kind = VALUE_PASS;
    if (!slice_present(id) || !recent_table_find(state->recent, event, &refused)) {
        refused = count(state, action, arguments);
        if (slice_present(id) && !arguments->trial)
            recent_table_put(state->recent, event, refused);
    }
    if (refused && refused <= state->rule_count)
        refuse(state, refused - 1, key_text(state->rules[refused - 1].key, arguments), result);
}

#define ACTION_FUNCTION(name, number)                                                                                  \
    static void ask_about_##name(void *state, const struct callback_arguments *arguments, struct result *result)       \
    {                                                                                                                  \
        judge(state, 1u << (number), arguments, result);                                                               \
    }
ACTION_FUNCTION(events, 0)
ACTION_FUNCTION(joins, 1)
ACTION_FUNCTION(invites, 2)
ACTION_FUNCTION(threepid_invites, 3)
ACTION_FUNCTION(rooms, 4)
ACTION_FUNCTION(aliases, 5)
ACTION_FUNCTION(logins, 6)
ACTION_FUNCTION(registrations, 7)
static callback_function *const functions[ACTIONS] = {
    ask_about_events, ask_about_joins,   ask_about_invites, ask_about_threepid_invites,
    ask_about_rooms,  ask_about_aliases, ask_about_logins,  ask_about_registrations};

/* ---- the configuration */

static bool read_action(struct rule *rule, const struct module_host *host, const struct text_list *list, size_t item)
{
    const char *names[ACTIONS + 1] = {NULL};
    for (size_t number = 0; number < ACTIONS; number++) {
        names[number] = actions[number].name;
        if (strcmp(list->items[item], actions[number].name) != 0)
            continue;
        rule->actions |= 1u << number;
        if (actions[number].keys & KEY_BIT(rule->key))
            return true;
        module_host_report(host, "key", "Synapse tells no `%s` of %s: give those a rule with another key",
                           key_names[rule->key], actions[number].name);
        return false;
    }
    const char *nearest = nearest_word(list->items[item], names);
    char message[256];
    if (nearest)
        snprintf(message, sizeof message, "is no action; did you mean `%s`?", nearest);
    else
        snprintf(message, sizeof message,
                 "is no action: those are events, joins, invites, threepid_invites, rooms, "
                 "aliases, logins and registrations");
    text_list_report(host, "actions", list, item, message);
    return false;
}

static bool read_actions(struct rule *rule, const struct module_host *host,
                         const struct rule_configuration *configuration)
{
    bool good = true;
    for (size_t item = 0; item < configuration->actions.count; item++)
        good = read_action(rule, host, &configuration->actions, item) && good;
    if (!configuration->actions.count)
        module_host_report(host, "actions", "is empty: the rule would count nothing");
    bool events_only = rule->actions == ACTION_EVENTS;
    if (good && rule->cost != COST_EVENTS && !events_only)
        module_host_report(host, "cost", "only events have %s: give the other actions a rule of their own",
                           cost_names[rule->cost]);
    if (good && configuration->types.count && !(rule->actions & ACTION_EVENTS))
        module_host_report(host, "types", "only events have a type, and the rule counts none");
    return good && configuration->actions.count && (rule->cost == COST_EVENTS || events_only) &&
           (!configuration->types.count || rule->actions & ACTION_EVENTS);
}

/* What verdicts say, made once: "10/m for each sender". */
static void name_rule(struct rule *rule, const struct rule_configuration *configuration, int64_t burst)
{
    struct buffer *text = &rule->text;
    struct buffer period = {0};
    duration_append(&period, configuration->rate.period_ms);
    const char *unit = buffer_string(&period);
    bool one = unit[0] == '1' && (unit[1] < '0' || unit[1] > '9');
    buffer_append_format(text, "%" PRId64 "%s/%s %s", configuration->rate.count, cost_texts[rule->cost], unit + one,
                         key_texts[rule->key]);
    size_t length = text->length;
    buffer_append_format(text, "more than %" PRId64 "%s at once and then %" PRId64 "/%s", burst, cost_texts[rule->cost],
                         configuration->rate.count, unit + one);
    rule->name = configuration->name ? slice_from_string(configuration->name) : slice_of(text->data, length);
    rule->reason = slice_of(text->data + length, text->length - length);
    buffer_free(&period);
}

static bool read_rule(struct rule *rule, const struct module_host *host, const struct rule_configuration *configuration)
{
    rule->key = (enum key)configuration->key;
    rule->cost = (enum cost)configuration->cost;
    bool good = read_actions(rule, host, configuration);
    good &= pattern_list_add_all(&rule->types, host, "types", &configuration->types, PATTERN_GLOB, true);
    good &= pattern_list_compile(&rule->types, host);
    if (!configuration->rate.count) {
        module_host_report(host, "", "has no `rate`, such as \"10/m\"");
        return false;
    }
    int64_t burst = configuration->burst ? configuration->burst : configuration->rate.count;
    if (!good)
        return false;
    name_rule(rule, configuration, burst);
    rule->table =
        rate_table_create(&(struct rate_limit){configuration->rate.count, configuration->rate.period_ms, burst},
                          (uint32_t)configuration->capacity);
    return true;
}

static void destroy(void *pointer)
{
    struct state *state = pointer;
    for (uint32_t index = 0; index < state->rule_count; index++) {
        pattern_list_free(&state->rules[index].types);
        rate_table_destroy(state->rules[index].table);
        buffer_free(&state->rules[index].text);
    }
    event_costs_free(&state->costs);
    recent_table_destroy(state->recent);
    free(state->rules);
    free(state);
}

static bool read_rules(struct state *state, const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    const struct rule_configuration *items = configuration->rules.items;
    bool good = configuration->rules.count > 0 && configuration->rules.count <= RULES_MAXIMUM;
    if (!good) {
        module_host_report(setup->host, "rules", "must be a list of 1 to %u rules", RULES_MAXIMUM);
        return false;
    }
    state->rule_count = (uint32_t)configuration->rules.count;
    state->rules = memory_allocate_zeroed(state->rule_count, sizeof *state->rules);
    for (uint32_t index = 0; index < state->rule_count; index++) {
        struct map_host place;
        const struct module_host *host = map_host_open(&place, setup->host, "rules", index);
        good = read_rule(&state->rules[index], host, &items[index]) && good;
    }
    return good;
}

/* Only what some rule counts is registered: each callback is a question that a worker has to wait for. */
static void register_callbacks(const struct state *state, const struct module_setup *setup)
{
    unsigned used = 0;
    *setup->needs_body = false;
    for (uint32_t index = 0; index < state->rule_count; index++) {
        const struct rule *rule = &state->rules[index];
        used |= rule->actions;
        if (rule->actions & ACTION_EVENTS && (rule->key != KEY_ROOM || rule->cost != COST_EVENTS))
            *setup->needs_body = true;
    }
    for (size_t number = 0; number < ACTIONS; number++)
        for (size_t index = 0; index < 2 && used >> number & 1; index++)
            if (actions[number].callbacks[index] != CALLBACK_UNKNOWN)
                module_register(setup, &(struct module_callback){.callback = actions[number].callbacks[index],
                                                                 .function = functions[number]});
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    state->seed = keyed_hash_seed;
    state->recent = recent_table_create(EVENTS_REMEMBERED);
    if (!read_rules(state, setup)) {
        destroy(state);
        return NULL;
    }
    for (uint32_t index = 0; index < state->rule_count; index++)
        if (state->rules[index].cost > COST_BYTES && !state->costs.fields.count)
            event_costs_create(&state->costs, setup->fields, setup->host);
    register_callbacks(state, setup);
    return state;
}

/* ---- snapshots: the version and the seed, then each table behind its length */

struct saved_header {
    uint64_t version;
    uint64_t seed;
};

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    struct saved_header header = {SAVED_VERSION, state->seed};
    buffer_append(output, (const char *)&header, sizeof header);
    size_t start = parts_begin(output);
    recent_table_save(state->recent, output);
    parts_end(output, start);
    for (uint32_t index = 0; index < state->rule_count; index++) {
        start = parts_begin(output);
        rate_table_save(state->rules[index].table, output);
        parts_end(output, start);
    }
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    struct saved_header header = {0};
    if (saved.length >= sizeof header) {
        memcpy(&header, saved.data, sizeof header);
        saved = slice_of(saved.data + sizeof header, saved.length - sizeof header);
    }
    bool good = header.version == SAVED_VERSION && recent_table_restore(state->recent, parts_take(&saved));
    for (uint32_t index = 0; good && index < state->rule_count; index++)
        good = rate_table_restore(state->rules[index].table, parts_take(&saved));
    if (good && saved.length == 0) {
        state->seed = header.seed;
        return true;
    }
    (void)recent_table_restore(state->recent, SLICE(""));
    for (uint32_t index = 0; index < state->rule_count; index++)
        (void)rate_table_restore(state->rules[index].table, SLICE(""));
    return false;
}

static void take_over(void *pointer, void *other)
{
    struct state *state = pointer, *from = other;
    memory_exchange(&state->seed, &from->seed, sizeof state->seed);
    memory_exchange(&state->recent, &from->recent, sizeof state->recent);
    for (uint32_t index = 0; index < state->rule_count; index++)
        memory_exchange(&state->rules[index].table, &from->rules[index].table, sizeof state->rules[index].table);
}

extern const struct module_definition module_rate;
const struct module_definition module_rate = {
    .name = "rate",
    .summary =
        "Denies what one sender, room, server or address does too much of: events, joins, invites, rooms, aliases, "
        "logins, registrations.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .reads_time = true,
    .answers_alike = true,
    .create = create,
    .destroy = destroy,
    .save = save,
    .restore = restore,
    .take_over = take_over,
};
