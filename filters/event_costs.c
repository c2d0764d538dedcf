/* What cannot be there is not looked for: a mention takes an `@` or a link, a link `://` or an anchor. */
#include "filters/event_costs.h"

#include <strings.h>

#include "filters/html.h"
#include "filters/links.h"
#include "filters/pills.h"

void event_costs_create(struct event_costs *costs, struct field_table *table, const struct module_host *host)
{
    static char *const names[] = {"body", "formatted_body", "m.text", "org.matrix.msc1767.text"};
    const struct text_list list = {.items = (char **)(uintptr_t)names, .count = sizeof names / sizeof *names};
    (void)content_fields_create(&costs->fields, &list, false, table, host);
    costs->mentions = field_table_declare(table, SLICE("m.mentions"));
    costs->msgtype = field_table_declare(table, SLICE("msgtype"));
}

void event_costs_free(struct event_costs *costs)
{
    content_fields_free(&costs->fields);
}

static int64_t larger(int64_t left, int64_t right)
{
    return left > right ? left : right;
}

static int64_t declared_mentions(yyjson_val *content)
{
    yyjson_val *mentions = content_member(content, SLICE("m.mentions"));
    return (int64_t)yyjson_arr_size(content_member(mentions, SLICE("user_ids"))) +
           yyjson_is_true(content_member(mentions, SLICE("room")));
}

int64_t event_costs_mentions(const struct event_costs *costs, const struct callback_arguments *arguments)
{
    const struct event *event = arguments->event;
    struct content_walk walk = {0};
    struct content_text text;
    int64_t most = 0;
    if (event_content_other(event, costs->mentions))
        most = declared_mentions(event_content(event));
    if (event_content_other(event, costs->fields.new_content))
        most = larger(most, declared_mentions(content_member(event_content(event), SLICE("m.new_content"))));
    while (content_fields_next(&costs->fields, arguments, &walk, &text)) {
        struct at_signs signs = {0};
        if (text.html.length && memchr(text.html.data, '<', text.html.length))
            most = larger(most, (int64_t)pills_count(text.html, arguments->arena));
        if (text.text.length && memchr(text.text.data, '@', text.text.length))
            at_signs_count(content_text_without_code(&text, arguments->arena), !text.html.data, &signs);
        most = larger(most, (int64_t)signs.count);
    }
    return most;
}

static int64_t count_links(struct slice text)
{
    struct slice host;
    int64_t count = 0;
    for (size_t position = 0; links_next(text, &position, &host);)
        count++;
    return count;
}

/* A character reference in front of the scheme would be decoded by a browser: what has one counts. */
static bool leads_outside(struct slice link)
{
    while (link.length && (unsigned char)*link.data <= ' ')
        link = slice_of(link.data + 1, link.length - 1);
    return (link.length && *link.data == '&') || (link.length >= 5 && strncasecmp(link.data, "http:", 5) == 0) ||
           (link.length >= 6 && strncasecmp(link.data, "https:", 6) == 0);
}

struct tags {
    int64_t anchors, images;
};

static struct tags count_tags(struct slice html)
{
    struct tags tags = {0};
    struct html_tag tag;
    for (size_t position = 0; html_next(html, &position, &tag);) {
        if (tag.closing)
            continue;
        tags.images += html_tag_is(&tag, "img");
        tags.anchors += html_tag_is(&tag, "a") && leads_outside(html_attribute(tag.attributes, "href"));
    }
    return tags;
}

int64_t event_costs_links(const struct event_costs *costs, const struct callback_arguments *arguments)
{
    struct content_walk walk = {0};
    struct content_text text;
    int64_t most = 0;
    while (content_fields_next(&costs->fields, arguments, &walk, &text)) {
        most = larger(most, count_links(text.text));
        if (text.html.length)
            most = larger(most, count_tags(text.html).anchors);
    }
    return most;
}

static int64_t count_files(const struct event *event, struct slice msgtype)
{
    static const struct slice kinds[] = {
        {"m.image", 7}, {"m.video", 7}, {"m.audio", 7}, {"m.file", 6}, {"m.sticker", 9}};
    if (slice_equal(event->type, SLICE("m.sticker")))
        return 1;
    for (size_t index = 0; index < sizeof kinds / sizeof *kinds; index++)
        if (slice_equal(msgtype, kinds[index]))
            return 1;
    if (!slice_equal(msgtype, SLICE("m.gallery")) && !slice_equal(msgtype, SLICE("dm.filament.gallery")))
        return 0;
    yyjson_val *items = content_member(event_content(event), SLICE("itemtypes"));
    return larger(1, (int64_t)yyjson_arr_size(items));
}

int64_t event_costs_media(const struct event_costs *costs, const struct callback_arguments *arguments)
{
    struct content_walk walk = {0};
    struct content_text text;
    int64_t images = 0;
    while (content_fields_next(&costs->fields, arguments, &walk, &text))
        if (text.html.length && memchr(text.html.data, '<', text.html.length))
            images = larger(images, count_tags(text.html).images);
    return count_files(arguments->event, event_content_string(arguments->event, costs->msgtype)) + images;
}
