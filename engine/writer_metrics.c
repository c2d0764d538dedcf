/* Names of writers come from outside: whoever may publish on Redis makes them up. So their number is bounded, and names
 * that would spoil the page (no UTF-8, or a NUL among it) have no samples. */
#include "engine/writer_metrics.h"

#include "base/utf8.h"
#include "engine/clock.h"
#include "engine/status.h"

/* False: there is nothing to tell. */
typedef bool figure_function(const struct writer_standing *standing, double *value);

static bool position(const struct writer_standing *standing, double *value)
{
    *value = (double)standing->position;
    return standing->known;
}

static bool newest(const struct writer_standing *standing, double *value)
{
    *value = (double)standing->newest;
    return standing->known;
}

static bool held(const struct writer_standing *standing, double *value)
{
    *value = (double)standing->held;
    return true;
}

static bool lag(const struct writer_standing *standing, double *value)
{
    *value = status_writer_lag(standing, clock_now_ns());
    return *value >= 0;
}

static const struct writer_figure {
    struct metric_definition definition;
    figure_function *figure;
} figures[] = {
    {{"weir_writer_position", METRIC_GAUGE, "Token of a writer up to which everything was judged, or handed on.", NULL},
     position},
    {{"weir_writer_newest_token", METRIC_GAUGE, "Highest token that is known of a writer.", NULL}, newest},
    {{"weir_writer_held_events", METRIC_GAUGE, "Events of a writer that were read and not judged yet.", NULL}, held},
    {{"weir_writer_lag_seconds", METRIC_GAUGE,
      "How long the oldest of what is known of a writer and not judged has been waiting; 0: nothing waits.", NULL},
     lag},
};

struct rendering {
    const struct writer_figure *figure;
    struct buffer *output;
    size_t count;
    struct buffer name;
};

static void append_sample(void *context, const struct writer_standing *standing)
{
    struct rendering *rendering = context;
    double value;
    struct slice writer = standing->writer;
    if (rendering->count == WRITER_METRICS_MAXIMUM || !utf8_valid(writer) || memchr(writer.data, '\0', writer.length))
        return;
    rendering->count++;
    if (!rendering->figure->figure(standing, &value))
        return;
    buffer_clear(&rendering->name);
    buffer_append_slice(&rendering->name, writer);
    const struct metric_label labels[] = {{"stream", stream_definitions[standing->stream].name},
                                          {"writer", buffer_string(&rendering->name)}};
    metrics_append_labelled(rendering->output, &rendering->figure->definition, labels, 2, value);
}

static void render(const void *context, struct buffer *output)
{
    struct rendering rendering = {.output = output};
    for (size_t index = 0; index < sizeof figures / sizeof *figures; index++) {
        rendering.figure = &figures[index];
        rendering.count = 0;
        metrics_append_family(output, &figures[index].definition);
        observer_each_writer(context, append_sample, &rendering);
    }
    buffer_free(&rendering.name);
}

void writer_metrics_register(struct metrics *metrics, const struct observer *observer)
{
    metrics_on_render(metrics, render, observer);
}
