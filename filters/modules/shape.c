/* Spam by the look of a text: walls of text, letters piled with marks, direction tricks. Each rule is a number and
 * costs a glance at texts that are short of it; only texts outside ASCII are decoded, and only the rules about prose,
 * which are off by default, read every character. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "filters/case_folding.h"
#include "filters/characters.h"
#include "filters/content_fields.h"
#include "filters/module.h"
#include "filters/plain_text.h"

/* Below so many letters with a case, a text has no share of capitals: "OK", "LGTM", the name of an agency. */
#define CASED_LETTERS_LEAST 20

struct configuration {
    int64_t max_json;
    int64_t max_body;
    int64_t max_lines;
    int64_t max_trim;
    double max_density;
    int64_t density_from;
    double max_caps;
    int64_t max_repeat_char;
    int64_t max_combining;
    int64_t max_rtl_overrides;
    struct text_list fields;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct content_fields fields;
};

#define COUNT(member_, fallback_, maximum_, text_)                                                                     \
    {                                                                                                                  \
        .name = #member_, .type = PARAMETER_INTEGER, .offset = offsetof(struct configuration, member_),                \
        .fallback = (fallback_), .minimum = 0, .maximum = (maximum_), .text = (text_)                                  \
    }
#define SHARE(member_, text_)                                                                                          \
    {                                                                                                                  \
        .name = #member_, .type = PARAMETER_NUMBER, .offset = offsetof(struct configuration, member_),                 \
        .fallback = "0", .minimum = 0, .maximum = 1, .text = (text_)                                                   \
    }

static const struct parameter parameters[] = {
    COUNT(max_json, "0", 65536, "How many bytes the event's JSON may have; 0: any."),
    COUNT(max_body, "10000", 65536, "How many characters a text may have; 0: any."),
    COUNT(max_lines, "200", 65536, "How many lines a text may have; 0: any."),
    COUNT(max_trim, "25", 65536, "How many blanks and line ends may stand before and behind a text; 0: any."),
    SHARE(max_density, "Which share of a long text may be other than blanks, for example 0.95; links, code and scripts "
                       "without blanks between words do not count; 0: any."),
    {.name = "density_from",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, density_from),
     .fallback = "150",
     .minimum = 1,
     .maximum = 65536,
     .text = "How many characters that count make a text long enough for `max_density`."},
    SHARE(max_caps, "Which share of a text's letters may be capitals, where it has 20 or more; links and code do not "
                    "count; 0: any."),
    COUNT(max_repeat_char, "0", 65536,
          "How often one character may stand in a row, blanks aside; links and code do not count; 0: any."),
    COUNT(max_combining, "6", 1000, "How many marks may be piled on one character; 0: any."),
    COUNT(max_rtl_overrides, "4", 65536,
          "How many characters of a text may turn the direction of what follows (RLE, LRO, RLO, RLI); 0: any."),
    {.name = "fields",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, fields),
     .fallback = CONTENT_FIELDS_DEFAULT,
     .text = CONTENT_FIELDS_TEXT},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    content_fields_free(&state->fields);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    if (!content_fields_create(&state->fields, &configuration->fields, false, setup->fields, setup->host)) {
        destroy(state);
        return NULL;
    }
    return state;
}

/* A question, and what is being looked at. */
struct look {
    const struct state *state;
    const struct callback_arguments *arguments;
    struct result *result;
    const struct content_text *text;
};

static void refuse(struct look *look, const char *rule)
{
    look->result->value = value_refuse(look->state->code);
    look->result->rule = slice_from_string(rule);
    if (look->text)
        look->result->evidence = content_text_evidence(look->text);
}

/* Refuses if there is a limit and `count` is above it; the reason is "<place> has <count> <what>". */
static bool refuse_above(struct look *look, const char *rule, size_t count, int64_t limit, const char *what)
{
    if (limit == 0 || count <= (size_t)limit)
        return false;
    struct arena *arena = look->arguments->arena;
    struct slice place = look->text ? content_text_place(look->text, arena) : SLICE("the event");
    refuse(look, rule);
    look->result->reason = arena_format(arena, "%.*s has %zu %s", (int)place.length, place.data, count, what);
    return true;
}

static bool refuse_share(struct look *look, const char *rule, size_t part, size_t whole, double limit, const char *what)
{
    if ((double)part <= limit * (double)whole)
        return false;
    struct arena *arena = look->arguments->arena;
    struct slice place = content_text_place(look->text, arena);
    refuse(look, rule);
    look->result->reason = arena_format(arena, "%.0f %% of %.*s is %s", 100.0 * (double)part / (double)whole,
                                        (int)place.length, place.data, what);
    return true;
}

static size_t count_characters(struct slice text)
{
    size_t count = 0;
    for (size_t index = 0; index < text.length; index++)
        count += ((unsigned char)text.data[index] & 0xc0) != 0x80;
    return count;
}

static size_t count_lines(struct slice text)
{
    size_t count = 1;
    for (size_t index = 0; index < text.length; index++)
        count += text.data[index] == '\n';
    return count;
}

/* Blanks, and what looks like them: zero-width characters, the Braille and Hangul ones that show nothing. */
static bool shows_nothing(uint32_t point)
{
    return character_is_blank(point) || character_is_joiner(point) || point == 0x2800 || point == 0x3164;
}

