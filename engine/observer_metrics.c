/* The observer counts in plain integers; this file gives them their names in the metrics. */
#include "engine/observer_metrics.h"

#include <stddef.h>
#include <stdio.h>

#include "engine/module_figures.h"
#include "replication/command.h"

/* The counts that are metrics as well: one row each. */
static const struct metric_member members[] = {
#define COUNT(member, name, kind, help) METRIC_MEMBER(struct observer_counts, member, name, kind, help)
    COUNT(lines, "weir_replication_lines_total", METRIC_COUNTER, "Messages of the replication channel."),
    COUNT(judged, "weir_events_judged_total", METRIC_COUNTER, "Events that the chain was asked about."),
    COUNT(denied, "weir_events_denied_total", METRIC_COUNTER, "Events that the chain refused."),
    COUNT(changed, "weir_events_changed_total", METRIC_COUNTER, "Events that the chain let pass with a replacement."),
    COUNT(failed, "weir_events_failed_total", METRIC_COUNTER, "Events whose judgement ended in a module's failure."),
    COUNT(dry_run, "weir_events_dry_run_total", METRIC_COUNTER, "Events that a module in dry_run would have refused."),
    COUNT(judged_before, "weir_events_judged_before_total", METRIC_COUNTER,
          "Events that an earlier run had judged ahead of its stored position, and that were not judged again."),
    COUNT(rejected, "weir_events_rejected_total", METRIC_COUNTER,
          "Events that Synapse had rejected itself and that were not judged."),
    COUNT(outliers, "weir_events_outliers_total", METRIC_COUNTER, "Outliers, which were not judged."),
    COUNT(state_rows, "weir_event_state_rows_total", METRIC_COUNTER,
          "Rows of the events stream that repeat what an ev row said."),
    COUNT(duplicates, "weir_event_rows_duplicate_total", METRIC_COUNTER,
          "Rows of the events stream at or below the position already reached."),
    COUNT(bodies_missing, "weir_bodies_missing_total", METRIC_COUNTER,
          "Events judged by their stream row alone because their body was not found."),
    COUNT(bodies_unreadable, "weir_bodies_unreadable_total", METRIC_COUNTER,
          "Events judged by their stream row alone because their body could not be read."),
    COUNT(bad_lines, "weir_replication_bad_lines_total", METRIC_COUNTER, "Lines and rows that could not be read."),
    COUNT(newer_rows, "weir_event_rows_newer_total", METRIC_COUNTER,
          "Rows of the events stream with more elements than this version knows; the known ones are read."),
    COUNT(missed_ranges, "weir_positions_missed_ranges_total", METRIC_COUNTER,
          "Ranges of the events stream that may hold events that were not judged."),
    COUNT(fetched, "weir_events_fetched_total", METRIC_COUNTER,
          "Rows of the events stream that were missed on the channel and fetched."),
    COUNT(unexplained, "weir_positions_unexplained_total", METRIC_COUNTER,
          "Positions of the events stream that moved on without rows while subscribed; mostly harmless."),
    COUNT(waiting, "weir_events_waiting", METRIC_GAUGE,
          "Events that wait now: for their body, for a service, or for an earlier event of their room."),
    COUNT(parked, "weir_events_parked", METRIC_GAUGE, "Events that wait for a service's answer now."),
#undef COUNT
};

/* What the chain counts for each module. */
static const struct module_metric {
    struct metric_definition definition;
    size_t offset;
} module_metrics[OBSERVER_MODULE_COUNTS] = {
    {{"weir_module_raised_total", METRIC_COUNTER, "Answers of a module that were failures.", "module"},
     offsetof(struct module_counts, raised)},
    {{"weir_module_illegal_total", METRIC_COUNTER, "Answers of a module of a type outside the contract.", "module"},
     offsetof(struct module_counts, illegal)},
    {{"weir_module_dry_run_total", METRIC_COUNTER,
      "Answers of a module in dry_run that would have ended the walk over the chain.", "module"},
     offsetof(struct module_counts, dry_runs)},
    {{"weir_module_requests_denied_total", METRIC_COUNTER, "Requests that were refused, by the module that said so.",
      "module"},
     offsetof(struct module_counts, denied_questions)},
    {{"weir_module_asked_total", METRIC_COUNTER,
      "Times that a module was asked, by events and requests, worked out from every 256th of them.", "module"},
     offsetof(struct module_counts, asked)},
};

static const struct metric_definition module_seconds = {
    "weir_module_seconds_total", METRIC_COUNTER,
    "Time that a module took for its answers, worked out from every 256th event and request.", "module"};

static const char *command_label(const void *context, size_t index)
{
    (void)context;
    return index < COMMAND_COUNT ? command_name_text((enum command_name)index) : "unknown";
}

static const char *stream_label(const void *context, size_t index)
{
    (void)context;
    return index < STREAM_COUNT ? stream_definitions[index].name : "unknown";
}

