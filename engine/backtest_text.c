/* What somebody tired wants to know first: how many, what changed, which module and rule, a few examples. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/backtest_excerpt.h"
#include "engine/backtest_report.h"

#define RULES_SHOWN 8u
#define TOPS_SHOWN 3u
#define EXAMPLES_SHOWN 5u
#define RULE_CHARACTERS 60u
#define EXCERPT_CHARACTERS 70u

static const char *const side_names[BACKTEST_SIDES] = {"NEW", "OLD"};

static void append_head(struct buffer *output, const struct backtest_report *report)
{
    const struct backtest_tally *tally = report->tally;
    human_append_count(output, tally->events);
    buffer_append_string(output, " events judged");
    if (tally->times.latest_ms) {
        buffer_append_string(output, ", from ");
        backtest_append_time(output, tally->times.first_ms);
        buffer_append_string(output, " to ");
        backtest_append_time(output, tally->times.latest_ms);
        buffer_append_string(output, " (UTC)");
    }
    buffer_append_char(output, '\n');
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        const struct configuration *configuration = report->settings->configurations[side];
        if (!configuration)
            continue;
        buffer_append_format(output, "  %s", side_names[side]);
        for (unsigned kind = OUTCOME_DENIED; kind > OUTCOME_PASSED; kind--) {
            buffer_append_string(output, "  ");
            human_append_count(output, tally->kinds[side][kind]);
            buffer_append_format(output, " %s", backtest_outcome_names[kind]);
            if (kind == OUTCOME_DENIED && tally->events)
                buffer_append_format(output, " (%.2f %%)",
                                     100.0 * (double)tally->kinds[side][kind] / (double)tally->events);
        }
        if (tally->kinds[side][OUTCOME_FAILED]) {
            buffer_append_string(output, "  ");
            human_append_count(output, tally->kinds[side][OUTCOME_FAILED]);
            buffer_append_string(output, " failed");
        }
        buffer_append_format(output, "  %s\n", configuration->path);
    }
}

static void append_changes(struct buffer *output, const struct backtest_report *report)
{
    const struct backtest_tally *tally = report->tally;
    if (!tally->chains[BACKTEST_OLD])
        return;
    buffer_append_string(output, "\nEvents whose verdict changed: ");
    human_append_count(output, tally->changed);
    buffer_append_char(output, '\n');
    for (unsigned from = 0; from < OUTCOME_KINDS; from++)
        for (unsigned to = 0; to < OUTCOME_KINDS; to++)
            if (from != to && tally->changes[from][to]) {
                buffer_append_string(output, "  ");
                human_append_count(output, tally->changes[from][to]);
                buffer_append_format(output, " %s -> %s\n", backtest_outcome_names[from], backtest_outcome_names[to]);
            }
    if (tally->same_kind)
        buffer_append_format(output, "  %" PRIu64 " of the same kind that say something else\n", tally->same_kind);
    if (tally->other_reason)
        buffer_append_format(output, "The same verdict by another module or rule: %" PRIu64 "\n", tally->other_reason);
}

static void append_modules(struct buffer *output, const struct backtest_report *report, unsigned side)
{
    const struct configuration *configuration = report->settings->configurations[side];
    if (!configuration)
        return;
    buffer_append_format(output, "\n%s modules %14s %10s %10s %10s %8s\n", side_names[side], "denied", "replaced",
                         "failed", "would have", "ns/event");
    for (uint32_t index = 0; index < chain_module_count(configuration->chain); index++) {
        const struct module_tally *module = &report->tally->modules[side][index];
        buffer_append_format(output, "%3u. %-16s %4" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %8.0f%s\n",
                             (unsigned)index + 1, chain_module(configuration->chain, index)->name,
                             module->kinds[OUTCOME_DENIED], module->kinds[OUTCOME_CHANGED],
                             module->kinds[OUTCOME_FAILED], module->would_have, report->costs[side][index].nanoseconds,
                             backtest_module_is_dry(report, side, index) ? "  dry run" : "");
    }
}

static void append_rules(struct buffer *output, const struct backtest_report *report)
{
    const struct chain *chain = report->tally->chains[BACKTEST_NEW];
    struct top_entry entries[RULES_SHOWN];
    const struct top_table *rules = report->tally->rules[BACKTEST_NEW];
    uint32_t count = top_table_list(rules, entries, RULES_SHOWN);
    if (count)
        buffer_append_string(output, "\nRules of NEW that hit most (would have)\n");
    for (uint32_t index = 0; index < count; index++) {
        uint32_t module;
        struct slice rule = backtest_rule_of(entries[index].key, &module);
        buffer_append_format(output, "%9" PRIu64, entries[index].counts[0]);
        if (entries[index].counts[1])
            buffer_append_format(output, " (%" PRIu64 ")", entries[index].counts[1]);
        buffer_append_format(output, "  %s", chain_module(chain, module)->name);
        if (rule.length)
            buffer_append_string(output, ": ");
        backtest_append_plain(output, rule, RULE_CHARACTERS);
        buffer_append_char(output, '\n');
    }
}

static void append_top(struct buffer *output, const struct backtest_report *report, const char *title,
                       const struct top_table *table)
{
    struct top_entry entries[TOPS_SHOWN];
    uint32_t count = top_table_list(table, entries, TOPS_SHOWN);
    if (count)
        buffer_append_format(output, "%s with most denied events:", title);
    for (uint32_t index = 0; index < count; index++) {
        buffer_append_string(output, index ? ", " : " ");
        backtest_append_plain(output, entries[index].key, RULE_CHARACTERS);
        buffer_append_format(output, " %" PRIu64, entries[index].counts[BACKTEST_NEW]);
        if (report->tally->chains[BACKTEST_OLD])
            buffer_append_format(output, " (OLD %" PRIu64 ")", entries[index].counts[BACKTEST_OLD]);
    }
    if (count)
        buffer_append_char(output, '\n');
}

static bool same_text(const char *left, const char *right)
{
    return left == right || (left && right && strcmp(left, right) == 0);
}

/* Whether both tell of the same: modules, rules and kinds of both sides. */
static bool alike(const struct backtest_example *left, const struct backtest_example *right)
{
    bool same = true;
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        const struct backtest_opinion *one = &left->sides[side], *other = &right->sides[side];
        same = same && one->kind == other->kind && same_text(one->module, other->module) &&
               slice_equal(one->rule, other->rule);
    }
    return same;
}

