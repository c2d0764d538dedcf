/* Spam by what a text says: all patterns are one set, so a field is read once whatever their number. Words are a list
 * of their own, which is looked for in folded texts and counts its hits; who has none pays nothing for them. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/content_fields.h"
#include "filters/module.h"
#include "filters/pattern_list.h"
#include "filters/watched_fields.h"
#include "filters/word_list.h"

enum { MATCH_WORD, MATCH_SUBSTRING };
enum { HTML_TEXT, HTML_RAW };

struct configuration {
    struct text_list patterns;
    struct text_list patterns_file;
    int syntax;
    bool case_sensitive;
    struct text_list fields;
    struct text_list words;
    struct text_files files;
    int match;
    int fold;
    int64_t min_hits;
    int html;
    struct text_list word_fields;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    bool is_regex;
    struct pattern_list patterns;
    struct watched_fields watched;
    struct word_list *words;  /* NULL: none */
    struct slice *word_texts; /* as written, by number */
    struct content_fields word_fields;
};

static const char *const match_names[] = {"word", "substring", NULL};
static const char *const html_names[] = {"text", "raw", NULL};
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
     .text = "The keys of `content` to look for patterns in, where they hold a string."},
    {.name = "words",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, words),
     .fallback = "[]",
     .text = "Words and phrases to look for beside the patterns, also in the name and topic of a room being made."},
    {.name = "files",
     .type = PARAMETER_LINES_FILES,
     .offset = offsetof(struct configuration, files),
     .fallback = "[]",
     .text = "Files with more words, one a line; `#` begins a comment."},
    {.name = "match",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, match),
     .fallback = "word",
     .choices = match_names,
     .text = "word: `words` count only where no letter or digit is beside them; substring: anywhere."},
    {.name = "fold",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, fold),
     .fallback = "unicode",
     .choices = text_folding_names,
     .text = "What makes no difference to `words`. case: capitals; unicode: also look-alikes of other scripts, marks, "
             "styled letters, and what is not seen."},
    {.name = "min_hits",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, min_hits),
     .fallback = "1",
     .minimum = 1,
     .maximum = 1000,
     .text = "How many hits of `words` one text must have; a word that is there twice counts twice."},
    {.name = "html",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, html),
     .fallback = "text",
     .choices = html_names,
     .text = "text: `words` are looked for in what people see of HTML; raw: in its source."},
    {.name = "word_fields",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, word_fields),
     .fallback = CONTENT_FIELDS_DEFAULT,
     .text =
         "The keys of `content` to look for `words` in, or paths such as info/mimetype; the new content of an edit is "
         "looked into, too."},
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
    word_list_destroy(state->words);
    content_fields_free(&state->word_fields);
    free(state->word_texts);
    free(state);
}

/* Adds the words of a list; false, reported, if any is none. */
static bool add_words(struct state *state, const struct module_host *host, const char *parameter,
                      const struct text_list *list, uint32_t *number)
{
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        struct slice word = slice_from_string(list->items[item]);
        state->word_texts[*number] = word;
        const char *problem = word_list_add(state->words, word, (*number)++);
        if (problem)
            text_list_report(host, parameter, list, item, problem);
        good &= !problem;
    }
    return good;
}

static void check_event_allowed(void *pointer, const struct callback_arguments *arguments, struct result *result);
static void user_may_create_room(void *pointer, const struct callback_arguments *arguments, struct result *result);