static const char *module_label(const void *context, size_t index)
{
    const struct observer_metrics *metrics = context;
    return metrics->module_labels[index][0] ? metrics->module_labels[index] : NULL;
}

/* "keywords", and "keywords.2" for the second of that name. */
void observer_metrics_use_chain(struct observer_metrics *metrics, const struct chain *chain)
{
    metrics->chain = chain;
    memset(metrics->module_labels, 0, sizeof metrics->module_labels);
    memset(metrics->module_denials, 0, OBSERVER_MODULE_LABELS * sizeof *metrics->module_denials);
    for (uint32_t index = 0; index < chain_module_count(chain) && index < OBSERVER_MODULE_LABELS; index++) {
        const char *name = chain_module(chain, index)->name;
        unsigned same = 1;
        for (uint32_t before = 0; before < index; before++)
            same += strcmp(chain_module(chain, before)->name, name) == 0;
        if (same == 1)
            snprintf(metrics->module_labels[index], sizeof *metrics->module_labels, "%s", name);
        else
            snprintf(metrics->module_labels[index], sizeof *metrics->module_labels, "%s.%u", name, same);
    }
}

/* Modules behind the last label share it. */
static void collect_module_counts(struct observer_metrics *metrics)
{
    for (size_t number = 0; number < OBSERVER_MODULE_COUNTS; number++)
        memset(metrics->module_counts[number], 0, OBSERVER_MODULE_LABELS * sizeof **metrics->module_counts);
    for (uint32_t index = 0; index < chain_module_count(metrics->chain); index++) {
        struct module_counts counts = chain_module_counts(metrics->chain, index);
        uint32_t label = index < OBSERVER_MODULE_LABELS - 1 ? index : OBSERVER_MODULE_LABELS - 1;
        for (size_t number = 0; number < OBSERVER_MODULE_COUNTS; number++)
            metrics->module_counts[number][label] += *(uint64_t *)((char *)&counts + module_metrics[number].offset);
    }
}

static void collect(void *context)
{
    struct observer_metrics *metrics = context;
    collect_module_counts(metrics);
    metrics->counts = observer_counts(metrics->observer);
}

/* A label beyond the last is shared with others, whose figures are not added up. */
static const char *own_label(const void *context, size_t index)
{
    return index < OBSERVER_MODULE_LABELS - 1 ? module_label(context, index) : NULL;
}

static void append_seconds(const struct observer_metrics *metrics, struct buffer *output)
{
    metrics_append_family(output, &module_seconds);
    for (uint32_t index = 0; index < chain_module_count(metrics->chain); index++) {
        const char *label = own_label(metrics, index);
        if (label)
            metrics_append_sample(output, &module_seconds, label,
                                  (double)chain_module_counts(metrics->chain, index).nanoseconds / 1e9);
    }
}

static void append_figures(const void *context, struct buffer *output)
{
    const struct observer_metrics *metrics = context;
    append_seconds(metrics, output);
    module_figures_append(output, metrics->chain, own_label, metrics);
}

void observer_metrics_register(struct observer_metrics *metrics, struct metrics *registry,
                               const struct observer *observer)
{
    metrics->observer = observer;
    static const struct metric_definition commands = {"weir_replication_commands_total", METRIC_COUNTER,
                                                      "Commands of the replication channel by name.", "command"};
    static const struct metric_definition rows = {"weir_replication_rows_total", METRIC_COUNTER,
                                                  "Rows of the replication channel by stream.", "stream"};
    static const struct metric_definition denials = {"weir_module_denials_total", METRIC_COUNTER,
                                                     "Events that were refused, by the module that said so.", "module"};
    metrics->commands = metrics_register(registry, &commands, COMMAND_COUNT + 1, command_label, NULL);
    metrics->rows = metrics_register(registry, &rows, STREAM_COUNT + 1, stream_label, NULL);
    metrics->module_denials = metrics_register(registry, &denials, OBSERVER_MODULE_LABELS, module_label, metrics);
    for (size_t number = 0; number < OBSERVER_MODULE_COUNTS; number++)
        metrics->module_counts[number] = metrics_register(registry, &module_metrics[number].definition,
                                                          OBSERVER_MODULE_LABELS, module_label, metrics);
    metrics_register_members(registry, members, sizeof members / sizeof *members, &metrics->counts);
    metrics_on_collect(registry, collect, metrics);
    metrics_on_render(registry, append_figures, metrics);
}

const char *observer_metrics_label(const struct observer_metrics *metrics, uint32_t module_index)
{
    uint32_t last = OBSERVER_MODULE_LABELS - 1;
    return metrics->module_labels[module_index < last ? module_index : last];
}

uint64_t *observer_metrics_denials(const struct observer_metrics *metrics, uint32_t module_index)
{
    uint32_t last = OBSERVER_MODULE_LABELS - 1;
    return &metrics->module_denials[module_index < last ? module_index : last];
}
