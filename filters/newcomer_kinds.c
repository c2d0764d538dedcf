/* One kind is asked for at a time: what stands in the texts is looked for only where it is denied. */
#include "filters/newcomer_kinds.h"

#include "filters/module.h"
#include "filters/word_list.h"

const char *const newcomer_kind_names[] = {"media", "links",     "mentions", "any", "invites",
                                           "edits", "reactions", "joins",    NULL};

const char *newcomer_rule_name(enum newcomer_kind kind)
{
    return kind == NEWCOMER_WORDS ? "words" : newcomer_kind_names[kind];
}

bool newcomer_kinds_create(struct newcomer_kinds *kinds, const char *parameter, const struct text_list *words,
                           struct field_table *fields, const struct module_host *host)
{
    event_costs_create(&kinds->costs, fields, host);
    kinds->relates_to = field_table_declare(fields, SLICE("m.relates_to"));
    return word_list_read(&kinds->words, parameter, words, host);
}

void newcomer_kinds_free(struct newcomer_kinds *kinds)
{
    event_costs_free(&kinds->costs);
    word_list_destroy(kinds->words);
}

static bool is_edit(const struct newcomer_kinds *kinds, const struct event *event)
{
    if (!event_content_other(event, kinds->relates_to))
        return false;
    yyjson_val *relation = content_member(event_content(event), SLICE("m.relates_to"));
    return slice_equal(content_string(relation, SLICE("rel_type")), SLICE("m.replace"));
}

static bool has_word(const struct newcomer_kinds *kinds, const struct callback_arguments *arguments)
{
    struct content_walk walk = {0};
    struct content_text text;
    while (content_fields_next(&kinds->costs.fields, arguments, &walk, &text)) {
        size_t position = 0;
        uint32_t number;
        struct slice folded = word_list_fold(kinds->words, text.text, arguments->arena);
        if (word_list_next(kinds->words, folded, &position, &number))
            return true;
    }
    return false;
}

bool newcomer_kind_is(const struct newcomer_kinds *kinds, const struct callback_arguments *arguments,
                      enum newcomer_kind kind)
{
    const struct event *event = arguments->event;
    switch (kind) {
    case NEWCOMER_MEDIA:
        return event_costs_media(&kinds->costs, arguments) > 0;
    case NEWCOMER_LINKS:
        return event_costs_links(&kinds->costs, arguments) > 0;
    case NEWCOMER_MENTIONS:
        return event_costs_mentions(&kinds->costs, arguments) > 0;
    case NEWCOMER_ANY:
        return !slice_present(event->state_key);
    case NEWCOMER_EDITS:
        return is_edit(kinds, event);
    case NEWCOMER_REACTIONS:
        return slice_equal(event->type, SLICE("m.reaction"));
    case NEWCOMER_WORDS:
        return kinds->words && has_word(kinds, arguments);
    case NEWCOMER_INVITES:
    case NEWCOMER_JOINS:
    case NEWCOMER_KINDS:
        break;
    }
    return false;
}
