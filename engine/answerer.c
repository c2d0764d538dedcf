/* A request owns all that its question needs: an arena, and an event reader once it was asked about an event. One that
 * has to wait is set aside as it stands, and the next request gets another; those that are done with are used again. */
#include "engine/answerer.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/answer_cache.h"
#include "engine/chain_question.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "replication/command.h"

#define SPARE_MAXIMUM 16

struct request {
    struct request *next;
    struct request_fields fields; /* the owner's, or in `kept` while it waits */
    struct buffer kept;
    struct chain_question question;
    int64_t deadline_ms;
    uint64_t received_ns;
    struct walk walk;
    uint64_t failures; /* of the chain's modules, before it was asked */
};

struct answerer {
    const struct chain *chain;
    struct answerer_settings settings;
    struct answerer_callbacks callbacks;
    struct buffer reply_prefix;
    struct answer_cache *cache;
    struct request *spare;
    uint32_t spare_count;
    struct request *waiting; /* the oldest first */
    struct request **waiting_last;
    struct buffer message;
    struct answerer_counts counts;
    uint64_t **metrics;
    uint64_t *callback_metrics;
    struct latency *latency;
    struct log_gate malformed_gate, unanswerable_gate, expired_gate;
};

/* The counts that are metrics as well: one row each. */
static const struct count_metric {
    struct metric_definition definition;
    size_t offset;
} count_metrics[] = {
#define COUNT(member, name, kind, help)                                                                                \
    {                                                                                                                  \
        {name, kind, help, NULL}, offsetof(struct answerer_counts, member)                                             \
    }
    COUNT(answered, "weir_requests_answered_total", METRIC_COUNTER, "Requests answered with the chain's value."),
    COUNT(raised, "weir_requests_raised_total", METRIC_COUNTER, "Requests answered with a module's failure."),
    COUNT(malformed, "weir_requests_malformed_total", METRIC_COUNTER,
          "Requests answered with a failure because they could not be read."),
    COUNT(unanswerable, "weir_requests_unanswerable_total", METRIC_COUNTER,
          "Requests dropped because they name no channel or no id to answer to."),
    COUNT(expired, "weir_requests_expired_total", METRIC_COUNTER, "Requests dropped past their deadline."),
    COUNT(cache_hits, "weir_request_cache_hits_total", METRIC_COUNTER,
          "Requests of get_interested_users answered from the cache."),
    COUNT(cache_misses, "weir_request_cache_misses_total", METRIC_COUNTER,
          "Requests of get_interested_users that the chain was asked about."),
    COUNT(waiting, "weir_requests_waiting", METRIC_GAUGE, "Requests that wait for somebody whom a module has asked."),
#undef COUNT
};
#define COUNT_METRICS (sizeof count_metrics / sizeof *count_metrics)

static struct request *new_request(struct answerer *answerer)
{
    struct request *request = answerer->spare;
    if (!request)
        return memory_allocate_zeroed(1, sizeof *request);
    answerer->spare = request->next;
    answerer->spare_count--;
    return request;
}

static void free_request(struct request *request)
{
    chain_question_free(&request->question);
    buffer_free(&request->kept);
    free(request);
}

static void release(struct answerer *answerer, struct request *request)
{
    if (answerer->spare_count == SPARE_MAXIMUM) {
        free_request(request);
        return;
    }
    chain_question_reset(&request->question);
    request->next = answerer->spare;
    answerer->spare = request;
    answerer->spare_count++;
}

/* Settling. The request is gone afterwards. */

static void settle(struct answerer *answerer, struct request *request, struct slice reply_to, struct slice message)
{
    answerer->callbacks.settle(answerer->callbacks.context, request->fields.entry, reply_to, message);
    latency_record(answerer->latency, clock_now_ns() - request->received_ns);
    release(answerer, request);
}

static void answer_with_text(struct answerer *answerer, struct request *request, struct slice json)
{
    struct buffer *message = &answerer->message;
    buffer_clear(message);
    buffer_append_string(message, "VERDICT ");
    buffer_append_slice(message, request->fields.id);
    buffer_append_char(message, ' ');
    buffer_append_slice(message, json);
    settle(answerer, request, request->fields.reply_to, buffer_slice(message));
}