/* The list of words, if there are any, with the callbacks that only it serves. */
static bool create_words(struct state *state, const struct module_setup *setup)
{
    const struct configuration *configuration = state->configuration;
    size_t count = configuration->words.count;
    for (size_t file = 0; file < configuration->files.count; file++)
        count += configuration->files.lists[file].count;
    if (count == 0)
        return true;
    if (count > PATTERN_COUNT_MAXIMUM) {
        module_host_report(setup->host, "words", "there are more than %u words", PATTERN_COUNT_MAXIMUM);
        return false;
    }
    const char *problem = NULL;
    if (!text_fold_open((enum text_folding)configuration->fold, &problem)) {
        module_host_report(setup->host, "fold", "`unicode` %s", problem);
        return false;
    }
    uint32_t number = 0;
    state->words = word_list_create((enum text_folding)configuration->fold, configuration->match == MATCH_WORD);
    state->word_texts = memory_allocate(count * sizeof *state->word_texts);
    bool good = add_words(state, setup->host, "words", &configuration->words, &number);
    for (size_t file = 0; file < configuration->files.count; file++)
        good &= add_words(state, setup->host, "files", &configuration->files.lists[file], &number);
    good &= content_fields_create_as(&state->word_fields, "word_fields", &configuration->word_fields,
                                     configuration->html == HTML_RAW, setup->fields, setup->host);
    module_register(
        setup, &(struct module_callback){.callback = CALLBACK_check_event_allowed, .function = check_event_allowed});
    module_register(
        setup, &(struct module_callback){.callback = CALLBACK_user_may_create_room, .function = user_may_create_room});
    return good;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    enum pattern_syntax syntax = syntaxes[configuration->syntax];
    bool case_sensitive = configuration->case_sensitive;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->is_regex = syntax == PATTERN_REGEX;
    bool good =
        watched_fields_create(&state->watched, &configuration->fields, "holds a keyword", setup->fields, setup->host);
    good &= pattern_list_add_all(&state->patterns, setup->host, "patterns", &configuration->patterns, syntax,
                                 case_sensitive);
    good &= pattern_list_add_all(&state->patterns, setup->host, "patterns_file", &configuration->patterns_file, syntax,
                                 case_sensitive);
    good &= pattern_list_compile(&state->patterns, setup->host);
    good &= create_words(state, setup);
    if (!good) {
        destroy(state);
        return NULL;
    }
    return state;
}

/* Whether `text` has enough words: the rule is the first. */
static bool has_words(const struct state *state, struct slice text, struct arena *arena, struct result *result)
{
    struct slice folded = word_list_fold(state->words, text, arena);
    size_t position = 0;
    uint32_t number;
    int64_t hits = 0;
    while (word_list_next(state->words, folded, &position, &number)) {
        if (hits == 0)
            result->rule = state->word_texts[number];
        if (++hits < state->configuration->min_hits)
            continue;
        result->value = value_refuse(state->code);
        return true;
    }
    result->rule = SLICE_ABSENT;
    return false;
}

static void judge_words(const struct state *state, const struct callback_arguments *arguments, struct result *result)
{
    struct content_walk walk = {0};
    struct content_text text;
    while (content_fields_next(&state->word_fields, arguments, &walk, &text)) {
        if (!has_words(state, text.text, arguments->arena, result))
            continue;
        struct slice place = content_text_place(&text, arguments->arena);
        result->reason = arena_format(arguments->arena, "%.*s holds %s", (int)place.length, place.data,
                                      state->configuration->min_hits > 1 ? "listed words" : "a listed word");
        result->evidence = content_text_evidence(&text);
        return;
    }
}

static void check_event_allowed(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    result->value.kind = VALUE_PASS;
    judge_words(pointer, arguments, result);
}

static void user_may_create_room(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    static const char *const members[] = {"name", "topic"};
    const struct state *state = pointer;
    result->value.kind = VALUE_PASS;
    if (!arguments->values || arguments->count < 2 || arguments->values[1].kind != VALUE_JSON)
        return;
    for (size_t index = 0; index < sizeof members / sizeof *members; index++) {
        const json_t *value = json_object_get(arguments->values[1].object, members[index]);
        struct slice text = slice_of(json_string_value(value), json_string_length(value));
        if (!text.data || !has_words(state, text, arguments->arena, result))
            continue;
        result->reason = arena_format(arguments->arena, "the %s of the room holds a listed word", members[index]);
        return;
    }
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
    if (state->words)
        judge_words(state, arguments, result);
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
