/* The tags of a chain: names by which one module tells those behind it something about what is asked. Each has a bit.
 */
#ifndef WEIR_FILTERS_TAG_NAMES_H
#define WEIR_FILTERS_TAG_NAMES_H

#include <stdint.h>

#include "base/buffer.h"

#define TAGS_MAXIMUM 64u

/* Zeroed it is empty. */
struct tag_names {
    char *names[TAGS_MAXIMUM]; /* by bit; NULL from the first that nobody has asked for */
};

void tag_names_free(struct tag_names *tags);

/* The bit of the tag, which is a new one if nobody has asked for it before; 0 if there are TAGS_MAXIMUM others. */
uint64_t tag_names_bit(struct tag_names *tags, const char *name);
/* The name of the tag number `bit`, from 0; NULL without one. Lives as long as `tags`. */
const char *tag_names_at(const struct tag_names *tags, unsigned bit);

#endif
