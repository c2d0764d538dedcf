/* Policy lists: what moderators elsewhere have found out about users, rooms and servers, followed as they write it.
 *
 * A user is held against the lists' rules for users, then their server against those for servers; a room against those
 * for rooms and, where somebody would follow into it, its server against those for servers. How the lists come to one
 * answer: policy_weighing.h. With all trusts at 1 it is the first ban or unban that matches.
 *
 * Rules come through state_event, from the database when the chain begins and from the stream of events then, or from
 * files. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/memory.h"
#include "filters/action.h"
#include "filters/event_content.h"
#include "filters/map_host.h"
#include "filters/module.h"
#include "filters/policy_files.h"
#include "filters/policy_weighing.h"
#include "filters/room_state.h"
#include "filters/server_name.h"
#include "filters/subject.h"

/* Stripped state of a room has about ten events. */
#define STATE_MAXIMUM 100u

enum on_federated { FEDERATED_DENY, FEDERATED_DROP };
static const char *const on_federated_names[] = {[FEDERATED_DENY] = "deny", [FEDERATED_DROP] = "drop", NULL};

struct room_configuration {
    char *room;
    char *name;
    unsigned apply;
    double trust;
};

struct file_configuration {
    char *file;
    char *room;
};

struct configuration {
    struct map_list rooms;
    struct map_list files;
    struct text_list never;
    bool ignore_case;
    int on_federated;
    int64_t capacity;
    char *code;
};

struct list {
    struct slice name;
    char *figure; /* the name of its figure */
};

struct state {
    struct slice code;
    struct slice server_name;
    uint32_t membership; /* slot of content */
    const char **rooms;  /* by list */
    struct list *lists;
    unsigned trust[POLICY_LISTS_MAXIMUM]; /* likewise, in thousandths */
    uint32_t list_count;
    bool has_files;
    struct policy_set *set;
    uint64_t left_out; /* events that came when the set was full */
    void (*log)(const char *level, const char *module, struct slice message);
};

static const struct parameter room_parameters[] = {
    {.name = "room",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct room_configuration, room),
     .text = "The id of the list's room (not an alias), such as !abc:example.org."},
    {.name = "name",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct room_configuration, name),
     .text = "What verdicts and figures call the list; without one, the room's id."},
    {.name = "apply",
     .type = PARAMETER_CHOICES,
     .offset = offsetof(struct room_configuration, apply),
     .fallback = "ban takedown allow unban",
     .choices = policy_recommendation_names,
     .text = "Which of its recommendations are followed: ban and takedown refuse, allow and unban are exceptions from "
             "the rules of this list and of those behind it."},
    {.name = "trust",
     .type = PARAMETER_NUMBER,
     .offset = offsetof(struct room_configuration, trust),
     .fallback = "1",
     .minimum = 0,
     .maximum = 1,
     .text = "What its bans weigh: something is refused where the trusts of all lists that ban it come to 1. Two lists "
             "of 0.5 must agree; one of 0 refuses nothing."},
};

static const struct parameter file_parameters[] = {
    {.name = "file",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct file_configuration, file),
     .text = "The path of a JSON list of state events, as GET /_matrix/client/v3/rooms/ROOM/state gives it, or of one "
             "event a line."},
    {.name = "room",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct file_configuration, room),
     .text = "Which of `rooms` the file is of; without it each event's own `room_id` says so."},
};

static const struct parameter parameters[] = {
    {.name = "rooms",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, rooms),
     .fallback = "[]",
     .fields = room_parameters,
     .field_count = sizeof room_parameters / sizeof *room_parameters,
     .map_size = sizeof(struct room_configuration),
     .text_items = true,
     .text = "The rooms of the lists, at most 64, those that count first in front. A user of this homeserver must be "
             "in each, so that its events come in."},
    {.name = "files",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, files),
     .fallback = "[]",
     .fields = file_parameters,
     .field_count = sizeof file_parameters / sizeof *file_parameters,
     .map_size = sizeof(struct file_configuration),
     .text_items = true,
     .text = "Exported state of such rooms, for a start without a database and for rooms that nobody here is in. What "
             "comes from the room itself is newer."},
    {.name = "never",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, never),
     .fallback = "[]",
     .text = "Users, rooms and servers, or globs, that no rule may match: a rule that covers all of an entry is left "
             "out whole, any other just does not hold for them. The homeserver itself is always among them."},
    {.name = "ignore_case",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, ignore_case),
     .fallback = "true",
     .text = "Whether ids of users and rooms match without regard to case; servers always do, hashes never."},
    {.name = "on_federated",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, on_federated),
     .fallback = "deny",
     .choices = on_federated_names,
     .text = "Whether events from other servers are refused, that is kept but hidden (soft-failed), or dropped before "
             "they are looked at, which no later change of mind brings back."},
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, capacity),
     .fallback = "500000",
     .minimum = 1000,
     .maximum = 10000000,
     .text = "How many rules are known at most, emptied ones among them, in about 300 bytes each; rules beyond are "
             "left out, counted, and said in the log."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

