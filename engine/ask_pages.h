/* Any callback over HTTP: POST /_weir/v1/ask/<callback> with the arguments as a JSON object is answered with the
 * chain's value and its tag, or with {"raise":…}, as a request over Redis is (engine/answerer.h). One page for each row
 * of callbacks.def. */
#ifndef WEIR_ENGINE_ASK_PAGES_H
#define WEIR_ENGINE_ASK_PAGES_H

#include "filters/chain.h"

struct ask_pages;

/* `chain` is the owner's variable: the chain of the moment is asked. It must outlive the pages. */
struct ask_pages *ask_pages_create(struct chain *const *chain);
void ask_pages_destroy(struct ask_pages *pages);

/* The page under `path`, with its state; NULL if there is none.
 *
 * Arguments that cannot be read are answered with 400. A question for which a module would have to wait for somebody
 * is answered with 503: nobody is kept waiting on HTTP, Redis is the way for those. */
const struct web_resource *ask_pages_find(struct ask_pages *pages, struct slice path, void **state);

#endif
