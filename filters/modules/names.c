/* What people call themselves: display names and user names, where an account is made, found, or comes into a room. No
 * callback of these tells the client a code.
 *
 * Whoever looks like somebody known is found by a look-up of the name's skeleton (name_skeleton.h), however many names
 * are protected. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "base/utf8.h"
#include "filters/characters.h"
#include "filters/module.h"
#include "filters/name_skeleton.h"
#include "filters/pattern_access.h"
#include "filters/server_name.h"
#include "filters/subject.h"
#include "filters/text_fold.h"
#include "filters/user_id.h"

enum { OF_DISPLAY_NAME = 1, OF_USER_NAME = 2 };

struct configuration {
    struct pattern_access_configuration patterns;
    unsigned of;
    int64_t max_length;
    int64_t max_words;
    struct text_list lookalike_of;
    bool impersonate_admins;
    struct text_list admins;
};

struct state {
    const struct configuration *configuration;
    struct slice server_name;
    struct pattern_access patterns;
    struct string_table *protected; /* skeletons; value: place in `lookalike_of` */
    struct string_table *ids;       /* of administrators, as they are */
    struct string_table *admins;    /* skeletons of their ids and localparts; value: place in `admins` */
    uint32_t membership;            /* slots of content */
    uint32_t display_name;
};

static const char *const of_names[] = {"display_name", "user_name", NULL};

static const struct parameter parameters[] = {
    FIELDS_ROW(struct configuration, patterns, "patterns", regex_access_fields, PATTERN_ACCESS_FIELDS,
               "The name; of a user's id what stands before the server, without the `@`. A list alone is one of those "
               "denied."),
    {.name = "of",
     .type = PARAMETER_CHOICES,
     .offset = offsetof(struct configuration, of),
     .fallback = "display_name user_name",
     .choices = of_names,
     .text = "Which names are judged. Those of users behind bridges are often long and of many words."},
    {.name = "max_length",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, max_length),
     .fallback = "0",
     .minimum = 0,
     .maximum = 255,
     .text = "How many characters (code points) a name may have; 0: any number."},
    {.name = "max_words",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, max_words),
     .fallback = "0",
     .minimum = 0,
     .maximum = 255,
     .text = "How many words a name may have, that is runs of letters and digits; 0: any number."},
    {.name = "lookalike_of",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, lookalike_of),
     .fallback = "[]",
     .text = "Names that nobody but `admins` may have, nor one that looks like them: in any script and style, with "
             "other blanks and punctuation, with 0 for o, 1 or I for l, rn for m."},
    {.name = "impersonate_admins",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, impersonate_admins),
     .fallback = "true",
     .text = "Whether names that look like the user name or the id of one of `admins` are denied to others; user names "
             "on other servers are not."},
    {.name = "admins",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, admins),
     .fallback = "[]",
     .text = "Ids of users who may call themselves anything, and whom nobody else may look like."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    pattern_access_free(&state->patterns);
    string_table_destroy(state->protected);
    string_table_destroy(state->ids);
    string_table_destroy(state->admins);
    free(state);
}

/* Whether anything has to be compared by look. */
static bool compares(const struct configuration *configuration)
{
    return configuration->lookalike_of.count || (configuration->impersonate_admins && configuration->admins.count);
}

static bool add_protected(struct state *state, const struct module_host *host, struct arena *arena)
{
    const struct text_list *names = &state->configuration->lookalike_of;
    bool good = true;
    for (size_t item = 0; item < names->count; item++) {
        struct slice skeleton = name_skeleton(slice_from_string(names->items[item]), arena);
        if (skeleton.length == 0)
            text_list_report(host, "lookalike_of", names, item, "has no letter or digit to compare");
        else
            string_table_add(state->protected, skeleton, (uint32_t)item);
        good &= skeleton.length != 0;
    }
    return good;
}

static void add_admin_look(struct state *state, struct slice name, size_t item, struct arena *arena)
{
    struct slice skeleton = name_skeleton(name, arena);
    if (skeleton.length)
        string_table_add(state->admins, skeleton, (uint32_t)item);
}

static bool add_admins(struct state *state, const struct module_host *host, struct arena *arena)
{
    const struct text_list *ids = &state->configuration->admins;
    bool good = true;
    for (size_t item = 0; item < ids->count; item++) {
        struct slice id = slice_from_string(ids->items[item]);
        if (!user_id_valid(id)) {
            text_list_report(host, "admins", ids, item, "is no user's id (@name:server)");
            good = false;
            continue;
        }
        string_table_add(state->ids, id, (uint32_t)item);
        if (!state->configuration->impersonate_admins)
            continue;
        add_admin_look(state, id, item, arena);
        add_admin_look(state, user_id_localpart(id), item, arena);
    }
    return good;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    const struct module_host *host = setup->host;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    struct arena arena = {0};
    const char *problem = NULL;
    state->configuration = configuration;
    state->server_name = slice_from_string(setup->server_name);
    state->protected = string_table_create();
    state->ids = string_table_create();
    state->admins = string_table_create();
    state->membership = field_table_declare(setup->fields, SUBJECT_MEMBERSHIP);
    state->display_name = field_table_declare(setup->fields, SLICE("displayname"));
    bool good = pattern_access_open(&state->patterns, host, "patterns", &configuration->patterns, PATTERN_REGEX);
    bool open = !compares(configuration) || text_fold_open(TEXT_FOLD_UNICODE, &problem);
    if (!open)
        module_host_report(host, configuration->lookalike_of.count ? "lookalike_of" : "impersonate_admins",
                           "comparing names by their look %s", problem);
    good = open && add_protected(state, host, &arena) && good;
    good = open && add_admins(state, host, &arena) && good;
    arena_free(&arena);
    if (good && configuration->of == 0)
        module_host_warn(host, "of", "without names to judge the module denies nothing");
    if (good)
        return state;
    destroy(state);
    return NULL;
}

