/* The live chain is asked, in one turn of the loop: with the shared state that its modules have now. What the chain
 * counts of its modules is set back afterwards, so that whoever tries things out raises no alarm. */
#include "engine/explain_area.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/query_string.h"
#include "engine/explain_request.h"

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(EXPLAIN_AREA_PATH)) ? "POST" : NULL;
}

static struct module_counts *keep_counts(const struct chain *chain)
{
    uint32_t count = chain_module_count(chain);
    struct module_counts *counts = memory_allocate_zeroed(count + 1, sizeof *counts);
    for (uint32_t index = 0; index < count; index++)
        counts[index] = chain_module_counts(chain, index);
    return counts;
}

static void set_counts_back(struct chain *chain, struct module_counts *counts)
{
    for (uint32_t index = 0; index < chain_module_count(chain); index++)
        chain_set_module_counts(chain, index, &counts[index]);
    free(counts);
}

static bool wants_text(struct slice query)
{
    struct buffer format = {0};
    bool text = query_string_find(query, SLICE("format"), &format) && slice_equal(buffer_slice(&format), SLICE("text"));
    buffer_free(&format);
    return text;
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    const struct explain_area *area = context;
    struct chain *chain = questions_chain(area->questions);
    const struct explain_settings settings = {.chain = chain,
                                              .instance_name = area->instance_name,
                                              .as_synapse = *area->as_synapse,
                                              .json = !wants_text(request->query)};
    struct buffer output = {0}, problem = {0};
    const char *errcode;
    struct module_counts *counts = keep_counts(chain);
    if (explain_request(&settings, request->body, &output, &errcode, &problem))
        http_exchange_answer(exchange, 200, settings.json ? NULL : "text/plain; charset=utf-8", buffer_slice(&output));
    else
        http_exchange_refuse(exchange, 400, errcode, buffer_string(&problem));
    set_counts_back(chain, counts);
    buffer_free(&output);
    buffer_free(&problem);
}

struct http_area explain_area_http(struct explain_area *area)
{
    return (struct http_area){.methods = methods,
                              .handle = handle,
                              .context = area,
                              .body_maximum = HTTP_BODY_MAXIMUM,
                              .closed = true,
                              .browser = true};
}
