/* Spam by regular expressions: one scan of a text for all of them, and a reason for each. Texts can be folded, the
 * expressions cannot: what a `[а-я]` or a `\W` would be after folding nobody could say. So an expression has to be
 * written as folded texts are, and one that is not is warned of. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/content_fields.h"
#include "filters/module.h"
#include "filters/pattern_list.h"
#include "filters/subject.h"
#include "filters/text_fold.h"
#include "filters/user_id.h"

enum { HTML_TEXT, HTML_RAW };

struct pattern_configuration {
    char *pattern;
    char *flags;
    char *reason;
};

struct configuration {
    struct map_list patterns;
    struct text_files files;
    struct text_list fields;
    int fold;
    int html;
    int64_t max_bytes;
    int64_t match_limit;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct text_list expressions; /* those of `patterns`, with their flags in front */
    struct pattern_list patterns; /* the expressions, then those of the files */
    struct content_fields fields;
};

static const char *const html_names[] = {"text", "raw", NULL};

#define PATTERN_FIELDS (sizeof pattern_fields / sizeof *pattern_fields)
static const struct parameter pattern_fields[] = {
    {.name = "pattern",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct pattern_configuration, pattern),
     .text = "Perl's syntax, found anywhere; `^` and `$` for the whole text."},
    {.name = "flags",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct pattern_configuration, flags),
     .fallback = "i",
     .text = "Letters: i: capital and small letters are one; m: `^` and `$` also at lines; s: `.` also matches line "
             "ends; x: white space and comments in the pattern are left out. Empty for none of them."},
    {.name = "reason",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct pattern_configuration, reason),
     .text = "What the verdict gives as its reason, instead of where the pattern was found."},
};

static const struct parameter parameters[] = {
    {.name = "patterns",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, patterns),
     .fallback = "[]",
     .fields = pattern_fields,
     .field_count = PATTERN_FIELDS,
     .map_size = sizeof(struct pattern_configuration),
     .text_items = true,
     .text = "Regular expressions to look for, in the order of their weight: the first that is found is named."},
    {.name = "files",
     .type = PARAMETER_LINES_FILES,
     .offset = offsetof(struct configuration, files),
     .fallback = "[]",
     .text = "Files with more of them, one a line, with the flag i; `#` begins a comment."},
    {.name = "fields",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, fields),
     .fallback = CONTENT_FIELDS_DEFAULT,
     .text = CONTENT_FIELDS_TEXT},
    {.name = "fold",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, fold),
     .fallback = "none",
     .choices = text_folding_names,
     .text = "What makes no difference in the texts. case: capitals, whatever the flags; unicode: also look-alikes of "
             "other scripts, marks, styled letters, and what is not seen: patterns must then be in plain letters."},
    {.name = "html",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, html),
     .fallback = "text",
     .choices = html_names,
     .text = "text: patterns are looked for in what people see of HTML; raw: in its source."},
    {.name = "max_bytes",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, max_bytes),
     .fallback = "16384",
     .minimum = 1024,
     .maximum = 65536,
     .text = "How much of each text is looked into, from its beginning."},
    {.name = "match_limit",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, match_limit),
     .fallback = "100000",
     .minimum = 1000,
     .maximum = 10000000,
     .text = "How many steps a pattern with lookaround or back-references may take from each place of a text before it "
             "counts as not found; a text above 200 bytes gets fewer, some 20 million for all its places."},
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
    text_list_free(&state->expressions);
    content_fields_free(&state->fields);
    free(state);
}

static const struct pattern_configuration *configured(const struct configuration *configuration, size_t index)
{
    return (const struct pattern_configuration *)configuration->patterns.items + index;
}

