/* Each case begins with a chain that remembers nothing, so that cases can be read, moved and left out one by one; only
 * `continue` ties one to the case before. Where no module remembers anything, one chain is enough for all.
 *
 * Time is the cases' own: it begins on the same day for each and moves as they say. */
#include "engine/cases.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/cases_compare.h"
#include "engine/tail_format.h"

#define BEGINNING_MS INT64_C(1767225600000) /* 2026-01-01 */

struct running {
    const struct cases_settings *settings;
    const struct case_file *file;
    struct case_services *services;
    struct configuration *configuration;
    struct case_asker *asker;
    bool used; /* the chain has been asked, and may remember */
    int64_t now_ms;
    struct buffer *errors;
    /* of the case at hand */
    const struct test_case *test;
    uint32_t repetition;
    uint32_t first_wrong; /* the repetition; 0: none */
    uint32_t wrong;
    struct buffer difference;
    struct buffer said;
};

static void unload(struct running *running)
{
    case_asker_destroy(running->asker);
    configuration_destroy(running->configuration);
    running->asker = NULL;
    running->configuration = NULL;
}

/* A chain without memory of earlier cases. False with lines in `errors` if the configuration is wrong. */
static bool refresh(struct running *running)
{
    uint32_t module;
    running->now_ms = BEGINNING_MS;
    if (running->configuration && (!running->used || chain_concurrent(running->configuration->chain, &module)))
        return true;
    unload(running);
    running->configuration = configuration_load(running->settings->configuration, CONFIGURATION_FOR_REPLAY,
                                                case_services_interface(running->services), running->errors, NULL);
    if (!running->configuration)
        return false;
    running->asker = case_asker_create(running->configuration, running->services);
    running->used = false;
    return true;
}

static void note_wrong(struct running *running, const struct case_expectation *expectation,
                       const struct case_answer *answer)
{
    struct buffer difference = {0};
    if (!case_compare(expectation, answer, &difference)) {
        if (!running->first_wrong) {
            running->first_wrong = running->repetition;
            buffer_append_slice(&running->difference, buffer_slice(&difference));
            buffer_append_slice(&running->said, answer->said);
        }
        running->wrong++;
    }
    buffer_free(&difference);
}

static void on_answer(void *context, const struct case_answer *answer)
{
    struct running *running = context;
    for (size_t index = 0; index < running->test->expectation_count; index++) {
        const struct case_expectation *expectation = &running->test->expectations[index];
        uint32_t before = running->wrong;
        if (expectation->from <= running->repetition && running->repetition <= expectation->to)
            note_wrong(running, expectation, answer);
        if (running->wrong != before)
            return;
    }
}

static void set_time(struct running *running)
{
    const struct test_case *test = running->test;
    int64_t at = test->at_relative ? running->now_ms + test->at_ms : BEGINNING_MS + test->at_ms;
    if (test->at_given && at > running->now_ms)
        running->now_ms = at;
}

static void ask(struct running *running, uint32_t number)
{
    const struct test_case *test = running->test;
    struct buffer error = {0};
    for (running->repetition = 1; running->repetition <= test->repeat; running->repetition++) {
        running->now_ms += running->repetition > 1 ? test->every_ms : 0;
        running->used = true;
        const struct case_question question = {test, number, running->repetition, running->now_ms};
        if (case_ask(running->asker, &question, on_answer, running, &error))
            continue;
        running->first_wrong = running->repetition;
        running->wrong++;
        buffer_append_format(&running->difference, "cannot be asked: %s", buffer_string(&error));
        break;
    }
    buffer_free(&error);
}

/* ---- in words */

static void append_name(const struct running *running, struct buffer *output)
{
    tail_append_visible(output, slice_from_string(running->test->name));
}

/* "cases.yaml:12:5: name: event 3 of 5: expected …; got …". */
static void append_failure(const struct running *running, const char *indent, struct buffer *output)
{
    const struct test_case *test = running->test;
    buffer_append_format(output, "%s%s:%u:%u: ", indent, running->file->path, test->mark.line, test->mark.column);
    append_name(running, output);
    buffer_append_string(output, ": ");
    if (test->repeat > 1)
        buffer_append_format(output, "number %" PRIu32 " of %" PRIu32 ": ", running->first_wrong, test->repeat);
    buffer_append_slice(output, buffer_slice(&running->difference));
    if (running->wrong > 1)
        buffer_append_format(output, " (and %" PRIu32 " more like it)", running->wrong - 1);
    buffer_append_char(output, '\n');
}

static void append_said(const struct running *running, const char *indent, struct buffer *output)
{
    struct slice rest = buffer_slice(&running->said);
    while (rest.length) {
        const char *end = memchr(rest.data, '\n', rest.length);
        size_t length = (size_t)(end + 1 - rest.data);
        buffer_append_string(output, indent);
        buffer_append_slice(output, slice_of(rest.data, length));
        rest = slice_of(rest.data + length, rest.length - length);
    }
}

static void tell(const struct running *running, const struct cases_summary *summary, struct buffer *output)
{
    const char *indent = "";
    if (running->settings->tap) {
        buffer_append_format(output, "%sok %" PRIu32 " - ", running->wrong ? "not " : "", summary->cases);
        append_name(running, output);
        buffer_append_char(output, '\n');
        indent = "# ";
    }
    if (!running->wrong)
        return;
    append_failure(running, indent, output);
    if (running->settings->explain)
        append_said(running, indent, output);
}

static bool run_case(struct running *running, uint32_t index, struct cases_summary *summary, struct buffer *output)
{
    running->test = &running->file->cases[index];
    if ((!running->test->continues || !running->configuration) && !refresh(running))
        return false;
    running->first_wrong = running->wrong = 0;
    buffer_clear(&running->difference);
    buffer_clear(&running->said);
    set_time(running);
    ask(running, index + 1);
    summary->cases++;
    summary->failed += running->wrong > 0;
    tell(running, summary, output);
    return true;
}

bool cases_run(const struct cases_settings *settings, const struct case_file *file, struct cases_summary *summary,
               struct buffer *output, struct buffer *errors)
{
    struct running running = {.settings = settings, .file = file, .services = case_services_create(), .errors = errors};
    bool good = true;
    for (uint32_t index = 0; good && index < file->count; index++)
        good = run_case(&running, index, summary, output);
    unload(&running);
    case_services_destroy(running.services);
    buffer_free(&running.difference);
    buffer_free(&running.said);
    return good;
}
