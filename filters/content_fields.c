/* Most events are plain: their strings come from the reader, and that a key holds nothing else, and that there is no
 * new content, is known from their shape. Only the others are parsed. */
#include "filters/content_fields.h"

#include <stdlib.h>

#include "base/memory.h"
#include "filters/html.h"

/* Items of one list that are looked at. */
#define LIST_ITEMS 64

static bool split_path(struct content_field *field, const char *name)
{
    field->path = memory_copy_text(name, strlen(name));
    for (const char *step = field->path; field->step_count < CONTENT_FIELD_STEPS;) {
        size_t length = strcspn(step, "/");
        if (length == 0)
            return false;
        field->steps[field->step_count++] = slice_of(step, length);
        if (!step[length])
            return true;
        step += length + 1;
    }
    return false;
}

bool content_fields_create(struct content_fields *fields, const struct text_list *names, bool raw_html,
                           struct field_table *table, const struct module_host *host)
{
    return content_fields_create_as(fields, "fields", names, raw_html, table, host);
}

bool content_fields_create_as(struct content_fields *fields, const char *parameter, const struct text_list *names,
                              bool raw_html, struct field_table *table, const struct module_host *host)
{
    *fields = (struct content_fields){.items = memory_allocate_zeroed(names->count, sizeof *fields->items),
                                      .raw_html = raw_html};
    bool good = names->count != 0;
    if (!good)
        module_host_report(host, parameter, "without fields the module would look at nothing");
    for (size_t index = 0; index < names->count; index++) {
        struct content_field *field = &fields->items[fields->count++];
        if (!split_path(field, names->items[index])) {
            module_host_report(host, parameter, "`%s` is no key and no path of at most %d keys with a / between them",
                               names->items[index], CONTENT_FIELD_STEPS);
            good = false;
            continue;
        }
        field->slot = field_table_declare(table, field->steps[0]);
        field->html = slice_equal(field->steps[field->step_count - 1], SLICE("formatted_body"));
    }
    fields->new_content = field_table_declare(table, SLICE("m.new_content"));
    return good;
}

void content_fields_free(struct content_fields *fields)
{
    for (size_t index = 0; index < fields->count; index++)
        free(fields->items[index].path);
    free(fields->items);
    *fields = (struct content_fields){0};
}

/* The field's value below `content`. */
static yyjson_val *follow(const struct content_field *field, yyjson_val *content)
{
    for (uint32_t step = 0; step < field->step_count && content; step++)
        content = content_member(content, field->steps[step]);
    return content;
}

static struct slice json_text(yyjson_val *value)
{
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value)) : SLICE_ABSENT;
}

static void hand_out(const struct content_fields *fields, const struct callback_arguments *arguments, struct slice text,
                     bool html, struct content_text *output)
{
    bool converted = html && !fields->raw_html;
    output->html = converted ? text : SLICE_ABSENT;
    output->text = converted ? event_html_text(arguments, text) : text;
}

/* The next text of the list that is being walked. */
static bool next_item(const struct content_fields *fields, const struct callback_arguments *arguments,
                      struct content_walk *walk, struct content_text *output)
{
    while (walk->item < yyjson_arr_size(walk->list) && walk->item < LIST_ITEMS) {
        yyjson_val *item = yyjson_arr_get(walk->list, walk->item++);
        struct slice text = yyjson_is_str(item) ? json_text(item) : content_string(item, SLICE("body"));
        if (!text.data)
            continue;
        bool html = slice_equal(content_string(item, SLICE("mimetype")), SLICE("text/html"));
        hand_out(fields, arguments, text, html, output);
        return true;
    }
    walk->list = NULL;
    walk->item = 0;
    return false;
}

/* The value of a field: a text, or a list in the walk. */
static bool look_at(const struct content_fields *fields, const struct callback_arguments *arguments,
                    const struct content_field *field, struct content_walk *walk, struct content_text *output)
{
    const struct event *event = arguments->event;
    struct slice text = SLICE_ABSENT;
    if (!walk->edited && field->step_count == 1)
        text = event_content_string(event, field->slot);
    if (!text.data && (walk->edited || event_content_other(event, field->slot))) {
        yyjson_val *value = follow(field, walk->edited ? walk->new_content : event_content(event));
        walk->list = yyjson_is_arr(value) ? value : NULL;
        text = json_text(value);
    }
    if (!text.data)
        return walk->list && next_item(fields, arguments, walk, output);
    hand_out(fields, arguments, text, field->html, output);
    return true;
}

/* Goes on to the new content; false if there is none. */
static bool begin_edit(const struct content_fields *fields, const struct event *event, struct content_walk *walk)
{
    if (walk->edited || !event_content_other(event, fields->new_content))
        return false;
    walk->new_content = content_member(event_content(event), SLICE("m.new_content"));
    walk->edited = true;
    walk->field = 0;
    return yyjson_is_obj(walk->new_content);
}

bool content_fields_next(const struct content_fields *fields, const struct callback_arguments *arguments,
                         struct content_walk *walk, struct content_text *output)
{
    if (!arguments->event || !arguments->event->has_body)
        return false;
    do {
        output->edited = walk->edited;
        if (walk->list) {
            output->field = fields->items[walk->field - 1].path;
            if (next_item(fields, arguments, walk, output))
                return true;
        }
        while (walk->field < fields->count) {
            const struct content_field *field = &fields->items[walk->field++];
            output->field = field->path;
            if (look_at(fields, arguments, field, walk, output))
                return true;
        }
    } while (begin_edit(fields, arguments->event, walk));
    return false;
}

struct slice content_text_without_code(const struct content_text *text, struct arena *arena)
{
    if (!text->html.data)
        return text->text;
    char *memory = arena_allocate(arena, text->html.length);
    return slice_of(memory, html_text(text->html, true, memory));
}

struct slice content_text_place(const struct content_text *text, struct arena *arena)
{
    return arena_format(arena, "%s%s", text->field, text->edited ? " of the edit" : "");
}
