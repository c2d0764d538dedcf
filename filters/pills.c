#include "filters/pills.h"

#include <strings.h>

#include "filters/html.h"
#include "filters/plain_text.h"

/* Takes `prefix` (small letters) off the text, in any case. */
static bool take_prefix(struct slice *text, const char *prefix)
{
    size_t length = strlen(prefix);
    if (text->length < length || strncasecmp(text->data, prefix, length) != 0)
        return false;
    *text = slice_of(text->data + length, text->length - length);
    return true;
}

static bool leads_to_user(struct slice link)
{
    while (link.length && (unsigned char)*link.data <= ' ')
        link = slice_of(link.data + 1, link.length - 1);
    if (take_prefix(&link, "matrix:"))
        return take_prefix(&link, "u/") || take_prefix(&link, "user/");
    if (!take_prefix(&link, "https://") && !take_prefix(&link, "http://"))
        return false;
    (void)take_prefix(&link, "www.");
    return take_prefix(&link, "matrix.to/#/") && (take_prefix(&link, "@") || take_prefix(&link, "%40"));
}

size_t pills_count(struct slice html, struct arena *arena)
{
    size_t count = 0;
    size_t position = 0;
    struct html_tag tag;
    while (html_next(html, &position, &tag)) {
        if (!html_tag_is(&tag, "a"))
            continue;
        struct slice link = html_attribute(tag.attributes, "href");
        if (link.length && memchr(link.data, '&', link.length)) {
            char *memory = arena_allocate(arena, link.length);
            link = slice_of(memory, html_decode(link, memory));
        }
        count += link.length && leads_to_user(link);
    }
    return count;
}

/* Letters, digits and whatever is not ASCII. */
static bool is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || (unsigned char)byte >= 0x80;
}

static bool is_name(char byte)
{
    return is_word(byte) || byte == '.' || byte == '-' || byte == '=' || byte == '/' || byte == '+';
}

static void count_in_piece(struct slice piece, struct at_signs *signs)
{
    const char *end = piece.data + piece.length;
    for (const char *at = piece.data; (at = memchr(at, '@', (size_t)(end - at))); at++) {
        const char *stop = at + 1;
        if (stop == end || !is_word(*stop) || (at > piece.data && is_name(at[-1])))
            continue;
        while (stop < end && is_name(*stop))
            stop++;
        signs->count++;
        signs->user_ids += end - stop > 1 && *stop == ':' && is_word(stop[1]);
    }
}

void at_signs_count(struct slice text, bool markdown, struct at_signs *signs)
{
    struct slice piece;
    for (size_t position = 0; plain_text_next(text, markdown, &position, &piece);)
        count_in_piece(piece, signs);
}

static bool is_ascii_word(char byte)
{
    return is_word(byte) && (unsigned char)byte < 0x80;
}

bool at_room_found(struct slice text)
{
    if (!slice_present(text))
        return false;
    const char *end = text.data + text.length;
    for (const char *at = text.data; (at = memchr(at, '@', (size_t)(end - at))); at++) {
        struct slice rest = slice_of(at, (size_t)(end - at));
        bool begins = at == text.data || !is_ascii_word(at[-1]);
        if (begins && take_prefix(&rest, "@room") && (!rest.length || !is_ascii_word(*rest.data)))
            return true;
    }
    return false;
}
