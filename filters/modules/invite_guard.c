/* Invites that nobody asked for: who sends too many, to whom too many come, who may be invited at all, and what the
 * rooms are called.
 *
 * One invite is asked about up to three times, over federation by federated_user_may_invite and then user_may_invite,
 * of a local user by user_may_invite and then check_event_allowed; it counts once (filters/asked_once.h).
 *
 * What is refused takes nothing from any rate.
 *
 * How old rooms are, and who is in them, is learnt from events that the homeserver has stored: what somebody asks to
 * send may be untrue, and nobody has looked yet whether it is allowed. The one exception is a room that begins just
 * now, whose first invites come before its first event is stored. What is not known is held against nobody, but for the
 * rooms that users share. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/rate_table.h"
#include "base/recent_table.h"
#include "filters/asked_once.h"
#include "filters/common_rooms.h"
#include "filters/event_content.h"
#include "filters/kept_tables.h"
#include "filters/module.h"
#include "filters/name_list.h"
#include "filters/subject.h"
#include "filters/word_list.h"

/* Each in 32 bytes. */
#define INVITES_REMEMBERED 16384u
/* Stripped state of a room has about ten events. */
#define STATE_MAXIMUM 100u
/* Rooms of which it is known when they were made, in 4 MiB. */
#define ROOMS_MAXIMUM 65536u
#define SAVED_VERSION 1u

enum limit { PER_SENDER, PER_ROOM, PER_SERVER, PER_TARGET, LIMITS };
static const char *const limit_names[LIMITS] = {"per_sender", "per_room", "per_server", "per_target"};
static const char *const limit_texts[LIMITS] = {"by one sender", "into one room", "from one server", "of one user"};

enum dm { DM_PASS, DM_DENY };
static const char *const dm_names[] = {"pass", "deny", NULL};

struct configuration {
    struct rate rates[LIMITS];
    struct text_list protected;
    struct text_list allow_from;
    struct text_list room_name_words;
    int64_t new_rooms;
    int dm; /* enum dm */
    bool accept_common_room;
    int64_t capacity;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct slice server_name;
    uint32_t membership;     /* its slot */
    struct kept_tables kept; /* `tables`, `invites`, `made` and `members` */
    struct rate_table *tables[LIMITS];
    struct buffer reasons[LIMITS];
    struct name_list protected;
    struct name_list allow_from;
    struct word_list *words; /* NULL: none */
    const struct text_list *word_texts;
    struct asked_once *invites;   /* the limit that refused, plus one, or 0 */
    struct recent_table *made;    /* when, in seconds since 1970, by room; NULL: no `new_rooms` */
    struct recent_table *members; /* common_rooms.h; NULL: nobody asks */
    struct buffer new_rooms_reason;
    uint64_t refused[LIMITS]; /* since the module was made, and so the two below */
    uint64_t new_rooms_refused;
    uint64_t dm_refused;
};

#define RATE(limit_, fallback_, text_)                                                                                 \
    {                                                                                                                  \
        .name = #limit_, .type = PARAMETER_RATE,                                                                       \
        .offset = offsetof(struct configuration, rates) + RATE_OF_##limit_ * sizeof(struct rate),                      \
        .fallback = (fallback_), .minimum = 1, .maximum = RATE_COUNT_MAXIMUM, .text = (text_)                          \
    }
#define RATE_OF_per_sender PER_SENDER
#define RATE_OF_per_room PER_ROOM
#define RATE_OF_per_server PER_SERVER
#define RATE_OF_per_target PER_TARGET

