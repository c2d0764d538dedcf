/* Synapse's own ways to name modules: what is taken of them, and what the administrator is told of the rest. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/check_report.h"
#include "engine/configuration_reader.h"

/* A homeserver.yaml as administrators have them, cut to what is about modules. */
static const char homeserver[] = "server_name: \"example.org\"\n"
                                 "pid_file: /var/run/matrix-synapse.pid\n"
                                 "listeners:\n"
                                 "  - port: 8008\n"
                                 "    type: http\n"
                                 "    resources: [{names: [client, federation], compress: false}]\n"
                                 "redis: {enabled: true}\n"
                                 "presence:\n"
                                 "  enabled: true\n"
                                 "  presence_router:\n"
                                 "    module: my_routers.ExamplePresenceRouter\n"
                                 "    config:\n"
                                 "      always_send_to_users:\n"
                                 "        - \"@presence_gobbler:example.org\"\n"
                                 "      blacklisted_users: []\n"
                                 "password_providers:\n"
                                 "  - module: \"my_auth.MyAuthProvider\"\n"
                                 "    config: {}\n"
                                 "  - module: \"rest_auth_provider.RestAuthProvider\"\n"
                                 "    config:\n"
                                 "      endpoint: \"http://change.me.example:12345\"\n"
                                 "ldap_config:\n"
                                 "   enabled: true\n"
                                 "   uri: \"ldap://ldap.example.com:389\"\n"
                                 "spam_checker:\n"
                                 "  - module: \"list_spam_checker.ListSpamChecker\"\n"
                                 "    config:\n"
                                 "      evil_users: [\"@evil:example.org\"]\n"
                                 "  - module: mjolnir.AntiSpam\n"
                                 "    config: {block_invites: true, ban_lists: [\"!roomid:example.org\"]}\n"
                                 "third_party_event_rules:\n"
                                 "  module: \"my_rules.SuperRules\"\n"
                                 "  config: {example_option: 'things'}\n";

#define BOTH                                                                                                           \
    ", and Synapse runs it too: take it out there once Weir answers in its place, or write `take_modules: "            \
    "false` in Weir's configuration\n"
#define OURS "cannot run in Weir: "
#define GENERAL                                                                                                        \
    "write `module: lua` with a script, `module: http_service` for a service of your own, or leave it in "             \
    "Synapse\n"

#define PRINTED "this secret is printed in Synapse's documentation: anybody may know it\n"

static char folder[] = "/tmp/weir-legacy-XXXXXX";
static struct buffer errors, warnings;

static char *in_folder(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    unlink(in_folder("weir.yaml"));
    unlink(in_folder("homeserver.yaml"));
    rmdir(folder);
}

static struct configuration *load_beside(const char *synapse, const char *ours)
{
    write_file("homeserver.yaml", synapse);
    write_file("weir.yaml", ours);
    buffer_clear(&errors);
    buffer_clear(&warnings);
    return configuration_load(in_folder("weir.yaml"), CONFIGURATION_FOR_REPLAY, NULL, &errors, &warnings);
}

/* The lines of `text` are those of `expected`, each behind the folder. */
static void expect_lines(const struct buffer *text, const char *const *expected)
{
    struct buffer whole = {0};
    for (; *expected; expected++)
        buffer_append_format(&whole, "%s/%s", folder, *expected);
    cr_expect_str_eq(text->length ? text->data : "", buffer_string(&whole), "--- got:\n%s\n--- expected:\n%s",
                     text->length ? text->data : "", buffer_string(&whole));
    buffer_free(&whole);
}

static void expect_chain(const struct configuration *configuration, const char *const *modules)
{
    uint32_t index = 0;
    for (; modules[index]; index++) {
        cr_assert_lt(index, chain_module_count(configuration->chain), "%s is missing", modules[index]);
        cr_expect_str_eq(chain_module(configuration->chain, index)->name, modules[index]);
    }
    cr_expect_eq(chain_module_count(configuration->chain), index);
}

