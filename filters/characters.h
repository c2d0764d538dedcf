/* What sort of character a code point is, as far as the look of a text goes. */
#ifndef WEIR_FILTERS_CHARACTERS_H
#define WEIR_FILTERS_CHARACTERS_H

#include <stdbool.h>
#include <stdint.h>

/* Unicode's White_Space. */
bool character_is_blank(uint32_t point);
/* Set over, under or around the character before it (general categories Mn and Me). */
bool character_is_combining(uint32_t point);
/* Zero-width characters that come between others without being seen. */
bool character_is_joiner(uint32_t point);
/* Begins a run of text with a direction of its own that goes from right to left, or against the letters' own:
 * RLE, LRO, RLO, RLI. */
bool character_turns_direction(uint32_t point);
/* Of a script that sets no blanks between words: Chinese, Japanese, Thai, Lao, Burmese, Khmer, Tibetan. */
bool character_is_unspaced(uint32_t point);

/* Letters, digits and marks, as far as a word is made of them: no blanks, no punctuation, no symbols and emoji. */
bool character_is_word(uint32_t point);

enum character_case { CHARACTER_CASELESS, CHARACTER_SMALL, CHARACTER_CAPITAL };
/* Of Latin, Greek, Cyrillic, Armenian and fullwidth letters; others count as caseless. */
enum character_case character_case_of(uint32_t point);

#endif