static const struct parameter parameters[] = {
    RATE(per_sender, "10/h", "How many invites one user may send: so many at once, and evenly so many in each period."),
    RATE(per_room, "30/h", "Likewise, how many may be sent into one room, whoever sends them."),
    RATE(per_server, "100/h", "Likewise, how many the users of one server may send together; ours has no such bound."),
    RATE(per_target, "20/h",
         "Likewise, how many one user may get, or one address; a rate of 4000000/s stands for no bound."),
    {.name = "protected",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, protected),
     .fallback = "[]",
     .text = "Users, or globs over their ids, that nobody may invite but whom `allow_from` names."},
    {.name = "allow_from",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, allow_from),
     .fallback = "[]",
     .text = "Users, or globs over their ids, such as @*:example.org, that may invite protected users."},
    {.name = "room_name_words",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, room_name_words),
     .fallback = "[]",
     .text =
         "Words and phrases that the name, the topic or the alias of the room must not have, in any form; known only "
         "of invites that come over federation, as far as the inviting server tells them."},
    {.name = "new_rooms",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct configuration, new_rooms),
     .fallback = "0s",
     .minimum = 0,
     .maximum = (int64_t)30 * 86400 * 1000,
     .text = "Nobody may be invited into a room that was made less than this ago; one whose making was not seen is "
             "old. 0s: it does not matter."},
    {.name = "dm",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, dm),
     .fallback = "pass",
     .choices = dm_names,
     .text = "What becomes of invites to direct messages from strangers, where the event is known, which says so."},
    {.name = "accept_common_room",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, accept_common_room),
     .fallback = "true",
     .text =
         "Whether who is known to be in one room with the invited user is no stranger: then neither `new_rooms` nor "
         "`dm` denies the invite."},
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, capacity),
     .fallback = "65536",
     .minimum = 1024,
     .maximum = 16000000,
     .text = "How many senders, and how many rooms, servers and targets, each rate knows at a time, in 32 bytes each; "
             "beyond that, those with the fewest invites are forgotten. For `accept_common_room`, where it is needed, "
             "four times as many users in rooms, in 64 bytes each."},
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
    for (unsigned limit = 0; limit < LIMITS; limit++)
        buffer_free(&state->reasons[limit]);
    buffer_free(&state->new_rooms_reason);
    name_list_free(&state->protected);
    name_list_free(&state->allow_from);
    word_list_destroy(state->words);
    kept_tables_free(&state->kept);
    free(state);
}

static void create_limit(struct state *state, enum limit limit, const struct configuration *configuration)
{
    struct rate rate = configuration->rates[limit];
    struct rate_limit bucket = {rate.count, rate.period_ms, rate.count};
    struct buffer period = {0};
    kept_tables_add_rate(&state->kept, &state->tables[limit],
                         rate_table_create(&bucket, (uint32_t)configuration->capacity));
    duration_append(&period, rate.period_ms);
    buffer_append_format(&state->reasons[limit], "more than %" PRId64 " invites %s within %s", rate.count,
                         limit_texts[limit], buffer_string(&period));
    buffer_free(&period);
}

static void see_event(void *pointer, const struct callback_arguments *arguments, struct result *result);

/* What it has to know of rooms, if the configuration asks for it. */
static void create_rooms(struct state *state, const struct configuration *configuration,
                         const struct module_setup *setup)
{
    if (configuration->new_rooms) {
        kept_tables_add_recent(&state->kept, &state->made, recent_table_create(4 * ROOMS_MAXIMUM));
        buffer_append_string(&state->new_rooms_reason, "the room was made less than ");
        duration_append(&state->new_rooms_reason, configuration->new_rooms);
        buffer_append_string(&state->new_rooms_reason, " ago");
    }
    if (!configuration->new_rooms && configuration->dm == DM_PASS)
        return;
    if (configuration->accept_common_room)
        kept_tables_add_recent(&state->kept, &state->members,
                               recent_table_create(16 * (uint32_t)configuration->capacity));
    module_register(setup, &(struct module_callback){.callback = CALLBACK_check_event_for_spam, .function = see_event});
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    const struct name_list_options options = {.ignore_case = true};
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->server_name = slice_from_string(setup->server_name);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    state->kept = kept_tables_open(SAVED_VERSION);
    kept_tables_add_asked_once(&state->kept, &state->invites, asked_once_create(INVITES_REMEMBERED));
    for (unsigned limit = 0; limit < LIMITS; limit++)
        create_limit(state, (enum limit)limit, configuration);
    create_rooms(state, configuration, setup);
    name_list_open(&state->protected, options);
    name_list_open(&state->allow_from, options);
    bool good = name_list_add(&state->protected, setup->host, "protected", &configuration->protected);
    good &= name_list_add(&state->allow_from, setup->host, "allow_from", &configuration->allow_from);
    good = good && name_list_compile(&state->protected, setup->host);
    good = good && name_list_compile(&state->allow_from, setup->host);
    state->word_texts = &configuration->room_name_words;
    good = word_list_read(&state->words, "room_name_words", state->word_texts, setup->host) && good;
    if (!good) {
        destroy(state);
        return NULL;
    }
    if (configuration->allow_from.count && !configuration->protected.count)
        module_host_warn(setup->host, "allow_from", "does nothing without `protected`");
    return state;
}

