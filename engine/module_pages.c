/* In Synapse a module's page takes the place of a built-in one with the same path (synapse/app/_base.py). Here it never
 * does, so that who watches the engine always gets the engine's own answer; but it is said. */
#include "engine/module_pages.h"

#include "engine/log.h"

void module_pages_warn(const struct chain *chain, const struct http_server *server)
{
    const struct web_resource *page;
    uint32_t module_index;
    for (uint32_t index = 0; (page = chain_resource_at(chain, index, &module_index)); index++) {
        if (server && !http_server_has_own(server, page->path))
            continue;
        log_warning(server ? "a module's page has the path of one of Weir's own, which is shown instead"
                           : "a module has a page, and nothing listens for HTTP",
                    LOG_STRING("path", page->path), LOG_INTEGER("place", module_index + 1),
                    LOG_STRING("module", chain_module(chain, module_index)->name));
    }
}
