/* Counters, gauges and latency histograms, and their Prometheus text.
 *
 * A family is registered once and hands out plain integers that the owner adds to without a call: counting costs one
 * instruction on the path of an event. Labels are bounded by what the family was registered with. */
#ifndef WEIR_ENGINE_METRICS_H
#define WEIR_ENGINE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "engine/latency.h"

struct metrics;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric_definition {
    const char *name; /* weir_…, counters end in _total (Prometheus' naming) */
    enum metric_kind kind;
    const char *help;  /* one sentence */
    const char *label; /* the label's name, or NULL for a family of one */
};

/* The text of label value `index`; NULL: that value is not used now and is left out of the rendering. Asked for at each
 * rendering. */
typedef const char *metric_label_function(const void *context, size_t index);

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);

/* `count` values, all 0; owned by the metrics. `definition` must stay valid. Without a label: count 1, NULLs. */
uint64_t *metrics_register(struct metrics *metrics, const struct metric_definition *definition, size_t count,
                           metric_label_function *label_text, const void *context);
/* A histogram in seconds; owned by the metrics. */
struct latency *metrics_register_latency(struct metrics *metrics, const char *name, const char *help);
/* A member (uint64_t) of a struct of counts that is a family of one value: a row of a table, by METRIC_MEMBER. */
struct metric_member {
    struct metric_definition definition;
    size_t offset;
};
#define METRIC_MEMBER(type, member, name, kind, help)                                                                  \
    {                                                                                                                  \
        {name, kind, help, NULL}, offsetof(type, member)                                                               \
    }
/* Registers them all. They are read from `counts` when they are rendered, so it must not move, and be there as long as
 * anything is rendered. */
void metrics_register_members(struct metrics *metrics, const struct metric_member *members, size_t count,
                              const void *counts);
/* Called before each rendering, to refresh gauges. */
void metrics_on_collect(struct metrics *metrics, void (*collect)(void *context), void *context);

/* Called at each rendering behind all families: for those of which it is known only then what there is. It writes whole
 * families, with the two functions below. */
void metrics_on_render(struct metrics *metrics, void (*render)(const void *context, struct buffer *output),
                       const void *context);
void metrics_append_family(struct buffer *output, const struct metric_definition *definition);
/* `label`: the value of the definition's label; NULL for a family of one. */
void metrics_append_sample(struct buffer *output, const struct metric_definition *definition, const char *label,
                           double value);
/* A sample with labels of its own, whatever the definition says of them. */
struct metric_label {
    const char *name, *text;
};
void metrics_append_labelled(struct buffer *output, const struct metric_definition *definition,
                             const struct metric_label *labels, size_t count, double value);

/* The Prometheus text format, version 0.0.4. */
void metrics_render(struct metrics *metrics, struct buffer *output);

#endif
