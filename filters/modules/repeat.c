/* One text from many accounts, in many rooms, or again and again: what no other rule sees, for each event alone is
 * harmless.
 *
 * A text is folded, so that case, look-alikes, blanks and punctuation do not matter, and stands for its group: itself,
 * or with `similarity` below 1 the texts that are like it (filters/similar_texts.h). How often a group came within the
 * window is counted for each scope (base/window_table.h). What is denied counts, too: a flood stays shut out until it
 * pauses.
 *
 * A text counts once for an event: asked about by whichever callback, seen again after it was stored, in `body` as in
 * the HTML; and edited by its sender, in the same room. What was counted is kept for that with its answer, by the event
 * and the group. */
#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/recent_table.h"
#include "base/window_table.h"
#include "filters/content_fields.h"
#include "filters/kept_tables.h"
#include "filters/module.h"
#include "filters/similar_texts.h"
#include "filters/subject.h"
#include "filters/text_fold.h"

/* Texts of events that are remembered, a mebibyte. */
#define ANSWERS_REMEMBERED 65536u
/* Different texts of one event that count; clients show one. */
#define GROUPS_MAXIMUM 8u
#define SAVED_VERSION 1u

enum scope { SCOPE_SENDER, SCOPE_ROOM, SCOPE_SERVER, SCOPE_ALL };
static const char *const scope_names[] = {"sender", "room", "server", "all", NULL};

struct configuration {
    int64_t window;
    int64_t same;
    int scope;
    double similarity;
    int64_t min_bytes;
    int64_t capacity;
    int fold;
    struct text_list fields;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct content_fields fields;
    uint32_t relates_to;           /* its slot */
    struct kept_tables kept;       /* with the tables that follow */
    struct similar_texts *similar; /* NULL: only equal texts are one */
    struct window_table *counts;
    struct recent_table *answers; /* how often the text had come when it was first asked about */
    struct buffer window_text;    /* "10m" */
    uint64_t refused;             /* texts that came too often, since the module was made */
};

static const struct parameter parameters[] = {
    {.name = "window",
     .type = PARAMETER_DURATION,
     .offset = offsetof(struct configuration, window),
     .fallback = "10m",
     .minimum = 1000,
     .maximum = (int64_t)86400 * 1000,
     .text = "How long a text counts after it came, give or take an eighth."},
    {.name = "same",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, same),
     .fallback = "3",
     .minimum = 2,
     .maximum = 1000,
     .text = "The event with which a text has come so often within the window is denied, and those after it."},
    {.name = "scope",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, scope),
     .fallback = "all",
     .choices = scope_names,
     .text = "Within what a text is counted: each sender, each room, the senders of each server, or everywhere."},
    {.name = "similarity",
     .type = PARAMETER_NUMBER,
     .offset = offsetof(struct configuration, similarity),
     .fallback = "1",
     .minimum = 0,
     .maximum = 1,
     .text =
         "From which share of what they have in common two texts are one, from 0.5; 1: only if they are equal after "
         "folding. One word changed of twenty leaves about 0.8, of ten 0.65. Estimated, with a standard error of 0.044 "
         "at 0.5 and "
         "0.027 at 0.9."},
    {.name = "min_bytes",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, min_bytes),
     .fallback = "24",
     .minimum = 8,
     .maximum = 4096,
     .text =
         "Shorter texts do not count: people often say the same few words. Counted are bytes of letters, digits and "
         "signs outside ASCII, after folding."},
    {.name = "capacity",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, capacity),
     .fallback = "262144",
     .minimum = 1024,
     .maximum = 16000000,
     .text =
         "How many texts are counted at a time, in 80 bytes each, and with `similarity` below 1 another 240; beyond "
         "that, those that came least often are forgotten."},
    {.name = "fold",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, fold),
     .fallback = "unicode",
     .choices = text_folding_names,
     .text = "What is one in texts: nothing, capital and small letters, or beyond that look-alikes and compatibility "
             "forms, with marks and unseen characters left out. Blanks and ASCII's punctuation never count."},
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
    kept_tables_free(&state->kept);
    buffer_free(&state->window_text);
    free(state);
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    const char *problem = NULL;
    if (!text_fold_open((enum text_folding)configuration->fold, &problem)) {
        module_host_report(setup->host, "fold", "`unicode` %s", problem);
        return NULL;
    }
    if (configuration->similarity < 0.5) {
        module_host_report(setup->host, "similarity", "must be from 0.5 to 1: below that, most texts are alike");
        return NULL;
    }
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    uint32_t capacity = (uint32_t)configuration->capacity;
    state->configuration = configuration;
    state->code = slice_from_string(configuration->code);
    state->kept = kept_tables_open(SAVED_VERSION);
    state->relates_to = field_table_declare(setup->fields, SLICE("m.relates_to"));
    kept_tables_add_recent(&state->kept, &state->answers, recent_table_create(ANSWERS_REMEMBERED));
    kept_tables_add_window(&state->kept, &state->counts, window_table_create(configuration->window, 2 * capacity));
    if (configuration->similarity < 1)
        kept_tables_add_similar(&state->kept, &state->similar,
                                similar_texts_create(configuration->similarity, capacity));
    duration_append(&state->window_text, configuration->window);
    if (!content_fields_create(&state->fields, &configuration->fields, false, setup->fields, setup->host)) {
        destroy(state);
        return NULL;
    }
    return state;
}

