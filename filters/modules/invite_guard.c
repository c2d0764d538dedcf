/* Invites that nobody asked for: who sends too many, to whom too many come, who may be invited at all, and what the
 * rooms are called.
 *
 * One invite is asked about up to three times, over federation by federated_user_may_invite and then user_may_invite,
 * of a local user by user_may_invite and then check_event_allowed; it counts once (filters/asked_once.h).
 *
 * What is refused takes nothing from any rate. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/rate_table.h"
#include "filters/asked_once.h"
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
#define SAVED_VERSION 1u

enum limit { PER_SENDER, PER_ROOM, PER_SERVER, PER_TARGET, LIMITS };
static const char *const limit_names[LIMITS] = {"per_sender", "per_room", "per_server", "per_target"};
static const char *const limit_texts[LIMITS] = {"by one sender", "into one room", "from one server", "of one user"};

struct configuration {
    struct rate rates[LIMITS];
    struct text_list protected;
    struct text_list allow_from;
    struct text_list room_name_words;
    int64_t capacity;
    char *code;
};

struct state {
    struct slice code;
    struct slice server_name;
    uint32_t membership;     /* its slot */
    struct kept_tables kept; /* `tables` and `invites` */
    struct rate_table *tables[LIMITS];
    struct buffer reasons[LIMITS];
    struct name_list protected;
    struct name_list allow_from;
    struct word_list *words; /* NULL: none */
    const struct text_list *word_texts;
    struct asked_once *invites; /* the limit that refused, plus one, or 0 */
    uint64_t refused[LIMITS];   /* since the module was made */
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
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, capacity),
     .fallback = "65536",
     .minimum = 1024,
     .maximum = 16000000,
     .text = "How many senders, and how many rooms, servers and targets, each rate knows at a time, in 32 bytes each; "
             "beyond that, those with the fewest invites are forgotten."},
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

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    const struct name_list_options options = {.ignore_case = true};
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    state->server_name = slice_from_string(setup->server_name);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    state->kept = kept_tables_open(SAVED_VERSION);
    kept_tables_add_asked_once(&state->kept, &state->invites, asked_once_create(INVITES_REMEMBERED));
    for (unsigned limit = 0; limit < LIMITS; limit++)
        create_limit(state, (enum limit)limit, configuration);
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
    if (is_protected(state, &invite, result) || has_word_in_state(state, arguments, result))
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
    if (subject_is_invite(arguments, state->membership))
        judge(pointer, arguments, result);
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
}

extern const struct module_definition module_invite_guard;
const struct module_definition module_invite_guard = {
    .name = "invite_guard",
    .summary = "Denies invites: too many of one sender, server or room, or to one user; to protected users; into rooms "
               "with listed words in their name.",
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
