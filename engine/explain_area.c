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

/* Who waits for the body of an event. */
struct waiting {
    const struct explain_area *area;
    struct http_exchange *exchange;
    bool text;
    char event_id[];
};

static struct explain_settings settings_of(const struct explain_area *area, bool text)
{
    return (struct explain_settings){.chain = questions_chain(area->questions),
                                     .instance_name = area->instance_name,
                                     .as_synapse = *area->as_synapse,
                                     .json = !text};
}

/* `explained` is whether `output` has an explanation; otherwise `problem` says why. */
static void answer(struct http_exchange *exchange, bool explained, bool text, const char *errcode,
                   const struct buffer *output, struct buffer *problem)
{
    if (explained)
        http_exchange_answer(exchange, 200, text ? "text/plain; charset=utf-8" : NULL, buffer_slice(output));
    else
        http_exchange_refuse(exchange, 400, errcode, buffer_string(problem));
}

static void explain_body(const struct waiting *waiting, struct slice body)
{
    const struct explain_settings settings = settings_of(waiting->area, waiting->text);
    struct buffer output = {0}, problem = {0};
    struct module_counts *counts = keep_counts(settings.chain);
    bool explained = explain_event(&settings, body, slice_from_string(waiting->event_id), &output, &problem);
    set_counts_back(settings.chain, counts);
    answer(waiting->exchange, explained, waiting->text, "M_BAD_JSON", &output, &problem);
    buffer_free(&output);
    buffer_free(&problem);
}

static void on_looked_up(void *context, enum explain_lookup_ending ending, struct slice body)
{
    static const struct {
        int status;
        const char *errcode;
        const char *sentence;
    } refusals[] = {
        [EXPLAIN_LOOKUP_MISSING] = {404, "M_NOT_FOUND", "there is no event with this id where the bodies come from"},
        [EXPLAIN_LOOKUP_NO_SOURCE] = {404, "M_NOT_FOUND",
                                      "this engine has no source of bodies: configure `bodies`, or send the `event`"},
        [EXPLAIN_LOOKUP_AWAY] = {503, "M_UNKNOWN", "the database of event bodies is not connected"},
        [EXPLAIN_LOOKUP_BUSY] = {503, "M_LIMIT_EXCEEDED", "too many events are being looked up"},
        [EXPLAIN_LOOKUP_LATE] = {503, "M_UNKNOWN", "the database of event bodies did not answer in time"},
        [EXPLAIN_LOOKUP_STOPPED] = {503, "M_UNKNOWN", "this server is shutting down"},
    };
    struct waiting *waiting = context;
    if (ending == EXPLAIN_LOOKUP_FOUND)
        explain_body(waiting, body);
    else
        http_exchange_refuse(waiting->exchange, refusals[ending].status, refusals[ending].errcode,
                             refusals[ending].sentence);
    free(waiting);
}

static void on_gone(void *context)
{
    struct waiting *waiting = context;
    explain_lookup_forget(waiting->area->lookup, waiting);
    free(waiting);
}

static void look_up(const struct explain_area *area, struct http_exchange *exchange, struct slice event_id, bool text)
{
    if (event_id.length < 2 || event_id.length > EXPLAIN_LOOKUP_ID_MAXIMUM || event_id.data[0] != '$' ||
        memchr(event_id.data, '\0', event_id.length)) {
        http_exchange_refuse(exchange, 400, "M_INVALID_PARAM", "`event_id` is no id of an event");
        return;
    }
    struct waiting *waiting = memory_allocate_zeroed(1, sizeof *waiting + event_id.length + 1);
    waiting->area = area;
    waiting->exchange = exchange;
    waiting->text = text;
    memcpy(waiting->event_id, event_id.data, event_id.length);
    http_exchange_on_gone(exchange, on_gone, waiting);
    explain_lookup_ask(area->lookup, event_id, on_looked_up, waiting);
}

static void explain_now(const struct explain_area *area, struct http_exchange *exchange, struct slice body, bool text)
{
    const struct explain_settings settings = settings_of(area, text);
    struct buffer output = {0}, problem = {0};
    const char *errcode = NULL;
    struct module_counts *counts = keep_counts(settings.chain);
    bool explained = explain_request(&settings, body, &output, &errcode, &problem);
    set_counts_back(settings.chain, counts);
    answer(exchange, explained, text, errcode, &output, &problem);
    buffer_free(&output);
    buffer_free(&problem);
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    const struct explain_area *area = context;
    struct buffer event_id = {0};
    bool text = wants_text(request->query);
    if (explain_request_event_id(request->body, &event_id))
        look_up(area, exchange, buffer_slice(&event_id), text);
    else
        explain_now(area, exchange, request->body, text);
    buffer_free(&event_id);
}

struct http_area explain_area_http(struct explain_area *area)
{
    return (struct http_area){
        .methods = methods, .handle = handle, .context = area, .body_maximum = HTTP_BODY_MAXIMUM, .closed = true};
}