/* ---- texts */

/* Without the quotation that clients put before a reply, as older ones still do: many answers to one message are not
 * the same text. */
static struct slice without_quotation(const struct callback_arguments *arguments, const struct content_text *text)
{
    static const struct slice opening = {"<mx-reply>", 10}, closing = {"</mx-reply>", 11};
    struct slice rest = text->text;
    if (text->html.data) {
        const char *end =
            text->html.length > opening.length && memcmp(text->html.data, opening.data, opening.length) == 0
                ? memmem(text->html.data, text->html.length, closing.data, closing.length)
                : NULL;
        if (!end)
            return rest;
        end += closing.length;
        return event_html_text(arguments, slice_of(end, (size_t)(text->html.data + text->html.length - end)));
    }
    while (rest.length && *rest.data == '>') {
        const char *end = memchr(rest.data, '\n', rest.length);
        size_t length = end ? (size_t)(end + 1 - rest.data) : rest.length;
        rest = slice_of(rest.data + length, rest.length - length);
    }
    return rest;
}

/* 1 for the bytes that count: letters, digits, and all beyond ASCII. */
static const uint8_t counting_bytes[256] = {
    ['0' ... '9'] = 1,
    ['A' ... 'Z'] = 1,
    ['a' ... 'z'] = 1,
    [0x80 ... 0xff] = 1,
};

/* What texts are compared by. */
static struct slice normal_text(const struct state *state, struct slice text, struct arena *arena)
{
    enum text_folding folding = (enum text_folding)state->configuration->fold;
    char *output = arena_allocate(arena, text_fold_room(folding, text) + 1);
    size_t length = text_fold(folding, text, output), kept = 0;
    for (size_t at = 0; at < length; at++) {
        output[kept] = output[at];
        kept += counting_bytes[(unsigned char)output[at]];
    }
    return slice_of(output, kept);
}

/* ---- questions */

struct question {
    struct state *state;
    const struct callback_arguments *arguments;
    struct slice scope; /* whose texts are counted together */
    bool known;         /* by the event's id, or by that of the event that it edits */
    uint64_t event;
    bool replies;
    uint64_t groups[GROUPS_MAXIMUM];
    unsigned group_count;
};

/* What the event is related to. An edit is its sender's, in the room: else one text could be spread as edits of one
 * event. */
static void read_relation(struct question *question, const struct event *event)
{
    uint64_t seed = question->state->kept.seed;
    struct slice id = event->event_id;
    if (event_content_other(event, question->state->relates_to)) {
        yyjson_val *relation = content_member(event_content(event), SLICE("m.relates_to"));
        question->replies = content_member(relation, SLICE("m.in_reply_to")) != NULL;
        struct slice edited = content_string(relation, SLICE("event_id"));
        if (slice_equal(content_string(relation, SLICE("rel_type")), SLICE("m.replace")) && slice_present(edited))
            id = edited;
    }
    question->known = slice_present(id);
    uint64_t place = keyed_hash_pair(event->room_id, event->sender, seed);
    question->event = keyed_hash_pair(id, slice_of((const char *)&place, sizeof place), seed);
}