/* ---- who and what */

struct invite {
    struct slice sender;
    struct slice server; /* absent: ours */
    struct slice room;
    struct slice target;
    uint64_t keys[LIMITS];
};

static struct slice text_of(const struct invite *invite, enum limit limit)
{
    switch (limit) {
    case PER_SENDER:
        return invite->sender;
    case PER_ROOM:
        return invite->room;
    case PER_SERVER:
        return invite->server;
    default:
        return invite->target;
    }
}

static struct invite read_invite(const struct state *state, const struct callback_arguments *arguments)
{
    bool is_address = arguments->callback == CALLBACK_user_may_send_3pid_invite;
    struct invite invite = {.sender = subject_text(arguments, SUBJECT_USER),
                            .server = subject_server(arguments),
                            .room = subject_text(arguments, SUBJECT_ROOM),
                            .target = subject_text(arguments, is_address ? SUBJECT_ADDRESS : SUBJECT_TARGET)};
    if (slice_equal(invite.server, state->server_name))
        invite.server = SLICE_ABSENT;
    for (unsigned limit = 0; limit < LIMITS; limit++)
        invite.keys[limit] = keyed_hash(text_of(&invite, (enum limit)limit), state->kept.seed);
    return invite;
}

static void refuse(const struct state *state, const char *rule, struct slice reason, struct slice evidence,
                   struct result *result)
{
    result->value = value_refuse(state->code);
    result->rule = slice_from_string(rule);
    result->reason = reason;
    result->evidence = evidence;
}

static bool is_protected(const struct state *state, const struct invite *invite, struct result *result)
{
    bool is_glob;
    if (!name_list_count(&state->protected) ||
        !slice_present(name_list_match(&state->protected, invite->target, &is_glob)) ||
        slice_present(name_list_match(&state->allow_from, invite->sender, &is_glob)))
        return false;
    refuse(state, "protected", SLICE("this user may not be invited by that one"), invite->target, result);
    return true;
}

/* ---- the room's name */

static bool has_word(const struct state *state, struct slice text, struct arena *arena, struct result *result)
{
    size_t position = 0;
    uint32_t number;
    if (!slice_present(text) ||
        !word_list_next(state->words, word_list_fold(state->words, text, arena), &position, &number))
        return false;
    refuse(state, "room_name_words",
           arena_format(arena, "what the room is called has the word %s", state->word_texts->items[number]), text,
           result);
    return true;
}

/* The state that comes with an invite over federation. It is the inviting server's claim. */
static bool has_word_in_state(const struct state *state, const struct callback_arguments *arguments,
                              struct result *result)
{
    static const struct {
        struct slice type, key;
    } rows[] = {{{"m.room.name", 11}, {"name", 4}},
                {{"m.room.topic", 12}, {"topic", 5}},
                {{"m.room.canonical_alias", 22}, {"alias", 5}}};
    if (!state->words || !arguments->event)
        return false;
    yyjson_val *outside = content_member(event_json(arguments->event), SLICE("unsigned"));
    yyjson_val *list = content_member(outside, SLICE("invite_room_state")), *item;
    yyjson_arr_iter items = yyjson_arr_iter_with(list);
    for (unsigned count = 0; count < STATE_MAXIMUM && (item = yyjson_arr_iter_next(&items)); count++) {
        struct slice type = content_string(item, SLICE("type"));
        for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
            if (!slice_equal(type, rows[row].type))
                continue;
            yyjson_val *content = content_member(item, SLICE("content"));
            if (has_word(state, content_string(content, rows[row].key), arguments->arena, result))
                return true;
        }
    }
    return false;
}

