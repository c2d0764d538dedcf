/* Everything of strangers on the page goes through markup_append_text, the page's own words are literals here, and the
 * page forbids itself whatever it does not need (its Content-Security-Policy): a text that came through all the same
 * could neither run nor fetch anything. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/backtest_report.h"
#include "engine/svg_chart.h"
#include "filters/duration.h"

#define TOPS_SHOWN 15u
#define RULES_SHOWN 30u
#define TEXT_CHARACTERS 300u
/* Modules with a colour of their own in the picture over time; the last colour is for all others. */
#define MODULES_SHOWN (SVG_COLOURS - 1)

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:64rem;padding:0 1rem;color:var(--ink);"
    "background:#fcfcfa}\n"
    "@media (prefers-color-scheme:dark){body{background:#191918}}\n"
    "h1{font-size:1.4rem;margin:0 0 .3rem}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}p{margin:.3rem 0}\n"
    ".note{color:var(--muted);font-size:.85rem}\n"
    "table{border-collapse:collapse;width:100%;font-size:.85rem}\n"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--grid)}\n"
    "td{overflow-wrap:anywhere}th.number,td.number{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".wide{overflow-x:auto}code{font-size:.8rem}\n";

static const char *const side_names[BACKTEST_SIDES] = {"NEW", "OLD"};

static void append_text(struct buffer *output, struct slice text)
{
    markup_append_text(output, text, TEXT_CHARACTERS);
}

static void append_string(struct buffer *output, const char *text)
{
    append_text(output, slice_from_string(text));
}

static bool compared(const struct backtest_report *report)
{
    return report->tally->chains[BACKTEST_OLD] != NULL;
}

static void append_number_cell(struct buffer *output, uint64_t number)
{
    buffer_append_string(output, "<td class=\"number\">");
    human_append_count(output, number);
    buffer_append_string(output, "</td>");
}

/* ---- the head */

static void append_summary(struct buffer *output, const struct backtest_report *report)
{
    const struct backtest_tally *tally = report->tally;
    buffer_append_string(output, "<h1>Backtest</h1>\n<p>");
    human_append_count(output, tally->events);
    buffer_append_string(output, " events judged");
    if (tally->times.latest_ms) {
        buffer_append_string(output, ", from ");
        backtest_append_time(output, tally->times.first_ms);
        buffer_append_string(output, " to ");
        backtest_append_time(output, tally->times.latest_ms);
        buffer_append_string(output, " (UTC)");
    }
    buffer_append_string(output, ".</p>\n<table><thead><tr><th></th><th>Configuration</th>");
    for (unsigned kind = 0; kind < OUTCOME_KINDS; kind++)
        buffer_append_format(output, "<th class=\"number\">%s</th>", backtest_outcome_names[kind]);
    buffer_append_string(output, "<th class=\"number\">would have</th></tr></thead><tbody>\n");
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        if (!tally->chains[side])
            continue;
        buffer_append_format(output, "<tr><th>%s</th><td>", side_names[side]);
        append_string(output, report->settings->configurations[side]->path);
        buffer_append_string(output, "</td>");
        for (unsigned kind = 0; kind < OUTCOME_KINDS; kind++)
            append_number_cell(output, tally->kinds[side][kind]);
        append_number_cell(output, tally->would_have[side]);
        buffer_append_string(output, "</tr>\n");
    }
    buffer_append_string(output, "</tbody></table>\n<p class=\"note\">“Would have” counts what modules in <code>dry_run"
                                 "</code> would have decided; it decided nothing.</p>\n");
}

static void append_changes(struct buffer *output, const struct backtest_report *report)
{
    const struct backtest_tally *tally = report->tally;
    if (!compared(report))
        return;
    buffer_append_string(output, "<h2>What changed</h2>\n<p>");
    human_append_count(output, tally->changed);
    buffer_append_string(output, " events changed their verdict; ");
    human_append_count(output, tally->other_reason);
    buffer_append_string(output, " have the same verdict by another module or rule.</p>\n<table><thead><tr><th>OLD \\ "
                                 "NEW</th>");
    for (unsigned to = 0; to < OUTCOME_KINDS; to++)
        buffer_append_format(output, "<th class=\"number\">%s</th>", backtest_outcome_names[to]);
    buffer_append_string(output, "</tr></thead><tbody>\n");
    for (unsigned from = 0; from < OUTCOME_KINDS; from++) {
        buffer_append_format(output, "<tr><th>%s</th>", backtest_outcome_names[from]);
        for (unsigned to = 0; to < OUTCOME_KINDS; to++)
            append_number_cell(output, tally->changes[from][to]);
        buffer_append_string(output, "</tr>\n");
    }
    buffer_append_string(output, "</tbody></table>\n");
    if (tally->same_kind) {
        buffer_append_string(output, "<p class=\"note\">Among them ");
        human_append_count(output, tally->same_kind);
        buffer_append_string(output, " with a verdict of the same kind that says something else.</p>\n");
    }
}