Test(configuration_legacy, sections_of_synapse_follow_our_modules_in_its_order, .init = make_folder,
     .fini = remove_folder)
{
    struct configuration *configuration =
        load_beside(homeserver, "synapse_config: homeserver.yaml\nmodules: [{module: event_types}]\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    expect_chain(configuration, (const char *const[]){"event_types", "list_spam_checker", "presence_router",
                                                      "my_auth_provider", NULL});
    cr_expect_str_eq(configuration->modules[1].key, "spam_checker[0]");
    cr_expect_eq(configuration->modules[1].line, 26);
    cr_expect_str_eq(configuration->modules[2].key, "presence.presence_router");
    cr_expect_not(chain_module_options(configuration->chain, 1)->legacy, "its answers are of the new style");
    struct buffer report = {0};
    check_report_append(configuration, &report);
    cr_expect_not_null(strstr(buffer_string(&report), "  2. list_spam_checker spam_checker[0], line 26 of Synapse's "
                                                      "file; needs the event's body\n"),
                       "%s", buffer_string(&report));
    cr_expect_not_null(strstr(buffer_string(&report), "  1. presence_router  presence.presence_router, line 11 of "
                                                      "Synapse's file\n"));
    buffer_free(&report);
    expect_lines(
        &warnings,
        (const char *const[]){
            "homeserver.yaml:11:5: presence.presence_router: the Python class my_routers.ExamplePresenceRouter is "
            "taken "
            "as `module: presence_router`" BOTH,
            "homeserver.yaml:17:5: password_providers[0]: the Python class my_auth.MyAuthProvider is taken as `module: "
            "my_auth_provider`" BOTH,
            "homeserver.yaml:18:13: password_providers[0].config.users.bob: " PRINTED,
            "homeserver.yaml:18:13: password_providers[0].config.users.@scoop:matrix.org: " PRINTED,
            "homeserver.yaml:18:13: password_providers[0].config: my_auth_provider is a demonstration: whoever can "
            "read "
            "this file can log in\n",
            "homeserver.yaml:19:5: password_providers[1]: the Python class rest_auth_provider.RestAuthProvider is left "
            "to Synapse, Weir cannot run it: " GENERAL,
            "homeserver.yaml:23:4: ldap_config: the Python class ldap_auth_provider.LdapAuthProvider is left to "
            "Synapse, Weir cannot run it: leave LDAP to Synapse\n",
            "homeserver.yaml:26:5: spam_checker[0]: the Python class list_spam_checker.ListSpamChecker is taken as "
            "`module: list_spam_checker`" BOTH,
            "homeserver.yaml:29:5: spam_checker[1]: the Python class mjolnir.AntiSpam is left to Synapse, Weir cannot "
            "run it: write `module: sender_list` with the banned users and servers, or leave it in Synapse\n",
            "homeserver.yaml:32:3: third_party_event_rules: the Python class my_rules.SuperRules is left to Synapse, "
            "Weir cannot run it: " GENERAL,
            NULL});
    configuration_destroy(configuration);
}

