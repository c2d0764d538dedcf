/* Spam by whom it calls: mass mentions, and the whole room. A mention is said up to three times (in m.mentions, as a
 * link, as a name with an `@`), so the ways to count are not added up: the largest counts. */
#include <stdlib.h>

#include "base/memory.h"
#include "filters/content_fields.h"
#include "filters/module.h"
#include "filters/pills.h"

enum { COUNT_M_MENTIONS = 1, COUNT_PILLS = 2, COUNT_AT_SIGNS = 4 };
enum { ROOM_PASS, ROOM_DENY };

struct configuration {
    int64_t max;
    int64_t max_new;
    char *trusted_tag;
    unsigned count;
    int room_mention;
    bool require_m_mentions;
    struct text_list fields;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct slice code;
    struct content_fields fields;
    uint64_t trusted;  /* the bit of the tag; 0: nobody sets it, and `max` is for all */
    uint32_t mentions; /* the slots of "m.mentions" and "body" */
    uint32_t body;
};

static const char *const count_names[] = {"m_mentions", "pills", "at_signs", NULL};
static const char *const room_names[] = {"pass", "deny", NULL};

static const struct parameter parameters[] = {
    {.name = "max",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, max),
     .fallback = "20",
     .minimum = 0,
     .maximum = 1000,
     .text = "How many mentions an event may have; 0: none."},
    {.name = "max_new",
     .type = PARAMETER_INTEGER,
     .offset = offsetof(struct configuration, max_new),
     .fallback = "3",
     .minimum = 0,
     .maximum = 1000,
     .text = "How many it may have, if that is less than `max`, of senders who are not trusted. Only where a module "
             "before this one sets `trusted_tag`, as `trust` does; else `max` is for all."},
    {.name = "trusted_tag",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, trusted_tag),
     .fallback = "trusted",
     .text = "The tag of trusted senders."},
    {.name = "count",
     .type = PARAMETER_CHOICES,
     .offset = offsetof(struct configuration, count),
     .fallback = "m_mentions pills at_signs",
     .choices = count_names,
     .text = "What a mention is; the largest of the counts holds. m_mentions: the users that m.mentions lists; pills: "
             "links to users in HTML; at_signs: words that begin with an `@`, outside of links and code."},
    {.name = "room_mention",
     .type = PARAMETER_CHOICE,
     .offset = offsetof(struct configuration, room_mention),
     .fallback = "pass",
     .choices = room_names,
     .text = "Whether an event may mention the whole room (@room)."},
    {.name = "require_m_mentions",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, require_m_mentions),
     .fallback = "false",
     .text =
         "Whether an event whose text mentions users, by link or by id, must have m.mentions, as clients have written "
         "since 2023; many bots do not."},
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
    state->mentions = field_table_declare(setup->fields, SLICE("m.mentions"));
    state->body = field_table_declare(setup->fields, SLICE("body"));
    uint64_t trusted = module_tag(setup, configuration->trusted_tag, "trusted_tag");
    if (module_tag_is_set(setup, trusted))
        state->trusted = trusted;
    if (!trusted || !content_fields_create(&state->fields, &configuration->fields, false, setup->fields, setup->host)) {
        destroy(state);
        return NULL;
    }
    return state;
}

static void refuse(const struct state *state, const char *rule, struct slice reason, struct result *result)
{
    result->value = value_refuse(state->code);
    result->rule = slice_from_string(rule);
    result->reason = reason;
}

/* How many mentions the event may have, and the rule that says so. */
struct bound {
    size_t count;
    const char *rule;
};

static struct bound bound_of(const struct state *state, const struct callback_arguments *arguments)
{
    const struct configuration *configuration = state->configuration;
    bool is_new = state->trusted && !(arguments->tags & state->trusted) && configuration->max_new < configuration->max;
    return is_new ? (struct bound){(size_t)configuration->max_new, "max_new"}
                  : (struct bound){(size_t)configuration->max, "max"};
}

/* Refuses if `count` is above the most that there may be: "<place> <verb> <count> <what>". */
static bool refuse_above(const struct state *state, size_t count, const char *verb, const char *what,
                         const struct callback_arguments *arguments, struct slice place, struct result *result)
{
    struct bound bound = bound_of(state, arguments);
    if (count <= bound.count)
        return false;
    refuse(state, bound.rule,
           arena_format(arguments->arena, "%.*s %s %zu %s", (int)place.length, place.data, verb, count, what), result);
    return true;
}

