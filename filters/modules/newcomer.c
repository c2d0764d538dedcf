/* The first steps of a user in a room: who joins to post one picture or one link, and goes on to the next room.
 *
 * Joins are seen as membership events go by. What is known of each user in each room is one number: when it joined and
 * how much it has said since, or that it is none of ours any more. Nobody is a newcomer whose join was not seen, nor
 * who made the room, nor (`exempt_invited`) whoever was invited: better one spammer more than a member who may not
 * speak.
 *
 * A change of one's name or picture looks like a join. It is told apart by what is known of the user; where nothing is,
 * by `unsigned`, in which Synapse says that there was a membership before; then it is taken for no join. Synapse writes
 * that when it stores an event (compute_event_context in synapse/state), so that one from another server that is asked
 * about before has nothing of it. It is taken for a join until it is seen stored, and then put right.
 *
 * How old an account is, nobody tells but the registration itself. So `account_age` is for those whose registration was
 * seen: were it for whom this engine sees first, then all old users were new on its first day, and again when the table
 * is full. The time of a registration is kept by itself, since it holds for every room.
 *
 * An event counts once, however often it is asked about, and gets the same answer (see rate.c). */
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/recent_table.h"
#include "filters/kept_tables.h"
#include "filters/module.h"
#include "filters/newcomer_kinds.h"
#include "filters/subject.h"

/* Ids of events that are remembered, a mebibyte. */
#define EVENTS_REMEMBERED 65536u
#define SAVED_VERSION 2u
/* Accounts whose registration is remembered: the last 65,536, in four mebibytes. */
#define ACCOUNTS_REMEMBERED 262144u

struct configuration {
    int64_t within;
    int64_t first;
    int64_t account_age;
    unsigned deny;
    struct text_list words;
    bool exempt_invited;
    int64_t capacity;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct newcomer_kinds kinds;
    uint32_t membership;     /* its slot */
    struct kept_tables kept; /* with the tables that follow */
    struct recent_table *members;
    struct recent_table *events;   /* the kind that was refused plus one, or 0; of a join EVENT_MAY_BE_NO_JOIN */
    struct recent_table *accounts; /* when they were registered, in steps; NULL: `account_age` is off */
    struct slice within_text;      /* "joined less than 20m ago" */
    struct slice account_text;     /* "the account is younger than 7d" */
    struct buffer text;
};

static const struct parameter parameters[] = {
    {.name = "within",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct configuration, within),
     .fallback = "20m",
     .minimum = 0,
     .maximum = (int64_t)30 * 86400 * 1000,
     .text = "How long after its join a user is a newcomer in the room, to ten seconds; 0: time does not matter."},
    {.name = "first",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, first),
     .fallback = "1",
     .minimum = 0,
     .maximum = 1000,
     .text =
         "How many messages of a user in the room, after its join, are those of a newcomer, however late they come; "
         "what is denied does not count. 0: the number does not matter."},
    {.name = "account_age",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct configuration, account_age),
     .fallback = "0s",
     .minimum = 0,
     .maximum = (int64_t)365 * 86400 * 1000,
     .text = "How long after its registration a local user is a newcomer in every room, also in its own and where it "
             "was invited; only who registered while this module was told of it. 0: age does not matter."},
    {.name = "deny",
     .type = PARAMETER_CHOICES,
     .offset = offsetof(struct configuration, deny),
     .fallback = "[]",
     .choices = newcomer_kind_names,
     .text =
         "What newcomers may not send: files and images; links; mentions, of whom they answer, too; any event that "
         "is no state (for `within` and `account_age` only); invites into the room; edits; reactions; joins of whom "
         "`account_age` makes a newcomer."},
    {.name = "words",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, words),
     .fallback = "[]",
     .text = "Words and phrases that newcomers may not say, in any form."},
    {.name = "exempt_invited",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, exempt_invited),
     .fallback = "true",
     .text = "Whether who was invited is no newcomer, as in a conversation of two; by `account_age` it is one, but may "
             "join."},
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, capacity),
     .fallback = "262144",
     .minimum = 1024,
     .maximum = 16000000,
     .text =
         "How many users in rooms are known at a time, in 64 bytes each; beyond that, those of whom nothing was seen "
         "for longest are forgotten, and are no newcomers."},
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
    newcomer_kinds_free(&state->kinds);
    kept_tables_free(&state->kept);
    buffer_free(&state->text);
    free(state);
}

static callback_function judge_invite, judge_join, see_registration;