static uint64_t module_failures(const struct chain *chain)
{
    uint64_t failures = 0;
    for (uint32_t index = 0; index < chain_module_count(chain); index++) {
        struct module_counts counts = chain_module_counts(chain, index);
        failures += counts.raised + counts.illegal;
    }
    return failures;
}

/* An answer that lacks what some module failed to add is not worth remembering. */
static void remember(struct answerer *answerer, const struct request *request, struct slice json)
{
    if (request->question.callback == CALLBACK_get_interested_users &&
        request->failures == module_failures(answerer->chain))
        answer_cache_store(answerer->cache, callback_argument_text(&request->question.arguments, "user_id"), json,
                           clock_now_ns());
}

static void answer_with_outcome(struct answerer *answerer, struct request *request)
{
    struct buffer json = {0};
    const struct outcome *outcome = &request->walk.outcome;
    chain_question_append_outcome(&request->question, outcome, &json);
    if (outcome->kind == OUTCOME_FAILED) {
        answerer->counts.raised++;
    } else {
        answerer->counts.answered++;
        remember(answerer, request, buffer_slice(&json));
    }
    answer_with_text(answerer, request, buffer_slice(&json));
    buffer_free(&json);
}

static void answer_malformed(struct answerer *answerer, struct request *request, const char *problem)
{
    uint64_t suppressed;
    answerer->counts.malformed++;
    if (log_gate_pass(&answerer->malformed_gate, &suppressed))
        log_warning("a request could not be read; its sender was told", LOG_STRING("reason", problem),
                    LOG_INTEGER("suppressed", suppressed));
    struct buffer json = {0};
    struct value failure = value_raise(&request->question.arena, RAISED_OTHER, "%s", problem);
    value_append_json(&failure, &json);
    answer_with_text(answerer, request, buffer_slice(&json));
    buffer_free(&json);
}

/* Whether nobody waits any more; the request is then settled. */
static bool drop_expired(struct answerer *answerer, struct request *request)
{
    if (clock_wall_ms() <= request->deadline_ms)
        return false;
    uint64_t suppressed;
    answerer->counts.expired++;
    if (log_gate_pass(&answerer->expired_gate, &suppressed))
        log_warning("a request was dropped past its deadline", LOG_INTEGER("deadline_ms", request->deadline_ms),
                    LOG_INTEGER("suppressed", suppressed));
    settle(answerer, request, SLICE_ABSENT, SLICE_ABSENT);
    return true;
}

/* Reading. */

static bool is_word(struct slice text, size_t maximum)
{
    if (!slice_present(text) || text.length == 0 || text.length > maximum)
        return false;
    for (size_t index = 0; index < text.length; index++)
        if ((unsigned char)text.data[index] <= ' ' || (unsigned char)text.data[index] >= 0x7f)
            return false;
    return true;
}

/* Answers go to channels made for them and to no other: whoever may write requests shall not write on Synapse's own
 * channels through us. */
static bool can_be_answered(const struct answerer *answerer, const struct request_fields *fields)
{
    struct slice prefix = buffer_slice(&answerer->reply_prefix);
    return is_word(fields->id, REQUEST_ID_MAXIMUM) && is_word(fields->reply_to, REQUEST_CHANNEL_MAXIMUM) &&
           fields->reply_to.length > prefix.length && slice_starts_with(fields->reply_to, prefix);
}

/* NULL, or why there is nothing that the chain could be asked. */
static const char *read_fields(struct answerer *answerer, struct request *request)
{
    const struct request_fields *fields = &request->fields;
    if (!slice_present(fields->deadline) || !command_parse_integer(fields->deadline, &request->deadline_ms))
        return "the field `deadline` must be an integer, in milliseconds since 1970";
    request->question.callback = slice_present(fields->callback) ? callback_find(fields->callback) : CALLBACK_UNKNOWN;
    answerer->callback_metrics[request->question.callback]++;
    if (request->question.callback == CALLBACK_UNKNOWN)
        return "the field `callback` is missing or names no callback of Synapse's module API";
    return NULL;
}