/* ---- what is known of rooms and users */

/* An event that the homeserver has stored comes without arguments of a question. */
static bool is_stored(const struct callback_arguments *arguments)
{
    return !arguments->values;
}

/* Whether nothing stands before the event, as before none but the first of a room. */
static bool is_first(const struct event *event)
{
    yyjson_val *before = content_member(event_json(event), SLICE("prev_events"));
    return yyjson_is_arr(before) && yyjson_arr_size(before) == 0;
}

/* The time that the event bears, if it is past: of a room that was made elsewhere long ago we may see that now. */
static void see_creation(const struct state *state, const struct callback_arguments *arguments, struct slice room)
{
    uint64_t made_ms, now_ms = (uint64_t)arguments->now_ms;
    if (!state->made || (!is_stored(arguments) && !is_first(arguments->event)))
        return;
    if (!content_number(event_json(arguments->event), SLICE("origin_server_ts"), &made_ms) || made_ms > now_ms)
        made_ms = now_ms;
    recent_table_put(state->made, keyed_hash(room, state->kept.seed), (uint32_t)(made_ms / 1000));
}

/* Who speaks in a room is there as much as who joins it. */
static void see_member(const struct state *state, const struct event *event)
{
    struct slice membership = subject_membership(event, state->membership);
    bool is_join = slice_equal(membership, SLICE("join"));
    if (!slice_present(membership) && slice_present(event->sender))
        common_rooms_see(state->members, state->kept.seed, event->sender, event->room_id, true);
    else if (slice_present(event->state_key) &&
             (is_join || slice_equal(membership, SLICE("leave")) || slice_equal(membership, SLICE("ban"))))
        common_rooms_see(state->members, state->kept.seed, event->state_key, event->room_id, is_join);
}

static void learn(const struct state *state, const struct callback_arguments *arguments)
{
    struct slice created = subject_created_room(arguments);
    if (arguments->trial)
        return;
    if (slice_present(created))
        see_creation(state, arguments, created);
    if (state->members && is_stored(arguments) && slice_present(arguments->event->room_id))
        see_member(state, arguments->event);
}

static bool is_stranger(const struct state *state, const struct invite *invite)
{
    return !state->members || !slice_present(invite->sender) || !slice_present(invite->target) ||
           !common_rooms_share(state->members, state->kept.seed, invite->sender, invite->target);
}

static bool is_new(const struct state *state, const struct invite *invite, int64_t now_ms)
{
    uint32_t made;
    return state->made && slice_present(invite->room) &&
           recent_table_find(state->made, invite->keys[PER_ROOM], &made) &&
           now_ms - (int64_t)made * 1000 < state->configuration->new_rooms;
}

static bool is_direct(const struct callback_arguments *arguments)
{
    return arguments->event && yyjson_is_true(content_member(event_content(arguments->event), SLICE("is_direct")));
}

static bool is_of_stranger(struct state *state, const struct invite *invite, const struct callback_arguments *arguments,
                           struct result *result)
{
    bool new = is_new(state, invite, arguments->now_ms);
    if ((!new && (state->configuration->dm == DM_PASS || !is_direct(arguments))) || !is_stranger(state, invite))
        return false;
    if (!arguments->trial)
        (*(new ? &state->new_rooms_refused : &state->dm_refused))++;
    if (new)
        refuse(state, "new_rooms", buffer_slice(&state->new_rooms_reason), invite->room, result);
    else
        refuse(state, "dm", SLICE("a direct message from somebody who is in no known room with the user"),
               invite->sender, result);
    return true;
}

/* ---- rates */

