/* Files that a configuration includes: whose modules and keys count, and how what is wrong with them is told. The files
 * are texts of the test. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/check_report.h"
#include "engine/configuration_reader.h"

static struct buffer errors, warnings;
static const char *files[8]; /* path, text, path, text, …, NULL */

static bool text_of(void *context, const char *path, struct buffer *text)
{
    (void)context;
    for (size_t index = 0; files[index]; index += 2) {
        if (strcmp(files[index], path) != 0)
            continue;
        buffer_append_string(text, files[index + 1]);
        return true;
    }
    return false;
}

static struct configuration *load(const char *text)
{
    buffer_clear(&errors);
    buffer_clear(&warnings);
    return configuration_load_texts("dir/weir.yaml", slice_from_string(text), CONFIGURATION_FOR_REPLAY, text_of, NULL,
                                    &errors, &warnings);
}

static struct configuration *load_good(const char *text)
{
    struct configuration *configuration = load(text);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    return configuration;
}

static void expect_errors(const char *text, const char *expected)
{
    cr_expect_null(load(text));
    cr_expect_str_eq(buffer_string(&errors), expected, "%s", buffer_string(&errors));
}

/* The chain's labels, with a `?` behind those in dry_run. */
static void expect_chain(const struct configuration *configuration, const char *expected)
{
    struct buffer labels = {0};
    for (uint32_t index = 0; index < chain_module_count(configuration->chain); index++)
        buffer_append_format(&labels, "%s%s%s", index ? " " : "", configuration->modules[index].label,
                             chain_module_options(configuration->chain, index)->dry_run ? "?" : "");
    cr_expect_str_eq(buffer_string(&labels), expected, "%s", buffer_string(&labels));
    buffer_free(&labels);
}

#define PROFILE                                                                                                        \
    "modules:\n  - {name: words, module: keywords, config: {words: [one], min_hits: 2}}\n"                             \
    "  - {module: shape, dry_run: true}\n  - {module: mentions}\n"

Test(configuration_include, modules_stand_in_the_place_of_the_entry)
{
    files[0] = "dir/profile.yaml", files[1] = PROFILE;
    struct configuration *configuration = load_good("server_name: hs\nmodules:\n  - module: event_types\n"
                                                    "  - include: profile.yaml\n  - module: media\n");
    expect_chain(configuration, "event_types words shape? mentions media");
    cr_expect_eq(configuration->source_count, 2u);
    cr_expect_str_eq(configuration->sources[configuration->modules[1].file].path, "dir/profile.yaml");
    cr_expect_eq(configuration->modules[1].line, 2u);
    struct buffer report = {0};
    check_report_append(configuration, &report);
    cr_expect_not_null(strstr(buffer_string(&report), "keywords         \"words\", modules[0], line 2 of "
                                                      "dir/profile.yaml; needs the event's body\n"),
                       "%s", buffer_string(&report));
    buffer_free(&report);
    configuration_destroy(configuration);
}

Test(configuration_include, an_entry_tries_all_of_it_and_changes_single_modules)
{
    files[0] = "dir/profile.yaml", files[1] = PROFILE;
    struct configuration *configuration =
        load_good("server_name: hs\nmodules:\n  - include: profile.yaml\n    dry_run: true\n"
                  "    with: {mentions: {dry_run: false, config: {max: 3}, reason: many}}\n    without: [shape]\n");
    expect_chain(configuration, "words? mentions");
    cr_expect_str_eq(chain_module_options(configuration->chain, 1)->reason, "many");
    configuration_destroy(configuration);
    configuration = load_good("server_name: hs\nmodules:\n  - {include: profile.yaml, dry_run: false}\n");
    expect_chain(configuration, "words shape mentions");
    configuration_destroy(configuration);
}

/* Whether the chain refuses a message of the sender. */
static bool refuses(const struct configuration *configuration, const char *sender, const char *body)
{
    struct buffer text = {0};
    buffer_append_format(&text, "{\"type\":\"m.room.message\",\"sender\":\"%s\",\"content\":{\"body\":\"%s\"}}", sender,
                         body);
    struct event_reader *reader = event_reader_create(chain_fields(configuration->chain));
    struct event event = {.event_id = SLICE("$e"), .room_id = SLICE("!r:hs")};
    cr_assert_eq(event_reader_read(reader, buffer_slice(&text), &event), EVENT_READ_OK);
    struct arena arena = {0};
    struct callback_arguments arguments = {.event = &event, .count = 1, .arena = &arena};
    struct outcome outcome;
    chain_run(configuration->chain, CALLBACK_check_event_for_spam, &arguments, &outcome);
    arena_free(&arena);
    event_reader_destroy(reader);
    buffer_free(&text);
    return outcome.kind == OUTCOME_DENIED;
}

Test(configuration_include, parameters_change_one_by_one_and_exceptions_add_up)
{
    files[0] = "dir/outer.yaml", files[1] = "modules:\n  - include: sub/inner.yaml\n    except: {senders: \"@b:hs\"}\n"
                                            "    with: {words: {config: {min_hits: 2}}}\n";
    files[2] = "dir/sub/inner.yaml",
    files[3] = "modules:\n  - name: words\n    module: keywords\n    config: {words: [one, two], match: substring}\n"
               "    except: {senders: [\"@c:hs\"]}\n";
    struct configuration *configuration =
        load_good("server_name: hs\nmodules:\n  - include: outer.yaml\n    except: {senders: [\"@d:hs\"]}\n"
                  "    with: {words: {config: {words: [two]}}}\n");
    cr_expect(refuses(configuration, "@a:hs", "xtwotwo"));
    cr_expect_not(refuses(configuration, "@a:hs", "xoneone"), "the list is replaced");
    cr_expect_not(refuses(configuration, "@a:hs", "xtwo"), "another parameter is of the file between");
    cr_expect_not(refuses(configuration, "@b:hs", "xtwotwo"));
    cr_expect_not(refuses(configuration, "@c:hs", "xtwotwo"));
    cr_expect_not(refuses(configuration, "@d:hs", "xtwotwo"));
    configuration_destroy(configuration);
}

