/* Matrix's HTML (`formatted_body`) taken apart as browsers do it, without building a tree: tags with their attributes,
 * and the text that people see.
 *
 * Everything is linear in the text, and no output is longer than what it was made of. */
#ifndef WEIR_FILTERS_HTML_H
#define WEIR_FILTERS_HTML_H

#include "base/slice.h"

struct html_tag {
    struct slice before;     /* the text since the last tag, raw */
    struct slice name;       /* as written; absent: the text ended without another tag */
    struct slice attributes; /* raw; empty for a closing tag */
    bool closing;
};

/* The next tag from byte `*position` on (0 at first), passing over comments and declarations, with the text before it;
 * `*position` moves behind it. False at the end, when there is no text left either. What begins like a tag and does not
 * end is dropped. */
bool html_next(struct slice html, size_t *position, struct html_tag *tag);

/* Whether the tag is called `name`, which is in small letters. */
bool html_tag_is(const struct html_tag *tag, const char *name);

/* The raw value of the attribute `name` (small letters), the first if there are several; empty without a value, absent
 * without the attribute. */
struct slice html_attribute(struct slice attributes, const char *name);

/* Writes `raw` to `output` with its character references (`&amp;`, `&#64;`, `&#x40;`) replaced; `output` has room for
 * raw.length bytes. Returns the bytes written. Named ones are those that stand for ASCII, Latin-1 and common
 * punctuation; others stay as they are. */
size_t html_decode(struct slice raw, char *output);

/* Writes the text that people see to `output`, which has room for html.length bytes: no tags, references replaced,
 * white space run together except in <pre>, a newline at each <br> and between blocks. With `without_code`, what is in
 * <pre> and <code> is left out. Returns the bytes written. */
size_t html_text(struct slice html, bool without_code, char *output);

#endif
