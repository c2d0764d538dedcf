/* What is unwanted in a local event is replaced before the event is stored, instead of the event being refused.
 *
 * The texts of an event are looked at as event_content.h hands them out; only where something is found, the content is
 * taken apart, changed, and handed back as the event's new content. HTML is not edited by words, since a word may lie
 * across tags: formatted text in which something is found is taken out, and clients show the plain text. What a
 * relation says (`m.relates_to`) is never touched, so that replies, edits and threads stay what they are.
 *
 * Events of other servers are theirs: nobody can change them. Asked about what it has made, the module says nothing. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/text_find.h"
#include "base/utf8.h"
#include "filters/censor_rule.h"
#include "filters/content_fields.h"
#include "filters/html.h"
#include "filters/matrix_links.h"
#include "filters/module.h"
#include "filters/subject.h"

enum { STRIP_FORMATTED_BODY = 1, STRIP_INLINE_IMAGES = 2, STRIP_VIA_LINKS = 4, STRIP_CUSTOM_KEYS = 8 };
static const char *const strip_names[] = {"formatted_body", "inline_images", "via_links", "custom_keys", NULL};

struct configuration {
    struct map_list rules;
    char *mask_char;
    unsigned strip;
    struct text_list fields;
};

struct state {
    const struct configuration *configuration;
    struct slice server_name;
    struct censor_rules rules;
    struct content_fields fields;
    uint32_t formatted_body, new_content; /* slots */
};

static const struct parameter parameters[] = {
    {.name = "rules",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, rules),
     .fallback = "[]",
     .fields = censor_rule_parameters,
     .field_count = CENSOR_RULE_PARAMETERS,
     .map_size = sizeof(struct censor_rule_configuration),
     .text = "What is replaced in the texts of local events, one rule after another."},
    {.name = "mask_char",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, mask_char),
     .fallback = "*",
     .text = "The character that masks others."},
    {.name = "strip",
     .type = PARAMETER_CHOICES,
     .offset = offsetof(struct configuration, strip),
     .fallback = "[]",
     .choices = strip_names,
     .text =
         "What is taken out of every local event. formatted_body: the text as HTML; inline_images: images within it; "
         "via_links: the servers that links to rooms and events name; custom_keys: keys of messages, stickers and "
         "reactions that the Matrix specification does not have."},
    {.name = "fields",
     .type = PARAMETER_TEXT_LIST,
     .offset = offsetof(struct configuration, fields),
     .fallback = CONTENT_FIELDS_DEFAULT,
     .text = CONTENT_FIELDS_TEXT},
};

static void destroy(void *pointer)
{
    struct state *state = pointer;
    censor_rules_free(&state->rules);
    content_fields_free(&state->fields);
    free(state);
}

static bool is_one_character(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.length;
    if (text.length == 0)
        return false;
    (void)utf8_decode(&at, end);
    return at == end;
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    struct slice mask = slice_from_string(configuration->mask_char);
    state->configuration = configuration;
    state->server_name = slice_from_string(setup->server_name);
    state->formatted_body = field_table_declare(setup->fields, SLICE("formatted_body"));
    state->new_content = field_table_declare(setup->fields, SLICE("m.new_content"));
    bool good = is_one_character(mask);
    if (!good)
        module_host_report(setup->host, "mask_char", "must be one character");
    good &= censor_rules_create(&state->rules, &configuration->rules, mask, setup->host);
    good &= content_fields_create(&state->fields, &configuration->fields, false, setup->fields, setup->host);
    if (!good) {
        destroy(state);
        return NULL;
    }
    if (!state->rules.count && !configuration->strip)
        module_host_warn(setup->host, "", "nothing is censored: every event stays as it is");
    return state;
}

/* A content that is being changed. */
struct work {
    struct state *state;
    struct arena *arena;
    bool changed;
};

static struct slice json_text(const json_t *json)
{
    return json_is_string(json) ? slice_of(json_string_value(json), json_string_length(json)) : SLICE_ABSENT;
}

/* ---- HTML */

/* The first rule that finds anything in what people see of the HTML, or in what its tags say: where links and images
 * lead, and the words beside images. */
static const struct censor_rule *find_in_html(struct censor_rules *rules, struct slice visible, struct slice html,
                                              struct arena *arena)
{
    static const char *const attributes[] = {"href", "src", "alt", "title"};
    const struct censor_rule *rule = censor_rules_find(rules, visible, arena);
    struct html_tag tag;
    for (size_t position = 0; !rule && rules->count && html_next(html, &position, &tag);) {
        for (size_t index = 0; !rule && index < sizeof attributes / sizeof *attributes; index++) {
            struct slice raw = html_attribute(tag.attributes, attributes[index]);
            if (!raw.data || raw.length == 0)
                continue;
            char *decoded = arena_allocate(arena, raw.length);
            rule = censor_rules_find(rules, slice_of(decoded, html_decode(raw, decoded)), arena);
        }
    }
    return rule;
}

