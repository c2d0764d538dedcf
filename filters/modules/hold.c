/* Who was refused is refused for a while whatever it does: a spammer whose first message a module has found is kept
 * from sending the next hundred, which that module may not find. The other modules' verdicts are told by the chain
 * (`decided`), so that this one stands where it is cheapest: before them.
 *
 * A refusal counts once however often its event is asked about, and that event is left to the module that refused it:
 * one event, one answer. What a hold refuses is no proof of anything, so other holds do not count it unless they name
 * it. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"
#include "base/query_string.h"
#include "base/recent_table.h"
#include "base/window_table.h"
#include "filters/chain.h"
#include "filters/held_users.h"
#include "filters/module.h"
#include "filters/subject.h"

/* Refused events whose ids are remembered, 1 MiB. */
#define EVENTS_REMEMBERED 65536u
#define SAVED_VERSION 1u
/* Holds that the page shows at a time. */
#define LISTED_MAXIMUM 1000u

enum scope { SCOPE_ROOM, SCOPE_SERVER };
static const char *const scope_names[] = {"room", "server", NULL};

struct configuration {
    int64_t after;
    int64_t minutes;
    int scope;
    bool prolong;
    struct text_list modules;
    int64_t capacity;
    char *page;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    uint32_t membership; /* its slot */
    uint64_t seed;
    struct held_users *held;
    struct window_table *hits;   /* by user, or by user and room; NULL: one is enough */
    struct recent_table *events; /* whose refusals have counted */
    int64_t now_ms;              /* of the last question, for the page */
    uint64_t hit_count, refusals;
};

static const struct parameter parameters[] = {
    {.name = "after",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, after),
     .fallback = "1",
     .minimum = 1,
     .maximum = 100,
     .text = "How many refusals within `minutes` begin a hold."},
    {.name = "minutes",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, minutes),
     .fallback = "10",
     .minimum = 1,
     .maximum = 10080,
     .text = "How long a hold is, in minutes; and within which time refusals are counted, to an eighth of it."},
    {.name = "scope",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, scope),
     .fallback = "server",
     .choices = scope_names,
     .text = "Where a user is held: in the room where it was refused, or on the whole homeserver."},
    {.name = "prolong",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, prolong),
     .fallback = "false",
     .text = "Whether the time begins again with all that a held user tries."},
    {.name = "modules",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, modules),
     .fallback = "[]",
     .text = "Names of the modules whose refusals count; without any, those of all but other holds. What a module in "
             "dry_run says never counts."},
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, capacity),
     .fallback = "16384",
     .minimum = 16,
     .maximum = 1000000,
     .text = "How many holds there are at a time, in some 300 bytes each; beyond that, those that began first end."},
    {.name = "page",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, page),
     .fallback = "/_weir/held",
     .text = "The path under which Weir's HTTP listener shows who is held and lets people go, for those who have its "
             "secret; empty: nowhere. A second `hold` needs another."},
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
    held_users_destroy(state->held);
    window_table_destroy(state->hits);
    recent_table_destroy(state->events);
    free(state);
}

static bool check_modules(const struct text_list *modules, const struct module_host *host)
{
    size_t count = 0;
    bool good = true;
    while (module_registry[count])
        count++;
    const char **names = memory_allocate_zeroed(count + 1, sizeof *names);
    for (size_t index = 0; index < count; index++)
        names[index] = module_registry[index]->name;
    for (size_t index = 0; index < modules->count; index++) {
        char path[64];
        if (module_find(modules->items[index]))
            continue;
        const char *nearest = nearest_word(modules->items[index], names);
        snprintf(path, sizeof path, "modules[%zu]", index);
        module_host_report(
            host, path, nearest ? "no module is called that; did you mean `%s`?" : "no module is called that", nearest);
        good = false;
    }
    free(names);
    return good;
}

static void serve(void *pointer, const struct web_request *request, struct web_response *response);

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    if (!check_modules(&configuration->modules, setup->host))
        return NULL;
    const char *page = configuration->page;
    if (page && *page && *page != '/') {
        module_host_report(setup->host, "page", "must begin with a `/`");
        return NULL;
    }
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    int64_t span_ms = configuration->minutes * 60000;
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    state->seed = keyed_hash_seed;
    state->held = held_users_create((uint32_t)configuration->capacity, span_ms, state->seed);
    state->events = recent_table_create(EVENTS_REMEMBERED);
    if (configuration->after > 1)
        state->hits = window_table_create(span_ms, (uint32_t)configuration->capacity);
    if (page && *page)
        module_register_resource(
            setup, &(struct web_resource){.path = page, .methods = "GET POST", .serve = serve, .closed = true});
    return state;
}

