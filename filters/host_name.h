/* Host names in one form, as browsers read them before they look one up: for comparing, not for reading. */
#ifndef WEIR_FILTERS_HOST_NAME_H
#define WEIR_FILTERS_HOST_NAME_H

#include "base/slice.h"

/* Of a longer one only the end is read, from a dot on; names in DNS have 253 bytes. */
#define HOST_NAME_READ 1024u
/* What host_name_fold writes at most: a label of Punycode may become four times as long. */
#define HOST_NAME_ROOM (4u * HOST_NAME_READ)

/* Writes `host` to `output` (HOST_NAME_ROOM bytes): `%65` and the like decoded, ASCII's letters small and others as
 * case_folding.h has them (`mÜnchen`), full-width characters as ASCII's, ideographic full stops as dots, without soft
 * hyphens and zero-width spaces and without a dot behind; with `punycode` its labels `xn--…` as the letters they stand
 * for. What cannot be decoded stays as it is. Returns the bytes written. */
size_t host_name_fold(struct slice host, bool punycode, char *output);

#endif
