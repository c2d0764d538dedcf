/* Each case begins with a chain that remembers nothing, so that cases can be read, moved and left out one by one; only
 * `continue` ties one to the case before. The chain is loaded once, and each such group of cases is asked in a process
 * of its own that begins as a copy of this one: what modules remember, and what a plug-in does to the process, ends
 * with it.
 *
 * Time is the cases' own: it begins on the same day for each and moves as they say. */
#include "engine/cases.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/cases_compare.h"
#include "engine/tail_format.h"

#define BEGINNING_MS INT64_C(1767225600000) /* 2026-01-01 */

/* A group of cases that is being asked. */
struct running {
    const struct cases_settings *settings;
    const struct case_file *file;
    struct case_asker *asker;
    int64_t now_ms;
    /* of the case at hand */
    const struct test_case *test;
    uint32_t repetition;
    uint32_t first_wrong; /* the repetition; 0: none */
    uint32_t wrong;
    struct buffer difference;
    struct buffer said;
};

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

static void run_case(struct running *running, uint32_t index, struct cases_summary *summary, struct buffer *output)
{
    running->test = &running->file->cases[index];
    running->first_wrong = running->wrong = 0;
    buffer_clear(&running->difference);
    buffer_clear(&running->said);
    set_time(running);
    ask(running, index + 1);
    summary->cases++;
    summary->failed += running->wrong > 0;
    tell(running, summary, output);
}

/* ---- groups in processes of their own */

static void write_all(int file, const void *data, size_t length)
{
    for (const char *rest = data; length;) {
        ssize_t written = write(file, rest, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* whoever reads finds too little */
        rest += written;
        length -= (size_t)written;
    }
}

/* The copy's work: what came of the group goes through `file`, the summary first. */
static void run_group(const struct cases_settings *settings, const struct case_file *file, uint32_t first,
                      uint32_t count, struct cases_summary summary, int pipe_end)
{
    struct buffer output = {0};
    struct running running = {.settings = settings,
                              .file = file,
                              .asker = case_asker_create(settings->configuration, settings->services),
                              .now_ms = BEGINNING_MS};
    for (uint32_t index = first; index < first + count; index++)
        run_case(&running, index, &summary, &output);
    write_all(pipe_end, &summary, sizeof summary);
    write_all(pipe_end, buffer_string(&output), output.length);
}

static bool read_all(int file, struct buffer *content)
{
    for (;;) {
        ssize_t got = read(file, buffer_reserve(content, 4096), 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        content->length += (size_t)got;
    }
}

static bool wait_for(pid_t process, int *status)
{
    while (waitpid(process, status, 0) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

/* False with a line in `errors` if the copy cannot be made, or did not come to its end. */
static bool fork_group(const struct cases_settings *settings, const struct case_file *file, uint32_t first,
                       uint32_t count, struct cases_summary *summary, struct buffer *output, struct buffer *errors)
{
    int ends[2], status = 0;
    pid_t process = pipe(ends) == 0 ? fork() : -1;
    if (process < 0) {
        buffer_append_format(errors, "weir test: no process can be made for a case: %m\n");
        return false;
    }
    if (process == 0) {
        close(ends[0]);
        run_group(settings, file, first, count, *summary, ends[1]);
        _exit(0);
    }
    struct buffer content = {0};
    close(ends[1]);
    bool whole = read_all(ends[0], &content) && wait_for(process, &status) && content.length >= sizeof *summary &&
                 WIFEXITED(status) && WEXITSTATUS(status) == 0;
    close(ends[0]);
    if (whole) {
        memcpy(summary, content.data, sizeof *summary);
        buffer_append(output, content.data + sizeof *summary, content.length - sizeof *summary);
    } else {
        buffer_append_format(errors, "%s:%u:%u: %s: a module ended the process that asked it (status %d)\n", file->path,
                             file->cases[first].mark.line, file->cases[first].mark.column, file->cases[first].name,
                             status);
    }
    buffer_free(&content);
    return whole;
}

bool cases_run(const struct cases_settings *settings, const struct case_file *file, struct cases_summary *summary,
               struct buffer *output, struct buffer *errors)
{
    uint32_t first = 0;
    while (first < file->count) {
        uint32_t count = 1;
        while (first + count < file->count && file->cases[first + count].continues)
            count++;
        if (!fork_group(settings, file, first, count, summary, output, errors))
            return false;
        first += count;
    }
    return true;
}
