/* Spam by who sent it: ids, globs over ids, globs over the server. `user_list` and `server_list` do more, for more
 * callbacks; this one stays for the configurations that have it. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/module.h"
#include "filters/name_list.h"

struct configuration {
    struct text_list users;
    struct text_list users_file;
    struct text_list servers;
    char *code;
};

struct state {
    struct slice code;
    struct name_list users;
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
    name_list_free(&state->users);
    pattern_list_free(&state->server_globs);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    name_list_open(&state->users, (struct name_list_options){0});
    bool good = name_list_add(&state->users, setup->host, "users", &configuration->users);
    good &= name_list_add(&state->users, setup->host, "users_file", &configuration->users_file);
    good &= pattern_list_add_all(&state->server_globs, setup->host, "servers", &configuration->servers, PATTERN_GLOB,
                                 false);
    good &= name_list_compile(&state->users, setup->host);
    good &= pattern_list_compile(&state->server_globs, setup->host);
    if (!good) {
        destroy(state);
        return NULL;
    }
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
    bool is_glob;
    if (slice_present(result->rule = name_list_match(&state->users, sender, &is_glob))) {
        result->reason =
            is_glob ? SLICE("the sender matches a pattern on the list") : SLICE("the sender is on the list");
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