/* What m.mentions of `content`, the event's or an edit's, says. */
static bool judge_declared(const struct state *state, const struct callback_arguments *arguments, yyjson_val *content,
                           struct result *result)
{
    yyjson_val *mentions = content_member(content, SLICE("m.mentions"));
    if (state->configuration->room_mention == ROOM_DENY && yyjson_is_true(content_member(mentions, SLICE("room")))) {
        refuse(state, "room_mention", SLICE("m.mentions names the whole room"), result);
        return true;
    }
    return state->configuration->count & COUNT_M_MENTIONS &&
           refuse_above(state, yyjson_arr_size(content_member(mentions, SLICE("user_ids"))), "names", "users",
                        arguments, SLICE("m.mentions"), result);
}

/* Whether there is an m.mentions, be it empty, in the event. */
static bool declares_mentions(const struct event *event)
{
    return content_member(event_content(event), SLICE("m.mentions")) != NULL;
}

/* How often `byte` is in `text`, as far as `enough`. */
static size_t count_bytes(struct slice text, char byte, size_t enough)
{
    size_t count = 0;
    if (!slice_present(text))
        return 0;
    const char *at = text.data;
    const char *end = at + text.length;
    while (at < end && count < enough && (at = memchr(at, byte, (size_t)(end - at)))) {
        count++;
        at++;
    }
    return count;
}

/* How many mentions a text must have before they matter. */
static size_t mentions_that_matter(const struct state *state, const struct callback_arguments *arguments, bool declared)
{
    return state->configuration->require_m_mentions && !declared ? 1 : bound_of(state, arguments).count + 1;
}

/* The mentions in one text. What cannot have enough is not read: a link takes two `<`, or one. */
static bool judge_text(const struct state *state, const struct callback_arguments *arguments,
                       const struct content_text *text, bool declared, struct result *result)
{
    size_t least = mentions_that_matter(state, arguments, declared);
    unsigned count = state->configuration->count;
    bool users = state->configuration->require_m_mentions && !declared;
    size_t pills = 0;
    struct at_signs signs = {0};
    if ((users || count & COUNT_PILLS) && count_bytes(text->html, '<', least) >= least)
        pills = pills_count(text->html, arguments->arena);
    if ((users || count & COUNT_AT_SIGNS) && count_bytes(text->text, '@', least) >= least)
        at_signs_count(content_text_without_code(text, arguments->arena), !text->html.data, &signs);
    if (pills == 0 && signs.count == 0)
        return false;
    struct slice place = content_text_place(text, arguments->arena);
    result->evidence = content_text_evidence(text);
    if ((count & COUNT_PILLS && refuse_above(state, pills, "links to", "users", arguments, place, result)) ||
        (count & COUNT_AT_SIGNS && refuse_above(state, signs.count, "has", "mentions", arguments, place, result)))
        return true;
    if (users && pills + signs.user_ids) {
        refuse(state, "require_m_mentions",
               arena_format(arguments->arena, "%.*s mentions users, but m.mentions is not there", (int)place.length,
                            place.data),
               result);
        return true;
    }
    result->evidence = SLICE_ABSENT;
    return false;
}

static void judge_event(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    const struct state *state = pointer;
    const struct event *event = arguments->event;
    result->value.kind = VALUE_PASS;
    bool filled = event_content_other(event, state->mentions);
    bool edits = event_content_other(event, state->fields.new_content);
    if (filled && judge_declared(state, arguments, event_content(event), result))
        return;
    if (edits && judge_declared(state, arguments, content_member(event_content(event), SLICE("m.new_content")), result))
        return;
    struct slice body = event_content_string(event, state->body);
    if (state->configuration->room_mention == ROOM_DENY && at_room_found(body) && !declares_mentions(event)) {
        refuse(state, "room_mention", SLICE("body mentions the whole room"), result);
        result->evidence = body;
        return;
    }
    bool declared = !state->configuration->require_m_mentions || filled || declares_mentions(event);
    struct content_walk walk = {0};
    struct content_text text;
    while (content_fields_next(&state->fields, arguments, &walk, &text))
        if (judge_text(state, arguments, &text, declared, result))
            return;
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_for_spam, .function = judge_event},
    {.callback = CALLBACK_check_event_allowed, .function = judge_event},
};

extern const struct module_definition module_mentions;
const struct module_definition module_mentions = {
    .name = "mentions",
    .summary = "Denies events that mention too many users, or the whole room.",
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