/* The HTML without its images; itself if there are none. */
static struct slice without_images(struct slice html, struct arena *arena)
{
    char *output = arena_allocate(arena, html.length + 1);
    size_t length = 0, position = 0, copied = 0;
    struct html_tag tag;
    while (html_next(html, &position, &tag)) {
        if (!html_tag_is(&tag, "img"))
            continue;
        size_t begin = (size_t)(tag.before.data + tag.before.length - html.data);
        memcpy(output + length, html.data + copied, begin - copied);
        length += begin - copied;
        copied = position;
    }
    if (copied == 0)
        return html;
    memcpy(output + length, html.data + copied, html.length - copied);
    return slice_of(output, length + html.length - copied);
}

/* ---- the content */

static void set_text(struct work *work, json_t *parent, const char *key, struct slice text)
{
    if (slice_equal(json_text(json_object_get(parent, key)), text))
        return;
    json_object_set_new(parent, key, json_stringn(text.data, text.length));
    work->changed = true;
}

static void take_out(struct work *work, json_t *parent, const char *key)
{
    work->changed |= json_object_del(parent, key) == 0;
}

/* How often a text is gone over: what one step takes out may leave something for another. */
#define ROUNDS 8

/* A text as it may stay; empty if it does not come to rest. */
static struct slice censored(struct work *work, struct slice text)
{
    bool strip_via = work->state->configuration->strip & STRIP_VIA_LINKS;
    for (int round = 0; round < ROUNDS; round++) {
        struct slice before = text;
        if (strip_via)
            text = matrix_links_without_via(text, work->arena);
        text = censor_rules_apply(&work->state->rules, text, work->arena);
        if (slice_equal(before, text))
            return text;
    }
    return SLICE("");
}

static bool is_unwanted_html(struct work *work, struct slice html)
{
    char *visible = arena_allocate(work->arena, html.length + 1);
    struct slice text = slice_of(visible, html_text(html, false, visible));
    return work->state->configuration->strip & STRIP_FORMATTED_BODY ||
           find_in_html(&work->state->rules, text, html, work->arena);
}

/* HTML as it may stay; absent: not at all. */
static struct slice censored_html(struct work *work, struct slice html)
{
    unsigned strip = work->state->configuration->strip;
    for (int round = 0; round < ROUNDS && !is_unwanted_html(work, html); round++) {
        struct slice before = html;
        if (strip & STRIP_INLINE_IMAGES)
            html = without_images(html, work->arena);
        if (strip & STRIP_VIA_LINKS)
            html = matrix_links_without_via(html, work->arena);
        if (slice_equal(before, html))
            return html;
    }
    return SLICE_ABSENT;
}

/* Items of an extensible text: texts, or objects with a `body`; HTML that may not stay goes with its item. */
static void censor_items(struct work *work, json_t *items)
{
    for (size_t index = json_array_size(items); index-- > 0;) {
        json_t *item = json_array_get(items, index);
        struct slice text = json_text(json_is_object(item) ? json_object_get(item, "body") : item);
        bool html = slice_equal(json_text(json_object_get(item, "mimetype")), SLICE("text/html"));
        struct slice after = text.data ? html ? censored_html(work, text) : censored(work, text) : SLICE_ABSENT;
        if (!text.data || slice_equal(text, after))
            continue;
        work->changed = true;
        if (!after.data)
            json_array_remove(items, index);
        else if (json_is_object(item))
            json_object_set_new(item, "body", json_stringn(after.data, after.length));
        else
            json_array_set_new(items, index, json_stringn(after.data, after.length));
    }
}

static void censor_field(struct work *work, const struct content_field *field, json_t *content)
{
    json_t *parent = content;
    char key[256];
    for (uint32_t step = 0; step < field->step_count; step++) {
        if (field->steps[step].length >= sizeof key || !json_is_object(parent))
            return;
        memcpy(key, field->steps[step].data, field->steps[step].length);
        key[field->steps[step].length] = '\0';
        if (step == 0 && strcmp(key, "m.relates_to") == 0)
            return;
        if (step + 1 < field->step_count)
            parent = json_object_get(parent, key);
    }
    json_t *value = json_object_get(parent, key);
    struct slice text = json_text(value);
    if (json_is_array(value)) {
        censor_items(work, value);
    } else if (text.data && !field->html) {
        set_text(work, parent, key, censored(work, text));
    } else if (text.data) {
        struct slice after = censored_html(work, text);
        if (after.data) {
            set_text(work, parent, key, after);
            return;
        }
        take_out(work, parent, key);
        take_out(work, parent, "format");
    }
}

/* Keys of messages, stickers and reactions in the Matrix specification, beside those that begin with `m.`; the last row
 * is of verification requests, which are messages. */
