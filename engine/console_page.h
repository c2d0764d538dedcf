/* The console's page and what belongs to it, for browsers: `/` and /console/…. They are the same for everyone, and no
 * secret is asked for. */
#ifndef WEIR_ENGINE_CONSOLE_PAGE_H
#define WEIR_ENGINE_CONSOLE_PAGE_H

#include "engine/http_server.h"

/* The whole of /console belongs to it, whether there is such a file or not. */
struct http_area console_page_http(void);

#endif
