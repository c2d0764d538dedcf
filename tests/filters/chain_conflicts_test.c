/* What clashes between modules, and what Synapse does about each. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/chain.h"

static void answer(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state, (void)arguments;
    result->value.kind = VALUE_PASS;
}

static void serve(void *state, const struct web_request *request, struct web_response *response)
{
    (void)state, (void)request, (void)response;
}

static void *create(const struct module_setup *setup)
{
    (void)setup;
    return memory_allocate_zeroed(1, 1);
}

static void *create_with_page(const struct module_setup *setup)
{
    module_register_resource(setup,
                             &(struct web_resource){.path = "/_synapse/client/x", .methods = "GET", .serve = serve});
    return create(setup);
}

static char told[2048];

static void on_conflict(void *context, const struct chain_conflict *conflict)
{
    (void)context;
    size_t used = strlen(told);
    snprintf(told + used, sizeof told - used, "%s %u/%u: %s\n", conflict->fatal ? "fatal" : "warning",
             conflict->module_index, conflict->other_index, conflict->text);
}

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    cr_assert_fail("%s: %s", path, message);
}

/* Each row is a module of its own. The chain is destroyed unless `kept` wants it. */
static bool seal(const struct chain_settings *settings, const struct module_callback *rows, size_t count,
                 struct chain **kept)
{
    static const struct module_host host = {.report = on_report};
    static struct module_definition definitions[8];
    struct chain *chain = chain_create(settings);
    for (size_t index = 0; index < count; index++) {
        struct module_definition *definition = &definitions[index];
        *definition = (struct module_definition){
            .name = "scripted", .callbacks = &rows[index], .callback_count = 1, .create = create, .destroy = free};
        cr_assert(chain_append(chain, definition, NULL, NULL, &host));
    }
    told[0] = '\0';
    bool good = chain_seal(chain, on_conflict, NULL);
    if (kept)
        *kept = chain;
    else
        chain_destroy(chain);
    return good;
}

#define ROWS(...)                                                                                                      \
    (const struct module_callback[]){__VA_ARGS__},                                                                     \
        sizeof((const struct module_callback[]){__VA_ARGS__}) / sizeof(struct module_callback)
#define FIELDS(...)                                                                                                    \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }
#define CHECKER(type, ...)                                                                                             \
    {                                                                                                                  \
        .callback = CALLBACK_auth_checkers, .function = answer, .login_type = type,                                    \
        .login_fields = FIELDS(__VA_ARGS__)                                                                            \
    }

static const struct chain_settings latest = {.server_name = "hs"};
static const struct chain_settings old = {.semantics = SEMANTICS_147, .server_name = "hs"};
static const struct chain_settings strict = {.server_name = "hs", .strict = true};

Test(chain_conflicts, callbacks_of_another_version_refuse_to_start)
{
    cr_expect_not(seal(&old, ROWS({.callback = CALLBACK_check_login_for_spam, .function = answer}), NULL));
    cr_expect_str_eq(told, "fatal 0/0: registers check_login_for_spam, which Synapse has since v1.87 only: with "
                           "`semantics: 1.47` it refuses to start\n");
    cr_expect_not(
        seal(&latest, ROWS({.callback = CALLBACK_user_may_create_room_with_invites, .function = answer}), NULL));
    cr_expect_str_eq(told,
                     "fatal 0/0: registers user_may_create_room_with_invites, which Synapse has had no more since "
                     "v1.53: it refuses to start (`semantics: 1.47` has it)\n");
    cr_expect(seal(&old, ROWS({.callback = CALLBACK_user_may_create_room_with_invites, .function = answer}), NULL));
    cr_expect_str_eq(told, "");
}

Test(chain_conflicts, some_callbacks_have_one_owner)
{
    cr_expect_not(seal(&latest,
                       ROWS({.callback = CALLBACK_on_legacy_renew, .function = answer},
                            {.callback = CALLBACK_check_event_for_spam, .function = answer},
                            {.callback = CALLBACK_on_legacy_renew, .function = answer}),
                       NULL));
    cr_expect_str_eq(
        told, "fatal 2/0: registers on_legacy_renew, which only one module may supply: Synapse refuses to start\n");
}