static const char *const known_keys[] = {
    "msgtype",       "body",       "format",  "formatted_body", "filename",
    "url",           "file",       "info",    "geo_uri",        "server_notice_type",
    "admin_contact", "limit_type", "methods", "from_device",    "to"};

static bool is_known_key(const char *key)
{
    if (strncmp(key, "m.", 2) == 0)
        return true;
    for (size_t index = 0; index < sizeof known_keys / sizeof *known_keys; index++)
        if (strcmp(key, known_keys[index]) == 0)
            return true;
    return false;
}

static void strip_custom_keys(struct work *work, json_t *content)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(content, next, key, value)
    {
        if (!is_known_key(key))
            take_out(work, content, key);
    }
}

static bool has_known_keys(struct slice type)
{
    return slice_equal(type, SLICE("m.room.message")) || slice_equal(type, SLICE("m.sticker")) ||
           slice_equal(type, SLICE("m.reaction"));
}

static void censor_content(struct work *work, struct slice type, json_t *content)
{
    const struct content_fields *fields = &work->state->fields;
    if (!json_is_object(content))
        return;
    if (work->state->configuration->strip & STRIP_CUSTOM_KEYS && has_known_keys(type))
        strip_custom_keys(work, content);
    if (work->state->configuration->strip & STRIP_FORMATTED_BODY && json_object_get(content, "formatted_body")) {
        take_out(work, content, "formatted_body");
        take_out(work, content, "format");
    }
    for (size_t index = 0; index < fields->count; index++)
        censor_field(work, &fields->items[index], content);
}

/* ---- questions */

/* The first rule that finds anything, or NULL. */
static const struct censor_rule *find_rule(struct state *state, const struct callback_arguments *arguments,
                                           struct slice *evidence)
{
    struct content_walk walk = {0};
    struct content_text text;
    const struct censor_rule *rule = NULL;
    while (!rule && state->rules.count && content_fields_next(&state->fields, arguments, &walk, &text)) {
        rule = text.html.data ? find_in_html(&state->rules, text.text, text.html, arguments->arena)
                              : censor_rules_find(&state->rules, text.text, arguments->arena);
        *evidence = content_text_evidence(&text);
    }
    return rule;
}

/* Whether there may be anything to strip. */
static bool may_strip(const struct state *state, const struct event *event)
{
    unsigned strip = state->configuration->strip;
    if (strip & STRIP_CUSTOM_KEYS && has_known_keys(event->type))
        return true;
    if (strip & STRIP_VIA_LINKS && text_find(event->body, SLICE("via=")))
        return true;
    return strip & (STRIP_FORMATTED_BODY | STRIP_INLINE_IMAGES) &&
           (slice_present(event_content_string(event, state->formatted_body)) ||
            event_content_other(event, state->formatted_body) || event_content_other(event, state->new_content) ||
            text_find(event->body, SLICE("text/html")));
}

static void check_event_allowed(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    const struct event *event = arguments->event;
    struct slice evidence = SLICE_ABSENT;
    result->value.kind = VALUE_PASS;
    if (!event->has_body || event->body.length > EVENT_CONTENT_MAXIMUM ||
        !slice_equal(subject_server(arguments), state->server_name))
        return;
    const struct censor_rule *rule = find_rule(state, arguments, &evidence);
    if (!rule && !may_strip(state, event))
        return;
    struct work work = {.state = state, .arena = arguments->arena};
    json_t *whole = json_loadb(event->body.data, event->body.length, 0, NULL);
    json_t *content = json_object_get(whole, "content");
    result->rule = rule ? rule->name : SLICE("strip");
    result->evidence = rule ? evidence : event->type;
    censor_content(&work, event->type, content);
    censor_content(&work, event->type, json_object_get(content, "m.new_content"));
    if (work.changed) {
        json_t *members = json_pack("{s:O}", "content", content);
        result->value = value_pair(arguments->arena, true, value_own_json(arguments->arena, members));
        result->reason = SLICE("what is unwanted was taken out of the content");
    } else if (rule && !whole) {
        result->value = value_refuse(SLICE_ABSENT);
        result->reason = SLICE("the event holds what is unwanted, and numbers or characters that cannot be rewritten");
    } else {
        *result = (struct result){.value = {.kind = VALUE_PASS}};
    }
    json_decref(whole);
}

static const struct module_callback callbacks[] = {
    {.callback = CALLBACK_check_event_allowed, .function = check_event_allowed}};

extern const struct module_definition module_censor;
const struct module_definition module_censor = {
    .name = "censor",
    .summary = "Replaces words, expressions and links in the texts of local events, and strips what is unwanted.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,
    .replaces = true,
    .concurrent = true,
    .callbacks = callbacks,
    .callback_count = sizeof callbacks / sizeof *callbacks,
    .create = create,
    .destroy = destroy,
};