/* ---- over time */

static void append_step_name(void *context, uint32_t step, bool brief, struct buffer *output)
{
    const struct time_buckets *times = context;
    struct buffer text = {0};
    backtest_append_time(&text, times->start_ms + step * times->width_ms);
    /* "2026-11-23 08:58:45": the year is plain, and seconds matter only in short steps. */
    size_t length = times->width_ms % 60000 ? 14 : 11;
    if (brief && text.length == 19)
        buffer_append(output, text.data + 5, length);
    else
        buffer_append_slice(output, buffer_slice(&text));
    buffer_free(&text);
}

static void append_verdicts_over_time(struct buffer *output, const struct backtest_report *report)
{
    static const struct svg_series series[] = {
        {"failed", "cf"}, {"denied", "cd"}, {"replaced", "cr"}, {"passed", "cp"}};
    struct time_buckets *times = &report->tally->times;
    uint64_t values[TIME_BUCKETS * 4];
    uint64_t old[TIME_BUCKETS];
    for (uint32_t step = 0; step < times->used; step++) {
        uint64_t *value = &values[step * 4];
        value[0] = time_buckets_count(times, step, TALLY_KINDS + OUTCOME_FAILED - 1);
        value[1] = time_buckets_count(times, step, TALLY_KINDS + OUTCOME_DENIED - 1);
        value[2] = time_buckets_count(times, step, TALLY_KINDS + OUTCOME_CHANGED - 1);
        value[3] = time_buckets_count(times, step, TALLY_EVENTS) - value[0] - value[1] - value[2];
        old[step] = time_buckets_count(times, step, TALLY_KINDS + OUTCOME_KINDS - 1 + OUTCOME_DENIED - 1);
    }
    struct svg_stack stack = {.title = "Events over time, by the verdict of NEW",
                              .steps = times->used,
                              .series_count = 4,
                              .series = series,
                              .values = values,
                              .line = compared(report) ? old : NULL,
                              .line_name = "denied by OLD",
                              .append_step = append_step_name,
                              .context = times};
    buffer_append_string(output, "<h2>Verdicts over time</h2>\n");
    svg_append_stack(output, &stack);
}

/* The modules that denied most, in the order of the chain: their places in `places`. */
static uint32_t choose_modules(const struct backtest_report *report, uint32_t places[MODULES_SHOWN])
{
    const struct module_tally *modules = report->tally->modules[BACKTEST_NEW];
    uint32_t total = chain_module_count(report->tally->chains[BACKTEST_NEW]), count = 0;
    for (uint32_t index = 0; index < total; index++) {
        uint32_t more = 0;
        for (uint32_t other = 0; other < total; other++) {
            uint64_t ours = modules[index].kinds[OUTCOME_DENIED], theirs = modules[other].kinds[OUTCOME_DENIED];
            more += theirs > ours || (theirs == ours && other < index);
        }
        if (more < MODULES_SHOWN && modules[index].kinds[OUTCOME_DENIED])
            places[count++] = index;
    }
    return count;
}

