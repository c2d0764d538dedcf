/* A wave of joins: accounts that come into a room all at once, to write there a minute later. The room is then held:
 * nobody joins for a while, and after that it is open again by itself.
 *
 * A room has a bucket of joins (base/rate_table.h); the join that finds it empty begins the hold. With `per_server` a
 * hold is for one server, and begins only if so large a share of the room's last joins came from there: a link on a
 * popular page brings people from everywhere, an attack often comes from one server where anybody may register.
 *
 * In a hold joins are denied, or all but those with a tag, or none: `then`. It is logged where it begins and ends
 * (wave_log.h), since nobody but the log tells of a hold that denies nothing.
 *
 * What is denied does not count, and does not make a hold longer. Whoever was invited comes in, and does not count;
 * who was in the room before does not count either.
 *
 * A change of one's name or picture looks like a join, also to user_may_join_room (update_membership_locked in
 * Synapse's handlers/room_member.py). It is none of a user of whom it is known that it is in the room, and, where
 * nothing is known, if Synapse says that the event replaces another. That it says of no question about an event from
 * another server, and not to user_may_join_room (see newcomer.c): there it is taken for a join, and the room gets it
 * back when the event itself says what it was. What a wave that began so has cost is not undone, nor the shares of
 * servers. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/rate_table.h"
#include "base/recent_table.h"
#include "base/window_table.h"
#include "filters/asked_once.h"
#include "filters/event_content.h"
#include "filters/kept_tables.h"
#include "filters/module.h"
#include "filters/subject.h"
#include "filters/wave_log.h"

/* Each in 32 bytes. */
#define JOINS_REMEMBERED 65536u
/* Holds that last at a time, each in 64 bytes. */
#define HOLDS_MAXIMUM 16384u
#define SAVED_VERSION 2u

enum then { THEN_DENY, THEN_REQUIRE_TAG, THEN_NOTIFY };
static const char *const then_names[] = {"deny", "require_tag", "notify", NULL};

struct configuration {
    struct rate rate;
    int64_t window; /* 0: the rate's period */
    int64_t hold;
    int then; /* enum then */
    char *tag;
    double per_server;
    bool exempt_invited;
    int64_t capacity;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    uint32_t membership;           /* its slot */
    uint64_t tag;                  /* who bears it may join in a hold; 0: nobody */
    struct kept_tables kept;       /* all that follow */
    struct asked_once *joins;      /* enum answer */
    struct recent_table *members;  /* enum place, by room and user */
    struct rate_table *rooms;      /* the buckets */
    struct window_table *of_rooms; /* joins by room, and by room and server; with `per_server` only */
    struct recent_table *holds;    /* until when, in seconds, by room, or by room and server */
    struct wave_log *log;
    struct buffer reason;
    uint64_t waves;    /* since the module was made */
    uint64_t unlogged; /* of them */
    int64_t wave_ms;   /* when the last of them began; 0: there was none */
    int64_t last_ms;   /* of the last question */
};

enum answer {
    ANSWER_PASSED,
    ANSWER_REFUSED,
    ANSWER_UNSURE, /* passed and counted, though nothing was known of the user */
};

/* Where a user is known to be. */
enum place { PLACE_IN, PLACE_OUT, PLACE_INVITED };

static const struct parameter parameters[] = {
    {.name = "rate",
     .type = PARAMETER_RATE,
     .offset = offsetof(struct configuration, rate),
     .fallback = "50/h",
     .minimum = 1,
     .maximum = 65535,
     .text = "How many may join a room: so many at once, and evenly so many in each period. One more is a wave."},
    {.name = "window",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct configuration, window),
     .fallback = "0s",
     .minimum = 0,
     .maximum = (int64_t)30 * 86400 * 1000,
     .text =
         "How long a join counts for the share of `per_server`, a second or more. 0s: as long as the rate's period."},
    {.name = "then",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, then),
     .fallback = "deny",
     .choices = then_names,
     .text = "What a wave leads to: nobody may join, or only who bears `tag`, or everybody may, and the wave is only "
             "logged and counted."},
    {.name = "tag",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, tag),
     .fallback = "trusted",
     .text = "With `then: require_tag`, the tag that a module before this one sets on what those do who may join in a "
             "hold."},
    {.name = "hold",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct configuration, hold),
     .fallback = "30m",
     .minimum = 60000,
     .maximum = (int64_t)86400 * 1000,
     .text = "How long a wave lasts from its beginning, in which `then` says who may join; then the room is open "
             "again."},
    {.name = "per_server",
     .type = PARAMETER_NUMBER,
     .offset = offsetof(struct configuration, per_server),
     .fallback = "0",
     .minimum = 0,
     .maximum = 1,
     .text = "A wave is only what comes, by this share of the room's joins within `window`, from one server; and "
             "only users of that server are held. 0: it does not matter where they come from."},
    {.name = "exempt_invited",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, exempt_invited),
     .fallback = "true",
     .text = "Whether who was invited may always join, and does not count."},
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, capacity),
     .fallback = "262144",
     .minimum = 1024,
     .maximum = 16000000,
     .text = "How many users in rooms are known at a time, and a quarter as many rooms, in 92 bytes for each; beyond "
             "that, those of whom nothing was seen for longest are forgotten, and the rooms with the fewest joins."},
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
    kept_tables_free(&state->kept);
    buffer_free(&state->reason);
    free(state);
}

