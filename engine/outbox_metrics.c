/* One row for each count. */
#include "engine/outbox_metrics.h"

#include <stddef.h>

static const struct metric_member members[] = {
    {{"weir_verdicts_token", METRIC_GAUGE, "Last token given out on the stream of verdicts.", NULL},
     offsetof(struct outbox_counts, token)},
    {{"weir_presence_routes_token", METRIC_GAUGE, "Last token given out on the stream of presence routes.", NULL},
     offsetof(struct outbox_counts, routes_token)},
    {{"weir_outbox_transactions_total", METRIC_COUNTER, "Transactions that Redis has answered.", NULL},
     offsetof(struct outbox_counts, transactions)},
    {{"weir_verdict_rows_total", METRIC_COUNTER, "Rows of verdicts published and stored.", NULL},
     offsetof(struct outbox_counts, rows)},
    {{"weir_outbox_resent_total", METRIC_COUNTER, "Transactions sent again after a lost connection.", NULL},
     offsetof(struct outbox_counts, resent)},
    {{"weir_outbox_refused_total", METRIC_COUNTER, "Transactions that Redis refused; they are sent again.", NULL},
     offsetof(struct outbox_counts, refused)},
    {{"weir_outbox_waiting", METRIC_GAUGE, "Transactions that Redis has not answered yet.", NULL},
     offsetof(struct outbox_counts, waiting)},
    {{"weir_redis_losses_total", METRIC_COUNTER, "Times Redis was found to have lost what it had acknowledged.", NULL},
     offsetof(struct outbox_counts, losses)},
};

static void collect(void *context)
{
    struct outbox_metrics *metrics = context;
    metrics->counts = outbox_counts(metrics->outbox);
}

void outbox_metrics_register(struct outbox_metrics *metrics, struct metrics *registry, const struct outbox *outbox)
{
    metrics->outbox = outbox;
    metrics->latency = metrics_register_latency(
        registry, "weir_line_to_verdict_seconds",
        "From a line of the replication channel to Redis's answer for the verdict or, of an event that passed, for the "
        "position.");
    metrics_register_members(registry, members, sizeof members / sizeof *members, &metrics->counts);
    metrics_on_collect(registry, collect, metrics);
}