/* The limit that the invite goes beyond, plus one; 0: none, and the buckets have paid unless it is a trial. */
static uint32_t count(const struct state *state, const struct invite *invite,
                      const struct callback_arguments *arguments)
{
    /* Nothing is taken, but the tables learn the time: else one whose clock was set back would stand still. */
    for (unsigned limit = 0; limit < LIMITS && !arguments->trial; limit++)
        (void)rate_table_take(state->tables[limit], invite->keys[limit], 0, arguments->now_ms);
    for (unsigned limit = 0; limit < LIMITS; limit++)
        if (slice_present(text_of(invite, (enum limit)limit)) &&
            !rate_table_has(state->tables[limit], invite->keys[limit], 1, arguments->now_ms))
            return limit + 1;
    for (unsigned limit = 0; limit < LIMITS && !arguments->trial; limit++)
        if (slice_present(text_of(invite, (enum limit)limit)))
            (void)rate_table_take(state->tables[limit], invite->keys[limit], 1, arguments->now_ms);
    return 0;
}

static uint32_t judge_rates(struct state *state, const struct invite *invite,
                            const struct callback_arguments *arguments)
{
    uint64_t act = keyed_hash(slice_of((const char *)invite->keys, sizeof invite->keys), state->kept.seed);
    uint32_t refused;
    if (asked_once_find(state->invites, arguments, act, state->kept.seed, &refused))
        return refused <= LIMITS ? refused : 0;
    refused = count(state, invite, arguments);
    if (refused && !arguments->trial)
        state->refused[refused - 1]++;
    asked_once_put(state->invites, arguments, act, state->kept.seed, refused);
    return refused;
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    struct invite invite = read_invite(state, arguments);
    if (is_protected(state, &invite, result) || has_word_in_state(state, arguments, result) ||
        is_of_stranger(state, &invite, arguments, result))
        return;
    uint32_t refused = judge_rates(state, &invite, arguments);
    if (refused)
        refuse(state, limit_names[refused - 1], buffer_slice(&state->reasons[refused - 1]),
               text_of(&invite, (enum limit)(refused - 1)), result);
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    learn(state, arguments);
    if (subject_is_invite(arguments, state->membership))
        judge(pointer, arguments, result);
}

/* check_event_for_spam is not asked about invites of local users, and over federation they were asked about before. */
static void see_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    learn(pointer, arguments);
    result->value.kind = VALUE_PASS;
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_user_may_invite, .function = judge},
    {.callback = CALLBACK_federated_user_may_invite, .function = judge, .where_known = true},
    {.callback = CALLBACK_user_may_send_3pid_invite, .function = judge},
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
    static const struct {
        const char *refused, *forgotten;
    } names[LIMITS] = {{"per_sender_refused_total", "per_sender_forgotten_total"},
                       {"per_room_refused_total", "per_room_forgotten_total"},
                       {"per_server_refused_total", "per_server_forgotten_total"},
                       {"per_target_refused_total", "per_target_forgotten_total"}};
    const struct state *state = pointer;
    for (unsigned limit = 0; limit < LIMITS; limit++) {
        figure(context, names[limit].refused, "Invites beyond this limit since the chain was loaded.",
               (double)state->refused[limit]);
        figure(context, names[limit].forgotten, "Counts of this limit that were forgotten: capacity is too small.",
               (double)rate_table_forgotten(state->tables[limit]));
    }
    figure(context, "new_rooms_refused_total", "Questions about invites into new rooms that were refused.",
           (double)state->new_rooms_refused);
    figure(context, "dm_refused_total", "Questions about direct messages of strangers that were refused.",
           (double)state->dm_refused);
    figure(context, "rooms", "Rooms of which it is known when they were made.",
           state->made ? (double)recent_table_used(state->made) : 0);
    figure(context, "members_forgotten_total", "Users in rooms who were forgotten for others: capacity is too small.",
           state->members ? (double)recent_table_forgotten(state->members) : 0);
}

extern const struct module_definition module_invite_guard;
const struct module_definition module_invite_guard = {
    .name = "invite_guard",
    .summary = "Denies invites: too many of one sender, server or room, or to one user; to protected users; into new "
               "rooms or those with listed words in their name; of strangers.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
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
