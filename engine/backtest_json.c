/* Written by hand rather than through a tree: the order of the members is that of the page in deploy/, and the strings
 * are escaped as everywhere else. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/backtest_report.h"

#define TOPS_SHOWN 100u
#define RULES_SHOWN 1000u

static const char *const side_members[BACKTEST_SIDES] = {"new", "old"};

/* A comma unless something has just been opened. */
static void separate(struct buffer *output)
{
    char last = output->length ? output->data[output->length - 1] : '{';
    if (last != '{' && last != '[' && last != ':')
        buffer_append_char(output, ',');
}

static void open_member(struct buffer *output, const char *name)
{
    separate(output);
    buffer_append_format(output, "\"%s\":", name);
}

static void add_count(struct buffer *output, const char *name, uint64_t count)
{
    open_member(output, name);
    buffer_append_integer(output, (int64_t)count);
}

static void add_text(struct buffer *output, const char *name, struct slice text)
{
    open_member(output, name);
    buffer_append_json_string(output, text);
}

static void add_number(struct buffer *output, const char *name, double number)
{
    open_member(output, name);
    buffer_append_format(output, "%.3f", number);
}

static void add_boolean(struct buffer *output, const char *name, bool boolean)
{
    open_member(output, name);
    buffer_append_string(output, boolean ? "true" : "false");
}

static void add_kinds(struct buffer *output, const uint64_t kinds[OUTCOME_KINDS])
{
    for (unsigned kind = 0; kind < OUTCOME_KINDS; kind++)
        add_count(output, backtest_outcome_names[kind], kinds[kind]);
}

static void add_modules(struct buffer *output, const struct backtest_report *report, unsigned side)
{
    const struct chain *chain = report->tally->chains[side];
    open_member(output, "modules");
    buffer_append_char(output, '[');
    for (uint32_t index = 0; index < chain_module_count(chain); index++) {
        const struct module_tally *module = &report->tally->modules[side][index];
        const struct module_cost *cost = &report->costs[side][index];
        separate(output);
        buffer_append_char(output, '{');
        add_text(output, "module", slice_from_string(chain_module(chain, index)->name));
        add_boolean(output, "dry_run", backtest_module_is_dry(report, side, index));
        add_count(output, "denied", module->kinds[OUTCOME_DENIED]);
        add_count(output, "replaced", module->kinds[OUTCOME_CHANGED]);
        add_count(output, "failed", module->kinds[OUTCOME_FAILED]);
        add_count(output, "would_have", module->would_have);
        open_member(output, "cost");
        buffer_append_char(output, '{');
        add_number(output, "ns_per_event", cost->nanoseconds);
        add_number(output, "asked_per_event", cost->share);
        buffer_append_string(output, "}}");
    }
    buffer_append_char(output, ']');
}

static void add_rules(struct buffer *output, const struct backtest_report *report, unsigned side)
{
    const struct chain *chain = report->tally->chains[side];
    struct top_entry *entries = memory_allocate_zeroed(RULES_SHOWN, sizeof *entries);
    uint32_t count = top_table_list(report->tally->rules[side], entries, RULES_SHOWN);
    open_member(output, "rules");
    buffer_append_char(output, '[');
    for (uint32_t index = 0; index < count; index++) {
        uint32_t module;
        struct slice rule = backtest_rule_of(entries[index].key, &module);
        separate(output);
        buffer_append_char(output, '{');
        add_count(output, "place", module);
        add_text(output, "module", slice_from_string(chain_module(chain, module)->name));
        add_text(output, "rule", rule);
        add_count(output, "hits", entries[index].counts[0]);
        add_count(output, "would_have", entries[index].counts[1]);
        buffer_append_char(output, '}');
    }
    buffer_append_char(output, ']');
    add_count(output, "rules_error", top_table_error(report->tally->rules[side]));
    free(entries);
}

static void add_side(struct buffer *output, const struct backtest_report *report, unsigned side)
{
    open_member(output, side_members[side]);
    if (!report->tally->chains[side]) {
        buffer_append_string(output, "null");
        return;
    }
    buffer_append_char(output, '{');
    add_text(output, "configuration", slice_from_string(report->settings->configurations[side]->path));
    add_kinds(output, report->tally->kinds[side]);
    add_count(output, "would_have", report->tally->would_have[side]);
    add_modules(output, report, side);
    add_rules(output, report, side);
    buffer_append_char(output, '}');
}

static void add_top(struct buffer *output, const char *name, const struct top_table *table)
{
    struct top_entry entries[TOPS_SHOWN];
    uint32_t count = top_table_list(table, entries, TOPS_SHOWN);
    open_member(output, name);
    buffer_append_char(output, '{');
    add_count(output, "error", top_table_error(table));
    open_member(output, "most_denied");
    buffer_append_char(output, '[');
    for (uint32_t index = 0; index < count; index++) {
        separate(output);
        buffer_append_char(output, '{');
        add_text(output, "id", entries[index].key);
        add_count(output, "new", entries[index].counts[BACKTEST_NEW]);
        add_count(output, "old", entries[index].counts[BACKTEST_OLD]);
        buffer_append_char(output, '}');
    }
    buffer_append_string(output, "]}");
}

