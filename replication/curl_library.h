/* libcurl, loaded when somebody first needs it: with the libraries that it brings along it takes three megabytes, and
 * most engines never fetch anything over HTTP. */
#ifndef WEIR_REPLICATION_CURL_LIBRARY_H
#define WEIR_REPLICATION_CURL_LIBRARY_H

/* The checks of types that the headers wrap around variadic functions work with their names alone. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdbool.h>

#include "base/buffer.h"

/* Its functions, by their names without `curl_`; NULL until it is loaded. */
struct curl_library {
#define CURL_FUNCTION(name) __typeof__(curl_##name) *name;
#include "replication/curl_functions.def"
#undef CURL_FUNCTION
};
extern struct curl_library curl;

/* Loads it, once in the life of the process; false with a sentence in `error` if it is not installed. */
bool curl_library_load(struct buffer *error);

#endif
