/* The texts of an event that a module looks into: its parameter `fields`, read from the event itself and, for an edit,
 * from the new content, too.
 *
 * A field is a key of `content`, or a path with a `/` between its steps ("info/mimetype"). Where it holds a list, as
 * extensible texts do (MSC1767), each item is a text: a string, or an object with a string `body`. What is HTML
 * (`formatted_body`, items with the mimetype text/html) is handed out as the text that people see, unless the module
 * wants it raw. */
#ifndef WEIR_FILTERS_CONTENT_FIELDS_H
#define WEIR_FILTERS_CONTENT_FIELDS_H

#include "filters/event_content.h"
#include "filters/parameter.h"

/* The default of `fields`, as a parameter table has it. */
#define CONTENT_FIELDS_DEFAULT "body formatted_body m.text org.matrix.msc1767.text"
/* For the text of the parameter. */
#define CONTENT_FIELDS_TEXT                                                                                            \
    "The keys of `content` to look into, or paths such as info/mimetype; the new content of an edit is looked into, "  \
    "too."

#define CONTENT_FIELD_STEPS 8

struct content_field {
    struct slice steps[CONTENT_FIELD_STEPS]; /* in `path` */
    uint32_t step_count;
    uint32_t slot; /* of the first step */
    bool html;
    char *path;
};

struct content_fields {
    struct content_field *items;
    size_t count;
    uint32_t new_content; /* its slot */
    bool raw_html;
};

/* Declares `names` in `table`. False, reported under "fields", if there is none, or one that cannot be. Free with
 * content_fields_free in any case. */
bool content_fields_create(struct content_fields *fields, const struct text_list *names, bool raw_html,
                           struct field_table *table, const struct module_host *host);
/* The same for a parameter of another name. */
bool content_fields_create_as(struct content_fields *fields, const char *parameter, const struct text_list *names,
                              bool raw_html, struct field_table *table, const struct module_host *host);
void content_fields_free(struct content_fields *fields);

struct content_text {
    struct slice text;
    struct slice html; /* what it was made of; absent if it is no HTML, or was wanted raw */
    const char *field; /* as it was configured */
    bool edited;       /* it is in the new content */
};

/* A walk over the texts; zeroed at first. */
struct content_walk {
    size_t field;
    bool edited;
    yyjson_val *list; /* being walked, NULL: none */
    size_t item;
    yyjson_val *new_content;
};

/* The next text; false at the end. The texts live as event_content.h says. An event without a body has none. */
bool content_fields_next(const struct content_fields *fields, const struct callback_arguments *arguments,
                         struct content_walk *walk, struct content_text *text);

/* The text as the event has it, for a result's `evidence`. */
static inline struct slice content_text_evidence(const struct content_text *text)
{
    return text->html.data ? text->html : text->text;
}

/* The text without what is code in its HTML, for rules about prose; plain_text.h takes out what Markdown marks as such.
 * In `arena`, if it is not the text itself. */
struct slice content_text_without_code(const struct content_text *text, struct arena *arena);

/* "body", "formatted_body of the edit": where the text stands, for a reason; in `arena`. */
struct slice content_text_place(const struct content_text *text, struct arena *arena);

#endif
