/* Spam by what a text says: all patterns are one set, so a field is read once whatever their number. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/module.h"
#include "filters/pattern_list.h"
#include "filters/watched_fields.h"

struct configuration {
    struct text_list patterns;
    struct text_list patterns_file;
    int syntax;
    bool case_sensitive;
    struct text_list fields;
    char *code;
};

struct state {
    struct slice code;
    bool is_regex;
    struct pattern_list patterns;
    struct watched_fields watched;
};

static const char *const syntax_names[] = {"literal", "glob", "regex", NULL};
static const enum pattern_syntax syntaxes[] = {PATTERN_LITERAL, PATTERN_GLOB, PATTERN_REGEX};

static const struct parameter parameters[] = {
    {.name = "patterns",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, patterns),
     .fallback = "[]",
     .text = "What to look for."},
    {.name = "patterns_file",
     .type = PARAMETER_LINES_FILE,
     .offset = offsetof(struct configuration, patterns_file),
     .text = "A file with more of it, one pattern a line; `#` begins a comment."},
    {.name = "syntax",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, syntax),
     .fallback = "literal",
     .choices = syntax_names,
     .text = "literal: found anywhere; glob: `*` and `?`, over the whole field; regex: Perl's, found anywhere."},
    {.name = "case_sensitive",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, case_sensitive),
     .fallback = "false",
     .text = "Whether capital and small letters differ."},
    {.name = "fields",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, fields),
     .fallback = "body",
     .text = "The keys of `content` to look into, where they hold a string."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    pattern_list_free(&state->patterns);
    watched_fields_free(&state->watched);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    enum pattern_syntax syntax = syntaxes[configuration->syntax];
    bool case_sensitive = configuration->case_sensitive;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->code = slice_from_string(configuration->code);
    state->is_regex = syntax == PATTERN_REGEX;
    bool good =
        watched_fields_create(&state->watched, &configuration->fields, "holds a keyword", setup->fields, setup->host);
    good &= pattern_list_add_all(&state->patterns, setup->host, "patterns", &configuration->patterns, syntax,
                                 case_sensitive);
    good &= pattern_list_add_all(&state->patterns, setup->host, "patterns_file", &configuration->patterns_file, syntax,
                                 case_sensitive);
    good &= pattern_list_compile(&state->patterns, setup->host);
    if (!good) {
        destroy(state);
        return NULL;
    }
    return state;
}

static void check_event_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    for (size_t index = 0; index < state->watched.count; index++) {
        const struct watched_field *field = &state->watched.fields[index];
        struct slice text = event_content_string(arguments->event, field->slot);
        struct slice rule = pattern_list_match(&state->patterns, text);
        if (!rule.data)
            continue;
        result->value = value_refuse(state->code);
        result->rule = rule;
        result->reason = field->reason;
        result->evidence = text;
        result->rule_is_regex = state->is_regex;
        return;
    }
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = check_event_for_spam}};

extern const struct module_definition module_keywords;
const struct module_definition module_keywords = {
    .name = "keywords",
    .summary = "Denies events whose text holds a listed word or pattern.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .concurrent = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
