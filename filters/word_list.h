/* A list of words and phrases, looked for in a text all at once: as whole words, or anywhere.
 *
 * A text is walked once; each place costs a look into a table of beginnings, and a hash for each length that a word
 * with that beginning has. So it does not matter how many words there are. Unlike a pattern set (pattern_set.h) it says
 * where the words are, and how many. */
#ifndef WEIR_FILTERS_WORD_LIST_H
#define WEIR_FILTERS_WORD_LIST_H

#include <stdint.h>

#include "filters/parameter.h"
#include "filters/text_fold.h"

/* No word is longer than this many bytes, folded. */
#define WORD_LENGTH_MAXIMUM 1024u

struct word_list;

/* `whole`: a word counts only where no letter or digit is beside it; scripts without blanks between words have no such
 * places, and need none. The folding must be open (text_fold_open). */
struct word_list *word_list_create(enum text_folding folding, bool whole);
void word_list_destroy(struct word_list *words);

/* Adds a word; `number` is what is found. NULL, or a sentence that says why it cannot be one. Words that fold alike are
 * one, with the number of the first. */
const char *word_list_add(struct word_list *words, struct slice word, uint32_t number);
/* The words of `list`, the value of the parameter called `parameter`, in any form (TEXT_FOLD_UNICODE), as whole words;
 * each has its place in the list as number. `*words` is NULL if there are none. False, each fault reported, if they
 * cannot be; `*words` is to be destroyed in any case. */
bool word_list_read(struct word_list **words, const char *parameter, const struct text_list *list,
                    const struct module_host *host);
size_t word_list_count(const struct word_list *words);

/* `text` as the list compares it, in `arena`: folded, with each run of blanks as one space. */
struct slice word_list_fold(const struct word_list *words, struct slice text, struct arena *arena);

/* The next word of a folded text from byte `*position` on (0 at first), which moves behind it; of several that begin
 * there, the longest. False if there is none left. */
bool word_list_next(const struct word_list *words, struct slice folded, size_t *position, uint32_t *number);
/* The same, with the part of `folded` that is the word in `*found`. */
bool word_list_find(const struct word_list *words, struct slice folded, size_t *position, struct slice *found,
                    uint32_t *number);

#endif
