/* Words are found in a folded text (text_fold.h), which does not say where it came from. So a text in which there is
 * one is folded again, character by character with the marks that belong to it, and each byte keeps its place. */
#include "filters/censor_rule.h"

#include <stdlib.h>
#include <strings.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "filters/characters.h"
#include "filters/links.h"
#include "filters/map_host.h"

/* How often a text is gone over before it is emptied: what is removed may leave a word behind. */
#define ROUNDS 8

const char *const censor_match_names[] = {"words", "regex", "links", NULL};
const char *const censor_replace_names[] = {"mask", "remove", "text", NULL};

const struct parameter censor_rule_parameters[CENSOR_RULE_PARAMETERS] = {
    {.name = "name",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct censor_rule_configuration, name),
     .text = "What verdicts call the rule; without one, what it matches."},
    {.name = "match",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct censor_rule_configuration, match),
     .fallback = "words",
     .choices = censor_match_names,
     .text = "What `list` holds: words and phrases; regular expressions (Perl's, found anywhere, without regard to "
             "case); or domains to which links go, with all names below them."},
    {.name = "list",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct censor_rule_configuration, list),
     .fallback = "[]",
     .text = "What is looked for; of links none means all but those to matrix.to."},
    {.name = "files",
     .type = PARAMETER_LINES_FILES,
     .offset = offsetof(struct censor_rule_configuration, files),
     .fallback = "[]",
     .text = "Files with more of `list`, one a line; `#` begins a comment."},
    {.name = "whole",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct censor_rule_configuration, whole),
     .fallback = "true",
     .text = "Whether words count only where no letter or digit is beside them."},
    {.name = "fold",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct censor_rule_configuration, fold),
     .fallback = "unicode",
     .choices = text_folding_names,
     .text = "What makes no difference to words. case: capitals; unicode: also look-alikes of other scripts, marks, "
             "styled letters, and what is not seen."},
    {.name = "replace",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct censor_rule_configuration, replace),
     .fallback = "mask",
     .choices = censor_replace_names,
     .text = "mask: each character becomes `mask_char`; remove: nothing is left; text: `text` stands there."},
    {.name = "text",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct censor_rule_configuration, text),
     .fallback = "[removed]",
     .text = "What stands in the place of what was found, with `replace: text`."},
};

/* ---- the configuration */

static bool add_expressions(struct censor_rule *rule, const char *parameter, const struct text_list *list,
                            const struct module_host *host)
{
    bool good = pattern_list_add_all(&rule->patterns, host, parameter, list, PATTERN_REGEX, false);
    rule->expressions = memory_reallocate(rule->expressions, (rule->expression_count + list->count + 1) *
                                                                 sizeof(struct confirm_pattern *));
    for (size_t item = 0; item < list->count; item++) {
        struct buffer error = {0};
        struct confirm_pattern *expression =
            confirm_pattern_create(slice_from_string(list->items[item]), true, false, &error);
        if (expression) {
            confirm_pattern_optimise(expression);
            rule->expressions[rule->expression_count++] = expression;
        } else {
            text_list_report(host, parameter, list, item, buffer_string(&error));
            good = false;
        }
        buffer_free(&error);
    }
    return good;
}

static bool add_words(struct censor_rule *rule, const char *parameter, const struct text_list *list,
                      const struct module_host *host)
{
    bool good = true;
    for (size_t item = 0; item < list->count; item++) {
        const char *problem = word_list_add(rule->words, slice_from_string(list->items[item]), 0);
        if (problem)
            text_list_report(host, parameter, list, item, problem);
        good = good && !problem;
    }
    return good;
}

static bool add_list(struct censor_rule *rule, const char *parameter, const struct text_list *list,
                     const struct module_host *host)
{
    switch ((enum censor_match)rule->configuration->match) {
    case CENSOR_WORDS:
        return add_words(rule, parameter, list, host);
    case CENSOR_REGEX:
        return add_expressions(rule, parameter, list, host);
    case CENSOR_LINKS:
        return name_list_add(&rule->domains, host, parameter, list);
    }
    return true;
}

