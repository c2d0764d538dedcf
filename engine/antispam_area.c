/* Synapse cannot do anything about an error of ours, and a wrong refusal keeps people out: whatever is not understood
 * is let pass, counted, and told in the log. */
#include "engine/antispam_area.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/antispam.h"
#include "engine/http_questions.h"
#include "engine/log.h"

struct antispam_area {
    struct questions *questions;
    struct http_questions *waiting;
    int64_t timeout_ms;
    uint64_t *requests; /* by endpoint; the last is for those that we do not know */
    uint64_t *endings;
    struct slice asked; /* the body that is being asked about; absent otherwise */
    struct buffer body; /* of the answer */
    struct buffer args;
    struct buffer scratch;
    struct log_gate unknown_gate, malformed_gate, failed_gate;
};

static const char *endpoint_label(const void *context, size_t index)
{
    (void)context;
    return index < antispam_endpoint_count    ? antispam_endpoints[index].name
           : index == antispam_endpoint_count ? "ping"
                                              : "unknown";
}

static const char *ending_label(const void *context, size_t index)
{
    (void)context;
    static const char *const labels[ANTISPAM_ENDINGS] = {
        [ANTISPAM_PASSED] = "passed",       [ANTISPAM_REFUSED] = "refused", [ANTISPAM_UNKNOWN] = "unknown",
        [ANTISPAM_MALFORMED] = "malformed", [ANTISPAM_FAILED] = "failed",   [ANTISPAM_OVERLOADED] = "overloaded",
        [ANTISPAM_EXPIRED] = "expired",     [ANTISPAM_STOPPED] = "stopped", [ANTISPAM_PINGED] = "pinged",
    };
    return labels[index];
}

static void tell_malformed(struct antispam_area *area, const char *name, const char *problem, bool json)
{
    uint64_t suppressed;
    if (log_gate_pass(&area->malformed_gate, &suppressed))
        log_warning(json ? "a body of synapse-http-antispam was not understood; what it asked about was let pass"
                         : "a body of synapse-http-antispam was no JSON and was answered with 400",
                    LOG_STRING("callback", name), LOG_STRING("reason", problem), LOG_INTEGER("suppressed", suppressed));
}

static void tell_failed(struct antispam_area *area, const char *name, const char *reason)
{
    uint64_t suppressed;
    if (log_gate_pass(&area->failed_gate, &suppressed))
        log_warning("synapse-http-antispam got no verdict; its own `fail_open` decides", LOG_STRING("callback", name),
                    LOG_STRING("reason", reason), LOG_INTEGER("suppressed", suppressed));
}

/* A refusal that `fail_open` does not save anybody from: only for what no client of this kind sends. */
static void refuse_not_json(struct antispam_area *area, const char *name, struct http_exchange *exchange)
{
    area->endings[ANTISPAM_MALFORMED]++;
    tell_malformed(area, name, "not valid JSON", false);
    http_exchange_refuse(exchange, 400, "M_NOT_JSON", "the body is not valid JSON");
}

/* Sends what was made in the area's body. */
static void send_answer(struct antispam_area *area, struct http_exchange *exchange,
                        const struct antispam_answer *answer, enum antispam_ending ending)
{
    area->endings[ending]++;
    http_exchange_answer(exchange, answer->status, answer->content_type, buffer_slice(answer->body));
}

static void let_pass(struct antispam_area *area, struct http_exchange *exchange, enum antispam_ending ending)
{
    struct antispam_answer answer = {.body = &area->body};
    antispam_let_pass(&answer);
    send_answer(area, exchange, &answer, ending);
}

static void answer_ping(struct antispam_area *area, struct http_exchange *exchange, struct slice body)
{
    struct antispam_answer answer = {200, NULL, &area->body};
    if (antispam_answer_ping(body, &area->body, &area->scratch)) {
        send_answer(area, exchange, &answer, ANTISPAM_PINGED);
        return;
    }
    area->endings[ANTISPAM_MALFORMED]++;
    http_exchange_refuse(exchange, 400, "M_BAD_JSON", "a ping has an `id`, which must be a text");
}