static struct slice scope_of(enum scope scope, const struct callback_arguments *arguments)
{
    switch (scope) {
    case SCOPE_SENDER:
        return subject_text(arguments, SUBJECT_USER);
    case SCOPE_ROOM:
        return subject_text(arguments, SUBJECT_ROOM);
    case SCOPE_SERVER:
        return subject_server(arguments);
    case SCOPE_ALL:
        break;
    }
    return SLICE("");
}

/* How often the text of `group` has come, with this one. */
static uint32_t count(const struct question *question, uint64_t group)
{
    struct state *state = question->state;
    const struct callback_arguments *arguments = question->arguments;
    struct slice group_bytes = slice_of((const char *)&group, sizeof group);
    struct slice event_bytes = slice_of((const char *)&question->event, sizeof question->event);
    uint64_t answer = keyed_hash_pair(event_bytes, group_bytes, state->kept.seed);
    uint64_t key = keyed_hash_pair(question->scope, group_bytes, state->kept.seed);
    uint32_t times;
    if (question->known && recent_table_find(state->answers, answer, &times))
        return times;
    if (arguments->trial)
        return window_table_count(state->counts, key, arguments->now_ms) + 1;
    times = window_table_add(state->counts, key, arguments->now_ms);
    state->refused += times >= (uint64_t)state->configuration->same;
    if (question->known)
        recent_table_put(state->answers, answer, times);
    return times;
}

static uint64_t group_of(const struct question *question, struct slice text)
{
    struct state *state = question->state;
    return state->similar ? similar_texts_group(state->similar, text, state->kept.seed, !question->arguments->trial)
                          : keyed_hash(text, state->kept.seed);
}

/* Whether the event has another text of the group; else it has one now. */
static bool has_group(struct question *question, uint64_t group)
{
    for (unsigned index = 0; index < question->group_count; index++)
        if (question->groups[index] == group)
            return true;
    question->groups[question->group_count++] = group;
    return false;
}

static void judge_text(struct question *question, const struct content_text *text, struct result *result)
{
    const struct state *state = question->state;
    const struct callback_arguments *arguments = question->arguments;
    struct slice plain = question->replies ? without_quotation(arguments, text) : text->text;
    struct slice normal = normal_text(state, plain, arguments->arena);
    if (normal.length < (size_t)state->configuration->min_bytes)
        return;
    uint64_t group = group_of(question, normal);
    if (has_group(question, group))
        return;
    uint32_t times = count(question, group);
    if (times < (uint64_t)state->configuration->same || result->value.kind != VALUE_PASS)
        return;
    result->value = value_refuse(state->code);
    result->rule = state->similar ? SLICE("similar") : SLICE("same");
    result->reason = arena_format(arguments->arena, "the text%s came %u times within %.*s",
                                  state->similar ? ", or one like it," : "", times, (int)state->window_text.length,
                                  state->window_text.data);
    result->evidence = content_text_evidence(text);
}

/* All texts count, also those behind one that is refused. */
static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    struct question question = {.state = state, .arguments = arguments};
    struct content_walk walk = {0};
    struct content_text text;
    result->value.kind = VALUE_PASS;
    question.scope = scope_of((enum scope)state->configuration->scope, arguments);
    if (!question.scope.data || !arguments->event->has_body)
        return;
    read_relation(&question, arguments->event);
    while (question.group_count < GROUPS_MAXIMUM && content_fields_next(&state->fields, arguments, &walk, &text))
        judge_text(&question, &text, result);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge_event},
    {.callback = CALLBACK_check_event_allowed, .function = judge_event},
};

/* ---- what is remembered */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    kept_tables_save(&state->kept, output);
}

static bool restore(void *pointer, struct slice saved)
{
    struct state *state = pointer;
    return kept_tables_restore(&state->kept, saved);
}

static void take_over(void *pointer, void *other)
{
    struct state *state = pointer, *from = other;
    kept_tables_exchange(&state->kept, &from->kept);
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    figure(context, "refused_total", "Texts that came too often, once for each event, since the chain was loaded.",
           (double)state->refused);
    figure(context, "texts_forgotten_total",
           "Texts that were forgotten for others before their window had passed: capacity is too small.",
           (double)window_table_forgotten(state->counts));
}

extern const struct module_definition module_repeat;
const struct module_definition module_repeat = {
    .name = "repeat",
    .summary = "Denies a text that comes again and again, from one account or from many, also slightly changed.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .reads_time = true,
    .answers_alike = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
    .save = save,
    .restore = restore,
    .take_over = take_over,
    .figures = figures,
};