/* ---- rules that come */

/* The list with that room, or `list_count`. */
static uint32_t list_of(const struct state *state, struct slice room_id)
{
    uint32_t list = 0;
    while (list < state->list_count && !slice_equal(slice_from_string(state->rooms[list]), room_id))
        list++;
    return list;
}

static void say_full(struct state *state)
{
    if (state->left_out++ || !state->log)
        return;
    struct buffer message = {0};
    buffer_append_format(&message,
                         "the policy lists have more rules than `capacity` (%zu); those that come now are left out",
                         policy_set_size(state->set));
    state->log("error", "policy_list", buffer_slice(&message));
    buffer_free(&message);
}

static void take_rule(struct state *state, const struct policy_place *place, yyjson_val *content)
{
    struct policy_rule rule;
    enum policy_rule_status status = policy_rule_read(content, &rule);
    if (!policy_set_put(state->set, place, status, &rule))
        say_full(state);
}

static void state_event(void *pointer, const struct event *event, int64_t ordering)
{
    struct state *state = pointer;
    struct policy_place place = {.list = list_of(state, event->room_id),
                                 .state_key = event->state_key,
                                 .event_id = event->event_id,
                                 .ordering = ordering};
    if (place.list < state->list_count && slice_present(event->state_key) && policy_type_read(event->type, &place.type))
        take_rule(state, &place, event->has_body ? event_content(event) : NULL);
}

static const char *const *followed_rooms(const void *pointer, uint32_t *count)
{
    const struct state *state = pointer;
    *count = state->list_count;
    return state->rooms;
}

/* ---- the configuration */

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result);

static void destroy(void *pointer)
{
    struct state *state = pointer;
    for (uint32_t list = 0; list < state->list_count; list++)
        free(state->lists[list].figure);
    policy_set_destroy(state->set);
    free(state->lists);
    free(state->rooms);
    free(state);
}

static bool has_figure(const struct state *state, const char *name)
{
    uint32_t list = 0;
    while (list < state->list_count && strcmp(state->lists[list].figure, name) != 0)
        list++;
    return list < state->list_count;
}

/* "rules_of_" and the list's name in the letters that a metric's name may have. Where that is another list's already,
 * as of names without such letters, the list's number tells them apart: a page with one metric twice is refused whole.
 */
static char *figure_name(const struct state *state, struct slice name)
{
    struct buffer text = {0};
    buffer_append_string(&text, "rules_of_");
    for (size_t at = 0; at < name.length; at++) {
        char byte = name.data[at];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        buffer_append_char(&text, letter ? byte : '_');
    }
    while (has_figure(state, buffer_string(&text)))
        buffer_append_format(&text, "_%" PRIu32, state->list_count + 1);
    return (char *)(uintptr_t)buffer_string(&text);
}

static bool open_list(struct state *state, const struct room_configuration *configuration,
                      const struct module_host *host)
{
    const char *room = configuration->room;
    if (!room || room[0] != '!') {
        module_host_report(host, "room",
                           room ? "must be the id of a room, which begins with `!`; an alias does not do"
                                : "is missing: the id of the list's room");
        return false;
    }
    if (list_of(state, slice_from_string(room)) < state->list_count) {
        module_host_report(host, "room", "is listed twice");
        return false;
    }
    struct slice name = slice_from_string(configuration->name ? configuration->name : room);
    state->rooms[state->list_count] = room;
    state->trust[state->list_count] = (unsigned)(configuration->trust * POLICY_WHOLE_TRUST + 0.5);
    char *figure = figure_name(state, name);
    state->lists[state->list_count++] = (struct list){.name = name, .figure = figure};
    return true;
}

static bool open_lists(struct state *state, const struct configuration *configuration, const struct module_host *host)
{
    const struct room_configuration *rooms = configuration->rooms.items;
    unsigned apply[POLICY_LISTS_MAXIMUM];
    bool good = true;
    if (configuration->rooms.count > POLICY_LISTS_MAXIMUM) {
        module_host_report(host, "rooms", "must be at most %u", POLICY_LISTS_MAXIMUM);
        return false;
    }
    if (!configuration->rooms.count)
        module_host_warn(host, "rooms", "is empty, so that nothing is ever refused");
    state->rooms = memory_allocate_zeroed(configuration->rooms.count + 1, sizeof *state->rooms);
    state->lists = memory_allocate_zeroed(configuration->rooms.count + 1, sizeof *state->lists);
    for (size_t index = 0; index < configuration->rooms.count; index++) {
        struct map_host place;
        apply[index] = rooms[index].apply;
        good = open_list(state, &rooms[index], map_host_open(&place, host, "rooms", index)) && good;
    }
    struct policy_set_settings settings = {
        .lists = state->list_count,
        .apply = apply,
        .ignore_case = configuration->ignore_case,
        .capacity = (size_t)configuration->capacity,
    };
    policy_guard_open(&settings.guard, &configuration->never, state->server_name);
    state->set = policy_set_create(&settings);
    return good;
}