/* ---- questions */

/* What a question is about: who, and where it would be held. */
struct act {
    struct slice user;
    struct slice room;
};

static struct act read_act(const struct state *state, const struct callback_arguments *arguments)
{
    struct slice room =
        state->configuration->scope == SCOPE_ROOM ? subject_text(arguments, SUBJECT_ROOM) : SLICE_ABSENT;
    return (struct act){subject_text(arguments, SUBJECT_USER), slice_present(room) ? room : SLICE("")};
}

static uint64_t event_key(const struct state *state, const struct callback_arguments *arguments)
{
    return keyed_hash(arguments->event->event_id, state->seed);
}

static bool has_id(const struct callback_arguments *arguments)
{
    return arguments->event && slice_present(arguments->event->event_id);
}

/* Whether this event's refusal has counted. */
static bool has_counted(const struct state *state, const struct callback_arguments *arguments)
{
    uint32_t known;
    return has_id(arguments) && recent_table_find(state->events, event_key(state, arguments), &known);
}

static struct slice reason_of(const struct held_user *user, struct arena *arena)
{
    char until[32] = "?";
    time_t seconds = user->until_ms / 1000;
    struct tm parts;
    if (gmtime_r(&seconds, &parts))
        strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return arena_format(arena, "held until %s, after %" PRIu32 " %s by %.*s", until, user->refusals,
                        user->refusals == 1 ? "refusal" : "refusals", (int)user->module.length, user->module.data);
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    struct act act = read_act(state, arguments);
    result->value.kind = VALUE_PASS;
    if (!arguments->trial)
        state->now_ms = arguments->now_ms;
    if (!held_users_count(state->held) || !slice_present(act.user))
        return;
    const struct held_user *held = held_users_find(state->held, act.user, act.room, arguments->now_ms);
    if (!held || subject_is_leave(arguments, state->membership) || has_counted(state, arguments))
        return;
    if (!arguments->trial) {
        state->refusals++;
        if (state->configuration->prolong) {
            held_users_hold(state->held, held, arguments->now_ms);
            held = held_users_find(state->held, act.user, act.room, arguments->now_ms);
        }
    }
    result->value = value_refuse(state->code);
    result->reason = reason_of(held, arguments->arena);
    result->rule = arena_copy(arguments->arena, held->module);
    result->evidence = subject_text(arguments, SUBJECT_USER);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge},
    {.callback = CALLBACK_check_event_allowed, .function = judge},
    {.callback = CALLBACK_user_may_join_room, .function = judge},
    {.callback = CALLBACK_user_may_invite, .function = judge},
    {.callback = CALLBACK_federated_user_may_invite, .function = judge, .where_known = true},
    {.callback = CALLBACK_user_may_create_room, .function = judge},
    {.callback = CALLBACK_on_create_room, .function = judge},
};

/* Refusals of other callbacks are of other things: a user that a search does not find has done nothing. */
static bool counts(const struct state *state, enum callback callback, const char *module)
{
    const struct text_list *modules = &state->configuration->modules;
    bool ours = false, named = !modules->count && strcmp(module, "hold") != 0;
    for (size_t index = 0; index < sizeof callbacks / sizeof *callbacks; index++)
        ours = ours || callbacks[index].callback == callback;
    for (size_t index = 0; index < modules->count; index++)
        named = named || strcmp(modules->items[index], module) == 0;
    return ours && named;
}

static void decided(void *pointer, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    struct state *state = pointer;
    struct act act = read_act(state, arguments);
    if (!slice_present(act.user) || !counts(state, arguments->callback, outcome->module) ||
        has_counted(state, arguments))
        return;
    if (has_id(arguments))
        recent_table_put(state->events, event_key(state, arguments), 1);
    state->hit_count++;
    if (held_users_find(state->held, act.user, act.room, arguments->now_ms) && !state->configuration->prolong)
        return;
    uint64_t key = keyed_hash_pair(act.user, act.room, state->seed);
    uint32_t hits = state->hits ? window_table_add(state->hits, key, arguments->now_ms) : 1;
    if (hits >= (uint32_t)state->configuration->after)
        held_users_hold(
            state->held,
            &(struct held_user){
                .user = act.user, .room = act.room, .module = slice_from_string(outcome->module), .refusals = hits},
            arguments->now_ms);
}

/* ---- the page */

