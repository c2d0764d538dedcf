/* One row for each count; requests over Redis and over HTTP count alike. */
#include "engine/question_metrics.h"

static const struct metric_member members[] = {
#define COUNT(member, name, kind, help) METRIC_MEMBER(struct questions_counts, member, name, kind, help)
    COUNT(answered, "weir_requests_answered_total", METRIC_COUNTER, "Requests answered with the chain's value."),
    COUNT(denied, "weir_requests_denied_total", METRIC_COUNTER,
          "Requests that the chain refused, of spam checkers and third-party rules; they are among those answered."),
    COUNT(raised, "weir_requests_raised_total", METRIC_COUNTER, "Requests answered with a module's failure."),
    COUNT(malformed, "weir_requests_malformed_total", METRIC_COUNTER,
          "Requests answered with a failure because they could not be read."),
    COUNT(overloaded, "weir_requests_overloaded_total", METRIC_COUNTER,
          "Requests turned away because too many of their room, their asker or altogether waited."),
    COUNT(expired, "weir_requests_expired_total", METRIC_COUNTER, "Requests dropped past their deadline."),
    COUNT(forgotten, "weir_requests_forgotten_total", METRIC_COUNTER,
          "Requests whose asker hung up before the answer was there."),
    COUNT(cache_hits, "weir_request_cache_hits_total", METRIC_COUNTER,
          "Requests of get_interested_users answered from the cache."),
    COUNT(cache_misses, "weir_request_cache_misses_total", METRIC_COUNTER,
          "Requests of get_interested_users that the chain was asked about."),
    COUNT(waiting, "weir_requests_waiting", METRIC_GAUGE, "Requests that wait for somebody whom a module has asked."),
#undef COUNT
};

static const char *callback_label(const void *context, size_t index)
{
    (void)context;
    return index < CALLBACK_COUNT ? callback_definitions[index].name : "unknown";
}

struct question_metrics question_metrics_register(struct metrics *metrics, const struct questions_counts *counts)
{
    static const struct metric_definition requests = {"weir_requests_total", METRIC_COUNTER,
                                                      "Requests over Redis and HTTP by the callback that they ask.",
                                                      "callback"};
    struct question_metrics made = {
        .callbacks = metrics_register(metrics, &requests, CALLBACK_COUNT + 1, callback_label, NULL),
        .latency =
            metrics_register_latency(metrics, "weir_request_seconds",
                                     "From a request to its answer, without the way that both take over the net.")};
    metrics_register_members(metrics, members, sizeof members / sizeof *members, counts);
    return made;
}