static bool check(const struct configuration *configuration, const struct module_host *host)
{
    bool ends = configuration->within || configuration->account_age;
    bool joins = configuration->deny & 1u << NEWCOMER_JOINS;
    if (configuration->deny & 1u << NEWCOMER_ANY && !ends) {
        module_host_report(host, "deny",
                           "`any` needs a time in `within` or `account_age`: else nobody who joins could ever speak");
        return false;
    }
    if (joins && !configuration->account_age) {
        module_host_report(host, "deny", "`joins` needs an `account_age`: who joins has no other time before it");
        return false;
    }
    if (!configuration->deny && !configuration->words.count)
        module_host_warn(host, "deny", "nothing is denied: every event passes");
    else if (!ends && !configuration->first)
        module_host_warn(host, "within", "nobody is a newcomer, since `first` is 0, too");
    return true;
}

static void register_callbacks(const struct configuration *configuration, const struct module_setup *setup)
{
    if (configuration->deny & 1u << NEWCOMER_INVITES)
        module_register(setup,
                        &(struct module_callback){.callback = CALLBACK_user_may_invite, .function = judge_invite});
    if (configuration->deny & 1u << NEWCOMER_JOINS)
        module_register(setup,
                        &(struct module_callback){.callback = CALLBACK_user_may_join_room, .function = judge_join});
    if (configuration->account_age)
        module_register(
            setup, &(struct module_callback){.callback = CALLBACK_on_user_registration, .function = see_registration});
}

static void describe_times(struct state *state)
{
    const struct configuration *configuration = state->configuration;
    buffer_append_string(&state->text, "joined less than ");
    duration_append(&state->text, configuration->within);
    buffer_append_string(&state->text, " ago");
    size_t length = state->text.length;
    buffer_append_string(&state->text, "the account is younger than ");
    duration_append(&state->text, configuration->account_age);
    struct slice whole = buffer_slice(&state->text);
    state->within_text = slice_of(whole.data, length);
    state->account_text = slice_of(whole.data + length, whole.length - length);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    if (!check(configuration, setup->host))
        return NULL;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->kept = kept_tables_open(SAVED_VERSION);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    kept_tables_add_recent(&state->kept, &state->members, recent_table_create(4 * (uint32_t)configuration->capacity));
    kept_tables_add_recent(&state->kept, &state->events, recent_table_create(EVENTS_REMEMBERED));
    if (configuration->account_age)
        kept_tables_add_recent(&state->kept, &state->accounts, recent_table_create(ACCOUNTS_REMEMBERED));
    describe_times(state);
    if (!newcomer_kinds_create(&state->kinds, "words", &configuration->words, setup->fields, setup->host)) {
        destroy(state);
        return NULL;
    }
    register_callbacks(configuration, setup);
    return state;
}

/* ---- members: a number of 32 bits for each user in each room */

/* 22 bits are the time of the join in steps of ten seconds, which go round in 485 days, and 10 are how many messages
 * came since: those of them above `first`'s maximum say something else. */
#define STEP_MS 10000
#define MESSAGE_BITS 10
#define STEP_MASK ((1u << (32 - MESSAGE_BITS)) - 1)
#define MESSAGES_MASK ((1u << MESSAGE_BITS) - 1)
#define MESSAGES_MAXIMUM 1000u
#define MEMBER_INVITED 1021u
#define MEMBER_OUT 1022u   /* left, was banned, knocks */
#define MEMBER_SINCE 1023u /* no newcomer */
/* A join so much later than now is one of now: clocks differ. */
#define STEPS_AHEAD 30u

static uint32_t step_at(int64_t now_ms)
{
    return (uint32_t)(now_ms / STEP_MS) & STEP_MASK;
}

static uint64_t key_of(const struct state *state, struct slice room, struct slice user)
{
    return keyed_hash_pair(room, user, state->kept.seed);
}

static void put_member(const struct state *state, const struct callback_arguments *arguments, uint64_t key,
                       uint32_t number)
{
    if (!arguments->trial)
        recent_table_put(state->members, key, number);
}

/* Of events, beside what enum newcomer_kind says: a join of a user of whom nothing was known. */
#define EVENT_MAY_BE_NO_JOIN (NEWCOMER_KINDS + 1u)