/* Asking. */

static void copy_field(struct request *request, struct slice *field)
{
    size_t begins = request->kept.length;
    buffer_append_slice(&request->kept, *field);
    *field = slice_of(request->kept.data + begins, field->length);
}

static void wait_for_answer(struct answerer *answerer, struct request *request)
{
    struct slice *const fields[] = {&request->fields.entry, &request->fields.args, &request->fields.reply_to,
                                    &request->fields.id};
    size_t length = 1;
    for (size_t index = 0; index < sizeof fields / sizeof *fields; index++)
        length += fields[index]->length;
    buffer_clear(&request->kept);
    buffer_reserve(&request->kept, length); /* so that the fields' copies stay where they are */
    for (size_t index = 0; index < sizeof fields / sizeof *fields; index++)
        copy_field(request, fields[index]);
    request->fields.callback = request->fields.deadline = SLICE_ABSENT;
    request->next = NULL;
    *answerer->waiting_last = request;
    answerer->waiting_last = &request->next;
    answerer->counts.waiting++;
}

static bool answer_from_cache(struct answerer *answerer, struct request *request)
{
    if (request->question.callback != CALLBACK_get_interested_users)
        return false;
    struct slice user_id = callback_argument_text(&request->question.arguments, "user_id");
    struct slice json = answer_cache_find(answerer->cache, user_id, clock_now_ns());
    if (!slice_present(json)) {
        answerer->counts.cache_misses++;
        request->failures = module_failures(answerer->chain);
        return false;
    }
    answerer->counts.cache_hits++;
    answerer->counts.answered++;
    answer_with_text(answerer, request, json);
    return true;
}

static void ask(struct answerer *answerer, struct request *request)
{
    const char *problem =
        chain_question_read(&request->question, answerer->chain, request->question.callback, request->fields.args);
    if (problem) {
        answer_malformed(answerer, request, problem);
        return;
    }
    if (answer_from_cache(answerer, request))
        return;
    if (walk_begin(&request->walk, answerer->chain, request->question.callback, &request->question.arguments) ==
        WALK_PENDING)
        wait_for_answer(answerer, request);
    else
        answer_with_outcome(answerer, request);
}

void answerer_take(struct answerer *answerer, const struct request_fields *fields)
{
    struct request *request = new_request(answerer);
    request->fields = *fields;
    request->received_ns = clock_now_ns();
    answerer->counts.requests++;
    if (!can_be_answered(answerer, fields)) {
        uint64_t suppressed;
        answerer->counts.unanswerable++;
        if (log_gate_pass(&answerer->unanswerable_gate, &suppressed))
            log_warning("a request was dropped: its `id` or `reply_to` is missing, or is not what may be answered to",
                        LOG_TEXT("channels_under", buffer_slice(&answerer->reply_prefix)),
                        LOG_INTEGER("suppressed", suppressed));
        settle(answerer, request, SLICE_ABSENT, SLICE_ABSENT);
        return;
    }
    const char *problem = read_fields(answerer, request);
    if (problem)
        answer_malformed(answerer, request, problem);
    else if (!drop_expired(answerer, request))
        ask(answerer, request);
}

/* Waiting. */

bool answerer_resume(struct answerer *answerer, uint64_t ticket, const struct service_answer *answer)
{
    struct request **place = &answerer->waiting;
    while (*place && (*place)->walk.ticket != ticket)
        place = &(*place)->next;
    struct request *request = *place;
    if (!request)
        return false;
    if (walk_resume(&request->walk, answer) == WALK_PENDING)
        return true;
    *place = request->next;
    if (!*place)
        answerer->waiting_last = place;
    answerer->counts.waiting--;
    if (!drop_expired(answerer, request))
        answer_with_outcome(answerer, request);
    return true;
}

