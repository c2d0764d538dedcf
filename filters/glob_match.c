/* The usual walk with one point to go back to: behind the last star, since whatever an earlier star could take, the
 * last one can take as well. `glob_covers` is the same walk over a text in which `*` and `?` are characters that only
 * a wildcard as wide as they are can match. */
#include "filters/glob_match.h"

#include <stdint.h>

static bool continues(struct slice text, size_t place)
{
    return place < text.length && ((unsigned char)text.data[place] & 0xc0u) == 0x80u;
}

/* The place behind the character at `place`. */
static size_t next_character(struct slice text, size_t place)
{
    place++;
    while (continues(text, place))
        place++;
    return place;
}

static bool walk(struct slice glob, struct slice text, bool text_is_glob)
{
    size_t at = 0, place = 0;               /* in the glob, in the text */
    size_t star = SIZE_MAX, star_place = 0; /* behind the last star; where the text goes on behind what it took */
    while (place < text.length) {
        char expected = at < glob.length ? glob.data[at] : '\0';
        if (at < glob.length && expected == '*') {
            star = ++at;
            star_place = place;
        } else if (at < glob.length && expected == '?' && !(text_is_glob && text.data[place] == '*')) {
            at++;
            place = next_character(text, place);
        } else if (at < glob.length && expected != '?' && expected == text.data[place]) {
            at++;
            place++;
        } else if (star != SIZE_MAX) {
            at = star;
            place = star_place = next_character(text, star_place);
        } else {
            return false;
        }
    }
    while (at < glob.length && glob.data[at] == '*')
        at++;
    return at == glob.length;
}

bool glob_matches(struct slice glob, struct slice text)
{
    return walk(glob, text, false);
}

bool glob_covers(struct slice glob, struct slice other)
{
    return walk(glob, other, true);
}