/* Whether what the parameters say together makes sense. */
static bool check(const struct configuration *configuration, const struct module_setup *setup, int64_t window_ms,
                  uint64_t *tag)
{
    const struct module_host *host = setup->host;
    if (configuration->per_server > 0 && window_ms < 1000) {
        module_host_report(host, configuration->window ? "window" : "rate",
                           configuration->window ? "must be a second or more"
                                                 : "must have a period of a second or more with `per_server`");
        return false;
    }
    if (configuration->window && configuration->per_server <= 0)
        module_host_warn(host, "window", "does nothing without `per_server`");
    if (configuration->then != THEN_REQUIRE_TAG)
        return true;
    *tag = module_tag(setup, configuration->tag, "tag");
    if (*tag && !module_tag_is_set(setup, *tag))
        module_host_warn(host, "tag", "no module before this one sets it: in a hold nobody may join");
    return *tag != 0;
}

static void write_reason(struct state *state)
{
    static const char *const texts[] = {"held for ", "only with the tag for ", "only logged, for "};
    const struct configuration *configuration = state->configuration;
    buffer_append_format(&state->reason, "more than %" PRId64 " joins within ", configuration->rate.count);
    duration_append(&state->reason, configuration->rate.period_ms);
    buffer_append_format(&state->reason, "; %s", texts[configuration->then]);
    duration_append(&state->reason, configuration->hold);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct rate rate = configuration->rate;
    uint32_t capacity = (uint32_t)configuration->capacity;
    int64_t window_ms = configuration->window ? configuration->window : rate.period_ms;
    uint64_t tag = 0;
    if (!check(configuration, setup, window_ms, &tag))
        return NULL;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->tag = tag;
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    state->kept = kept_tables_open(SAVED_VERSION);
    kept_tables_add_asked_once(&state->kept, &state->joins, asked_once_create(JOINS_REMEMBERED));
    kept_tables_add_recent(&state->kept, &state->members, recent_table_create(4 * capacity));
    kept_tables_add_recent(&state->kept, &state->holds, recent_table_create(4 * HOLDS_MAXIMUM));
    kept_tables_add_wave_log(&state->kept, &state->log,
                             wave_log_create(setup->host->log, (uint32_t)(configuration->hold / 1000) + 1));
    struct rate_limit limit = {rate.count, rate.period_ms, rate.count};
    kept_tables_add_rate(&state->kept, &state->rooms, rate_table_create(&limit, capacity / 4));
    if (configuration->per_server > 0)
        kept_tables_add_window(&state->kept, &state->of_rooms, window_table_create(window_ms, capacity / 2));
    write_reason(state);
    return state;
}

/* ---- questions */

struct join {
    const struct callback_arguments *arguments;
    struct slice room;
    struct slice user;
    struct slice server;
    uint64_t member;
    uint64_t room_key;
    uint64_t server_key; /* of the server in the room */
};

static struct join read_join(const struct state *state, const struct callback_arguments *arguments, struct slice user)
{
    const struct event *event = arguments->event;
    struct join join = {.arguments = arguments,
                        .room = event ? event->room_id : subject_text(arguments, SUBJECT_ROOM),
                        .user = user,
                        .server = subject_server(arguments)};
    join.member = keyed_hash_pair(join.room, join.user, state->kept.seed);
    join.room_key = keyed_hash(join.room, state->kept.seed);
    join.server_key = keyed_hash_pair(join.room, join.server, state->kept.seed);
    return join;
}

