/* The example of Synapse's page on password auth providers (callbacks.md, section 6.4): a table of names and secrets,
 * and two login types that look into it. For showing how a provider answers, not for keeping accounts: the secrets
 * stand in the configuration.
 *
 * The original lets anybody in who sends null for a name that it does not know. Here the name must be in the table and
 * the field a text. Secrets are compared as SHA-256 digests and in constant time, also for unknown names, so that the
 * time it takes tells neither how much of a secret was right nor how long it is. */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "filters/module.h"

struct configuration {
    struct text_map users;
};

struct account {
    struct slice user_id;
    unsigned char digest[SHA256_DIGEST_LENGTH]; /* of the secret */
};

struct state {
    struct string_table *names; /* → place in `accounts` */
    struct account *accounts;
    uint32_t count;
};

static const char *const my_fields[] = {"my_field", NULL};
static const char *const password_fields[] = {"password", NULL};

static void check_credentials(void *pointer, const struct callback_arguments *arguments, struct result *result);

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_auth_checkers,
     .function = check_credentials,
     .login_type = "my.login_type",
     .login_fields = my_fields},
    {.callback = CALLBACK_auth_checkers,
     .function = check_credentials,
     .login_type = "m.login.password",
     .login_fields = password_fields},
};
#define CALLBACKS (sizeof callbacks / sizeof *callbacks)

#define DOCUMENTED_USERS "bob=building @scoop:matrix.org=digging"

static const struct parameter parameters[] = {
    {.name = "users",
     .type = PARAMETER_TEXT_MAP,
     .offset = offsetof(struct configuration, users),
     .fallback = DOCUMENTED_USERS,
     .text = "Names, as people type them when they log in, with their secrets. The default is that of Synapse's page."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    for (uint32_t place = 0; place < state->count; place++)
        free((char *)(uintptr_t)state->accounts[place].user_id.data);
    string_table_destroy(state->names);
    free(state->accounts);
    free(state);
}

static void digest_of(struct slice secret, unsigned char *digest)
{
    SHA256((const unsigned char *)secret.data, secret.length, digest);
}

/* As the module API's get_qualified_user_id: a name that begins with `@` stays as it is. */
static struct slice qualified(const char *name, const char *server_name)
{
    struct buffer text = {0};
    buffer_append_format(&text, *name == '@' ? "%s" : "@%s:%s", name, server_name);
    return slice_of(buffer_string(&text), text.length);
}

/* One who copied the example gets told so for each of its secrets that is still there. */
static void warn_of_published(const struct module_setup *setup, const char *name, const char *secret)
{
    char pair[256], path[256];
    snprintf(pair, sizeof pair, " %s=%s ", name, secret);
    if (!strstr(" " DOCUMENTED_USERS " ", pair))
        return;
    snprintf(path, sizeof path, "users.%s", name);
    module_host_warn(setup->host, path, "this secret is printed in Synapse's documentation: anybody may know it");
}

static bool take_account(struct state *state, const struct module_setup *setup, const char *name, const char *secret)
{
    if (!*name || !*secret) {
        char path[256];
        snprintf(path, sizeof path, "users.%s", name);
        module_host_report(setup->host, path, *name ? "an empty secret lets everybody in" : "a name must not be empty");
        return false;
    }
    warn_of_published(setup, name, secret);
    struct account *account = &state->accounts[state->count];
    account->user_id = qualified(name, setup->server_name);
    digest_of(slice_from_string(secret), account->digest);
    string_table_add(state->names, slice_from_string(name), state->count++);
    return true;
}

static void *create(const struct module_setup *setup)
{
    const struct text_map *users = &((const struct configuration *)setup->configuration)->users;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->names = string_table_create();
    state->accounts = memory_allocate_zeroed(users->count, sizeof *state->accounts);
    bool good = true;
    for (size_t index = 0; index < users->count; index++)
        good &= take_account(state, setup, users->names[index], users->values[index]);
    if (!good) {
        destroy(state);
        return NULL;
    }
    module_host_warn(setup->host, "", "my_auth_provider is a demonstration: whoever can read this file can log in");
    return state;
}

/* The value of the field that belongs to the login type; absent if it is no text. */
static struct slice submitted_field(struct slice login_type, const struct value *login)
{
    for (size_t index = 0; index < CALLBACKS; index++) {
        if (!slice_equal(login_type, slice_from_string(callbacks[index].login_type)))
            continue;
        const json_t *field = json_object_get(login->object, callbacks[index].login_fields[0]);
        return json_is_string(field) ? slice_of(json_string_value(field), json_string_length(field)) : SLICE_ABSENT;
    }
    return SLICE_ABSENT;
}

static void check_credentials(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    static const struct account nobody = {{NULL, 0}, {0}};
    const struct state *state = pointer;
    struct slice field = submitted_field(arguments->values[1].text, &arguments->values[2]);
    result->value.kind = VALUE_PASS;
    if (!slice_present(field))
        return;
    uint32_t place = string_table_find(state->names, arguments->values[0].text);
    const struct account *account = place == STRING_TABLE_NONE ? &nobody : &state->accounts[place];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    digest_of(field, digest);
    bool equal = CRYPTO_memcmp(digest, account->digest, sizeof digest) == 0;
    if (!equal || account == &nobody)
        return;
    struct value *items = arena_allocate(arguments->arena, 2 * sizeof *items);
    items[0] = value_text(account->user_id);
    result->value = value_container(VALUE_TUPLE, items, 2);
}

extern const struct module_definition module_my_auth_provider;
const struct module_definition module_my_auth_provider = {
    .name = "my_auth_provider",
    .summary = "A demonstration, not for use: logs in by a table of names and secrets in the configuration, with the "
               "login types my.login_type and m.login.password (Synapse's example).",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = false,
    .callbacks = callbacks,
    .callback_count = CALLBACKS,
    .create = create,
    .destroy = destroy,
};
