/* Which rooms may be made, and by whom. Synapse asks user_may_create_room of everybody but its administrators, with the
 * client's request since v1.132; on_create_room has told the request all along, of administrators too, who pass here as
 * they do there. What the request leaves to a default is judged as that default, where it is Matrix's and not the
 * homeserver's own. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/name_list.h"
#include "filters/pattern_access.h"
#include "filters/request_rates.h"
#include "filters/server_name.h"
#include "filters/subject.h"

struct configuration {
    struct pattern_access_configuration name;
    struct pattern_access_configuration topic;
    struct pattern_access_configuration alias;
    struct text_list creators;
    struct text_list publishers;
    struct text_list presets;
    struct text_list versions;
    int64_t max_invitees;
    bool require_encryption;
    struct rate rate;
    struct rate_sharing_configuration sharing;
    char *code;
};

struct state {
    struct slice code;
    struct pattern_access name;
    struct pattern_access topic;
    struct pattern_access alias;
    struct name_list creators;
    struct name_list publishers;
    struct name_list presets;
    struct name_list versions;
    size_t max_invitees;
    bool require_encryption;
    struct request_rates rates;
};

#define ONLY_ROW(member_, text_)                                                                                       \
    {                                                                                                                  \
        .name = #member_, .type = PARAMETER_TEXT_LIST, .offset = offsetof(struct configuration, member_),              \
        .fallback = "[]", .text = text_                                                                                \
    }

static const struct parameter parameters[] = {
    FIELDS_ROW(struct configuration, name, "name", regex_access_fields, PATTERN_ACCESS_FIELDS,
               "The name of a room being made; a list alone is one of those denied."),
    FIELDS_ROW(struct configuration, topic, "topic", regex_access_fields, PATTERN_ACCESS_FIELDS,
               "Its topic; a list alone is one of those denied."),
    FIELDS_ROW(struct configuration, alias, "alias", regex_access_fields, PATTERN_ACCESS_FIELDS,
               "An alias being made, without `#` and server; a list alone is one of those denied."),
    ONLY_ROW(creators, "Ids, or globs, of the only users who may make rooms; empty: all may."),
    ONLY_ROW(publishers, "Ids, or globs, of the only users who may publish rooms in the directory; empty: all may."),
    ONLY_ROW(presets, "The only presets that a room may be made with, such as private_chat; empty: all."),
    ONLY_ROW(versions, "The only versions, or globs, that a request for a room may name; empty: all."),
    {.name = "max_invitees",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, max_invitees),
     .fallback = "0",
     .minimum = 0,
     .maximum = 1000,
     .text = "How many users and addresses a room may be made with at most; 0: any number."},
    {.name = "require_encryption",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, require_encryption),
     .fallback = "false",
     .text = "Whether a room must be made with m.room.encryption in the request's initial_state."},
    REQUEST_RATE_ROW(struct configuration, rate, "rate", NULL,
                     "How many rooms one user may make: so many at once, and evenly so many in each period, such as "
                     "10/h."),
    RATE_SHARING_PARAMETERS(struct configuration, sharing),
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    pattern_access_free(&state->name);
    pattern_access_free(&state->topic);
    pattern_access_free(&state->alias);
    name_list_free(&state->creators);
    name_list_free(&state->publishers);
    name_list_free(&state->presets);
    name_list_free(&state->versions);
    request_rates_free(&state->rates);
    free(state);
}

static bool open_list(struct name_list *list, const struct module_host *host, const char *name, bool ignore_case,
                      const struct text_list *entries)
{
    name_list_open(list, (struct name_list_options){.ignore_case = ignore_case});
    bool good = name_list_add(list, host, name, entries);
    return name_list_compile(list, host) && good;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    const struct module_host *host = setup->host;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    state->max_invitees = (size_t)configuration->max_invitees;
    state->require_encryption = configuration->require_encryption;
    request_rates_add(&state->rates, RATE_KEY_SENDER, configuration->rate, "rate");
    bool good = pattern_access_open(&state->name, host, "name", &configuration->name, PATTERN_REGEX);
    good &= pattern_access_open(&state->topic, host, "topic", &configuration->topic, PATTERN_REGEX);
    good &= pattern_access_open(&state->alias, host, "alias", &configuration->alias, PATTERN_REGEX);
    good &= request_rates_share(&state->rates, setup, "room_rules", &configuration->sharing);
    good &= open_list(&state->creators, host, "creators", true, &configuration->creators);
    good &= open_list(&state->publishers, host, "publishers", true, &configuration->publishers);
    good &= open_list(&state->presets, host, "presets", false, &configuration->presets);
    good &= open_list(&state->versions, host, "versions", false, &configuration->versions);
    if (good)
        return state;
    destroy(state);
    return NULL;
}

static bool refuse(struct result *result, struct slice rule, struct slice reason, struct slice evidence)
{
    result->rule = rule;
    result->reason = reason;
    result->evidence = evidence;
    return true;
}

/* Whether `text` is none of those on a list that has any; an absent one is not judged. */
static bool is_outside(const struct name_list *list, struct slice text)
{
    bool is_glob;
    return name_list_count(list) && slice_present(text) && !slice_present(name_list_match(list, text, &is_glob));
}

