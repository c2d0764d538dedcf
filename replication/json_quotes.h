/* Whether a JSON string needs reading at all: the look at its quotes and backslashes. */
#ifndef WEIR_REPLICATION_JSON_QUOTES_H
#define WEIR_REPLICATION_JSON_QUOTES_H

#include "base/slice.h"

/* `text` is a part of `line`: the content of a JSON string, as written. True if every backslash in it stands before a
 * quote, every quote behind a backslash, and there is no control character; `*escaped` says whether there is any. False
 * for all else, and for lines too short to tell: they have to be read. */
bool json_quotes_escaped(struct slice line, struct slice text, bool *escaped);

#endif
