/* Spam by who sent it: ids, globs over ids, globs over the server. Ids may be a million, so they go into a hash table
 * and only what has a wildcard is compiled as a pattern. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "filters/glob.h"
#include "filters/module.h"
#include "filters/pattern_list.h"

struct configuration {
    struct text_list users;
    struct text_list users_file;
    struct text_list servers;
    char *code;
};

struct state {
    struct slice code;
    struct string_table *ids; /* the verdicts' rules are its own copies */
    struct pattern_list user_globs;
    struct pattern_list server_globs;
};

static const struct parameter parameters[] = {
    {.name = "users",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, users),
     .fallback = "[]",
     .text = "User ids, or globs over the whole id (`*` any run of characters, `?` any one; case-sensitive)."},
    {.name = "users_file",
     .type = PARAMETER_LINES_FILE,
     .offset = offsetof(struct configuration, users_file),
     .text = "A file with more of them, one a line; `#` begins a comment."},
    {.name = "servers",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, servers),
     .fallback = "[]",
     .text = "Globs over the server name, the part of the id after its first `:` (case-insensitive)."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    string_table_destroy(state->ids);
    pattern_list_free(&state->user_globs);
    pattern_list_free(&state->server_globs);
    free(state);
}

/* Ids into the table, globs into the list. */
static bool add_users(struct state *state, const struct module_host *host, const char *parameter,
                      const struct text_list *list)
{
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        struct slice text = slice_from_string(list->items[item]);
        if (text.length == 0) {
            text_list_report(host, parameter, list, item, "an empty entry matches no sender");
            good = false;
        } else if (glob_has_wildcard(text)) {
            good &= pattern_list_add(&state->user_globs, host, parameter, list, item, PATTERN_GLOB, true);
        } else {
            string_table_add(state->ids, text, 0);
        }
    }
    return good;
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    state->ids = string_table_create();
    bool good = add_users(state, setup->host, "users", &configuration->users);
    good &= add_users(state, setup->host, "users_file", &configuration->users_file);
    good &= pattern_list_add_all(&state->server_globs, setup->host, "servers", &configuration->servers, PATTERN_GLOB,
                                 false);
    good &= pattern_list_compile(&state->user_globs, setup->host);
    good &= pattern_list_compile(&state->server_globs, setup->host);
    if (!good) {
        destroy(state);
        return NULL;
    }
    string_table_trim(state->ids);
    if (state->user_globs.count == 0)
        text_list_free(&configuration->users_file); /* a million ids need not be held twice */
    return state;
}

static void check_event_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice sender = arguments->event->sender;
    result->value.kind = VALUE_PASS;
    if (!sender.data)
        return;
    if (slice_present(result->rule = string_table_stored(state->ids, sender))) {
        result->reason = SLICE("the sender is on the list");
        result->evidence = sender;
    } else if (slice_present(result->rule = pattern_list_match(&state->user_globs, sender))) {
        result->reason = SLICE("the sender matches a pattern on the list");
        result->evidence = sender;
    } else if (state->server_globs.count &&
               slice_present(result->rule =
                                 pattern_list_match(&state->server_globs, event_sender_server(arguments->event)))) {
        result->reason = SLICE("the server of the sender is on the list");
        result->evidence = event_sender_server(arguments->event);
    } else {
        return;
    }
    result->value = value_refuse(state->code);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = check_event_for_spam}};

extern const struct module_definition module_sender_list;
const struct module_definition module_sender_list = {
    .name = "sender_list",
    .summary = "Denies events of listed senders and servers.",
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