/* What shows nothing at both ends; a text of nothing else has it once. */
static size_t count_trimmed(struct slice text)
{
    const unsigned char *begin = (const unsigned char *)text.data;
    const unsigned char *end = begin + text.length;
    size_t count = 0;
    for (const unsigned char *next = begin; begin < end; begin = next, count++)
        if (!shows_nothing(utf8_decode(&next, end)))
            break;
    while (end > begin) {
        const unsigned char *last = end - 1;
        while (last > begin && (*last & 0xc0) == 0x80)
            last--;
        const unsigned char *next = last;
        if (!shows_nothing(utf8_decode(&next, end)))
            break;
        end = last;
        count++;
    }
    return count;
}

static bool refuse_size(struct look *look)
{
    const struct configuration *limits = look->state->configuration;
    struct slice text = look->text->text;
    if (limits->max_body && text.length > (size_t)limits->max_body &&
        refuse_above(look, "max_body", count_characters(text), limits->max_body, "characters"))
        return true;
    if (limits->max_lines && text.length >= (size_t)limits->max_lines &&
        refuse_above(look, "max_lines", count_lines(text), limits->max_lines, "lines"))
        return true;
    return limits->max_trim && text.length > (size_t)limits->max_trim &&
           refuse_above(look, "max_trim", count_trimmed(text), limits->max_trim, "blanks around it");
}

/* Marks and direction: nothing of it is ASCII. */
static bool refuse_marks(struct look *look)
{
    const struct configuration *limits = look->state->configuration;
    struct slice text = look->text->text;
    if ((!limits->max_combining && !limits->max_rtl_overrides) || case_fold_is_ascii(text))
        return false;
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.length;
    size_t marks = 0;
    size_t most_marks = 0;
    size_t turns = 0;
    while (at < end) {
        if (*at < 0x80) {
            at++;
            marks = 0;
            continue;
        }
        uint32_t point = utf8_decode(&at, end);
        turns += character_turns_direction(point);
        if (character_is_joiner(point))
            continue;
        marks = character_is_combining(point) ? marks + 1 : 0;
        most_marks = marks > most_marks ? marks : most_marks;
    }
    return refuse_above(look, "max_combining", most_marks, limits->max_combining, "marks on one character") ||
           refuse_above(look, "max_rtl_overrides", turns, limits->max_rtl_overrides,
                        "characters that turn the direction");
}

struct prose {
    size_t characters; /* that count for the density */
    size_t blanks;
    size_t capitals;
    size_t small;
    size_t longest_run;
};

static void read_prose(struct slice piece, struct prose *prose)
{
    const unsigned char *at = (const unsigned char *)piece.data;
    const unsigned char *end = at + piece.length;
    uint32_t before = 0;
    size_t run = 0;
    while (at < end) {
        uint32_t point = utf8_decode(&at, end);
        bool blank = character_is_blank(point);
        bool counts = blank || (!character_is_unspaced(point) && !character_is_combining(point));
        enum character_case letter = character_case_of(point);
        prose->characters += counts;
        prose->blanks += blank;
        prose->capitals += letter == CHARACTER_CAPITAL;
        prose->small += letter == CHARACTER_SMALL;
        run = blank ? 0 : point == before ? run + 1 : 1;
        prose->longest_run = run > prose->longest_run ? run : prose->longest_run;
        before = point;
    }
}

static bool refuse_prose(struct look *look)
{
    const struct configuration *limits = look->state->configuration;
    if (limits->max_density == 0 && limits->max_caps == 0 && limits->max_repeat_char == 0)
        return false;
    struct slice text = content_text_without_code(look->text, look->arguments->arena);
    bool markdown = !look->text->html.data;
    struct prose prose = {0};
    struct slice piece;
    for (size_t position = 0; plain_text_next(text, markdown, &position, &piece);)
        read_prose(piece, &prose);
    size_t letters = prose.capitals + prose.small;
    if (limits->max_density > 0 && prose.characters >= (size_t)limits->density_from &&
        refuse_share(look, "max_density", prose.characters - prose.blanks, prose.characters, limits->max_density,
                     "other than blanks"))
        return true;
    if (limits->max_caps > 0 && letters >= CASED_LETTERS_LEAST &&
        refuse_share(look, "max_caps", prose.capitals, letters, limits->max_caps, "in capitals"))
        return true;
    return refuse_above(look, "max_repeat_char", prose.longest_run, limits->max_repeat_char,
                        "of one character in a row");
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    struct look look = {.state = state, .arguments = arguments, .result = result};
    struct content_walk walk = {0};
    struct content_text text;
    result->value.kind = VALUE_PASS;
    if (refuse_above(&look, "max_json", arguments->event->body.length, state->configuration->max_json, "bytes of JSON"))
        return;
    look.text = &text;
    while (content_fields_next(&state->fields, arguments, &walk, &text))
        if (refuse_size(&look) || refuse_marks(&look) || refuse_prose(&look))
            return;
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge_event},
    {.callback = CALLBACK_check_event_allowed, .function = judge_event},
};

extern const struct module_definition module_shape;
const struct module_definition module_shape = {
    .name = "shape",
    .summary = "Denies events whose text is too long or looks like none: walls of text, piled marks, direction tricks.",
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