/* What a file's events are taken in with. */
struct file_reading {
    struct state *state;
    struct slice room; /* absent: each event says */
    uint64_t taken;
};

static bool take_from_file(void *context, yyjson_val *event)
{
    struct file_reading *reading = context;
    struct state *state = reading->state;
    struct slice room = slice_present(reading->room) ? reading->room : content_string(event, SLICE("room_id"));
    struct slice event_id = content_string(event, SLICE("event_id"));
    struct policy_place place = {.list = list_of(state, room),
                                 .state_key = content_string(event, SLICE("state_key")),
                                 .event_id = slice_present(event_id) ? event_id : SLICE("")};
    yyjson_val *content = content_member(event, SLICE("content"));
    if (place.list < state->list_count && slice_present(place.state_key) &&
        policy_type_read(content_string(event, SLICE("type")), &place.type)) {
        take_rule(state, &place, yyjson_is_obj(content) ? content : NULL);
        reading->taken++;
    }
    return true;
}

static bool read_file(struct state *state, const struct file_configuration *configuration,
                      const struct module_host *host)
{
    struct file_reading reading = {.state = state, .room = slice_from_string(configuration->room)};
    struct buffer content = {0}, problem = {0};
    bool good = configuration->file != NULL;
    if (!good)
        module_host_report(host, "file", "is missing: the path of a file");
    if (configuration->room && list_of(state, reading.room) == state->list_count) {
        module_host_report(host, "room", "is none of `rooms`");
        good = false;
    }
    if (good && (!host->read_file(host->context, configuration->file, &content, &problem) ||
                 !policy_file_read(buffer_slice(&content), take_from_file, &reading, &problem))) {
        module_host_report(host, "file", "%s", buffer_string(&problem));
        good = false;
    }
    if (good && !reading.taken)
        module_host_warn(host, "file", "has no rules of any of `rooms`");
    buffer_free(&content);
    buffer_free(&problem);
    return good;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    const struct file_configuration *files = configuration->files.items;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    state->server_name = slice_from_string(setup->server_name);
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    state->log = setup->host->log;
    state->has_files = configuration->files.count > 0;
    bool good = open_lists(state, configuration, setup->host);
    for (size_t index = 0; good && index < configuration->files.count; index++) {
        struct map_host place;
        good = read_file(state, &files[index], map_host_open(&place, setup->host, "files", index));
    }
    if (!good) {
        destroy(state);
        return NULL;
    }
    if (configuration->on_federated == FEDERATED_DROP)
        module_register(setup, &(struct module_callback){.callback = CALLBACK_should_drop_federated_event,
                                                         .function = judge,
                                                         .where_known = true});
    return state;
}

/* ---- judging */

static void refuse(const struct state *state, const struct policy_weighing *weighing, struct arena *arena,
                   struct result *result)
{
    struct policy_found rule = policy_set_rule(state->set, weighing->rule);
    struct slice name = state->lists[weighing->list].name, entity = rule.entity;
    if (rule.hashed) {
        struct buffer digest = {0};
        base64_append(&digest, rule.entity.data, rule.entity.length, BASE64_STANDARD);
        entity = arena_format(arena, "sha256:%s", buffer_string(&digest));
        buffer_free(&digest);
    }
    result->value = value_refuse(state->code);
    result->rule =
        arena_format(arena, "%.*s: %s %.*s", (int)name.length, name.data,
                     rule.recommendation == POLICY_BAN ? "ban" : "takedown", (int)entity.length, entity.data);
    result->reason =
        slice_present(rule.reason) ? arena_copy(arena, rule.reason) : SLICE("the policy list gives no reason");
    result->evidence = weighing->name;
    /* A takedown asks to remove what is there (MSC4204), a ban only to keep out what comes. */
    if (rule.recommendation == POLICY_TAKEDOWN)
        result->actions = ACTION_BIT(ACTION_redact);
}

/* Whose room it is where its id does not say (from version 12 on): the sender of its first event, as far as the
 * question brings the room's state along. */
