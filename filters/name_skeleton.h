/* What a name looks like to somebody who only glances at it: for finding names that pass themselves off as others. */
#ifndef WEIR_FILTERS_NAME_SKELETON_H
#define WEIR_FILTERS_NAME_SKELETON_H

#include "base/arena.h"

/* Names of the same look have the same skeleton: folded by TEXT_FOLD_UNICODE (which must be open, text_fold.h), without
 * blanks, punctuation, symbols and emoji, and with `0` as `o`, `1`, `i` and `|` as `l`, `rn` as `m`, `vv` as `w`. In
 * `arena`; empty if the name has no letter or digit. */
struct slice name_skeleton(struct slice name, struct arena *arena);

#endif