static void put_place(const struct state *state, const struct join *join, enum place place)
{
    if (!join->arguments->trial)
        recent_table_put(state->members, join->member, place);
}

/* Times of holds are in seconds since 1970. */
static uint32_t second_at(int64_t now_ms)
{
    return (uint32_t)(now_ms / 1000);
}

static uint64_t hold_key(const struct state *state, const struct join *join)
{
    return state->of_rooms ? join->server_key : join->room_key;
}

/* A hold that would last longer than it can is of a clock that was set back. */
static bool is_held(const struct state *state, const struct join *join)
{
    uint32_t until, now = second_at(join->arguments->now_ms);
    return recent_table_find(state->holds, hold_key(state, join), &until) && now < until &&
           until - now <= state->configuration->hold / 1000 + 1;
}

/* Whether the join's server has sent so many of the room's last joins, this one among them. */
static bool is_of_one_server(const struct state *state, const struct join *join)
{
    int64_t now_ms = join->arguments->now_ms;
    if (!state->of_rooms)
        return true;
    double of_room = window_table_count(state->of_rooms, join->room_key, now_ms) + 1;
    double of_server = window_table_count(state->of_rooms, join->server_key, now_ms) + 1;
    return of_server >= state->configuration->per_server * of_room;
}

/* Takes one join from the room's bucket, if it is there; in a trial it stays. */
static bool take(const struct state *state, const struct join *join)
{
    const struct callback_arguments *arguments = join->arguments;
    return arguments->trial ? rate_table_has(state->rooms, join->room_key, 1, arguments->now_ms)
                            : rate_table_take(state->rooms, join->room_key, 1, arguments->now_ms);
}

/* Whether the user was in the room before: one that goes and comes all the time is no wave. */
static bool was_here(const struct state *state, const struct join *join)
{
    uint32_t place;
    return recent_table_find(state->members, join->member, &place) && place == PLACE_OUT;
}

static void begin_hold(struct state *state, const struct join *join)
{
    int64_t now_ms = join->arguments->now_ms;
    uint32_t until = second_at(now_ms + state->configuration->hold + 999);
    recent_table_put(state->holds, hold_key(state, join), until);
    state->waves++;
    state->wave_ms = now_ms;
    if (!wave_log_begin(state->log, join->room, state->of_rooms ? join->server : SLICE_ABSENT,
                        buffer_slice(&state->reason), until))
        state->unlogged++;
}

/* Whether a hold is none for who joins. */
static bool may_join(const struct state *state, const struct callback_arguments *arguments)
{
    return state->configuration->then == THEN_NOTIFY || arguments->tags & state->tag;
}

/* Whether the join is refused; else it has counted. */
static bool judge_new_join(struct state *state, const struct join *join)
{
    const struct callback_arguments *arguments = join->arguments;
    bool held = is_held(state, join), may = may_join(state, arguments);
    if (held && !may)
        return true;
    if (was_here(state, join))
        return false;
    if (!take(state, join) && !held && is_of_one_server(state, join)) {
        if (!arguments->trial)
            begin_hold(state, join);
        if (!may)
            return true;
    }
    if (state->of_rooms && !arguments->trial) {
        window_table_add(state->of_rooms, join->room_key, arguments->now_ms);
        window_table_add(state->of_rooms, join->server_key, arguments->now_ms);
    }
    return false;
}

/* Whether an event that says `join` is one, and by somebody who may be refused. */
static bool is_join(const struct state *state, const struct join *join)
{
    uint32_t place;
    if (!recent_table_find(state->members, join->member, &place))
        return !event_replaces_state(join->arguments->event);
    return place == PLACE_OUT || (place == PLACE_INVITED && !state->configuration->exempt_invited);
}

static enum answer answer_to(struct state *state, const struct join *join)
{
    uint32_t place;
    bool known = recent_table_find(state->members, join->member, &place);
    if (known && place == PLACE_IN)
        return ANSWER_PASSED;
    if (judge_new_join(state, join))
        return ANSWER_REFUSED;
    return known ? ANSWER_PASSED : ANSWER_UNSURE;
}

/* What was counted as a join turns out to be none. */
static void take_back(const struct state *state, const struct join *join)
{
    const struct callback_arguments *arguments = join->arguments;
    if (arguments->trial)
        return;
    rate_table_give_back(state->rooms, join->room_key, 1, arguments->now_ms);
    asked_once_put(state->joins, arguments, join->member, state->kept.seed, ANSWER_PASSED);
}