static void add_times(struct buffer *output, const struct backtest_report *report)
{
    const struct time_buckets *times = &report->tally->times;
    open_member(output, "times");
    buffer_append_char(output, '{');
    add_count(output, "start_ms", (uint64_t)times->start_ms);
    add_count(output, "step_ms", (uint64_t)times->width_ms);
    add_count(output, "first_ms", (uint64_t)times->first_ms);
    add_count(output, "latest_ms", (uint64_t)times->latest_ms);
    open_member(output, "steps");
    buffer_append_char(output, '[');
    for (uint32_t step = 0; step < times->used; step++) {
        separate(output);
        buffer_append_char(output, '{');
        add_count(output, "events", time_buckets_count(times, step, TALLY_EVENTS));
        for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
            if (!report->tally->chains[side])
                continue;
            open_member(output, side_members[side]);
            buffer_append_char(output, '{');
            for (unsigned kind = OUTCOME_PASSED + 1; kind < OUTCOME_KINDS; kind++)
                add_count(output, backtest_outcome_names[kind],
                          time_buckets_count(times, step, TALLY_KINDS + side * (OUTCOME_KINDS - 1) + kind - 1));
            buffer_append_char(output, '}');
        }
        add_count(output, "would_have", time_buckets_count(times, step, TALLY_WOULD_HAVE));
        buffer_append_char(output, '}');
    }
    buffer_append_string(output, "]}");
}

static void add_changes(struct buffer *output, const struct backtest_tally *tally)
{
    open_member(output, "changes");
    if (!tally->chains[BACKTEST_OLD]) {
        buffer_append_string(output, "null");
        return;
    }
    buffer_append_char(output, '{');
    add_count(output, "changed", tally->changed);
    add_count(output, "same_kind", tally->same_kind);
    add_count(output, "other_reason", tally->other_reason);
    for (unsigned from = 0; from < OUTCOME_KINDS; from++) {
        open_member(output, backtest_outcome_names[from]);
        buffer_append_char(output, '{');
        add_kinds(output, tally->changes[from]);
        buffer_append_char(output, '}');
    }
    buffer_append_char(output, '}');
}

static void add_opinion(struct buffer *output, const char *name, const struct backtest_opinion *opinion)
{
    open_member(output, name);
    buffer_append_char(output, '{');
    add_text(output, "verdict", slice_from_string(backtest_outcome_names[opinion->kind]));
    add_boolean(output, "dry_run", opinion->dry_run);
    add_text(output, "callback", slice_from_string(opinion->callback));
    add_text(output, "module", slice_from_string(opinion->module));
    add_text(output, "rule", opinion->rule);
    add_text(output, "reason", opinion->reason);
    open_member(output, "result");
    buffer_append_slice(output, slice_present(opinion->result) ? opinion->result : SLICE("null"));
    buffer_append_char(output, '}');
}

static void add_examples(struct buffer *output, const struct backtest_tally *tally)
{
    add_count(output, "examples_of", tally->example_candidates);
    open_member(output, "examples");
    buffer_append_char(output, '[');
    for (uint32_t index = 0; index < tally->example_count; index++) {
        const struct backtest_example *example = &tally->examples[index];
        separate(output);
        buffer_append_char(output, '{');
        add_text(output, "event_id", example->event_id);
        add_text(output, "room_id", example->room_id);
        add_text(output, "sender", example->sender);
        add_text(output, "type", example->type);
        add_count(output, "time_ms", (uint64_t)example->time_ms);
        add_text(output, "text", example->excerpt);
        for (unsigned side = 0; side < BACKTEST_SIDES; side++)
            if (tally->chains[side])
                add_opinion(output, side_members[side], &example->sides[side]);
        buffer_append_char(output, '}');
    }
    buffer_append_char(output, ']');
}

static void add_source(struct buffer *output, const struct backtest_settings *settings)
{
    open_member(output, "recordings");
    buffer_append_char(output, '[');
    for (size_t index = 0; index < settings->recording_count; index++) {
        separate(output);
        buffer_append_json_string(output, slice_from_string(settings->recordings[index]));
    }
    buffer_append_char(output, ']');
    if (!settings->recording_count)
        add_count(output, "database_since_ms", (uint64_t)settings->since_ms);
}

static void add_run(struct buffer *output, const struct backtest_report *report)
{
    open_member(output, "run");
    buffer_append_char(output, '{');
    add_count(output, "jobs", report->settings->jobs);
    add_number(output, "seconds", report->seconds);
    add_number(output, "events_per_second", report->seconds > 0 ? (double)report->tally->events / report->seconds : 0);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++)
        if (report->tally->chains[side]) {
            open_member(output, side ? "old_in_order_for" : "new_in_order_for");
            buffer_append_json_string(output, slice_from_string(report->ordered_by[side]));
        }
    buffer_append_char(output, '}');
}

void backtest_append_json(struct buffer *output, const struct backtest_report *report)
{
    const struct backtest_tally *tally = report->tally;
    struct backtest_note notes[BACKTEST_NOTES];
    backtest_notes(report, notes);
    buffer_append_char(output, '{');
    add_count(output, "version", BACKTEST_JSON_VERSION);
    add_text(output, "weir", SLICE(WEIR_VERSION));
    add_source(output, report->settings);
    add_count(output, "events", tally->events);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++)
        add_side(output, report, side);
    add_changes(output, tally);
    add_times(output, report);
    add_top(output, "rooms", tally->rooms);
    add_top(output, "senders", tally->senders);
    add_examples(output, tally);
    open_member(output, "notes");
    buffer_append_char(output, '{');
    for (uint32_t index = 0; index < BACKTEST_NOTES; index++)
        add_count(output, notes[index].name, notes[index].count);
    buffer_append_char(output, '}');
    add_count(output, "cost_sample", report->sampled);
    add_run(output, report);
    buffer_append_string(output, "}\n");
}
