/* The libraries that Weir uses, with the versions of their headers at build time and of what is loaded now: a bug
 * report needs both, since a distribution renews the one without the other. */
#ifndef WEIR_ENGINE_LIBRARIES_H
#define WEIR_ENGINE_LIBRARIES_H

#include "base/buffer.h"

/* A line each under a heading: name, version compiled against, version running; `-` where the library cannot tell or is
 * not there. Loads libcurl, if it is installed. */
void libraries_append_text(struct buffer *output);
/* The same as a JSON object: {"libevent":{"compiled":"2.1.12-stable","running":"2.1.12-stable"},…}, null for `-`. */
void libraries_append_json(struct buffer *output);

#endif