/* The pattern with its flags in front, but for `i`, which is none of the expression's own. */
static char *compose(const struct pattern_configuration *pattern)
{
    struct buffer text = {0};
    char flags[4] = "";
    size_t count = 0;
    for (const char *flag = "msx"; *flag; flag++)
        if (strchr(pattern->flags, *flag))
            flags[count++] = *flag;
    const char *expression = pattern->pattern ? pattern->pattern : "";
    if (count && *expression)
        buffer_append_format(&text, "(?%.*s)", (int)count, flags);
    buffer_append_string(&text, expression);
    char *composed = memory_copy_text(text.data ? text.data : "", text.length);
    buffer_free(&text);
    return composed;
}

/* A run of letters outside ASCII that folding changes is in no folded text. */
static void warn_of_unfolded(const struct module_host *host, const char *parameter, const struct text_list *list,
                             size_t item)
{
    struct slice text = slice_from_string(list->items[item]);
    struct arena arena = {0};
    for (size_t start = 0; start < text.length; start++) {
        size_t end = start;
        while (end < text.length && (unsigned char)text.data[end] >= 0x80)
            end++;
        if (end == start)
            continue;
        struct slice run = slice_of(text.data + start, end - start);
        struct slice folded = text_folded(TEXT_FOLD_UNICODE, run, &arena);
        if (!slice_equal(text_folded(TEXT_FOLD_CASE, run, &arena), folded)) {
            const char *file = list->path ? list->path : "";
            module_host_warn(host, parameter,
                             "%s%sin `%s`, `%.*s` is never found: with `fold: unicode` texts have `%.*s` "
                             "there",
                             file, *file ? ": " : "", list->items[item], (int)run.length, run.data, (int)folded.length,
                             folded.data);
            break;
        }
        start = end;
    }
    arena_free(&arena);
}

/* All expressions of `list`. `has_flags`: it is that of the configuration's patterns. */
static bool add_list(struct state *state, const struct module_host *host, const char *parameter,
                     const struct text_list *list, bool has_flags)
{
    const struct configuration *configuration = state->configuration;
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        bool sensitive =
            has_flags && configuration->fold == TEXT_FOLD_NONE && !strchr(configured(configuration, item)->flags, 'i');
        bool added = pattern_list_add(&state->patterns, host, parameter, list, item, PATTERN_REGEX, sensitive);
        if (added && configuration->fold == TEXT_FOLD_UNICODE)
            warn_of_unfolded(host, parameter, list, item);
        good &= added;
    }
    return good;
}

static bool add_patterns(struct state *state, const struct module_host *host)
{
    const struct configuration *configuration = state->configuration;
    bool good = true;
    state->expressions.items = memory_allocate_zeroed(configuration->patterns.count, sizeof *state->expressions.items);
    for (size_t index = 0; index < configuration->patterns.count; index++) {
        const struct pattern_configuration *pattern = configured(configuration, index);
        state->expressions.items[state->expressions.count++] = compose(pattern);
        if (pattern->flags[strspn(pattern->flags, "imsx")]) {
            text_list_report(host, "patterns", &state->expressions, index, "flags are of the letters i, m, s and x");
            good = false;
        }
    }
    good &= add_list(state, host, "patterns", &state->expressions, true);
    for (size_t file = 0; file < configuration->files.count; file++)
        good &= add_list(state, host, "files", &configuration->files.lists[file], false);
    if (good && state->patterns.count == 0)
        module_host_warn(host, "patterns", "without patterns the module denies nothing");
    return good && pattern_list_compile(&state->patterns, host);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    const char *problem = NULL;
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    bool good = text_fold_open((enum text_folding)configuration->fold, &problem);
    if (!good)
        module_host_report(setup->host, "fold", "`unicode` %s", problem);
    good = good && add_patterns(state, setup->host);
    good &= content_fields_create(&state->fields, &configuration->fields, configuration->html == HTML_RAW,
                                  setup->fields, setup->host);
    if (!good) {
        destroy(state);
        return NULL;
    }
    pattern_set_limit_steps(state->patterns.set, (uint32_t)configuration->match_limit);
    return state;
}