static void append_modules_over_time(struct buffer *output, const struct backtest_report *report)
{
    static const char *const colours[SVG_COLOURS] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"};
    struct time_buckets *times = &report->tally->times;
    const struct chain *chain = report->tally->chains[BACKTEST_NEW];
    uint32_t places[MODULES_SHOWN];
    uint32_t shown = choose_modules(report, places), series_count = shown + 1;
    struct svg_series series[SVG_COLOURS] = {0};
    char names[SVG_COLOURS][80];
    uint64_t *values = memory_allocate_zeroed((size_t)TIME_BUCKETS * SVG_COLOURS, sizeof *values);
    if (shown == 0 || times->used == 0) {
        free(values);
        return;
    }
    for (uint32_t index = 0; index < shown; index++) {
        snprintf(names[index], sizeof names[index], "%u. %s", (unsigned)places[index] + 1,
                 chain_module(chain, places[index])->name);
        series[index] = (struct svg_series){names[index], colours[index]};
    }
    series[shown] = (struct svg_series){"others", colours[SVG_COLOURS - 1]};
    uint64_t others = 0;
    for (uint32_t step = 0; step < times->used; step++) {
        uint64_t rest = time_buckets_count(times, step, TALLY_KINDS + OUTCOME_DENIED - 1);
        for (uint32_t index = 0; index < shown; index++) {
            uint64_t count = time_buckets_count(times, step, TALLY_MODULES + places[index]);
            values[step * series_count + index] = count;
            rest -= count;
        }
        values[step * series_count + shown] = rest;
        others += rest;
    }
    if (!others) { /* the same without the last of each step */
        for (uint32_t step = 0; step < times->used; step++)
            for (uint32_t index = 0; index < shown; index++)
                values[step * shown + index] = values[step * series_count + index];
        series_count = shown;
    }
    struct svg_stack stack = {.title = "Events that NEW denied over time, by module",
                              .steps = times->used,
                              .series_count = series_count,
                              .series = series,
                              .values = values,
                              .append_step = append_step_name,
                              .context = times};
    buffer_append_string(output, "<h2>Denied over time, by module of NEW</h2>\n");
    svg_append_stack(output, &stack);
    free(values);
}

static void append_times(struct buffer *output, const struct backtest_report *report)
{
    const struct time_buckets *times = &report->tally->times;
    if (!times->used)
        return;
    append_verdicts_over_time(output, report);
    append_modules_over_time(output, report);
    struct buffer width = {0};
    duration_append(&width, times->width_ms);
    buffer_append_format(output, "<p class=\"note\">A column is %s. Times are those of the events, in UTC.</p>\n",
                         buffer_string(&width));
    buffer_free(&width);
}

/* ---- modules, rules */

static void append_module_table(struct buffer *output, const struct backtest_report *report, unsigned side)
{
    const struct chain *chain = report->tally->chains[side];
    buffer_append_format(output,
                         "<h2>Modules of %s</h2>\n<table><thead><tr><th>Module</th><th class=\"number\">denied</th>"
                         "<th class=\"number\">replaced</th><th class=\"number\">failed</th><th class=\"number\">would "
                         "have</th><th class=\"number\">ns an event</th><th class=\"number\">asked of</th></tr></thead>"
                         "<tbody>\n",
                         side_names[side]);
    for (uint32_t index = 0; index < chain_module_count(chain); index++) {
        const struct module_tally *module = &report->tally->modules[side][index];
        const struct module_cost *cost = &report->costs[side][index];
        buffer_append_format(output, "<tr><td>%u. ", (unsigned)index + 1);
        append_string(output, chain_module(chain, index)->name);
        buffer_append_string(output, backtest_module_is_dry(report, side, index) ? " (dry run)</td>" : "</td>");
        append_number_cell(output, module->kinds[OUTCOME_DENIED]);
        append_number_cell(output, module->kinds[OUTCOME_CHANGED]);
        append_number_cell(output, module->kinds[OUTCOME_FAILED]);
        append_number_cell(output, module->would_have);
        buffer_append_format(output, "<td class=\"number\">%.0f</td><td class=\"number\">%.0f %%</td></tr>\n",
                             cost->nanoseconds, cost->share * 100);
    }
    buffer_append_string(output, "</tbody></table>\n");
}

static void append_module_bars(struct buffer *output, const struct backtest_report *report, unsigned side, bool costs)
{
    const struct chain *chain = report->tally->chains[side];
    uint32_t count = chain_module_count(chain);
    struct svg_bar *bars = memory_allocate_zeroed(count + 1, sizeof *bars);
    for (uint32_t index = 0; index < count; index++) {
        const struct module_tally *module = &report->tally->modules[side][index];
        bars[index] = (struct svg_bar){.name = slice_from_string(chain_module(chain, index)->name),
                                       .colours = {costs ? "c0" : "cd", "cw"}};
        bars[index].values[0] =
            costs ? report->costs[side][index].nanoseconds : (double)backtest_module_decided(module);
        bars[index].values[1] = (double)module->would_have;
    }
    if (costs)
        svg_append_bars(output, "Cost of each module in nanoseconds an event", bars, count, false, " ns");
    else
        svg_append_bars(output, "What each module decided, and what it would have", bars, count, true, "");
    free(bars);
}

