/* The pages of modules on the HTTP listener. */
#ifndef WEIR_ENGINE_MODULE_PAGES_H
#define WEIR_ENGINE_MODULE_PAGES_H

#include "engine/http_server.h"
#include "filters/chain.h"

/* Logs a warning for each page that nobody will ever see: one with the path of a route of the program's own, or any if
 * there is no listener (`server` is NULL). */
void module_pages_warn(const struct chain *chain, const struct http_server *server);

#endif