static bool read_rule(struct censor_rule *rule, const struct censor_rule_configuration *configuration,
                      const struct module_host *host)
{
    enum text_folding fold = (enum text_folding)configuration->fold;
    const char *problem = NULL;
    rule->configuration = configuration;
    rule->name =
        slice_from_string(configuration->name ? configuration->name : censor_match_names[configuration->match]);
    name_list_open(&rule->domains, (struct name_list_options){.ignore_case = true, .servers = true});
    if (configuration->match == CENSOR_WORDS && !text_fold_open(fold, &problem)) {
        module_host_report(host, "fold", "`%s` %s", text_folding_names[fold], problem);
        return false;
    }
    if (configuration->match == CENSOR_WORDS)
        rule->words = word_list_create(fold, configuration->whole);
    bool good = add_list(rule, "list", &configuration->list, host);
    size_t count = configuration->list.count;
    for (size_t file = 0; file < configuration->files.count; file++) {
        good = add_list(rule, "files", &configuration->files.lists[file], host) && good;
        count += configuration->files.lists[file].count;
    }
    if (count == 0 && configuration->match != CENSOR_LINKS) {
        module_host_report(host, "list", "is empty: the rule would find nothing");
        good = false;
    }
    if (configuration->replace == CENSOR_TEXT && strlen(configuration->text) > 255) {
        module_host_report(host, "text", "has more than 255 bytes");
        good = false;
    }
    /* What PCRE2 has refused is not said twice. */
    return good && pattern_list_compile(&rule->patterns, host) && name_list_compile(&rule->domains, host);
}

bool censor_rules_create(struct censor_rules *rules, const struct map_list *list, struct slice mask,
                         const struct module_host *host)
{
    bool good = true;
    *rules = (struct censor_rules){.mask = mask};
    if (list->count > CENSOR_RULES_MAXIMUM) {
        module_host_report(host, "rules", "there are more than %u rules", CENSOR_RULES_MAXIMUM);
        return false;
    }
    rules->items = memory_allocate_zeroed(list->count, sizeof *rules->items);
    rules->count = list->count;
    for (size_t index = 0; index < list->count; index++) {
        struct map_host map;
        const struct censor_rule_configuration *item = (const struct censor_rule_configuration *)list->items + index;
        good = read_rule(&rules->items[index], item, map_host_open(&map, host, "rules", index)) && good;
    }
    return good;
}

void censor_rules_free(struct censor_rules *rules)
{
    for (size_t index = 0; index < rules->count; index++) {
        struct censor_rule *rule = &rules->items[index];
        for (size_t place = 0; place < rule->expression_count; place++)
            confirm_pattern_destroy(rule->expressions[place]);
        free(rule->expressions);
        word_list_destroy(rule->words);
        pattern_list_free(&rule->patterns);
        name_list_free(&rule->domains);
    }
    for (size_t lane = 0; lane < LANES_MAXIMUM; lane++)
        confirm_context_destroy(rules->contexts[lane]);
    free(rules->items);
    *rules = (struct censor_rules){0};
}

/* ---- a text that is being gone over by one rule */

struct edit {
    const struct censor_rules *rules;
    const struct censor_rule *rule;
    struct slice text;
    size_t copied; /* bytes of `text` that `output` accounts for */
    struct buffer *output;
};

/* Replaces the bytes from `start` up to `end`; spans come in order. */
static void replace(struct edit *edit, size_t start, size_t end)
{
    if (start < edit->copied)
        start = edit->copied;
    if (start >= end || edit->output->length > CENSOR_TEXT_MAXIMUM)
        return;
    buffer_append(edit->output, edit->text.data + edit->copied, start - edit->copied);
    edit->copied = end;
    if (edit->rule->configuration->replace == CENSOR_TEXT)
        buffer_append_string(edit->output, edit->rule->configuration->text);
    for (size_t index = start; edit->rule->configuration->replace == CENSOR_MASK && index < end; index++)
        if (((unsigned char)edit->text.data[index] & 0xc0) != 0x80)
            buffer_append_slice(edit->output, edit->rules->mask);
}