static struct slice member_text(const json_t *object, const char *name)
{
    const json_t *text = json_object_get(object, name);
    return json_is_string(text) ? slice_of(json_string_value(text), json_string_length(text)) : SLICE_ABSENT;
}

/* A room that replaces another gets its rules by its initial_state. */
static struct slice preset_of(const json_t *config)
{
    struct slice preset = member_text(config, "preset");
    if (slice_present(preset))
        return preset;
    if (slice_equal(member_text(config, "visibility"), SLICE("public")))
        return SLICE("public_chat");
    bool upgrade = json_object_get(json_object_get(config, "creation_content"), "predecessor") != NULL;
    return upgrade ? SLICE_ABSENT : SLICE("private_chat");
}

static struct slice version_of(const json_t *config)
{
    struct slice version = member_text(config, "room_version");
    return slice_present(version) ? version : member_text(json_object_get(config, "creation_content"), "room_version");
}

static bool texts_refused(const struct state *state, const json_t *name, const json_t *topic, struct result *result)
{
    return pattern_access_refuses(&state->name, member_text(name, "name"), SLICE("the room's name matches a pattern"),
                                  result) ||
           pattern_access_refuses(&state->topic, member_text(topic, "topic"),
                                  SLICE("the room's topic matches a pattern"), result);
}

/* Name and topic may also be given as events, and encryption can only be. */
static bool initial_state_refused(const struct state *state, const json_t *config, struct result *result)
{
    bool encrypted = false;
    size_t index;
    json_t *event;
    json_array_foreach(json_object_get(config, "initial_state"), index, event)
    {
        struct slice type = member_text(event, "type");
        const json_t *content = json_object_get(event, "content");
        encrypted = encrypted || slice_equal(type, SLICE("m.room.encryption"));
        if (texts_refused(state, slice_equal(type, SLICE("m.room.name")) ? content : NULL,
                          slice_equal(type, SLICE("m.room.topic")) ? content : NULL, result))
            return true;
    }
    return state->require_encryption && !encrypted &&
           refuse(result, SLICE("require_encryption"), SLICE("the room would not be encrypted"), SLICE(""));
}