bool answerer_is_waiting(const struct answerer *answerer, struct slice entry)
{
    for (const struct request *request = answerer->waiting; request; request = request->next)
        if (slice_equal(request->fields.entry, entry))
            return true;
    return false;
}

void answerer_each_waiting(const struct answerer *answerer, void (*visit)(void *context, struct slice entry),
                           void *context)
{
    for (const struct request *request = answerer->waiting; request; request = request->next)
        visit(context, request->fields.entry);
}

static void free_list(struct request *request)
{
    while (request) {
        struct request *next = request->next;
        free_request(request);
        request = next;
    }
}

/* A request keeps its texts where they are while it is asked again: should it wait once more, they are copied to the
 * same place. */
static void ask_again(struct answerer *answerer, struct request *request)
{
    struct buffer texts = request->kept;
    request->kept = (struct buffer){0};
    enum callback callback = request->question.callback;
    chain_question_free(&request->question);
    request->question.callback = callback;
    if (!drop_expired(answerer, request))
        ask(answerer, request);
    buffer_free(&texts);
}

void answerer_use_chain(struct answerer *answerer, const struct chain *chain)
{
    struct request *request = answerer->waiting;
    answerer->chain = chain;
    answer_cache_clear(answerer->cache);
    free_list(answerer->spare); /* their readers look for the fields of the old chain */
    answerer->spare = NULL;
    answerer->spare_count = 0;
    answerer->waiting = NULL;
    answerer->waiting_last = &answerer->waiting;
    answerer->counts.waiting = 0;
    while (request) {
        struct request *next = request->next;
        ask_again(answerer, request);
        request = next;
    }
}

struct answerer_counts answerer_counts(const struct answerer *answerer)
{
    return answerer->counts;
}

static const char *callback_label(const void *context, size_t index)
{
    (void)context;
    return index < CALLBACK_COUNT ? callback_definitions[index].name : "unknown";
}

static void collect(void *context)
{
    struct answerer *answerer = context;
    for (size_t index = 0; index < COUNT_METRICS; index++)
        *answerer->metrics[index] = *(uint64_t *)((char *)&answerer->counts + count_metrics[index].offset);
}

static void register_metrics(struct answerer *answerer, struct metrics *metrics)
{
    static const struct metric_definition requests = {"weir_requests_total", METRIC_COUNTER,
                                                      "Requests by the callback that they ask.", "callback"};
    answerer->callback_metrics = metrics_register(metrics, &requests, CALLBACK_COUNT + 1, callback_label, NULL);
    answerer->latency = metrics_register_latency(
        metrics, "weir_request_seconds", "From a request to its answer, without the way that both take over Redis.");
    answerer->metrics = memory_allocate(COUNT_METRICS * sizeof *answerer->metrics);
    for (size_t index = 0; index < COUNT_METRICS; index++)
        answerer->metrics[index] = metrics_register(metrics, &count_metrics[index].definition, 1, NULL, NULL);
    metrics_on_collect(metrics, collect, answerer);
}

struct answerer *answerer_create(const struct chain *chain, const struct answerer_settings *settings,
                                 const struct answerer_callbacks *callbacks, struct metrics *metrics)
{
    struct answerer *answerer = memory_allocate_zeroed(1, sizeof *answerer);
    answerer->chain = chain;
    answerer->settings = *settings;
    answerer->callbacks = *callbacks;
    answerer->waiting_last = &answerer->waiting;
    buffer_append_format(&answerer->reply_prefix, "%s/weir/replies/", settings->server_name);
    answerer->cache = answer_cache_create((size_t)settings->cache, (uint64_t)settings->cache_for_ms * 1000000u);
    register_metrics(answerer, metrics);
    return answerer;
}

void answerer_destroy(struct answerer *answerer)
{
    if (!answerer)
        return;
    free_list(answerer->waiting);
    free_list(answerer->spare);
    answer_cache_destroy(answerer->cache);
    buffer_free(&answerer->reply_prefix);
    buffer_free(&answerer->message);
    free(answerer->metrics);
    free(answerer);
}
