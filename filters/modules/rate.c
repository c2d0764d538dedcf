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
#include <inttypes.h>
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"
#include "base/recent_table.h"
#include "filters/event_costs.h"
#include "filters/map_host.h"
#include "filters/pattern_list.h"
#include "filters/rate_actions.h"
#include "filters/rate_sharing.h"

#define RULES_MAXIMUM 32u
/* Ids of events that are remembered, a mebibyte: a minute of a thousand events a second, half a day of one. */
#define EVENTS_REMEMBERED 65536u
#define SAVED_VERSION 2u

static const char *const key_names[] = {"sender", "room", "server", "sender_room", "ip", NULL}; /* as enum rate_key */
enum cost { COST_EVENTS, COST_BYTES, COST_MENTIONS, COST_LINKS, COST_MEDIA };
static const char *const cost_names[] = {"events", "bytes", "mentions", "links", "media", NULL};
static const char *const cost_texts[] = {"", " bytes", " mentions", " links", " media"};

struct rule_configuration {
    char *name;
    int key;
    int cost;
    struct rate rate;
    int64_t burst;
    struct text_list actions;
    struct text_list types;
    int64_t trusted_factor;
    int64_t capacity;
};

struct configuration {
    struct map_list rules;
    char *trusted_tag;
    struct rate_sharing_configuration sharing;
    char *code;
};

struct rule {
    struct rate_rule rate;
    enum cost cost;
    unsigned actions; /* by number in the table, a bit each */
    struct pattern_list types;
};

struct state {
    struct slice code;
    struct rule *rules;
    uint32_t rule_count;
    uint64_t seed;
    uint64_t trusted; /* the tag's bit; 0: no rule asks for it */
    struct rate_sharing sharing;
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
    {.name = "trusted_factor",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct rule_configuration, trusted_factor),
     .fallback = "5",
     .minimum = 1,
     .maximum = 100,
     .text =
         "How many times the rate and the burst those have who bear the tag `trusted_tag`, in buckets of their own; "
         "1: trust changes nothing."},
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
    {.name = "trusted_tag",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, trusted_tag),
     .fallback = "trusted",
     .text =
         "The tag that an earlier module of the chain gives those whom it trusts; where none gives any, nobody is."},
    RATE_SHARING_PARAMETERS(struct configuration, sharing),
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

/* ---- questions */

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

/* What the question is to pay by this rule; false: it does not concern it. */
static bool is_due(const struct state *state, struct rule *rule, unsigned action,
                   const struct callback_arguments *arguments, struct rate_due *due)
{
    const struct event *event = arguments->event;
    if (!(rule->actions & action))
        return false;
    if (action == RATE_ACTION_EVENTS && rule->types.count &&
        !slice_present(pattern_list_match(&rule->types, event->type)))
        return false;
    if (!rate_rule_concerns(&rule->rate, arguments, state->seed, arguments->tags & state->trusted, due))
        return false;
    if (event && rule->cost != COST_EVENTS)
        due->cost = cost_of(state, rule->cost, arguments);
    return true;
}

/* What a question is to pay by all rules that it concerns. */
struct dues {
    struct rate_due items[RULES_MAXIMUM];
    uint32_t numbers[RULES_MAXIMUM]; /* of their rules */
    uint32_t count;
};

static void find_dues(const struct state *state, const struct callback_arguments *arguments, struct dues *dues)
{
    unsigned action = rate_action_of(arguments->callback);
    dues->count = 0;
    for (uint32_t rule = 0; rule < state->rule_count; rule++)
        if (is_due(state, &state->rules[rule], action, arguments, &dues->items[dues->count]))
            dues->numbers[dues->count++] = rule;
}

/* 0 for what has no id. */
static uint64_t event_key(const struct state *state, const struct callback_arguments *arguments)
{
    struct slice id = arguments->event ? arguments->event->event_id : SLICE_ABSENT;
    return slice_present(id) ? keyed_hash(id, state->seed) : 0;
}

