/* Only what is shown is ever read this way: a thousand events at most. */
#include "engine/backtest_excerpt.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/utf8.h"

static bool is_space(uint32_t point)
{
    return point == '\n' || point == '\r' || point == '\t' || point == 0x2028 || point == 0x2029;
}

/* C0, DEL, C1; marks, embeddings, overrides and isolates of direction (UAX 9); the byte order mark; characters that are
 * none in XML. */
static bool is_harmful(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c || point == 0x200e || point == 0x200f ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0xfeff ||
           (point & 0xfffe) == 0xfffe;
}

void backtest_append_plain(struct buffer *output, struct slice text, uint32_t characters)
{
    if (!slice_present(text))
        return;
    const unsigned char *cursor = (const unsigned char *)text.data;
    const unsigned char *end = cursor + text.length;
    for (; cursor < end && characters; characters--) {
        uint32_t point = utf8_decode(&cursor, end);
        if (is_space(point))
            point = ' ';
        else if (is_harmful(point))
            point = UTF8_REPLACEMENT;
        output->length += utf8_encode(point, buffer_reserve(output, 4));
    }
    if (cursor < end)
        buffer_append_string(output, "…");
}

void backtest_append_excerpt(struct buffer *output, struct slice body, uint32_t characters)
{
    if (!slice_present(body))
        return;
    yyjson_doc *document = yyjson_read(body.data, body.length, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_val *content = yyjson_obj_get(yyjson_doc_get_root(document), "content");
    yyjson_val *text = yyjson_obj_get(content, "body");
    if (yyjson_is_str(text)) {
        backtest_append_plain(output, slice_of(yyjson_get_str(text), yyjson_get_len(text)), characters);
    } else if (content) {
        size_t length;
        char *json = yyjson_val_write(content, YYJSON_WRITE_NOFLAG, &length);
        if (json)
            backtest_append_plain(output, slice_of(json, length), characters);
        free(json);
    }
    yyjson_doc_free(document);
}