static void see_join(const struct state *state, const struct callback_arguments *arguments, uint64_t key)
{
    const struct event *event = arguments->event;
    uint32_t known, joined = step_at(arguments->now_ms) << MESSAGE_BITS, said;
    uint64_t id = keyed_hash(event->event_id, state->kept.seed);
    if (!recent_table_find(state->members, key, &known)) {
        bool replaces = event_replaces_state(event);
        put_member(state, arguments, key, replaces ? MEMBER_SINCE : joined);
        if (!replaces && slice_present(event->event_id) && !arguments->trial)
            recent_table_put(state->events, id, EVENT_MAY_BE_NO_JOIN);
        return;
    }
    uint32_t messages = known & MESSAGES_MASK;
    if (messages <= MESSAGES_MAXIMUM && slice_present(event->event_id) && event_replaces_state(event) &&
        recent_table_find(state->events, id, &said) && said == EVENT_MAY_BE_NO_JOIN) {
        put_member(state, arguments, key, MEMBER_SINCE);
        return;
    }
    if (messages == MEMBER_INVITED && state->configuration->exempt_invited)
        put_member(state, arguments, key, MEMBER_SINCE);
    else if (messages == MEMBER_INVITED || messages == MEMBER_OUT)
        put_member(state, arguments, key, joined);
}

static void see_membership(const struct state *state, const struct callback_arguments *arguments,
                           struct slice membership)
{
    const struct event *event = arguments->event;
    uint32_t known;
    if (!slice_present(event->state_key) || !slice_present(event->room_id))
        return;
    uint64_t key = key_of(state, event->room_id, event->state_key);
    if (slice_equal(membership, SLICE("join")))
        see_join(state, arguments, key);
    else if (!slice_equal(membership, SLICE("invite")))
        put_member(state, arguments, key, MEMBER_OUT);
    else if (!recent_table_find(state->members, key, &known) || (known & MESSAGES_MASK) == MEMBER_OUT)
        put_member(state, arguments, key, MEMBER_INVITED);
}

/* Who makes a room is at home there. */
static void see_creation(const struct state *state, const struct callback_arguments *arguments, struct slice room)
{
    if (slice_present(arguments->event->sender))
        put_member(state, arguments, key_of(state, room, arguments->event->sender), MEMBER_SINCE);
}

/* ---- accounts: the time of the registration, in whole steps since 1970 */

static void see_registration(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice user = subject_text(arguments, SUBJECT_USER);
    uint64_t key = keyed_hash(user, state->kept.seed);
    uint32_t known;
    result->value.kind = VALUE_PASS;
    if (slice_present(user) && !arguments->trial && !recent_table_find(state->accounts, key, &known))
        recent_table_put(state->accounts, key, (uint32_t)(arguments->now_ms / STEP_MS));
}

/* Registered in the future, by a clock that was set back, is registered now. */
static bool is_young(const struct state *state, struct slice user, int64_t now_ms)
{
    uint32_t registered;
    if (!state->accounts || !recent_table_find(state->accounts, keyed_hash(user, state->kept.seed), &registered))
        return false;
    return now_ms - (int64_t)registered * STEP_MS < state->configuration->account_age;
}

/* ---- who is a newcomer */

/* Why a user is one; for none of these: it is none. */
struct newness {
    bool by_time, by_number, by_account;
    uint32_t known;
};

static bool is_new(const struct newness *newness)
{
    return newness->by_time || newness->by_number || newness->by_account;
}

static struct newness newness_of(const struct state *state, const struct callback_arguments *arguments,
                                 struct slice room, struct slice user)
{
    const struct configuration *configuration = state->configuration;
    int64_t now_ms = arguments->now_ms;
    bool young = is_young(state, user, now_ms);
    uint32_t known;
    if (!recent_table_find(state->members, key_of(state, room, user), &known) ||
        (known & MESSAGES_MASK) > MESSAGES_MAXIMUM)
        return (struct newness){.known = MEMBER_SINCE, .by_account = young};
    uint32_t age = (step_at(now_ms) - (known >> MESSAGE_BITS)) & STEP_MASK;
    if (age > STEP_MASK - STEPS_AHEAD)
        age = 0;
    return (struct newness){.by_time = (int64_t)age * STEP_MS < configuration->within,
                            .by_number = (known & MESSAGES_MASK) < (uint32_t)configuration->first,
                            .by_account = young,
                            .known = known};
}

/* Somebody has spoken who may. Of whom nothing was known, it is known now that it is no newcomer. */
static void see_message(const struct state *state, const struct callback_arguments *arguments, uint64_t key,
                        const struct newness *newness)
{
    uint32_t messages = newness->known & MESSAGES_MASK;
    if (!newness->by_time && !newness->by_number)
        put_member(state, arguments, key, MEMBER_SINCE);
    else if (messages < MESSAGES_MAXIMUM)
        put_member(state, arguments, key, newness->known + 1);
}

/* ---- what is sent */