/* `number`: of the rule, plus one; 0: none refuses. */
static void say(const struct state *state, uint32_t number, const struct callback_arguments *arguments,
                struct result *result)
{
    result->value.kind = VALUE_PASS;
    if (!number || number > state->rule_count)
        return;
    struct rate_rule *rule = &state->rules[number - 1].rate;
    struct rate_due due = {.rule = rule};
    if (!rate_rule_concerns(rule, arguments, state->seed, arguments->tags & state->trusted, &due))
        due.text = SLICE("");
    result->value = value_refuse(state->code);
    rate_due_explain(&due, result);
}

/* What came of the dues; `beyond` is the place of one of them, plus one. */
static void conclude(const struct state *state, const struct dues *dues, enum rate_asked asked, uint32_t beyond,
                     const struct callback_arguments *arguments, struct result *result)
{
    if (asked == RATE_ASKED_DENY)
        result->value = value_refuse(state->code);
    if (asked != RATE_ASKED_NOBODY)
        return;
    uint32_t number = beyond ? dues->numbers[beyond - 1] + 1 : 0;
    uint64_t event = event_key(state, arguments);
    if (event && !arguments->trial)
        recent_table_put(state->recent, event, number);
    say(state, number, arguments, result);
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    uint64_t event = event_key(state, arguments);
    struct dues dues;
    uint32_t beyond;
    if (event && recent_table_find(state->recent, event, &beyond)) {
        say(state, beyond, arguments, result);
        return;
    }
    find_dues(state, arguments, &dues);
    enum rate_asked asked =
        rate_sharing_ask(&state->sharing, dues.items, dues.numbers, dues.count, arguments, &beyond, result);
    conclude(state, &dues, asked, beyond, arguments, result);
}

static void answer(void *pointer, const struct callback_arguments *arguments, const struct service_answer *answered,
                   struct result *result)
{
    struct state *state = pointer;
    struct dues dues;
    uint32_t beyond;
    find_dues(state, arguments, &dues);
    enum rate_asked asked = rate_sharing_answer(&state->sharing, dues.items, dues.numbers, dues.count, arguments,
                                                answered, &beyond, result);
    conclude(state, &dues, asked, beyond, arguments, result);
}

/* ---- the configuration */

static bool read_actions(struct rule *rule, const struct module_host *host,
                         const struct rule_configuration *configuration)
{
    bool good = rate_actions_read(&rule->actions, host, &configuration->actions, configuration->key,
                                  key_names[configuration->key]);
    bool events_only = rule->actions == RATE_ACTION_EVENTS;
    if (good && rule->cost != COST_EVENTS && !events_only)
        module_host_report(host, "cost", "only events have %s: give the other actions a rule of their own",
                           cost_names[rule->cost]);
    if (good && configuration->types.count && !(rule->actions & RATE_ACTION_EVENTS))
        module_host_report(host, "types", "only events have a type, and the rule counts none");
    return good && (rule->cost == COST_EVENTS || events_only) &&
           (!configuration->types.count || rule->actions & RATE_ACTION_EVENTS);
}

static bool read_rule(struct rule *rule, const struct module_host *host, const struct rule_configuration *configuration)
{
    rule->cost = (enum cost)configuration->cost;
    bool good = read_actions(rule, host, configuration);
    good &= pattern_list_add_all(&rule->types, host, "types", &configuration->types, PATTERN_GLOB, true);
    good &= pattern_list_compile(&rule->types, host);
    if (!configuration->rate.count) {
        module_host_report(host, "", "has no `rate`, such as \"10/m\"");
        return false;
    }
    if (good)
        rate_rule_open(&rule->rate, &(struct rate_rule_settings){.key = (enum rate_key)configuration->key,
                                                                 .rate = configuration->rate,
                                                                 .burst = configuration->burst,
                                                                 .name = configuration->name,
                                                                 .unit = cost_texts[rule->cost],
                                                                 .capacity = (uint32_t)configuration->capacity,
                                                                 .trusted_factor = configuration->trusted_factor});
    return good;
}

