/* PCRE2 takes what vectorscan cannot (lookaround, back-references, \b by Unicode), but backtracks: an expression may
 * take exponential time on a text that somebody chose. The limits make that a counted miss. */
#include "filters/pattern_confirm.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "base/memory.h"

enum {
    JIT_STACK_START = 32 << 10,
    JIT_STACK_MAXIMUM = 512 << 10,
    HEAP_LIMIT_KIB = 16 << 10,
    DEPTH_LIMIT = 100000,
    /* PCRE2 counts steps anew at each starting place; the budget is for all of them. */
    STEP_BUDGET = 20000000,
    STEPS_MINIMUM = 2000,
};

struct confirm_context {
    pcre2_match_context *match;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
    uint32_t steps; /* from each place, at most */
};

struct confirm_pattern {
    pcre2_code *code;
};

static void *checked(void *pointer)
{
    if (!pointer)
        abort(); /* out of memory, as in base/memory.c */
    return pointer;
}

void confirm_append_version(struct buffer *text)
{
    char version[64] = "";
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof version)
        (void)pcre2_config(PCRE2_CONFIG_VERSION, version);
    buffer_append_string(text, version);
}

struct confirm_context *confirm_context_create(void)
{
    struct confirm_context *context = memory_allocate_zeroed(1, sizeof *context);
    context->steps = CONFIRM_STEPS_DEFAULT;
    context->match = checked(pcre2_match_context_create(NULL));
    context->data = checked(pcre2_match_data_create(1, NULL));
    context->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAXIMUM, NULL);
    if (context->stack)
        pcre2_jit_stack_assign(context->match, NULL, context->stack);
    pcre2_set_depth_limit(context->match, DEPTH_LIMIT);
    pcre2_set_heap_limit(context->match, HEAP_LIMIT_KIB);
    return context;
}

void confirm_context_limit(struct confirm_context *context, uint32_t steps)
{
    context->steps = steps;
}

void confirm_context_destroy(struct confirm_context *context)
{
    if (!context)
        return;
    pcre2_jit_stack_free(context->stack);
    pcre2_match_data_free(context->data);
    pcre2_match_context_free(context->match);
    free(context);
}

struct confirm_pattern *confirm_pattern_create(struct slice expression, bool utf8, bool case_sensitive,
                                               struct buffer *error)
{
    uint32_t options = utf8 ? PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C : PCRE2_DOTALL;
    if (!case_sensitive)
        options |= PCRE2_CASELESS;
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)expression.data, expression.length, options, &code, &offset, NULL);
    if (!compiled) {
        PCRE2_UCHAR text[256];
        pcre2_get_error_message(code, text, sizeof text);
        buffer_append_format(error, "%s, at byte %zu of the pattern", (const char *)text, (size_t)offset);
        return NULL;
    }
    struct confirm_pattern *pattern = memory_allocate(sizeof *pattern);
    pattern->code = compiled;
    return pattern;
}

void confirm_pattern_destroy(struct confirm_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

void confirm_pattern_optimise(struct confirm_pattern *pattern)
{
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
}

static enum confirm_status match_from(struct confirm_context *context, const struct confirm_pattern *pattern,
                                      struct slice text, size_t from)
{
    size_t steps = STEP_BUDGET / (text.length + 1);
    if (steps < STEPS_MINIMUM)
        steps = STEPS_MINIMUM;
    if (steps > context->steps)
        steps = context->steps;
    pcre2_set_match_limit(context->match, (uint32_t)steps);
    int status = pcre2_match(pattern->code, (PCRE2_SPTR)text.data, text.length, from, PCRE2_NO_UTF_CHECK, context->data,
                             context->match);
    if (status >= 0)
        return CONFIRM_MATCH;
    return status == PCRE2_ERROR_NOMATCH ? CONFIRM_NO_MATCH : CONFIRM_LIMIT;
}

enum confirm_status confirm_pattern_match(struct confirm_context *context, const struct confirm_pattern *pattern,
                                          struct slice text)
{
    return match_from(context, pattern, text, 0);
}

enum confirm_status confirm_pattern_find(struct confirm_context *context, const struct confirm_pattern *pattern,
                                         struct slice text, struct slice *found)
{
    return confirm_pattern_find_from(context, pattern, text, 0, found);
}

enum confirm_status confirm_pattern_find_from(struct confirm_context *context, const struct confirm_pattern *pattern,
                                              struct slice text, size_t from, struct slice *found)
{
    enum confirm_status status = match_from(context, pattern, text, from);
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(context->data);
    /* `\K` in a lookahead may put the start behind the end. */
    if (status == CONFIRM_MATCH)
        *found = places[0] <= places[1] ? slice_of(text.data + places[0], places[1] - places[0]) : text;
    return status;
}
