/* The pages are made from the table of callbacks, so that a new callback has one. They are served as those of modules
 * are: at once, within one turn of the loop. */
#include "engine/ask_pages.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/chain_question.h"

#define PREFIX "/_weir/v1/ask/"

/* The state of one page. */
struct ask_page {
    struct ask_pages *pages;
    enum callback callback;
};

struct ask_pages {
    struct chain *const *chain;
    struct chain_question question;
    struct ask_page states[CALLBACK_COUNT];
};

static void ask(void *pointer, const struct web_request *request, struct web_response *response)
{
    const struct ask_page *page = pointer;
    struct chain_question *question = &page->pages->question;
    const struct chain *chain = *page->pages->chain;
    const char *problem = chain_question_read(question, chain, page->callback, request->body);
    struct walk walk;
    if (problem)
        web_response_refuse(response, 400, "M_BAD_JSON", problem);
    else if (walk_begin(&walk, chain, page->callback, &question->arguments) == WALK_PENDING)
        web_response_refuse(response, 503, "M_UNKNOWN", "a module must wait for a service: ask over Redis");
    else
        chain_question_append_outcome(question, &walk.outcome, response->body);
    /* The fields that a reader looks for are those of its chain, which may be another one the next time. */
    chain_question_free(question);
}

static const struct web_resource resources[CALLBACK_COUNT] = {
#define CALLBACK(name, ...) [CALLBACK_##name] = {.path = PREFIX #name, .methods = "POST", .serve = ask},
#include "filters/callbacks.def"
#undef CALLBACK
};

struct ask_pages *ask_pages_create(struct chain *const *chain)
{
    struct ask_pages *pages = memory_allocate_zeroed(1, sizeof *pages);
    pages->chain = chain;
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        pages->states[callback] = (struct ask_page){pages, (enum callback)callback};
    return pages;
}

void ask_pages_destroy(struct ask_pages *pages)
{
    if (!pages)
        return;
    chain_question_free(&pages->question);
    free(pages);
}

const struct web_resource *ask_pages_find(struct ask_pages *pages, struct slice path, void **state)
{
    const struct slice prefix = SLICE(PREFIX);
    if (!slice_starts_with(path, prefix))
        return NULL;
    enum callback callback = callback_find(slice_of(path.data + prefix.length, path.length - prefix.length));
    if (callback == CALLBACK_UNKNOWN)
        return NULL;
    *state = &pages->states[callback];
    return &resources[callback];
}
