/* Finding where a JSON object or array ends without parsing it. */
#ifndef WEIR_REPLICATION_JSON_SPAN_H
#define WEIR_REPLICATION_JSON_SPAN_H

#include "base/slice.h"

/* The length of the object or array that `text` begins with; 0 if it does not end within `text`. Only brackets and
 * strings are looked at: what it holds may be no JSON, but if the text is JSON the length is right. */
size_t json_span_length(struct slice text);

#endif