/* A folded text, with the span of the character that each byte came from. */
struct folded {
    char *bytes;
    uint32_t *starts;
    uint32_t *ends;
    size_t length;
};

/* Whether the character belongs to the one before it: marks, what is not seen, and the later letters of a Korean
 * syllable. */
static bool continues(uint32_t point)
{
    return character_is_combining(point) || character_is_joiner(point) || (point >= 0x1160 && point <= 0x11ff);
}

static void fold_by_character(const struct word_list *words, struct slice text, struct arena *arena,
                              struct folded *folded)
{
    size_t room = 5 * text.length + 4; /* no more than text_fold_room says for each */
    const unsigned char *begin = (const unsigned char *)text.data, *end = begin + text.length;
    *folded = (struct folded){.bytes = arena_allocate(arena, room),
                              .starts = arena_allocate(arena, room * sizeof *folded->starts),
                              .ends = arena_allocate(arena, room * sizeof *folded->ends)};
    for (const unsigned char *at = begin; at < end;) {
        const unsigned char *start = at, *next = at;
        (void)utf8_decode(&next, end);
        do {
            at = next;
        } while (at < end && continues(utf8_decode(&next, end)));
        struct slice piece = word_list_fold(words, slice_of((const char *)start, (size_t)(at - start)), arena);
        for (size_t index = 0; index < piece.length && folded->length < room; index++) {
            bool blank = piece.data[index] == ' ';
            if (blank && folded->length && folded->bytes[folded->length - 1] == ' ') {
                folded->ends[folded->length - 1] = (uint32_t)(at - begin);
                continue;
            }
            folded->bytes[folded->length] = piece.data[index];
            folded->starts[folded->length] = (uint32_t)(start - begin);
            folded->ends[folded->length++] = (uint32_t)(at - begin);
        }
    }
}

static void replace_words(struct edit *edit, struct arena *arena)
{
    const struct word_list *words = edit->rule->words;
    struct folded folded;
    struct slice found;
    size_t position = 0;
    uint32_t number;
    fold_by_character(words, edit->text, arena, &folded);
    while (word_list_find(words, slice_of(folded.bytes, folded.length), &position, &found, &number)) {
        size_t first = (size_t)(found.data - folded.bytes);
        replace(edit, folded.starts[first], folded.ends[first + found.length - 1]);
    }
}

static size_t next_character(struct slice text, size_t from)
{
    for (from++; from < text.length && ((unsigned char)text.data[from] & 0xc0) == 0x80;)
        from++;
    return from;
}

/* Matches of nothing are passed over: they would be found again for ever. */
static void replace_expression(struct edit *edit, struct confirm_context *context,
                               const struct confirm_pattern *expression)
{
    struct slice found;
    for (size_t from = 0; from < edit->text.length && edit->output->length <= CENSOR_TEXT_MAXIMUM;) {
        if (confirm_pattern_find_from(context, expression, edit->text, from, &found) != CONFIRM_MATCH)
            return;
        size_t start = (size_t)(found.data - edit->text.data);
        replace(edit, start, start + found.length);
        size_t end = start + found.length;
        from = found.length && end > from ? end : next_character(edit->text, end > from ? end : from);
    }
}

/* Whether links to `host` are meant. */
static bool is_listed_host(const struct censor_rule *rule, struct slice host)
{
    bool is_glob;
    if (name_list_count(&rule->domains) == 0)
        return !(host.length == 9 && strncasecmp(host.data, "matrix.to", 9) == 0);
    for (;;) {
        if (slice_present(name_list_match(&rule->domains, host, &is_glob)))
            return true;
        const char *dot = host.length ? memchr(host.data, '.', host.length) : NULL;
        if (!dot)
            return false;
        host = slice_of(dot + 1, host.length - (size_t)(dot + 1 - host.data));
    }
}

/* The end of the link whose host ends at `at`: before a blank, or what cannot stand in one, and not counting the
 * punctuation of the sentence around it. */
