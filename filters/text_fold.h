/* Texts in one form, so that a word is found however it is written: for lists of words and comparisons of texts.
 *
 * Both sides are folded alike; what comes out is for comparing, not for reading. */
#ifndef WEIR_FILTERS_TEXT_FOLD_H
#define WEIR_FILTERS_TEXT_FOLD_H

#include "base/arena.h"

enum text_folding {
    TEXT_FOLD_NONE,
    TEXT_FOLD_CASE, /* capital and small letters are one */
    /* Beyond that: compatibility forms (ｆｕｌｌ, 𝐛𝐨𝐥𝐝, ⓒ, ﬁ) and look-alikes of other scripts (Cyrillic а, Greek ο;
     * UTS 39) are one with the plain letter, small capitals and letters in squares likewise; marks above and below, and
     * what is not seen, are left out; digits of any script are ASCII's; any blank outside ASCII is a space. A letter
     * outside ASCII folds to a plain one if its small form looks like one, or else if its capital form does. ASCII
     * itself is only folded to small letters: `0` and `o`, `1` and `l`, `rn` and `m` stay apart, for they are in every
     * other word. */
    TEXT_FOLD_UNICODE,
};

/* The names, in order, for a parameter with choices: "none", "case", "unicode", NULL. */
extern const char *const text_folding_names[];

/* Gets ready for `folding`; TEXT_FOLD_UNICODE needs the library ICU, which is not loaded before. To be called before
 * text_fold; more than once is no fault. False with a sentence in `*problem`. */
bool text_fold_open(enum text_folding folding, const char **problem);

/* How many bytes text_fold needs: up to four times as many as the text has, and four. */
size_t text_fold_room(enum text_folding folding, struct slice text);
/* Writes `text` folded to `output`; bytes that are not UTF-8 become U+FFFD. Returns the bytes written. What no ICU has
 * looked at yet takes about 100 µs for each 256 code points, once for all threads. */
size_t text_fold(enum text_folding folding, struct slice text, char *output);
/* The same in `arena`; `text` itself with TEXT_FOLD_NONE and if it is absent. */
struct slice text_folded(enum text_folding folding, struct slice text, struct arena *arena);

#endif