/* The places of up to EXAMPLES_SHOWN examples: one of each sort first, in the order of the stream. */
static uint32_t choose_examples(const struct backtest_tally *tally, uint32_t places[EXAMPLES_SHOWN])
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < tally->example_count && count < EXAMPLES_SHOWN; index++) {
        bool new = true;
        for (uint32_t chosen = 0; chosen < count; chosen++)
            new = new && !alike(&tally->examples[places[chosen]], &tally->examples[index]);
        if (new)
            places[count++] = index;
    }
    return count;
}

static void append_example(struct buffer *output, const struct backtest_example *example, bool compared)
{
    buffer_append_string(output, "  ");
    backtest_append_plain(output, example->event_id, RULE_CHARACTERS);
    buffer_append_string(output, " of ");
    backtest_append_plain(output, slice_present(example->sender) ? example->sender : SLICE("somebody"),
                          RULE_CHARACTERS);
    buffer_append_string(output, " in ");
    backtest_append_plain(output, example->room_id, RULE_CHARACTERS);
    buffer_append_string(output, "\n    ");
    if (compared) {
        backtest_append_opinion(output, &example->sides[BACKTEST_OLD], RULE_CHARACTERS);
        buffer_append_string(output, " -> ");
    }
    backtest_append_opinion(output, &example->sides[BACKTEST_NEW], RULE_CHARACTERS);
    buffer_append_char(output, '\n');
    if (example->excerpt.length) {
        buffer_append_string(output, "    \"");
        backtest_append_plain(output, example->excerpt, EXCERPT_CHARACTERS);
        buffer_append_string(output, "\"\n");
    }
}

static void append_examples(struct buffer *output, const struct backtest_report *report)
{
    const struct backtest_tally *tally = report->tally;
    bool compared = tally->chains[BACKTEST_OLD] != NULL;
    uint32_t places[EXAMPLES_SHOWN];
    uint32_t shown = choose_examples(tally, places);
    if (shown)
        buffer_append_format(output, "\nExamples of events that %s\n", compared ? "changed" : "did not pass");
    for (uint32_t index = 0; index < shown; index++)
        append_example(output, &tally->examples[places[index]], compared);
}

static void append_notes(struct buffer *output, const struct backtest_report *report)
{
    struct backtest_note notes[BACKTEST_NOTES];
    backtest_notes(report, notes);
    buffer_append_char(output, '\n');
    for (uint32_t index = 0; index < BACKTEST_NOTES; index++)
        if (notes[index].count)
            buffer_append_format(output, "%" PRIu64 " %s\n", notes[index].count, notes[index].text);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++)
        if (report->ordered_by[side] && report->settings->jobs > 1)
            buffer_append_format(output, "%s judges its events one after another: %s allows no more\n",
                                 side_names[side], report->ordered_by[side]);
    double seconds = report->seconds > 0 ? report->seconds : 1e-9;
    buffer_append_format(output, "%.2f s, %.0f events/s, %u jobs\n", report->seconds,
                         (double)report->tally->events / seconds, report->settings->jobs);
}

void backtest_append_text(struct buffer *output, const struct backtest_report *report)
{
    append_head(output, report);
    append_changes(output, report);
    append_modules(output, report, BACKTEST_NEW);
    append_modules(output, report, BACKTEST_OLD);
    append_rules(output, report);
    buffer_append_char(output, '\n');
    append_top(output, report, "Rooms", report->tally->rooms);
    append_top(output, report, "Senders", report->tally->senders);
    append_examples(output, report);
    append_notes(output, report);
}