static size_t link_end(struct slice text, size_t at)
{
    const unsigned char *bytes = (const unsigned char *)text.data, *end = bytes + text.length;
    size_t host_end = at;
    while (at < text.length) {
        const unsigned char *next = bytes + at;
        uint32_t point = utf8_decode(&next, end);
        if (character_is_blank(point) || point == '<' || point == '>' || point == '"')
            break;
        at = (size_t)(next - bytes);
    }
    while (at > host_end && strchr(".,;:!?)]'", text.data[at - 1]))
        at--;
    return at;
}

static void replace_links(struct edit *edit)
{
    struct slice text = edit->text, host;
    size_t position = 0;
    while (links_next(text, &position, &host)) {
        if (!is_listed_host(edit->rule, host))
            continue;
        size_t scheme = position - strlen("://");
        bool secure = scheme >= 5 && strncasecmp(text.data + scheme - 5, "https", 5) == 0;
        replace(edit, scheme - (secure ? 5 : 4), link_end(text, (size_t)(host.data + host.length - text.data)));
    }
}

static bool finds(const struct censor_rule *rule, struct slice text, struct arena *arena)
{
    struct slice host;
    size_t position = 0;
    uint32_t number;
    switch ((enum censor_match)rule->configuration->match) {
    case CENSOR_WORDS:
        return word_list_next(rule->words, word_list_fold(rule->words, text, arena), &position, &number);
    case CENSOR_REGEX:
        return slice_present(pattern_list_match(&rule->patterns, text));
    case CENSOR_LINKS:
        while (links_next(text, &position, &host))
            if (is_listed_host(rule, host))
                return true;
        return false;
    }
    return false;
}

const struct censor_rule *censor_rules_find(struct censor_rules *rules, struct slice text, struct arena *arena)
{
    for (size_t index = 0; text.length && index < rules->count; index++)
        if (finds(&rules->items[index], text, arena))
            return &rules->items[index];
    return NULL;
}

static struct confirm_context *lane_context(struct censor_rules *rules)
{
    struct confirm_context **context = &rules->contexts[lane_number];
    if (!*context)
        *context = confirm_context_create();
    return *context;
}

/* Ends what one rule, or one expression, has replaced: the text as it is now, in `arena`. */
static void settle(struct edit *edit, struct arena *arena)
{
    if (edit->copied) {
        buffer_append(edit->output, edit->text.data + edit->copied, edit->text.length - edit->copied);
        edit->text = arena_copy(arena, buffer_slice(edit->output));
        if (!edit->text.data)
            edit->text = SLICE("");
    }
    edit->copied = 0;
    buffer_clear(edit->output);
}

static struct slice apply_once(struct censor_rules *rules, struct slice text, struct buffer *output,
                               struct arena *arena)
{
    struct edit edit = {.rules = rules, .text = text, .output = output};
    for (size_t index = 0; index < rules->count; index++) {
        const struct censor_rule *rule = edit.rule = &rules->items[index];
        if (edit.text.length == 0 || !finds(rule, edit.text, arena))
            continue;
        if (rule->configuration->match == CENSOR_WORDS)
            replace_words(&edit, arena);
        else if (rule->configuration->match == CENSOR_LINKS)
            replace_links(&edit);
        settle(&edit, arena);
        for (size_t place = 0; place < rule->expression_count; place++) {
            replace_expression(&edit, lane_context(rules), rule->expressions[place]);
            settle(&edit, arena);
        }
    }
    return edit.text;
}

struct slice censor_rules_apply(struct censor_rules *rules, struct slice text, struct arena *arena)
{
    struct buffer output = {0};
    struct slice current = text;
    int round = 0;
    for (; round < ROUNDS && current.length && (round == 0 || current.length <= CENSOR_TEXT_MAXIMUM); round++) {
        struct slice next = apply_once(rules, current, &output, arena);
        bool rests = slice_equal(next, current);
        current = next;
        if (rests)
            break;
    }
    buffer_free(&output);
    if (slice_equal(current, text))
        return text;
    return round == ROUNDS || current.length > CENSOR_TEXT_MAXIMUM ? SLICE("") : current;
}
