/* Clashes between modules, as an administrator reads them: at the later module's place, with the line of the other. The
 * clashes themselves are tested with the chain. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/check_report.h"
#include "engine/configuration_reader.h"

static struct buffer errors, warnings;

static struct configuration *load(const char *text)
{
    buffer_clear(&errors);
    buffer_clear(&warnings);
    return configuration_load_text("weir.yaml", slice_from_string(text), CONFIGURATION_FOR_REPLAY, NULL, true, &errors,
                                   &warnings);
}

#define HEAD "server_name: hs\nmodules:\n"

Test(configuration_conflicts, the_first_of_two_pages_wins)
{
    struct configuration *configuration = load(HEAD "  - module: list_spam_checker\n  - module: event_types\n"
                                                    "  - {module: list_spam_checker}\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(buffer_string(&warnings),
                     "weir.yaml:5:5: modules[2]: serves the path /_synapse/client/list_spam_checker/is_evil, which an "
                     "earlier module serves already: this one's page is never shown (the other is modules[0], line "
                     "3)\n",
                     "%s", buffer_string(&warnings));
    struct buffer output = {0};
    check_report_append(configuration, &output);
    cr_expect_not_null(strstr(buffer_string(&output),
                              "\npages of modules\n"
                              "  GET   /_synapse/client/list_spam_checker/is_evil  modules[0], line 3\n"
                              "  GET   /_synapse/client/list_spam_checker/is_evil  modules[2], line 5; never shown: an "
                              "earlier module serves this path\n"),
                       "%s", buffer_string(&output));
    buffer_free(&output);
    configuration_destroy(configuration);
}

/* A module that cannot be made is not in the chain; those behind it keep their own lines all the same. */
Test(configuration_conflicts, places_hold_beside_a_module_that_fails)
{
    cr_expect_null(load(HEAD "  - {module: sender_list, config: {users: 5}}\n  - {module: nowhere}\n"
                             "  - module: list_spam_checker\n  - module: list_spam_checker\n"));
    cr_expect_not_null(strstr(buffer_string(&warnings), "weir.yaml:6:5: modules[3]: serves the path "), "%s",
                       buffer_string(&warnings));
    cr_expect_not_null(strstr(buffer_string(&warnings), "(the other is modules[2], line 5)\n"), "%s",
                       buffer_string(&warnings));
}

/* A script that registers one callback, written for the test. */
static void write_script(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static char script[] = "/tmp/weir-conflicts-XXXXXX";

static void make_script(void)
{
    int file = mkstemp(script);
    cr_assert_geq(file, 0);
    close(file);
}

static void remove_script(void)
{
    unlink(script);
}

static void expect_script_errors(const char *lua, const char *head, int modules, const char *expected)
{
    write_script(script, lua);
    struct buffer text = {0};
    buffer_append_format(&text, "%sserver_name: hs\nmodules:\n", head);
    for (int index = 0; index < modules; index++)
        buffer_append_format(&text, "  - {module: lua, config: {script: %s}}\n", script);
    struct configuration *configuration = load(buffer_string(&text));
    cr_expect_eq(configuration == NULL, *expected != '\0', "%s", lua);
    cr_expect_str_eq(buffer_string(&errors), expected, "--- got:\n%s", buffer_string(&errors));
    configuration_destroy(configuration);
    buffer_free(&text);
}

Test(configuration_conflicts, registrations_that_synapse_refuses_are_errors, .init = make_script, .fini = remove_script)
{
    expect_script_errors("function on_legacy_renew(token) end", "", 2,
                         "weir.yaml:4:5: modules[1]: registers on_legacy_renew, which only one module may supply: "
                         "Synapse refuses to start (the other is modules[0], line 3)\n");
    expect_script_errors("function get_interested_users(user) end", "", 1,
                         "weir.yaml:3:5: modules[0]: registers get_interested_users without get_users_for_states: a "
                         "presence router must supply both, and Synapse refuses to start\n");
    expect_script_errors(
        "function check_login_for_spam() end", "semantics: 1.47\n", 1,
        "weir.yaml:4:5: modules[0]: registers check_login_for_spam, which Synapse has since v1.87 only: "
        "with `semantics: 1.47` it refuses to start\n");
    expect_script_errors("function check_login_for_spam() end", "semantics: latest\n", 1, "");
    expect_script_errors("function user_may_create_room_with_invites() return true end", "semantics: \"1.47\"\n", 1,
                         "");
    expect_script_errors(
        "function user_may_create_room_with_invites() return true end", "", 1,
        "weir.yaml:3:5: modules[0]: registers user_may_create_room_with_invites, which Synapse has had "
        "no more since v1.53: it refuses to start (`semantics: 1.47` has it)\n");
}

#define CHECKER "auth_checkers = {{type = \"my.login_type\", fields = {%s}, check = function() end}}"
#define DIFFERS "registers an auth checker for the login type `my.login_type` with other fields"

/* The clash stands in the fifth line: a script whose checker has these fields, behind one that has others. */
static struct configuration *load_checkers(const char *head, const char *first, const char *second)
{
    char other[] = "/tmp/weir-conflicts-XXXXXX";
    int file = mkstemp(other);
    cr_assert_geq(file, 0);
    close(file);
    struct buffer text = {0};
    buffer_append_format(&text, CHECKER, first);
    write_script(script, buffer_string(&text));
    buffer_clear(&text);
    buffer_append_format(&text, CHECKER, second);
    write_script(other, buffer_string(&text));
    buffer_clear(&text);
    buffer_append_format(&text, "%sserver_name: hs\nmodules:\n  - {module: lua, config: {script: %s}}\n", head, script);
    buffer_append_format(&text, "  - {module: lua, config: {script: %s}}\n", other);
    struct configuration *configuration = load(buffer_string(&text));
    unlink(other);
    buffer_free(&text);
    return configuration;
}

Test(configuration_conflicts, differing_login_fields_are_named_and_strict_refuses_them, .init = make_script,
     .fini = remove_script)
{
    struct configuration *configuration = load_checkers("strict: false\n", "\"my_field\"", "\"other\"");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(buffer_string(&warnings),
                     "weir.yaml:5:5: modules[1]: " DIFFERS
                     ": both are asked, but a login must carry the fields of this one, and the earlier checker sees "
                     "these only (`strict: true` refuses it) (the other is modules[0], line 4)\n",
                     "%s", buffer_string(&warnings));
    struct buffer output = {0};
    check_report_append(configuration, &output);
    cr_expect_not_null(strstr(buffer_string(&output),
                              "\nlogin types and the fields that a login must carry\n  my.login_type: other\n"),
                       "%s", buffer_string(&output));
    buffer_free(&output);
    configuration_destroy(configuration);

    cr_expect_null(load_checkers("strict: true\n", "\"my_field\"", "\"other\""));
    cr_expect_str_eq(buffer_string(&errors), "weir.yaml:5:5: modules[1]: " DIFFERS
                                             ", which `strict: true` refuses (the other is modules[0], line 4)\n");
    /* The one pair that Synapse itself refuses: the type's own name is among the earlier fields. */
    cr_expect_null(load_checkers("strict: false\n", "\"my.login_type\"", "\"other\""));
    cr_expect_str_eq(buffer_string(&errors), "weir.yaml:5:5: modules[1]: " DIFFERS
                                             ": Synapse refuses to start (the other is modules[0], line 4)\n");
    configuration = load_checkers("strict: true\n", "\"my_field\"", "\"my_field\"");
    cr_expect_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(buffer_string(&warnings), "");
    configuration_destroy(configuration);
}