static void destroy(void *pointer)
{
    struct state *state = pointer;
    for (uint32_t index = 0; index < state->rule_count; index++) {
        pattern_list_free(&state->rules[index].types);
        rate_rule_free(&state->rules[index].rate);
    }
    rate_sharing_free(&state->sharing);
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
        if (rule->actions & RATE_ACTION_EVENTS && (rule->rate.key != RATE_KEY_ROOM || rule->cost != COST_EVENTS))
            *setup->needs_body = true;
    }
    rate_actions_register(used, setup, judge);
}

/* False, and reported, if the chain has too many tags. */
static bool take_tag(struct state *state, const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    bool asked = false;
    for (uint32_t index = 0; index < state->rule_count; index++)
        asked = asked || state->rules[index].rate.tables[RATE_TRUSTED];
    if (asked)
        state->trusted = module_tag(setup, configuration->trusted_tag, "trusted_tag");
    return !asked || state->trusted;
}

/* All that makes a rule what it is, for whoever shares it. */
static void append_identity(struct buffer *text, const struct rule_configuration *rule)
{
    const struct text_list *const lists[] = {&rule->actions, &rule->types};
    buffer_append_format(text, "%s %d %d %" PRId64 "/%" PRId64 " %" PRId64 " %" PRId64, rule->name ? rule->name : "",
                         rule->key, rule->cost, rule->rate.count, rule->rate.period_ms, rule->burst,
                         rule->trusted_factor);
    for (size_t list = 0; list < sizeof lists / sizeof *lists; list++)
        for (size_t item = 0; item < lists[list]->count; item++)
            buffer_append_format(text, "%c%s", item ? ',' : ' ', lists[list]->items[item]);
}

static bool share(struct state *state, const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    const struct rule_configuration *items = configuration->rules.items;
    struct rate_sharing_rule rules[RULES_MAXIMUM];
    struct buffer texts[RULES_MAXIMUM] = {{0}};
    for (uint32_t index = 0; index < state->rule_count; index++) {
        append_identity(&texts[index], &items[index]);
        rules[index] = (struct rate_sharing_rule){&state->rules[index].rate, buffer_slice(&texts[index])};
    }
    bool good = rate_sharing_open(&state->sharing, setup, &configuration->sharing, rules, state->rule_count);
    for (uint32_t index = 0; index < state->rule_count; index++)
        buffer_free(&texts[index]);
    return good;
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
    if (!take_tag(state, setup) || !share(state, setup)) {
        destroy(state);
        return NULL;
    }
    return state;
}

/* ---- snapshots: the version and the seed, then the parts of the ids and of each rule */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    parts_put_head(output, SAVED_VERSION, state->seed);
    size_t start = parts_begin(output);
    recent_table_save(state->recent, output);
    parts_end(output, start);
    for (uint32_t index = 0; index < state->rule_count; index++)
        rate_rule_save(&state->rules[index].rate, output);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    uint64_t seed;
    bool good =
        parts_take_head(&saved, SAVED_VERSION, &seed) && recent_table_restore(state->recent, parts_take(&saved));
    for (uint32_t index = 0; good && index < state->rule_count; index++)
        good = rate_rule_restore(&state->rules[index].rate, &saved);
    if (good && saved.length == 0) {
        state->seed = seed;
        return true;
    }
    (void)recent_table_restore(state->recent, SLICE(""));
    for (uint32_t index = 0; index < state->rule_count; index++)
        rate_rule_clear(&state->rules[index].rate);
    return false;
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    const struct rate_rule *rules[RULES_MAXIMUM];
    for (uint32_t index = 0; index < state->rule_count; index++)
        rules[index] = &state->rules[index].rate;
    rate_rules_figures(rules, state->rule_count, figure, context);
}

static void take_over(void *pointer, void *other)
{
    struct state *state = pointer, *from = other;
    memory_exchange(&state->seed, &from->seed, sizeof state->seed);
    memory_exchange(&state->recent, &from->recent, sizeof state->recent);
    for (uint32_t index = 0; index < state->rule_count; index++)
        rate_rule_take_over(&state->rules[index].rate, &from->rules[index].rate);
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
    .answer = answer,
    .restore = restore,
    .figures = figures,
    .take_over = take_over,
};
