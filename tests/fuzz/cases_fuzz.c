/* Any bytes as a file of cases: it is refused with lines of text, or its cases are put to a chain with modules of many
 * kinds and compared, each no more than a few times. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "engine/cases_compare.h"
#include "engine/configuration_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char configuration_text[] =
    "server_name: hs\nmodules:\n  - {module: keywords, name: words, config: {words: [casino, spam]}}\n"
    "  - {module: mentions, dry_run: true, config: {max: 1}}\n"
    "  - {module: rate, config: {rules: [{rate: 3/m, name: talk}, {rate: 2/h, actions: [invites, joins]}]}}\n"
    "  - {module: http_service, config: {url: 'http://a.test', callbacks: [user_may_join_room, "
    "check_login_for_spam]}}\n"
    "  - {module: state_guard, config: {protect: [power_levels]}}\n  - {module: room_rules, config: {presets: [a]}}\n"
    "  - {module: presence_router, config: {always_send_to_users: ['@a:hs']}}\n"
    "  - {module: censor, config: {rules: [{list: [damn]}]}}\n";

static void on_answer(void *context, const struct case_answer *answer)
{
    const struct test_case *test = context;
    for (size_t index = 0; index < test->expectation_count; index++) {
        struct buffer difference = {0};
        if (case_compare(&test->expectations[index], answer, &difference) != (difference.length == 0))
            abort();
        for (size_t byte = 0; byte < difference.length; byte++)
            if ((unsigned char)difference.data[byte] < ' ')
                abort();
        buffer_free(&difference);
    }
}

static void ask(struct case_asker *asker, struct test_case *test)
{
    struct buffer error = {0};
    for (uint32_t repetition = 1; repetition <= test->repeat && repetition <= 4; repetition++) {
        const struct case_question question = {test, 1, repetition, 1767225600000 + repetition * 1000};
        size_t before = error.length;
        if (!case_ask(asker, &question, on_answer, test, &error) && error.length == before)
            abort();
    }
    buffer_free(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct case_services *services;
    static struct configuration *configuration;
    static struct case_asker *asker;
    struct buffer errors = {0};
    if (!services) {
        services = case_services_create();
        configuration =
            configuration_load_text("fuzz.yaml", slice_from_string(configuration_text), CONFIGURATION_FOR_REPLAY,
                                    case_services_interface(services), false, &errors, NULL);
        if (!configuration)
            abort();
        asker = case_asker_create(configuration, services);
    }
    struct case_file *file = case_file_read_text("cases.yaml", slice_of((const char *)data, size), "hs", &errors);
    if ((file == NULL) != (errors.length > 0))
        abort();
    for (size_t index = 0; file && index < file->count; index++)
        ask(asker, &file->cases[index]);
    case_file_destroy(file);
    buffer_free(&errors);
    return 0;
}