/* The beginning of the text that is looked into: whole characters. */
static struct slice beginning(const struct state *state, struct slice text)
{
    size_t length = (size_t)state->configuration->max_bytes;
    if (text.length <= length)
        return text;
    while (length && ((unsigned char)text.data[length] & 0xc0) == 0x80)
        length--;
    return slice_of(text.data, length);
}

/* Whether a pattern is found in `text`. `*reason` is then its own, or NULL. */
static bool refuses(const struct state *state, const struct callback_arguments *arguments, struct slice text,
                    struct result *result, const char **reason)
{
    const struct configuration *configuration = state->configuration;
    if (!text.data || state->patterns.count == 0)
        return false;
    struct slice scanned = beginning(state, text);
    if (configuration->fold == TEXT_FOLD_UNICODE)
        scanned = text_folded(TEXT_FOLD_UNICODE, scanned, arguments->arena);
    uint32_t index = pattern_set_scan(state->patterns.set, scanned);
    if (index == PATTERN_NONE)
        return false;
    bool listed = index < configuration->patterns.count;
    *reason = listed ? configured(configuration, index)->reason : NULL;
    result->value = value_refuse(state->code);
    result->rule =
        listed ? slice_from_string(configured(configuration, index)->pattern) : state->patterns.patterns[index].text;
    result->rule_is_regex = true;
    result->evidence = text;
    return true;
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct content_walk walk = {0};
    struct content_text text;
    const char *reason;
    result->value.kind = VALUE_PASS;
    if (state->patterns.count == 0)
        return;
    while (content_fields_next(&state->fields, arguments, &walk, &text)) {
        if (!refuses(state, arguments, text.text, result, &reason))
            continue;
        struct slice place = content_text_place(&text, arguments->arena);
        result->reason = reason
                             ? slice_from_string(reason)
                             : arena_format(arguments->arena, "%.*s matches a pattern", (int)place.length, place.data);
        result->evidence = content_text_evidence(&text);
        return;
    }
}

/* Two texts of a question that has no event, with what each is called. */
static void judge_texts(const struct state *state, const struct callback_arguments *arguments,
                        const struct slice texts[2], const char *const names[2], struct result *result)
{
    const char *reason;
    result->value.kind = VALUE_PASS;
    for (size_t index = 0; index < 2; index++) {
        if (!refuses(state, arguments, texts[index], result, &reason))
            continue;
        result->reason = reason ? slice_from_string(reason)
                                : arena_format(arguments->arena, "the %s matches a pattern", names[index]);
        return;
    }
}

static void judge_room(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    static const char *const names[2] = {"name of the room", "topic of the room"};
    const struct slice texts[2] = {subject_text(arguments, SUBJECT_ROOM_NAME),
                                   subject_text(arguments, SUBJECT_ROOM_TOPIC)};
    judge_texts(pointer, arguments, texts, names, result);
}

/* Administrators pass, as user_may_create_room does not ask for them. */
static void on_create_room(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    if (arguments->values && value_is(&arguments->values[2], true))
        result->value.kind = VALUE_PASS;
    else
        judge_room(pointer, arguments, result);
}

static void check_username_for_spam(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    static const char *const names[2] = {"display name", "user name"};
    const struct slice texts[2] = {subject_text(arguments, SUBJECT_DISPLAY_NAME),
                                   user_id_localpart(subject_text(arguments, SUBJECT_TARGET))};
    judge_texts(pointer, arguments, texts, names, result);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge_event},
    {.callback = CALLBACK_check_event_allowed, .function = judge_event},
    {.callback = CALLBACK_user_may_create_room, .function = judge_room},
    {.callback = CALLBACK_on_create_room, .function = on_create_room},
    {.callback = CALLBACK_check_username_for_spam, .function = check_username_for_spam},
};

extern const struct module_definition module_regex;
const struct module_definition module_regex = {
    .name = "regex",
    .summary = "Denies events and rooms whose texts match a regular expression, and hides users whose names do.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .concurrent = true,
    .answers_alike = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