/* The first kind of what is denied that the event is, plus one; 0: it passes. */
static uint32_t refused_kind(const struct state *state, const struct callback_arguments *arguments,
                             const struct newness *newness)
{
    unsigned deny = state->configuration->deny | 1u << NEWCOMER_WORDS;
    if (!is_new(newness))
        return 0;
    if (!newness->by_time && !newness->by_account)
        deny &= ~(1u << NEWCOMER_ANY);
    for (unsigned kind = 0; kind < NEWCOMER_KINDS; kind++)
        if (deny & 1u << kind && newcomer_kind_is(&state->kinds, arguments, (enum newcomer_kind)kind))
            return kind + 1;
    return 0;
}

static void refuse(const struct state *state, uint32_t refused, const struct newness *newness,
                   const struct callback_arguments *arguments, struct result *result)
{
    result->value = value_refuse(state->code);
    result->rule = slice_from_string(newcomer_rule_name((enum newcomer_kind)(refused - 1)));
    result->reason = newness->by_time      ? state->within_text
                     : newness->by_account ? state->account_text
                                           : SLICE("has said little in the room since joining");
    result->evidence = subject_text(arguments, SUBJECT_USER);
}

/* Messages make a newcomer known; reactions and what takes something back do not. */
static bool counts(const struct event *event)
{
    return !slice_present(event->state_key) && !slice_equal(event->type, SLICE("m.reaction")) &&
           !slice_equal(event->type, SLICE("m.room.redaction"));
}

static void judge_message(const struct state *state, const struct callback_arguments *arguments, struct result *result)
{
    const struct event *event = arguments->event;
    uint64_t id = slice_present(event->event_id) ? keyed_hash(event->event_id, state->kept.seed) : 0;
    uint64_t key = key_of(state, event->room_id, event->sender);
    struct newness newness = newness_of(state, arguments, event->room_id, event->sender);
    uint32_t refused;
    if (!slice_present(event->event_id) || !recent_table_find(state->events, id, &refused)) {
        refused = refused_kind(state, arguments, &newness);
        if (!refused && counts(event))
            see_message(state, arguments, key, &newness);
        if (slice_present(event->event_id) && !arguments->trial)
            recent_table_put(state->events, id, refused);
    }
    if (refused && refused <= NEWCOMER_KINDS)
        refuse(state, refused, &newness, arguments, result);
}

static void judge_invite(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice room = subject_text(arguments, SUBJECT_ROOM), user = subject_text(arguments, SUBJECT_USER);
    result->value.kind = VALUE_PASS;
    if (!slice_present(room) || !slice_present(user) || !(state->configuration->deny & 1u << NEWCOMER_INVITES))
        return;
    struct newness newness = newness_of(state, arguments, room, user);
    if (is_new(&newness))
        refuse(state, NEWCOMER_INVITES + 1, &newness, arguments, result);
}

static void judge_join(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct newness newness = {0};
    bool invited = arguments->count > 2 && value_is(&arguments->values[2], true);
    result->value.kind = VALUE_PASS;
    newness.by_account = is_young(state, subject_text(arguments, SUBJECT_USER), arguments->now_ms);
    if (newness.by_account && !(invited && state->configuration->exempt_invited))
        refuse(state, NEWCOMER_JOINS + 1, &newness, arguments, result);
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    const struct event *event = arguments->event;
    result->value.kind = VALUE_PASS;
    if (!state->configuration->deny && !state->kinds.words)
        return; /* who is new matters to nothing */
    struct slice membership = subject_membership(event, state->membership);
    struct slice created = subject_created_room(arguments);
    if (slice_present(created)) {
        see_creation(state, arguments, created);
    } else if (slice_equal(membership, SLICE("invite"))) {
        judge_invite(pointer, arguments, result);
        if (result->value.kind == VALUE_PASS)
            see_membership(state, arguments, membership);
    } else if (slice_present(membership)) {
        see_membership(state, arguments, membership);
    } else if (slice_present(event->room_id) && slice_present(event->sender)) {
        judge_message(state, arguments, result);
    }
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge_event},
    {.callback = CALLBACK_check_event_allowed, .function = judge_event},
};

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
    figure(context, "members", "Users in rooms of whom is known when they joined or that they are no newcomers.",
           (double)recent_table_used(state->members));
    figure(context, "members_forgotten_total", "Users in rooms who were forgotten for others: capacity is too small.",
           (double)recent_table_forgotten(state->members));
    figure(context, "accounts", "Accounts whose registration is remembered, with `account_age`.",
           state->accounts ? (double)recent_table_used(state->accounts) : 0);
}

extern const struct module_definition module_newcomer;
const struct module_definition module_newcomer = {
    .name = "newcomer",
    .summary = "Denies files, links, mentions, words and more of users who have just joined a room.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .reads_time = true,
    .answers_alike = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
    .save = save,
    .restore = restore,
    .take_over = take_over,
    .figures = figures,
};
