/* The example of Synapse's page on spam checkers, doing what the page says (callbacks.md, section 6.1): the sender is
 * on a list, or is not. With a page that says the same of any user, and asks nobody who they are, as the original's.
 *
 * Where the original's page fails with 500 and an HTML page (no `user`, or one that is not UTF-8), this one answers
 * with 400 and a Matrix error. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/query_string.h"
#include "base/string_table.h"
#include "base/utf8.h"
#include "filters/module.h"
#include "filters/user_id.h"

struct configuration {
    struct text_list evil_users;
};

struct state {
    struct string_table *evil_users; /* the verdicts' rules are its own copies */
};

static const struct parameter parameters[] = {
    {.name = "evil_users",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, evil_users),
     .fallback = "[]",
     .text = "User ids, compared exactly."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    string_table_destroy(state->evil_users);
    free(state);
}

static void is_evil(void *pointer, const struct web_request *request, struct web_response *response)
{
    const struct state *state = pointer;
    struct buffer user = {0};
    if (!query_string_find(request->query, SLICE("user"), &user)) {
        web_response_refuse(response, 400, "M_MISSING_PARAM", "say whom you mean: ?user=@name:server");
    } else if (!utf8_valid(buffer_slice(&user))) {
        web_response_refuse(response, 400, "M_INVALID_PARAM", "the parameter `user` is not UTF-8");
    } else {
        bool evil = string_table_find(state->evil_users, buffer_slice(&user)) != STRING_TABLE_NONE;
        buffer_append_string(response->body, evil ? "{\"evil\": true}" : "{\"evil\": false}");
    }
    buffer_free(&user);
}

static void *create(const struct module_setup *setup)
{
    static const struct web_resource page = {
        .path = "/_synapse/client/list_spam_checker/is_evil", .methods = "GET", .serve = is_evil};
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->evil_users = string_table_create();
    for (size_t item = 0; item < configuration->evil_users.count; item++) {
        struct slice user = slice_from_string(configuration->evil_users.items[item]);
        if (!user_id_valid(user)) {
            char path[48];
            snprintf(path, sizeof path, "evil_users[%zu]", item);
            module_host_warn(setup->host, path, "is no user id (@name:server): no sender is called that");
        }
        string_table_add(state->evil_users, user, 0);
    }
    string_table_trim(state->evil_users);
    module_register_resource(setup, &page);
    return state;
}

static void check_event_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct slice sender = arguments->event->sender;
    result->value.kind = VALUE_PASS;
    if (!sender.data || !slice_present(result->rule = string_table_stored(state->evil_users, sender)))
        return;
    result->value = value_refuse(SLICE("M_FORBIDDEN"));
    result->reason = SLICE("the sender is on the list");
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = check_event_for_spam},
};

extern const struct module_definition module_list_spam_checker;
const struct module_definition module_list_spam_checker = {
    .name = "list_spam_checker",
    .summary = "Denies events of listed users, and says on /_synapse/client/list_spam_checker/is_evil?user=ID who is "
               "listed (Synapse's example; sender_list takes patterns and files).",
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