Test(configuration_include, keys_at_the_top_stand_behind_ones_own)
{
    files[0] = "dir/first.yaml", files[1] = "instance_name: one\nserver_name: one\nlog: {level: debug}\n"
                                            "modules: [{module: shape}]\n";
    files[2] = "dir/second.yaml", files[3] = "include: third.yaml\ninstance_name: two\nmodules: [{module: media}]\n";
    files[4] = "dir/third.yaml", files[5] = "instance_name: three\nstrict: true\nmodules: [{module: names}]\n";
    struct configuration *configuration =
        load_good("include: [first.yaml, second.yaml]\nserver_name: hs\nmodules: [{module: event_types}]\n");
    cr_expect_str_eq(configuration->server_name, "hs");
    cr_expect_str_eq(configuration->instance_name, "two");
    cr_expect_eq(configuration->log_level, LOG_DEBUG);
    cr_expect(configuration->strict);
    expect_chain(configuration, "shape names media event_types");
    configuration_destroy(configuration);
    configuration = load_good("include: first.yaml\n");
    expect_chain(configuration, "shape");
    configuration_destroy(configuration);
}

Test(configuration_include, errors_name_the_file_that_they_are_in)
{
    files[0] = "dir/profile.yaml", files[1] = "modules:\n  - module: keywords\n    config: {wrods: [a]}\nlog: 1\n";
    files[2] = "dir/top.yaml", files[3] = "log: {levle: debug}\nspam_checker: {}\n";
    expect_errors(
        "include: top.yaml\nserver_name: hs\nmodules:\n  - include: profile.yaml\n    dry: true\n"
        "    with:\n      keywords: {config: {min_hits: 0}}\n      keyword: {}\n    without: [shape]\n"
        "  - include: none.yaml\n  - include: [a]\n",
        "dir/weir.yaml:5:5: modules[0].dry: unknown key\n"
        "dir/weir.yaml:7:37: modules[0].with.keywords.config.min_hits: must be a whole number from 1 to 1000\n"
        "dir/weir.yaml:8:7: modules[0].with: \"dir/profile.yaml\" has no module `keyword`; did you mean "
        "`keywords`?\n"
        "dir/weir.yaml:9:15: modules[0].without: \"dir/profile.yaml\" has no module `shape`\n"
        "dir/weir.yaml:10:14: modules[1].include: \"dir/none.yaml\" cannot be read: \n"
        "dir/weir.yaml:11:14: modules[2].include: must be the path of a file, or the name of a profile, but "
        "is a list\n"
        "dir/top.yaml:1:7: log.levle: unknown key; did you mean `level`?\n"
        "dir/top.yaml:2:1: spam_checker: cannot stand in a file that is included\n"
        "dir/profile.yaml:3:21: modules[0].config.wrods: unknown parameter; did you mean `words`?\n"
        "dir/profile.yaml:4:1: log: is not read from a file that a list of modules includes, only `modules` "
        "is: write `include` at the top of the configuration for other keys\n");
}

Test(configuration_include, loops_and_depth_are_bounded)
{
    files[0] = "dir/a.yaml", files[1] = "modules: [{include: b.yaml}]\n";
    files[2] = "dir/b.yaml", files[3] = "modules: [{include: a.yaml}]\n";
    expect_errors("server_name: hs\nmodules: [{include: a.yaml}]\n",
                  "dir/b.yaml:1:21: modules[0].include: \"dir/a.yaml\" includes itself\n");
    files[0] = "dir/a.yaml", files[1] = "include: weir.yaml\n";
    expect_errors("server_name: hs\nmodules: [{module: shape}]\ninclude: a.yaml\n",
                  "dir/a.yaml:1:10: include: \"dir/weir.yaml\" includes itself\n");
}

static bool text_of_any(void *context, const char *path, struct buffer *text)
{
    int *count = context;
    cr_assert_lt(++*count, 100, "%s", path);
    buffer_append_format(text, "modules:\n  - include: %d.yaml\n  - include: %d.yaml\n", *count, *count + 1000);
    return true;
}

Test(configuration_include, files_without_end_are_bounded)
{
    int count = 0;
    cr_expect_null(configuration_load_texts("weir.yaml", SLICE("server_name: hs\nmodules: [{include: x.yaml}]\n"),
                                            CONFIGURATION_FOR_REPLAY, text_of_any, &count, &errors, &warnings));
    cr_expect_eq(count, 64);
    cr_expect_not_null(strstr(buffer_string(&errors), "files include each other more than 8 deep\n"));
    cr_expect_not_null(strstr(buffer_string(&errors), "more than 64 files are included\n"));
}

Test(configuration_include, a_bare_word_is_a_profile)
{
    expect_errors("server_name: hs\nmodules: [{include: no-such-profile}]\n", buffer_string(&errors));
    cr_expect_not_null(strstr(buffer_string(&errors), "/deploy/profiles/no-such-profile.yaml\" cannot be read"), "%s",
                       buffer_string(&errors));
}