static void answer_unknown(struct antispam_area *area, struct http_exchange *exchange, struct slice name)
{
    uint64_t suppressed;
    if (log_gate_pass(&area->unknown_gate, &suppressed))
        log_warning("synapse-http-antispam asked for a callback that is not known here; it was let pass",
                    LOG_TEXT("callback", name), LOG_INTEGER("suppressed", suppressed));
    let_pass(area, exchange, ANTISPAM_UNKNOWN);
}

static void on_ended(void *context, const void *tag, struct http_exchange *exchange, const struct question_end *end)
{
    struct antispam_area *area = context;
    const struct antispam_endpoint *endpoint = tag;
    struct antispam_answer answer = {.body = &area->body};
    if (end && end->ending == QUESTION_MALFORMED && slice_present(area->asked) &&
        !antispam_is_json(area->asked, &area->scratch)) {
        refuse_not_json(area, endpoint->name, exchange);
        return;
    }
    buffer_clear(&area->body);
    enum antispam_ending ending = antispam_answer(endpoint, end, &answer);
    if (end && ending == ANTISPAM_MALFORMED)
        tell_malformed(area, endpoint->name, end->problem, true);
    else if (answer.status >= 500)
        tell_failed(area, endpoint->name, ending_label(NULL, ending));
    send_answer(area, exchange, &answer, ending);
}

static void ask(struct antispam_area *area, const struct antispam_endpoint *endpoint, struct http_exchange *exchange,
                const struct http_request *request)
{
    struct slice args;
    enum antispam_reading reading = antispam_arguments(endpoint, request->body, &args, &area->args, &area->scratch);
    if (reading == ANTISPAM_NOT_JSON) {
        refuse_not_json(area, endpoint->name, exchange);
        return;
    }
    area->asked = request->body;
    http_questions_ask(area->waiting, exchange, endpoint->callback, args, request->client, area->timeout_ms, endpoint);
    area->asked = SLICE_ABSENT;
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    struct antispam_area *area = context;
    struct slice name;
    antispam_path(request->path, &name);
    const struct antispam_endpoint *endpoint = antispam_find(name);
    bool ping = slice_equal(name, SLICE("ping"));
    size_t label = endpoint ? (size_t)(endpoint - antispam_endpoints) : antispam_endpoint_count + !ping;
    area->requests[label]++;
    buffer_clear(&area->body);
    if (ping)
        answer_ping(area, exchange, request->body);
    else if (!endpoint)
        answer_unknown(area, exchange, name);
    else if (endpoint->callback == CALLBACK_UNKNOWN ||
             !callback_definitions[endpoint->callback].rules[chain_semantics(questions_chain(area->questions))])
        let_pass(area, exchange, ANTISPAM_PASSED);
    else
        ask(area, endpoint, exchange, request);
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    struct slice name;
    return antispam_path(path, &name) ? "POST" : NULL;
}

struct antispam_area *antispam_area_create(struct questions *questions, int64_t timeout_ms, struct metrics *metrics)
{
    static const struct metric_definition requests = {
        "weir_antispam_requests_total", METRIC_COUNTER,
        "Requests of synapse-http-antispam by the callback that they ask.", "callback"};
    static const struct metric_definition answers = {
        "weir_antispam_answers_total", METRIC_COUNTER,
        "Answers to synapse-http-antispam by what they say; failed, overloaded and expired leave it to its fail_open.",
        "answer"};
    struct antispam_area *area = memory_allocate_zeroed(1, sizeof *area);
    area->questions = questions;
    area->timeout_ms = timeout_ms;
    area->waiting = http_questions_create(questions, on_ended, area);
    area->requests = metrics_register(metrics, &requests, antispam_endpoint_count + 2, endpoint_label, NULL);
    area->endings = metrics_register(metrics, &answers, ANTISPAM_ENDINGS, ending_label, NULL);
    return area;
}

void antispam_area_stop(struct antispam_area *area)
{
    if (area)
        http_questions_stop(area->waiting);
}

void antispam_area_destroy(struct antispam_area *area)
{
    if (!area)
        return;
    http_questions_destroy(area->waiting);
    buffer_free(&area->body);
    buffer_free(&area->args);
    buffer_free(&area->scratch);
    free(area);
}

struct http_area antispam_area_http(struct antispam_area *area)
{
    return (struct http_area){
        .methods = methods, .handle = handle, .context = area, .body_maximum = HTTP_BODY_MAXIMUM, .closed = true};
}
