/* What is told of a chain. */
#include "engine/callbacks_notice.h"

#include "tests/engine/router_fixture.h"

static void answer(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state, (void)arguments;
    result->value.kind = VALUE_PASS;
}

static void *create(const struct module_setup *setup)
{
    return (void *)(uintptr_t)setup->server_name;
}

static const char *const password[] = {"password", NULL};
static const char *const token[] = {"token", "more", NULL};
static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_allowed, .function = answer},
    {.callback = CALLBACK_check_event_for_spam, .function = answer},
    {.callback = CALLBACK_auth_checkers,
     .function = answer,
     .login_type = "m.login.password",
     .login_fields = password},
    {.callback = CALLBACK_auth_checkers, .function = answer, .login_type = "com.example.t", .login_fields = token},
};
static const struct module_definition blind = {
    .name = "blind", .callbacks = callbacks, .callback_count = 4, .create = create, .destroy = router_fixture_destroy};
static const struct module_definition reader = {.name = "reader",
                                                .reads_state = true,
                                                .callbacks = callbacks,
                                                .callback_count = 2,
                                                .create = create,
                                                .destroy = router_fixture_destroy};

static void expect(const struct module_definition *const *modules, enum semantics semantics, const char *wanted)
{
    struct buffer json = {0};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "hs", .semantics = semantics});
    for (; *modules; modules++)
        cr_assert(chain_append(chain, *modules, NULL, NULL, &router_fixture_host));
    cr_assert(chain_seal(chain, NULL, NULL));
    callbacks_notice_append(chain, "weir \"1\"", &json);
    cr_expect_str_eq(buffer_string(&json), wanted);
    buffer_free(&json);
    chain_destroy(chain);
}
#define EXPECT(semantics, wanted, ...) expect((const struct module_definition *const[]){__VA_ARGS__}, semantics, wanted)

Test(callbacks_notice, a_chain_of_nothing)
{
    EXPECT(SEMANTICS_LATEST,
           "{\"version\":1,\"semantics\":\"latest\",\"instance\":\"weir \\\"1\\\"\",\"callbacks\":{}}", NULL);
}

Test(callbacks_notice, state_and_login_types)
{
    EXPECT(SEMANTICS_147,
           "{\"version\":1,\"semantics\":\"1.47\",\"instance\":\"weir \\\"1\\\"\",\"callbacks\":{"
           "\"check_event_allowed\":{\"state\":true},\"check_event_for_spam\":{}}}",
           &reader, NULL);
    EXPECT(SEMANTICS_LATEST,
           "{\"version\":1,\"semantics\":\"latest\",\"instance\":\"weir \\\"1\\\"\",\"callbacks\":{"
           "\"check_event_allowed\":{},\"check_event_for_spam\":{},\"auth_checkers\":{\"login_types\":{"
           "\"m.login.password\":[\"password\"],\"com.example.t\":[\"token\",\"more\"]}}}}",
           &blind, NULL);
}

Test(callbacks_notice, one_of_several_modules_reads_the_state)
{
    EXPECT(SEMANTICS_LATEST,
           "{\"version\":1,\"semantics\":\"latest\",\"instance\":\"weir \\\"1\\\"\",\"callbacks\":{"
           "\"check_event_allowed\":{\"state\":true},\"check_event_for_spam\":{}}}",
           &reader, &reader, NULL);
}