static void append_held(const struct held_user *user, struct buffer *output)
{
    buffer_append_string(output, "{\"user_id\":");
    buffer_append_json_string(output, user->user);
    if (user->room.length) {
        buffer_append_string(output, ",\"room_id\":");
        buffer_append_json_string(output, user->room);
    }
    buffer_append_format(output, ",\"until_ms\":%" PRId64 ",\"refusals\":%" PRIu32 ",\"module\":", user->until_ms,
                         user->refusals);
    buffer_append_json_string(output, user->module);
    buffer_append_char(output, '}');
}

/* Those held last first; of all, or of `user`. */
static void show(const struct state *state, struct slice user, struct buffer *output)
{
    uint32_t total = 0;
    const struct held_user *held = NULL;
    buffer_append_string(output, "{\"held\":[");
    while ((held = held_users_next(state->held, held))) {
        if (held->until_ms <= state->now_ms || (slice_present(user) && !slice_equal(held->user, user)))
            continue;
        if (total++ >= LISTED_MAXIMUM)
            continue;
        if (total > 1)
            buffer_append_char(output, ',');
        append_held(held, output);
    }
    buffer_append_format(output, "],\"total\":%" PRIu32 "}\n", total);
}

/* Who is let go begins anew: the next refusal is the first. */
static void forget_hits(struct state *state, struct slice user)
{
    const struct held_user *held = NULL;
    while (state->hits && (held = held_users_next(state->held, held)))
        if (!slice_present(user) || slice_equal(held->user, user))
            window_table_forget(state->hits, keyed_hash_pair(held->user, held->room, state->seed));
}

static void release(struct state *state, struct slice body, struct web_response *response)
{
    json_t *json = json_loadb(body.data, body.length, 0, NULL);
    const json_t *user = json_object_get(json, "release");
    bool all = json_is_true(json_object_get(json, "release_all"));
    if (json_is_string(user) != all) {
        struct slice who = all ? SLICE_ABSENT : slice_of(json_string_value(user), json_string_length(user));
        forget_hits(state, who);
        buffer_append_format(response->body, "{\"released\":%" PRIu32 "}\n", held_users_release(state->held, who));
    } else {
        web_response_refuse(response, 400, json ? "M_BAD_JSON" : "M_NOT_JSON",
                            "send {\"release\": \"@user:server\"} or {\"release_all\": true}");
    }
    json_decref(json);
}

static void serve(void *pointer, const struct web_request *request, struct web_response *response)
{
    struct state *state = pointer;
    struct buffer user = {0};
    if (slice_equal(request->method, SLICE("POST")))
        release(state, request->body, response);
    else
        show(state, query_string_find(request->query, SLICE("user"), &user) ? buffer_slice(&user) : SLICE_ABSENT,
             response->body);
    buffer_free(&user);
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    figure(context, "held", "Holds in the list, those among them that have just ended.", held_users_count(state->held));
    figure(context, "hits_total", "Refusals by other modules that have counted.", (double)state->hit_count);
    figure(context, "refusals_total", "Questions about what held users do that were refused.", (double)state->refusals);
    figure(context, "forgotten_total", "Holds that ended early because there were too many.",
           (double)held_users_forgotten(state->held));
}

/* ---- snapshots: the version and the seed, then each table behind its length */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    parts_put_head(output, SAVED_VERSION, state->seed);
    size_t start = parts_begin(output);
    held_users_save(state->held, output);
    parts_end(output, start);
    start = parts_begin(output);
    recent_table_save(state->events, output);
    parts_end(output, start);
    start = parts_begin(output);
    if (state->hits)
        window_table_save(state->hits, output);
    parts_end(output, start);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    uint64_t seed = 0;
    bool good = parts_take_head(&saved, SAVED_VERSION, &seed) &&
                held_users_restore(state->held, parts_take(&saved), seed) &&
                recent_table_restore(state->events, parts_take(&saved));
    struct slice hits = good ? parts_take(&saved) : SLICE_ABSENT;
    good = slice_present(hits) && (state->hits ? window_table_restore(state->hits, hits) : hits.length == 0) &&
           saved.length == 0;
    if (good) {
        state->seed = seed;
        return true;
    }
    (void)held_users_restore(state->held, SLICE(""), state->seed);
    (void)recent_table_restore(state->events, SLICE(""));
    if (state->hits)
        (void)window_table_restore(state->hits, SLICE(""));
    return false;
}

extern const struct module_definition module_hold;
const struct module_definition module_hold = {
    .name = "hold",
    .summary = "Denies for a while whatever users do that other modules have refused. Their leaving passes.",
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
    .figures = figures,
    .decided = decided,
};
