/* Reading what stands behind the `?` of a URL, as Twisted hands it to Synapse's pages (twisted/web/http.py, parse_qs):
 * parameters are separated by `&` or `;`, one without `=` does not count, one with an empty value does, `+` is a space,
 * %XX a byte, and a `%` without two hexadecimal digits behind it stands for itself. */
#ifndef WEIR_BASE_QUERY_STRING_H
#define WEIR_BASE_QUERY_STRING_H

#include "base/buffer.h"
#include "base/slice.h"

struct query_parameter {
    struct slice name; /* both as sent, still to be decoded */
    struct slice value;
};

/* Takes the next parameter off `rest`, which begins as the whole query; false at its end. */
bool query_string_next(struct slice *rest, struct query_parameter *parameter);

/* Appends the bytes that a name or a value stands for: any bytes, as many as `encoded` has or fewer. */
void query_string_decode(struct slice encoded, struct buffer *output);

/* Appends the value of the first parameter whose decoded name is `name`; false, with nothing appended, if there is
 * none. The caller looks whether the value is UTF-8. */
bool query_string_find(struct slice query, struct slice name, struct buffer *value);

#endif