static void append_modules(struct buffer *output, const struct backtest_report *report)
{
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        if (!report->tally->chains[side])
            continue;
        append_module_table(output, report, side);
        buffer_append_string(output, "<div class=\"legend\"><span><i class=\"cd\"></i>decided</span><span><i "
                                     "class=\"cw\"></i>would have</span></div>\n");
        append_module_bars(output, report, side, false);
        buffer_append_format(output, "<h2>Cost of the modules of %s</h2>\n", side_names[side]);
        append_module_bars(output, report, side, true);
    }
    buffer_append_format(
        output,
        "<p class=\"note\">Costs were measured behind the backtest, on %" PRIu32
        " of its events, each judged %u times more with a look at the clock before and after each "
        "module; of each module the round that took the least counts, less what the clock itself takes, "
        "spread over all events of the sample. Reading the event is in none of them.</p>\n",
        report->sampled, COST_ROUNDS);
}

static void append_rules(struct buffer *output, const struct backtest_report *report, unsigned side)
{
    const struct chain *chain = report->tally->chains[side];
    const struct top_table *rules = report->tally->rules[side];
    struct top_entry entries[RULES_SHOWN];
    uint32_t count = top_table_list(rules, entries, RULES_SHOWN);
    if (!count)
        return;
    buffer_append_format(output,
                         "<h2>Rules of %s that hit most</h2>\n<table><thead><tr><th>Module</th><th>Rule</th><th "
                         "class=\"number\">hits</th><th class=\"number\">would have</th></tr></thead><tbody>\n",
                         side_names[side]);
    for (uint32_t index = 0; index < count; index++) {
        uint32_t module;
        struct slice rule = backtest_rule_of(entries[index].key, &module);
        buffer_append_format(output, "<tr><td>%u. ", (unsigned)module + 1);
        append_string(output, chain_module(chain, module)->name);
        buffer_append_string(output, "</td><td>");
        append_text(output, rule);
        buffer_append_string(output, "</td>");
        append_number_cell(output, entries[index].counts[0]);
        append_number_cell(output, entries[index].counts[1]);
        buffer_append_string(output, "</tr>\n");
    }
    buffer_append_string(output, "</tbody></table>\n");
}

/* ---- rooms and senders */

static void append_top(struct buffer *output, const struct backtest_report *report, const char *title,
                       const struct top_table *table)
{
    struct top_entry entries[TOPS_SHOWN];
    struct svg_bar bars[TOPS_SHOWN];
    uint32_t count = top_table_list(table, entries, TOPS_SHOWN);
    if (!count)
        return;
    for (uint32_t index = 0; index < count; index++)
        bars[index] = (struct svg_bar){
            .name = entries[index].key,
            .values = {(double)entries[index].counts[BACKTEST_NEW], (double)entries[index].counts[BACKTEST_OLD]},
            .colours = {"cd", "co"}};
    buffer_append_format(output, "<h2>%s with most denied events</h2>\n", title);
    if (compared(report))
        buffer_append_string(output, "<div class=\"legend\"><span><i class=\"cd\"></i>by NEW</span><span><i "
                                     "class=\"co\"></i>by OLD</span></div>\n");
    svg_append_bars(output, title, bars, count, compared(report), "");
    uint64_t error = top_table_error(table);
    if (error) {
        buffer_append_format(output, "<p class=\"note\">More than %u were counted: a number may be too low by ",
                             BACKTEST_TOP_CAPACITY);
        human_append_count(output, error);
        buffer_append_string(output, " at most.</p>\n");
    }
}

/* ---- examples */

static void append_opinion_cell(struct buffer *output, const struct backtest_opinion *opinion)
{
    struct buffer text = {0};
    backtest_append_opinion(&text, opinion, TEXT_CHARACTERS);
    buffer_append_string(output, "<td>");
    markup_append_text(output, buffer_slice(&text), 2 * TEXT_CHARACTERS + 100);
    buffer_append_string(output, "</td>");
    buffer_free(&text);
}

