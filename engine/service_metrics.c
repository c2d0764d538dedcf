/* Labels are bounded: the last place is that of all services for which no place was left. */
#include "engine/service_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define OTHERS (SERVICE_LABELS - 1)

static const char *service_label(const void *context, size_t index)
{
    const struct service_metrics *metrics = context;
    if (index == OTHERS)
        return metrics->users[OTHERS] ? "other" : NULL;
    return metrics->labels[index];
}

static const char *failure_label(const void *context, size_t index)
{
    static const char *const words[] = {
        [SERVICE_ANSWERED] = NULL,
#define FAILURE(name, word) [SERVICE_##name] = (word),
#include "engine/service_failure.def"
#undef FAILURE
    };
    (void)context;
    return words[index];
}

void service_metrics_register(struct service_metrics *metrics, struct metrics *registry)
{
    static const struct metric_definition questions = {"weir_service_questions_total", METRIC_COUNTER,
                                                       "Questions that modules asked of a service.", "service"};
    static const struct metric_definition answers = {"weir_service_answers_total", METRIC_COUNTER,
                                                     "Answers of a service, of whatever status.", "service"};
    static const struct metric_definition failed = {
        "weir_service_failed_total", METRIC_COUNTER,
        "Questions to a service that were refused, got no answer, or got one that was of no use.", "service"};
    static const struct metric_definition in_flight = {"weir_service_in_flight", METRIC_GAUGE,
                                                       "Questions that wait for a service's answer now.", "service"};
    static const struct metric_definition breaker = {"weir_service_breaker_state", METRIC_GAUGE,
                                                     "A service's circuit breaker: 0 closed, 1 open, 2 half open.",
                                                     "service"};
    static const struct metric_definition failures = {"weir_service_failures_total", METRIC_COUNTER,
                                                      "Failed questions to all services, by the reason.", "reason"};
    metrics->questions = metrics_register(registry, &questions, SERVICE_LABELS, service_label, metrics);
    metrics->answers = metrics_register(registry, &answers, SERVICE_LABELS, service_label, metrics);
    metrics->failed = metrics_register(registry, &failed, SERVICE_LABELS, service_label, metrics);
    metrics->in_flight = metrics_register(registry, &in_flight, SERVICE_LABELS, service_label, metrics);
    metrics->breaker = metrics_register(registry, &breaker, SERVICE_LABELS, service_label, metrics);
    metrics->failures = metrics_register(registry, &failures, SERVICE_FAILURE_COUNT, failure_label, NULL);
    metrics->latency = metrics_register_latency(registry, "weir_service_answer_seconds",
                                                "From a question to its answer, over all services.");
}

void service_metrics_free(struct service_metrics *metrics)
{
    for (size_t place = 0; place < SERVICE_LABELS; place++)
        free(metrics->labels[place]);
    memset(metrics->labels, 0, sizeof metrics->labels);
}

/* The place of that label, else one that was never used, else one that is not used any more. */
static uint32_t find_place(const struct service_metrics *metrics, const char *label)
{
    uint32_t best = OTHERS;
    for (uint32_t place = 0; place < OTHERS; place++) {
        if (metrics->labels[place] && strcmp(metrics->labels[place], label) == 0)
            return place;
        bool better = best == OTHERS || (metrics->labels[best] && !metrics->labels[place]);
        if (metrics->users[place] == 0 && better)
            best = place;
    }
    return best;
}

uint32_t service_metrics_acquire(struct service_metrics *metrics, const char *label)
{
    uint32_t place = find_place(metrics, label);
    metrics->users[place]++;
    if (place == OTHERS || (metrics->labels[place] && strcmp(metrics->labels[place], label) == 0))
        return place;
    free(metrics->labels[place]);
    metrics->labels[place] = memory_copy_text(label, strlen(label));
    metrics->questions[place] = metrics->answers[place] = metrics->failed[place] = 0;
    metrics->in_flight[place] = metrics->breaker[place] = 0;
    return place;
}

void service_metrics_release(struct service_metrics *metrics, uint32_t place)
{
    metrics->users[place]--;
}