/* One of a user's names. */
struct subject {
    struct slice name;
    const char *what;   /* it is called */
    bool judges_admins; /* it matters whether it looks like an administrator's */
};

static bool refuse(const struct subject *subject, struct slice rule, struct slice reason, struct result *result)
{
    result->rule = rule;
    result->reason = reason;
    result->evidence = subject->name;
    return true;
}

struct measures {
    int64_t length, words;
};

static struct measures measure(struct slice name)
{
    struct measures measures = {0};
    const unsigned char *cursor = (const unsigned char *)name.data;
    const unsigned char *end = cursor + name.length;
    bool inside = false;
    while (cursor < end) {
        bool word = character_is_word(utf8_decode(&cursor, end));
        measures.length++;
        measures.words += word && !inside;
        inside = word;
    }
    return measures;
}

static bool is_too_long(const struct state *state, const struct subject *subject, struct arena *arena,
                        struct result *result)
{
    const struct configuration *configuration = state->configuration;
    if (!configuration->max_length && !configuration->max_words)
        return false;
    struct measures measures = measure(subject->name);
    if (configuration->max_length && measures.length > configuration->max_length)
        return refuse(subject, SLICE("max_length"),
                      arena_format(arena, "the %s has %lld characters", subject->what, (long long)measures.length),
                      result);
    return configuration->max_words && measures.words > configuration->max_words &&
           refuse(subject, SLICE("max_words"),
                  arena_format(arena, "the %s has %lld words", subject->what, (long long)measures.words), result);
}

static bool looks_like_another(const struct state *state, const struct subject *subject, struct arena *arena,
                               struct result *result)
{
    const struct configuration *configuration = state->configuration;
    if (!compares(configuration))
        return false;
    struct slice skeleton = name_skeleton(subject->name, arena);
    uint32_t place = skeleton.length ? string_table_find(state->protected, skeleton) : STRING_TABLE_NONE;
    if (place != STRING_TABLE_NONE)
        return refuse(subject, slice_from_string(configuration->lookalike_of.items[place]),
                      arena_format(arena, "the %s looks like a protected name", subject->what), result);
    if (!skeleton.length || !subject->judges_admins)
        return false;
    place = string_table_find(state->admins, skeleton);
    return place != STRING_TABLE_NONE &&
           refuse(subject, slice_from_string(configuration->admins.items[place]),
                  arena_format(arena, "the %s looks like an administrator's", subject->what), result);
}

static bool judge_name(const struct state *state, const struct subject *subject, struct arena *arena,
                       struct result *result)
{
    if (!slice_present(subject->name) || !subject->name.length)
        return false;
    struct slice reason = arena_format(arena, "the %s matches a pattern", subject->what);
    return pattern_access_refuses(&state->patterns, subject->name, reason, result) ||
           is_too_long(state, subject, arena, result) || looks_like_another(state, subject, arena, result);
}

static void judge_user(const struct state *state, struct slice id, struct slice display_name, struct arena *arena,
                       struct result *result)
{
    unsigned of = state->configuration->of;
    bool local = slice_equal(server_name_of(id), state->server_name);
    result->value.kind = VALUE_PASS;
    if (slice_present(id) && string_table_find(state->ids, id) != STRING_TABLE_NONE)
        return;
    struct subject subject = {.name = display_name, .what = "display name", .judges_admins = true};
    bool refused = of & OF_DISPLAY_NAME && judge_name(state, &subject, arena, result);
    subject = (struct subject){.name = user_id_localpart(id), .what = "user name", .judges_admins = local};
    if (refused || (of & OF_USER_NAME && judge_name(state, &subject, arena, result)))
        result->value = value_refuse(SLICE_ABSENT);
}

static void check_username_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    judge_user(pointer, subject_text(arguments, SUBJECT_TARGET), subject_text(arguments, SUBJECT_DISPLAY_NAME),
               arguments->arena, result);
}

static void check_registration_for_spam(void *pointer, const struct callback_arguments *arguments,
                                        struct result *result)
{
    const struct state *state = pointer;
    struct slice name = subject_text(arguments, SUBJECT_USER);
    struct slice server = state->server_name;
    if (slice_present(name))
        name =
            arena_format(arguments->arena, "@%.*s:%.*s", (int)name.length, name.data, (int)server.length, server.data);
    judge_user(state, name, SLICE_ABSENT, arguments->arena, result);
}

/* Those who come in, and those in the room who change their name. */
static void check_event_allowed(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    const struct event *event = arguments->event;
    struct slice membership = subject_membership(event, state->membership);
    result->value.kind = VALUE_PASS;
    if (slice_equal(membership, SLICE("join")) || slice_equal(membership, SLICE("knock")))
        judge_user(state, event->state_key, event_content_string(event, state->display_name), arguments->arena, result);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_username_for_spam, .function = check_username_for_spam},
    {.callback = CALLBACK_check_registration_for_spam, .function = check_registration_for_spam},
    {.callback = CALLBACK_check_event_allowed, .function = check_event_allowed},
};

extern const struct module_definition module_names;
const struct module_definition module_names = {
    .name = "names",
    .summary = "Denies user names and display names by pattern, length, and whom they look like: at registration, in "
               "rooms, and in searches of the directory.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .concurrent = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
