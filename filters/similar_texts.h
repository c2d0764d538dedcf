/* Which of the texts seen lately a text is like: spam that is sent again with a word, a name or a number changed.
 *
 * Two texts are as similar as the share that they have in common of all runs of six bytes in either (Jaccard's index):
 * 1 if they have the same, 0 if none. One word changed of twenty leaves about 0.8, of ten about 0.65; a name put before
 * a sentence of a hundred bytes about 0.87. Of 12,000 pairs of paragraphs about one thing, 999 of 1000 are below 0.11.
 *
 * It is estimated from 128 hashes of each text (MinHash with one permutation). The standard error is 0.044 at a
 * similarity of 0.5, 0.035 at 0.8, 0.027 at 0.9; of texts with fewer than 128 runs less. A text that is as similar as
 * asked is looked at with a chance of 96 % or more, in a table that is not full.
 *
 * Each text takes 240 bytes. When there are as many as the table was made for, the oldest gives way. Memory that was
 * never touched takes no room. Not for several threads. */
#ifndef WEIR_FILTERS_SIMILAR_TEXTS_H
#define WEIR_FILTERS_SIMILAR_TEXTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* Of a longer text the beginning counts. */
#define SIMILAR_TEXT_MAXIMUM 16384u

struct similar_texts;

/* `similarity`: from which on two texts are alike, in [0.5, 1]. `capacity`: how many texts it holds, at least 8. */
struct similar_texts *similar_texts_create(double similarity, uint32_t capacity);
void similar_texts_destroy(struct similar_texts *texts);

/* The group of `text`, which should be folded: that of the text most like it, or a new one, which is its hash.
 * With `remember` the text is held on to. `seed`: as for keyed_hash, always the same. */
uint64_t similar_texts_group(struct similar_texts *texts, struct slice text, uint64_t seed, bool remember);

/* Bytes reserved, whether touched or not. */
size_t similar_texts_memory(const struct similar_texts *texts);

/* Appends all that the table holds. */
void similar_texts_save(const struct similar_texts *texts, struct buffer *output);
/* Takes the place of all that the table holds; false, and the table is empty, if no table has saved that. */
bool similar_texts_restore(struct similar_texts *texts, struct slice saved);

#endif
