/* An expression in the first line, and the configuration of a combine, as JSON, in the rest. An expression that is true
 * where some names are unknown must stay true whatever they turn out to be; what a combine is made of must stand up to
 * a question. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/expression.h"
#include "filters/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAMES 5u
#define CASES 243u /* of three truths for each name */

static enum truth truth_at(unsigned number, unsigned name)
{
    for (; name; name--)
        number /= 3;
    return (enum truth)(number % 3);
}

static enum truth ask(void *context, unsigned name)
{
    if (name >= NAMES)
        abort();
    return truth_at(*(const unsigned *)context, name);
}

/* Whether all that is known in `number` is the same in `other`. */
static bool agrees(unsigned number, unsigned other)
{
    for (unsigned name = 0; name < NAMES; name++)
        if (truth_at(number, name) != TRUTH_UNKNOWN && truth_at(number, name) != truth_at(other, name))
            return false;
    return true;
}

static void check_truths(const struct expression *expression)
{
    enum truth truths[CASES];
    for (unsigned number = 0; number < CASES; number++) {
        uint64_t known = 0;
        truths[number] = expression_evaluate(expression, ask, &number);
        for (unsigned name = 0; name < NAMES; name++)
            known |= (uint64_t)(truth_at(number, name) != TRUTH_UNKNOWN) << name;
        if (truths[number] == TRUTH_TRUE && !expression_may_be_true(expression, known))
            abort();
    }
    for (unsigned number = 0; number < CASES; number++)
        for (unsigned other = 0; truths[number] != TRUTH_UNKNOWN && other < CASES; other++)
            if (agrees(number, other) && truths[other] != truths[number])
                abort();
}

static void read_expression(struct slice text)
{
    static const char *const names[NAMES] = {"a", "b", "c", "words", "trusted_1"};
    struct expression expression;
    struct expression_problem problem = {0};
    if (expression_compile(&expression, text, names, NAMES, &problem))
        check_truths(&expression);
    else if (!problem.position || problem.position > text.length + 1 || !*problem.text)
        abort();
    expression_free(&expression);
}

static void on_report(void *context, const char *path, const char *message)
{
    (void)path, (void)message;
    *(unsigned *)context += 1;
}

static bool no_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    (void)context, (void)name, (void)content;
    buffer_append_string(error, "there are no files");
    return false;
}

static void ask_about_events(struct chain *chain)
{
    static const char *const bodies[] = {
        "{\"room_id\":\"!r:x\",\"sender\":\"@a:x\",\"type\":\"m.room.message\",\"content\":{\"body\":\"FREE coins at "
        "https://bad.example/ @b:x\"}}",
        "{\"room_id\":\"!r:x\",\"sender\":\"@a:x\",\"state_key\":\"@a:x\",\"type\":\"m.room.member\",\"content\":{"
        "\"membership\":\"join\"}}"};
    struct judge *judge = judge_create(chain);
    judge_set_time(judge, 1700000000000, false);
    for (size_t index = 0; index < sizeof bodies / sizeof *bodies; index++) {
        struct event event = {.event_id = SLICE("$1")};
        if (judge_read(judge, slice_from_string(bodies[index]), &event) != EVENT_READ_OK)
            abort();
        judge_event(judge, &event, JUDGE_BOTH);
    }
    judge_destroy(judge);
}

static void read_configuration(const char *text, size_t length)
{
    unsigned reports = 0;
    struct module_host host = {.context = &reports, .report = on_report, .read_file = no_file, .resolve_path = no_file};
    json_t *values = json_loadb(text, length, 0, NULL);
    if (!json_is_object(values)) {
        json_decref(values);
        return;
    }
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "x"});
    bool good = chain_append(chain, module_find("combine"), values, NULL, &host);
    if (!good && !reports)
        abort();
    if (good && chain_seal(chain, NULL, NULL))
        ask_about_events(chain);
    chain_destroy(chain);
    json_decref(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
    size_t length = line ? (size_t)(line - text) : size;
    char *copy = memory_copy_text(text, length); /* of its own size, so that ASan sees its end */
    read_expression(slice_of(copy, length));
    free(copy);
    if (line)
        read_configuration(line + 1, size - length - 1);
    return 0;
}