static bool request_refused(const struct state *state, const struct callback_arguments *arguments, const json_t *config,
                            struct result *result)
{
    struct slice user = subject_text(arguments, SUBJECT_USER);
    struct slice preset = preset_of(config), version = version_of(config);
    size_t invitees =
        json_array_size(json_object_get(config, "invite")) + json_array_size(json_object_get(config, "invite_3pid"));
    if (is_outside(&state->presets, preset))
        return refuse(result, SLICE("presets"), SLICE("the room's preset is none of those allowed"), preset);
    if (is_outside(&state->versions, version))
        return refuse(result, SLICE("versions"), SLICE("the room's version is none of those allowed"), version);
    if (state->max_invitees && invitees > state->max_invitees)
        return refuse(result, SLICE("max_invitees"), SLICE("the room would be made with too many invitees"),
                      arena_format(arguments->arena, "%zu", invitees));
    if (slice_equal(member_text(config, "visibility"), SLICE("public")) && is_outside(&state->publishers, user))
        return refuse(result, SLICE("publishers"), SLICE("the user is none of those who may publish rooms"), user);
    return texts_refused(state, config, config, result) ||
           pattern_access_refuses(&state->alias, member_text(config, "room_alias_name"),
                                  SLICE("the room's alias matches a pattern"), result) ||
           initial_state_refused(state, config, result);
}

/* on_create_room is asked of the same room a moment later, which shall not count twice. */
static bool comes_too_often(struct state *state, const struct callback_arguments *arguments, struct result *result)
{
    return arguments->callback == CALLBACK_user_may_create_room &&
           request_rates_refuse(&state->rates, arguments, result);
}

static void judge_creation(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    struct slice user = subject_text(arguments, SUBJECT_USER);
    const struct value *config = arguments->values ? &arguments->values[1] : NULL;
    bool is_told = config && config->kind == VALUE_JSON && json_is_object(config->object);
    result->value.kind = VALUE_PASS;
    if (is_outside(&state->creators, user))
        (void)refuse(result, SLICE("creators"), SLICE("the user is none of those who may make rooms"), user);
    else if (!(is_told && request_refused(state, arguments, config->object, result)) &&
             !comes_too_often(state, arguments, result))
        return;
    result->value = value_refuse(state->code);
}

static void on_create_room(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    if (arguments->values && value_is(&arguments->values[2], true))
        result->value.kind = VALUE_PASS;
    else
        judge_creation(pointer, arguments, result);
}

static void user_may_create_room_alias(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice alias = subject_text(arguments, SUBJECT_ROOM_ALIAS);
    struct slice server = server_name_of(alias);
    result->value.kind = VALUE_PASS;
    if (slice_present(server))
        alias.length -= server.length + 1;
    if (slice_starts_with(alias, SLICE("#")))
        alias = slice_of(alias.data + 1, alias.length - 1);
    if (pattern_access_refuses(&state->alias, alias, SLICE("the room's alias matches a pattern"), result))
        result->value = value_refuse(state->code);
}

static void user_may_publish_room(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice user = subject_text(arguments, SUBJECT_USER);
    result->value.kind = VALUE_PASS;
    if (!is_outside(&state->publishers, user))
        return;
    (void)refuse(result, SLICE("publishers"), SLICE("the user is none of those who may publish rooms"), user);
    result->value = value_refuse(state->code);
}

static void answer(void *pointer, const struct callback_arguments *arguments, const struct service_answer *answered,
                   struct result *result)
{
    struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    if (request_rates_answer(&state->rates, arguments, answered, result))
        result->value = value_refuse(state->code);
}

/* ---- snapshots and figures */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    request_rates_save(&state->rates, output);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    return request_rates_restore(&state->rates, saved);
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    request_rates_figures(&state->rates, figure, context);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_user_may_create_room, .function = judge_creation},
    {.callback = CALLBACK_on_create_room, .function = on_create_room},
    {.callback = CALLBACK_user_may_create_room_alias, .function = user_may_create_room_alias},
    {.callback = CALLBACK_user_may_publish_room, .function = user_may_publish_room},
};

extern const struct module_definition module_room_rules;
const struct module_definition module_room_rules = {
    .name = "room_rules",
    .summary =
        "Denies making rooms and aliases, and publishing rooms, by who does it, by what the request asks for, and how "
        "often.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .reads_time = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
    .answer = answer,
    .save = save,
    .restore = restore,
    .figures = figures,
};
