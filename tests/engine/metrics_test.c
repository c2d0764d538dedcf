#include "engine/metrics.h"

#include <criterion/criterion.h>

static const char *label_text(const void *context, size_t index)
{
    return ((const char *const *)context)[index];
}

static void collect(void *context)
{
    ++*(uint64_t *)context;
}

static bool holds(struct buffer *text, const char *part)
{
    return strstr(buffer_string(text), part) != NULL;
}

Test(metrics, several_labels)
{
    static const struct metric_definition writers = {"weir_writers", METRIC_GAUGE, "Writers.", NULL};
    const struct metric_label labels[] = {{"stream", "events"}, {"writer", "p\"1\n"}};
    struct buffer text = {0};
    metrics_append_labelled(&text, &writers, labels, 2, 0.5);
    metrics_append_labelled(&text, &writers, NULL, 0, 5120);
    cr_expect_str_eq(buffer_string(&text),
                     "weir_writers{stream=\"events\",writer=\"p\\\"1\\n\"} 0.5\nweir_writers 5120\n");
    buffer_free(&text);
}

Test(metrics, prometheus_text)
{
    static const struct metric_definition events = {"weir_events_total", METRIC_COUNTER, "Events\njudged \\ all.",
                                                    NULL};
    static const struct metric_definition rows = {"weir_rows", METRIC_GAUGE, "Rows.", "stream"};
    static const char *const names[] = {"events", "odd \"\\\n", NULL};
    struct metrics *metrics = metrics_create();
    uint64_t *event_count = metrics_register(metrics, &events, 1, NULL, NULL);
    uint64_t *row_count = metrics_register(metrics, &rows, 3, label_text, names);
    struct latency *latency = metrics_register_latency(metrics, "weir_wait_seconds", "Waiting.");
    metrics_on_collect(metrics, collect, event_count);
    *event_count = UINT64_MAX - 1;
    row_count[0] = 7;
    latency_record(latency, 1500);
    latency_record(latency, 2000000000);
    struct buffer text = {0};
    metrics_render(metrics, &text);
    cr_expect(holds(&text, "# HELP weir_events_total Events\\njudged \\\\ all.\n# TYPE weir_events_total counter\n"
                           "weir_events_total 18446744073709551615\n# HELP weir_rows"));
    cr_expect(holds(&text, "# TYPE weir_rows gauge\nweir_rows{stream=\"events\"} 7\n"
                           "weir_rows{stream=\"odd \\\"\\\\\\n\"} 0\n# HELP weir_wait"));
    cr_expect(holds(&text, "# TYPE weir_wait_seconds histogram\nweir_wait_seconds_bucket{le=\"0.000001\"} 0\n"
                           "weir_wait_seconds_bucket{le=\"0.0000025\"} 1\n"));
    cr_expect(holds(&text, "_bucket{le=\"1\"} 1\nweir_wait_seconds_bucket{le=\"2.5\"} 2\n"));
    cr_expect(holds(&text, "weir_wait_seconds_bucket{le=\"+Inf\"} 2\nweir_wait_seconds_sum 2.000001500\n"
                           "weir_wait_seconds_count 2\n"));
    buffer_free(&text);
    metrics_destroy(metrics);
}