static void judge_join(struct state *state, const struct join *join, struct result *result)
{
    const struct callback_arguments *arguments = join->arguments;
    uint32_t answer;
    if (asked_once_find(state->joins, arguments, join->member, state->kept.seed, &answer)) {
        if (answer == ANSWER_UNSURE && arguments->event && event_replaces_state(arguments->event))
            take_back(state, join);
    } else {
        if (arguments->event && !is_join(state, join))
            return;
        answer = answer_to(state, join);
        asked_once_put(state->joins, arguments, join->member, state->kept.seed, answer);
    }
    /* The tag may come with the second question about a join only. */
    if (answer != ANSWER_REFUSED || may_join(state, arguments))
        return;
    result->value = value_refuse(state->code);
    result->rule = SLICE("wave");
    result->reason = buffer_slice(&state->reason);
    result->evidence = state->of_rooms ? join->server : join->room;
}

/* So that figures and the log, which are asked for without a time, know which holds are over. */
static void see_time(struct state *state, const struct callback_arguments *arguments)
{
    if (arguments->trial)
        return;
    state->last_ms = arguments->now_ms;
    wave_log_see_time(state->log, second_at(arguments->now_ms));
}

static void user_may_join_room(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    struct join join = read_join(state, arguments, subject_text(arguments, SUBJECT_USER));
    const struct value *invited = arguments->count > 2 ? &arguments->values[2] : NULL;
    result->value.kind = VALUE_PASS;
    see_time(state, arguments);
    if (!slice_present(join.room) || !slice_present(join.user))
        return;
    if (invited && invited->kind == VALUE_BOOLEAN && invited->boolean) {
        put_place(state, &join, PLACE_INVITED); /* before we looked, maybe */
        if (state->configuration->exempt_invited)
            return;
    }
    judge_join(state, &join, result);
}

/* ---- membership events */

/* Who makes a room is in it before it joins. */
static void see_creation(const struct state *state, const struct callback_arguments *arguments, struct slice room)
{
    struct slice user = arguments->event->sender;
    if (slice_present(user) && !arguments->trial)
        recent_table_put(state->members, keyed_hash_pair(room, user, state->kept.seed), PLACE_IN);
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    const struct event *event = arguments->event;
    struct slice membership = subject_membership(event, state->membership);
    struct slice created = subject_created_room(arguments);
    uint32_t place;
    result->value.kind = VALUE_PASS;
    see_time(state, arguments);
    if (slice_present(created)) {
        see_creation(state, arguments, created);
        return;
    }
    if (!slice_present(membership) || !slice_present(event->state_key) || !slice_present(event->room_id))
        return;
    struct join join = read_join(state, arguments, event->state_key);
    bool known = recent_table_find(state->members, join.member, &place);
    if (slice_equal(membership, SLICE("join"))) {
        judge_join(state, &join, result);
        if (result->value.kind == VALUE_PASS)
            put_place(state, &join, PLACE_IN);
    } else if (slice_equal(membership, SLICE("invite"))) {
        if (!known || place == PLACE_OUT)
            put_place(state, &join, PLACE_INVITED);
    } else if (known || !slice_equal(membership, SLICE("knock"))) {
        put_place(state, &join, PLACE_OUT);
    }
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_user_may_join_room, .function = user_may_join_room},
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
    figure(context, "waves_total", "Waves of joins that began since the chain was loaded.", (double)state->waves);
    figure(context, "last_wave_timestamp_seconds", "When the last wave began, in seconds since 1970; 0: none did.",
           (double)state->wave_ms / 1000);
    figure(context, "waves_unlogged_total", "Of them those that were not logged: too many at a time.",
           (double)state->unlogged);
    figure(context, "held", "Rooms with a wave now, or with per_server servers in rooms.",
           (double)recent_table_count(state->holds, second_at(state->last_ms) + 1));
    figure(context, "members", "Users in rooms of whom is known whether they are there.",
           (double)recent_table_used(state->members));
    figure(context, "members_forgotten_total", "Users in rooms who were forgotten for others: capacity is too small.",
           (double)recent_table_forgotten(state->members));
    figure(context, "rooms_forgotten_total", "Rooms whose joins were forgotten for others: capacity is too small.",
           (double)rate_table_forgotten(state->rooms));
}

extern const struct module_definition module_join_wave;
const struct module_definition module_join_wave = {
    .name = "join_wave",
    .summary = "Denies joins for a while where too many come into a room at once, or only logs that.",
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
