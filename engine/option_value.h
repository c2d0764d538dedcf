/* What a word for a value in the help means: `argument` of an option and `operand` of a subcommand, such as "FILE",
 * "now|stored|TOKEN". Words without capital letters are written as they stand; the others stand for something, and are
 * of one table, so that completion knows what to offer. */
#ifndef WEIR_ENGINE_OPTION_VALUE_H
#define WEIR_ENGINE_OPTION_VALUE_H

#include "base/slice.h"

enum option_value {
    OPTION_VALUE_LITERAL,  /* itself */
    OPTION_VALUE_FILE,     /* a path */
    OPTION_VALUE_MODULE,   /* a name of module_registry */
    OPTION_VALUE_CALLBACK, /* a name of callback_definitions */
    OPTION_VALUE_ANY,      /* numbers, addresses and the like: nothing to offer */
    OPTION_VALUE_UNKNOWN,  /* a word that the table lacks; a test looks for such */
};

/* Takes the next word of `*rest`, which "|" and spaces part; false at its end. */
bool option_value_next(struct slice *rest, struct slice *word, enum option_value *value);

#endif