static struct slice creator_of(const struct callback_arguments *arguments)
{
    const json_t *create = room_state_find(room_state_of(arguments), SLICE("m.room.create"), SLICE(""));
    const json_t *sender = json_object_get(create, "sender");
    if (json_is_string(sender))
        return slice_of(json_string_value(sender), json_string_length(sender));
    if (!arguments->event || !arguments->event->has_body)
        return SLICE_ABSENT;
    yyjson_val *outside = content_member(event_json(arguments->event), SLICE("unsigned"));
    yyjson_arr_iter items = yyjson_arr_iter_with(content_member(outside, SLICE("invite_room_state")));
    yyjson_val *item;
    for (unsigned count = 0; count < STATE_MAXIMUM && (item = yyjson_arr_iter_next(&items)); count++)
        if (slice_equal(content_string(item, SLICE("type")), SLICE("m.room.create")))
            return content_string(item, SLICE("sender"));
    return SLICE_ABSENT;
}

/* The server of the room, if somebody would follow into it. */
static struct slice followed_server(const struct state *state, const struct callback_arguments *arguments,
                                    struct slice room)
{
    bool follows =
        arguments->callback == CALLBACK_user_may_join_room || subject_is_invite(arguments, state->membership);
    if (!follows && arguments->event)
        follows = slice_equal(subject_membership(arguments->event, state->membership), SLICE("join"));
    if (!follows || !slice_present(room))
        return SLICE_ABSENT;
    struct slice server = server_name_of(room);
    return server_name_host(slice_present(server) ? server : server_name_of(creator_of(arguments)));
}

static bool finds(const struct state *state, const struct callback_arguments *arguments,
                  struct policy_weighing *weighing)
{
    if (subject_is_leave(arguments, state->membership))
        return false;
    struct slice user = subject_text(arguments, SUBJECT_USER), server = server_name_of(user);
    /* A login may name the user without the server, and a room is made by one of ours. */
    if (slice_present(user) && !slice_present(server))
        user = arena_format(arguments->arena, "@%.*s:%.*s", (int)user.length, user.data, (int)state->server_name.length,
                            state->server_name.data);
    if (policy_weighing_refuses(state->set, state->trust, POLICY_USER, user, server_name_host(server), weighing))
        return true;
    struct slice room = subject_text(arguments, SUBJECT_ROOM);
    return slice_present(room) && policy_weighing_refuses(state->set, state->trust, POLICY_ROOM, room,
                                                          followed_server(state, arguments, room), weighing);
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct policy_weighing weighing;
    result->value.kind = VALUE_PASS;
    if (finds(state, arguments, &weighing))
        refuse(state, &weighing, arguments->arena, result);
}

/* ---- memory and figures */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    policy_set_save(state->set, output);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    return policy_set_restore(state->set, saved);
}

/* The rules are shared: the other state may still be asked, and what comes from now on holds for both. Only where files
 * were read anew the two are not the same. */
static void take_over(void *pointer, void *other)
{
    struct state *state = pointer, *from = other;
    state->left_out = from->left_out;
    if (state->has_files) {
        struct buffer saved = {0};
        policy_set_save(from->set, &saved);
        (void)policy_set_restore(state->set, buffer_slice(&saved));
        buffer_free(&saved);
        return;
    }
    policy_set_destroy(state->set);
    state->set = policy_set_share(from->set);
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    struct policy_counts all = policy_set_counts(state->set, POLICY_LISTS_MAXIMUM);
    figure(context, "rules", "Rules of all policy lists that are followed.", (double)all.rules);
    for (uint32_t list = 0; list < state->list_count; list++)
        figure(context, state->lists[list].figure, "Rules of this list that are followed.",
               (double)policy_set_counts(state->set, list).rules);
    figure(context, "unknown_recommendations", "Rules whose recommendation is not known, which are ignored.",
           (double)all.unknown);
    figure(context, "malformed", "Rules without an entity or a recommendation that can be read.", (double)all.bad);
    figure(context, "refused", "Rules that would match what `never` names, or the homeserver.", (double)all.refused);
    figure(context, "left_out_total", "Events of policy lists that came when `capacity` was reached.",
           (double)state->left_out);
    figure(context, "bytes", "Bytes that the rules take.", (double)policy_set_memory(state->set));
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge},
    {.callback = CALLBACK_check_event_allowed, .function = judge},
    {.callback = CALLBACK_user_may_join_room, .function = judge},
    {.callback = CALLBACK_user_may_invite, .function = judge},
    {.callback = CALLBACK_federated_user_may_invite, .function = judge, .where_known = true},
    {.callback = CALLBACK_user_may_create_room, .function = judge},
    {.callback = CALLBACK_on_create_room, .function = judge},
    {.callback = CALLBACK_check_login_for_spam, .function = judge, .where_known = true},
};

extern const struct module_definition module_policy_list;
const struct module_definition module_policy_list = {
    .name = "policy_list",
    .summary = "Follows Matrix policy lists: denies what users, rooms and servers do that their rules ban. Users may "
               "leave, and the homeserver itself always passes.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
    .save = save,
    .restore = restore,
    .take_over = take_over,
    .figures = figures,
    .followed_rooms = followed_rooms,
    .state_event = state_event,
};
