/* What `weir check` says of a configuration, and where it places the clashes between modules. */
#include "engine/check_report.h"

#include <criterion/criterion.h>

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

Test(check_report, shows_the_chain_of_each_callback)
{
    struct configuration *configuration = load(
        HEAD "  - {module: event_types, config: {deny: [a]}, dry_run: true}\n"
             "  - module: sender_list\n    only: {rooms: ['!a:*']}\n    except: {senders: ['@mod:hs', '@b:hs']}\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    struct buffer output = {0};
    check_report_append(configuration, &output);
    const char *text = buffer_string(&output);
    cr_expect_not_null(strstr(text, "\n  semantics latest\n  observe   an event is asked of both callbacks\n"), "%s",
                       text);
    cr_expect_not_null(strstr(text, "\n  requests  from the stream hs/weir/requests, any callback\n"
                                    "  presence  is not read: no module routes it\n"),
                       "%s", text);
    cr_expect_not_null(strstr(text, "\ncheck_event_for_spam (spam checker)\n"
                                    "    1. event_types      modules[0], line 3; needs the stream row only; dry_run: "
                                    "recorded, never counted\n"
                                    "    2. sender_list      modules[1], line 4; needs the event's body\n"
                                    "       only rooms !a:*; except senders @mod:hs @b:hs\n"
                                    "  rule: the first answer but False and NOT_SPAM ends the walk"),
                       "%s", text);
    cr_expect_not_null(strstr(text, "\nno module registered\n  check_event_allowed, "), "%s", text);
    buffer_free(&output);
    configuration_destroy(configuration);
}

Test(check_report, options_are_checked_with_their_places)
{
    cr_expect_null(load(HEAD "  - {module: event_types, dry_run: 1}\n"
                             "  - {module: event_types, only: {room: [x]}}\n"
                             "  - {module: event_types, except: {types: [5]}, dryrun: true}\n"));
    cr_expect_str_eq(
        buffer_string(&errors),
        "weir.yaml:3:36: modules[0].dry_run: must be true or false\n"
        "weir.yaml:4:40: modules[1].only.room: unknown parameter; did you mean `rooms`?\n"
        "weir.yaml:5:44: modules[2].except.types[0]: must be a text (in quotes, if YAML reads it as something "
        "else)\n"
        "weir.yaml:5:49: modules[2].dryrun: unknown key; did you mean `dry_run`?\n",
        "%s", buffer_string(&errors));
}

Test(check_report, semantics_may_be_written_as_a_number)
{
    struct configuration *configuration = load("semantics: 1.47\nstrict: true\nserver_name: hs\nmodules: []\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_eq(configuration->semantics, SEMANTICS_147);
    cr_expect_eq(chain_semantics(configuration->chain), SEMANTICS_147);
    cr_expect(configuration->strict);
    configuration_destroy(configuration);
    cr_expect_null(load("semantics: 1.48\nserver_name: hs\nmodules: []\n"));
    cr_expect_str_eq(buffer_string(&errors), "weir.yaml:1:12: semantics: must be one of: latest, 1.47\n");
}

Test(check_report, says_that_a_row_has_no_sender)
{
    struct configuration *configuration = load(HEAD "  - {module: event_types, except: {servers: [a.b]}}\n"
                                                    "  - {module: event_types, except: {rooms: ['!a:b']}}\n");
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    struct buffer output = {0};
    check_report_append(configuration, &output);
    cr_expect_not_null(strstr(buffer_string(&output), "       except servers a.b\n"
                                                      "       an event without its body has no sender: `only` does not "
                                                      "match it, `except` does not exclude it\n    2. event_types "),
                       "%s", buffer_string(&output));
    cr_expect_not_null(strstr(buffer_string(&output), "       except rooms !a:b\n  rule: "), "%s",
                       buffer_string(&output));
    buffer_free(&output);
    configuration_destroy(configuration);
}