static void append_examples(struct buffer *output, const struct backtest_report *report)
{
    const struct backtest_tally *tally = report->tally;
    buffer_append_format(output, "<h2>%s</h2>\n<p>",
                         compared(report) ? "Events that changed their verdict" : "Events that did not pass");
    human_append_count(output, tally->example_count);
    buffer_append_string(output, " of ");
    human_append_count(output, tally->example_candidates);
    buffer_append_string(output, " are shown.</p>\n");
    if (!tally->example_count)
        return;
    buffer_append_string(output, "<div class=\"wide\"><table id=\"events\"><thead><tr><th>Time "
                                 "(UTC)</th><th>Event</th><th>Room</th><th>Sender</th><th>Type</th><th>Text</th>");
    buffer_append_string(output, compared(report) ? "<th>OLD</th>" : "");
    buffer_append_string(output, "<th>NEW</th></tr></thead><tbody>\n");
    for (uint32_t index = 0; index < tally->example_count; index++) {
        const struct backtest_example *example = &tally->examples[index];
        const struct slice texts[] = {example->event_id, example->room_id, example->sender, example->type,
                                      example->excerpt};
        buffer_append_string(output, "<tr><td>");
        backtest_append_time(output, example->time_ms);
        buffer_append_string(output, "</td>");
        for (size_t which = 0; which < sizeof texts / sizeof *texts; which++) {
            buffer_append_string(output, "<td dir=\"auto\">");
            append_text(output, texts[which]);
            buffer_append_string(output, "</td>");
        }
        if (compared(report))
            append_opinion_cell(output, &example->sides[BACKTEST_OLD]);
        append_opinion_cell(output, &example->sides[BACKTEST_NEW]);
        buffer_append_string(output, "</tr>\n");
    }
    buffer_append_string(output, "</tbody></table></div>\n");
}

static void append_notes(struct buffer *output, const struct backtest_report *report)
{
    struct backtest_note notes[BACKTEST_NOTES];
    backtest_notes(report, notes);
    buffer_append_string(output, "<h2>About this run</h2>\n<ul class=\"note\">\n");
    for (size_t index = 0; index < report->settings->recording_count; index++) {
        buffer_append_string(output, "<li>recording ");
        append_string(output, report->settings->recordings[index]);
        buffer_append_string(output, "</li>\n");
    }
    if (!report->settings->recording_count) {
        buffer_append_string(output, "<li>from the database, events that came at ");
        backtest_append_time(output, report->settings->since_ms);
        buffer_append_string(output, " (UTC) or later</li>\n");
    }
    for (uint32_t index = 0; index < BACKTEST_NOTES; index++)
        if (notes[index].count) {
            buffer_append_string(output, "<li>");
            human_append_count(output, notes[index].count);
            buffer_append_format(output, " %s</li>\n", notes[index].text);
        }
    buffer_append_format(output, "<li>%.2f s, %.0f events/s, %u jobs, Weir %s</li>\n</ul>\n", report->seconds,
                         report->seconds > 0 ? (double)report->tally->events / report->seconds : 0,
                         report->settings->jobs, WEIR_VERSION);
}

void backtest_append_page(struct buffer *output, const struct backtest_report *report)
{
    buffer_append_string(output,
                         "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta "
                         "charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                         "'none'; style-src 'unsafe-inline'\"/>\n<meta name=\"viewport\" content=\"width=device-width, "
                         "initial-scale=1\"/>\n<title>Weir backtest</title>\n<style>\n");
    buffer_append_string(output, svg_chart_style);
    buffer_append_string(output, style);
    buffer_append_string(output, "</style>\n</head>\n<body>\n");
    append_summary(output, report);
    append_changes(output, report);
    append_times(output, report);
    append_modules(output, report);
    append_rules(output, report, BACKTEST_NEW);
    if (compared(report))
        append_rules(output, report, BACKTEST_OLD);
    append_top(output, report, "Rooms", report->tally->rooms);
    append_top(output, report, "Senders", report->tally->senders);
    append_examples(output, report);
    append_notes(output, report);
    buffer_append_string(output, "</body>\n</html>\n");
}