Test(chain_conflicts, a_second_background_update_controller_is_ignored)
{
    struct chain *chain;
    cr_expect(seal(&latest,
                   ROWS({.callback = CALLBACK_on_update, .function = answer},
                        {.callback = CALLBACK_on_update, .function = answer},
                        {.callback = CALLBACK_min_batch_size, .function = answer}),
                   &chain));
    cr_expect_not_null(strstr(told, "warning 1/0: registers on_update, but only the first"));
    cr_expect_eq(chain_callback_modules(chain, CALLBACK_on_update, NULL, 0), 1u);
    cr_expect_eq(chain_callback_modules(chain, CALLBACK_min_batch_size, NULL, 0), 0u,
                 "also what the first one did not give");
    chain_destroy(chain);
}

Test(chain_conflicts, a_presence_router_supplies_both)
{
    cr_expect_not(seal(&latest, ROWS({.callback = CALLBACK_get_interested_users, .function = answer}), NULL));
    cr_expect_str_eq(told, "fatal 0/0: registers get_interested_users without get_users_for_states: a presence router "
                           "must supply both, and Synapse refuses to start\n");
}

Test(chain_conflicts, differing_fields_of_a_login_type_follow_synapse_or_are_refused)
{
    struct arena arena = {0};
    struct chain *chain;
    /* Not within cr_expect: the chain goes on pointing to the texts of its rows. */
    bool good = seal(&latest, ROWS(CHECKER("t", "a"), CHECKER("t", "a", "b"), CHECKER("u", "c")), &chain);
    cr_expect(good);
    cr_expect_not_null(strstr(told, "warning 1/0: registers an auth checker for the login type `t` with other fields"));
    struct buffer types = {0};
    struct value value = chain_login_types(chain, &arena);
    value_append_json(&value, &types);
    cr_expect_str_eq(buffer_string(&types),
                     "{\"dict\":{\"t\":{\"list\":[{\"str\":\"a\"},{\"str\":\"b\"}]},\"u\":{\"list\":"
                     "[{\"str\":\"c\"}]}}}");
    buffer_free(&types);
    arena_free(&arena);
    chain_destroy(chain);
    cr_expect_not(seal(&strict, ROWS(CHECKER("t", "a"), CHECKER("t", "b")), NULL));
    cr_expect_not_null(strstr(told, "which `strict: true` refuses"));
    cr_expect(seal(&strict, ROWS(CHECKER("t", "a"), CHECKER("t", "a")), NULL));
    cr_expect_not(seal(&latest, ROWS(CHECKER("t", "t"), CHECKER("t", "a")), NULL), "a field with the type's own name");
    cr_expect(seal(&latest, ROWS(CHECKER("t", "a"), CHECKER("t", "t")), NULL), "the later one may have it");
}

Test(chain_conflicts, the_first_module_keeps_a_page)
{
    static const struct module_host host = {.report = on_report};
    static const struct module_definition page = {.name = "page", .create = create_with_page, .destroy = free};
    struct chain *chain = chain_create(&latest);
    for (int index = 0; index < 2; index++)
        cr_assert(chain_append(chain, &page, NULL, NULL, &host));
    told[0] = '\0';
    cr_expect(chain_seal(chain, on_conflict, NULL));
    cr_expect_str_eq(told,
                     "warning 1/0: serves the path /_synapse/client/x, which an earlier module serves already: this "
                     "one's page is never shown\n");
    void *state = NULL;
    uint32_t module_index = 9;
    cr_expect_not_null(chain_resource(chain, SLICE("/_synapse/client/x"), &state));
    cr_expect_not_null(state);
    cr_expect_null(chain_resource(chain, SLICE("/_synapse/client/x/"), &state));
    cr_expect_not_null(chain_resource_at(chain, 1, &module_index));
    cr_expect_eq(module_index, 1u);
    cr_expect_null(chain_resource_at(chain, 2, &module_index));
    chain_destroy(chain);
}
