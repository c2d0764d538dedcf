/* Mentions in a text: links to users ("pills") in HTML, and `@` in prose. */
#ifndef WEIR_FILTERS_PILLS_H
#define WEIR_FILTERS_PILLS_H

#include "base/arena.h"

/* How many links of `html` lead to a user: https://matrix.to/#/@…, matrix:u/…. */
size_t pills_count(struct slice html, struct arena *arena);

struct at_signs {
    size_t count;    /* an `@` that begins a word: `@name`, not `name@example.org` */
    size_t user_ids; /* those of them that are whole ids: `@name:server` */
};
/* Those of the prose of `text` (plain_text.h), added to `signs`. */
void at_signs_count(struct slice text, bool markdown, struct at_signs *signs);

/* Whether `text` holds the word @room, as the push rule of old looks for it (.m.rule.roomnotif): in any case, with no
 * letter, digit or `_` beside it. */
bool at_room_found(struct slice text);

#endif