Test(configuration_legacy, synapses_modules_may_be_left_out, .init = make_folder, .fini = remove_folder)
{
    struct configuration *configuration = load_beside(
        homeserver, "synapse_config: homeserver.yaml\ntake_modules: false\nmodules: [{module: event_types}]\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    expect_chain(configuration, (const char *const[]){"event_types", NULL});
    cr_expect_str_eq(buffer_string(&warnings), "");
    configuration_destroy(configuration);
}

#define LIST                                                                                                           \
    "server_name: hs\nmodules:\n  - module: list_spam_checker.ListSpamChecker\n    config:\n"                          \
    "      evil_users: ['@evil:hs']\n  - module: synapse_http_antispam.HTTPAntispam\n    config: {base_url: x}\n"

Test(configuration_legacy, synapses_list_stands_where_ours_is_missing, .init = make_folder, .fini = remove_folder)
{
    struct configuration *configuration = load_beside(LIST, "synapse_config: homeserver.yaml\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    expect_chain(configuration, (const char *const[]){"list_spam_checker", NULL});
    cr_expect_str_eq(configuration->modules[0].key, "modules[0]");
    cr_expect_eq(configuration->modules[0].file, 1);
    expect_lines(
        &warnings,
        (const char *const[]){"homeserver.yaml:3:5: modules[0]: the Python class list_spam_checker.ListSpamChecker is "
                              "taken as `module: list_spam_checker`" BOTH,
                              "homeserver.yaml:6:5: modules[1]: the Python class synapse_http_antispam.HTTPAntispam is "
                              "left to Synapse, Weir cannot run it: within Synapse it can ask Weir, with "
                              "`requests: {http: true}` (docs/http.md)\n",
                              NULL});
    configuration_destroy(configuration);

    configuration = load_beside(LIST, "synapse_config: homeserver.yaml\nmodules: [{module: event_types}]\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    expect_chain(configuration, (const char *const[]){"event_types", NULL});
    cr_expect_str_eq(buffer_string(&warnings), "", "our list replaces Synapse's, as every key of ours does");
    configuration_destroy(configuration);

    cr_expect_null(load_beside(LIST, "synapse_config: homeserver.yaml\ntake_modules: false\n"));
    expect_lines(&errors,
                 (const char *const[]){
                     "weir.yaml:1:1: modules: is missing: add a list of modules (`weir modules` shows them)\n", NULL});
}

Test(configuration_legacy, what_is_wrong_in_synapses_file_is_told_there, .init = make_folder, .fini = remove_folder)
{
    cr_expect_null(
        load_beside("server_name: hs\nspam_checker:\n  module: a.ListSpamChecker\n  config: {evil_user: [x]}\n"
                    "third_party_event_rules: [{module: a.EventCensorer}]\npassword_providers: {}\n",
                    "synapse_config: homeserver.yaml\nmodules: []\n"));
    expect_lines(
        &errors,
        (const char *const[]){
            "homeserver.yaml:4:23: spam_checker.config.evil_user: unknown parameter; did you mean `evil_users`?\n",
            "homeserver.yaml:5:26: third_party_event_rules: must be a map with `module` and `config`, but is a list\n",
            "homeserver.yaml:6:21: password_providers: must be a list of maps with `module` and `config`, but is a "
            "map\n",
            NULL});
}

static struct configuration *load(const char *text)
{
    buffer_clear(&errors);
    buffer_clear(&warnings);
    return configuration_load_text("weir.yaml", slice_from_string(text), CONFIGURATION_FOR_REPLAY, NULL, true, &errors,
                                   &warnings);
}

Test(configuration_legacy, sections_of_our_own_file_are_taken_as_they_are)
{
    struct configuration *configuration =
        load("server_name: hs\nmodules: [{module: sender_list}]\n"
             "spam_checker: {module: a.ListSpamChecker, config: {evil_users: ['@e:hs']}, dry_run: true}\n"
             "third_party_event_rules: {module: b.EventCensorer, config: {endpoint: 'https://censor.example/'}}\n"
             "presence: {enabled: true, cache: 5, presence_router: {module: ExamplePresenceRouter}}\n"
             "password_providers: [{module: c.MyAuthProvider, config: {}}]\nldap_config: {enabled: false}\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    expect_chain(configuration, (const char *const[]){"sender_list", "list_spam_checker", "event_censorer",
                                                      "presence_router", "my_auth_provider", NULL});
    cr_expect(chain_module_options(configuration->chain, 1)->dry_run);
    cr_expect_eq(configuration->presence_cache, 5);
    cr_expect_null(strstr(buffer_string(&warnings), "Python"), "%s", buffer_string(&warnings));
    configuration_destroy(configuration);
}

Test(configuration_legacy, sections_of_our_own_file_that_cannot_run_are_errors)
{
    cr_expect_null(load("server_name: hs\nmodules: []\nspam_checker: [{module: my.Checker}, 5, {config: {}}]\n"
                        "presence: {presence_router: {module: x.CustomPresenceRouter}}\nldap_config: {enabled: true}\n"
                        "third_party_event_rules: {module: a.EventCensorer, confg: {}}\n"
                        "password_providers: [{module: a.MyAuthProvider, config: [x]}]\n"));
    cr_expect_str_eq(buffer_string(&errors),
                     "weir.yaml:3:16: spam_checker[0]: the Python class my.Checker " OURS GENERAL
                     "weir.yaml:3:38: spam_checker[1]: must be a map with `module: package.Class`, as in Synapse\n"
                     "weir.yaml:3:41: spam_checker[2]: must be a map with `module: package.Class`, as in Synapse\n"
                     "weir.yaml:4:29: presence.presence_router: the Python class x.CustomPresenceRouter " OURS
                     "its users stand in its code: write `module: presence_router` with them under `routes`\n"
                     "weir.yaml:5:14: ldap_config: the Python class ldap_auth_provider.LdapAuthProvider " OURS
                     "leave LDAP to Synapse\n"
                     "weir.yaml:6:52: third_party_event_rules.confg: unknown key; did you mean `config`?\n"
                     "weir.yaml:7:57: password_providers[0].config: must be a map of parameters, but is a list\n",
                     "%s", buffer_string(&errors));
}

Test(configuration_legacy, python_classes_in_our_list_are_named)
{
    cr_expect_null(load("server_name: hs\nmodules:\n  - module: list_spam_checker.ListSpamChecker\n"
                        "  - module: my.Checker\n"));
    cr_expect_str_eq(buffer_string(&errors),
                     "weir.yaml:3:13: modules[0].module: the Python class list_spam_checker.ListSpamChecker " OURS
                     "write `module: list_spam_checker`, which takes the same `config`\n"
                     "weir.yaml:4:13: modules[1].module: the Python class my.Checker " OURS GENERAL,
                     "%s", buffer_string(&errors));
}
