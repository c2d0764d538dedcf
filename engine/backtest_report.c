/* Words and numbers that the text and the page share. */
#include "engine/backtest_report.h"

#include <time.h>

#include "engine/backtest_excerpt.h"

bool backtest_module_is_dry(const struct backtest_report *report, unsigned side, uint32_t index)
{
    return chain_module_options(report->settings->configurations[side]->chain, index)->dry_run;
}

uint64_t backtest_module_decided(const struct module_tally *module)
{
    return module->kinds[OUTCOME_DENIED] + module->kinds[OUTCOME_CHANGED] + module->kinds[OUTCOME_FAILED];
}

void backtest_append_time(struct buffer *output, int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    if (time_ms <= 0 || !gmtime_r(&seconds, &parts)) {
        buffer_append_char(output, '-');
        return;
    }
    buffer_append_format(output, "%04d-%02d-%02d %02d:%02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                         parts.tm_hour, parts.tm_min, parts.tm_sec);
}

void backtest_append_opinion(struct buffer *output, const struct backtest_opinion *opinion, uint32_t characters)
{
    if (opinion->dry_run)
        buffer_append_format(output, "would have %s", opinion->kind == OUTCOME_FAILED ? "failed" : "been ");
    if (!opinion->dry_run || opinion->kind != OUTCOME_FAILED)
        buffer_append_string(output, backtest_outcome_names[opinion->kind]);
    if (opinion->module)
        buffer_append_format(output, opinion->kind == OUTCOME_FAILED ? " in %s" : " by %s", opinion->module);
    const struct slice texts[] = {opinion->rule, opinion->reason};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        if (!texts[index].length)
            continue;
        buffer_append_string(output, ": ");
        backtest_append_plain(output, texts[index], characters);
    }
}

void backtest_notes(const struct backtest_report *report, struct backtest_note notes[BACKTEST_NOTES])
{
    const struct observer_counts *observed = &report->recording.observed;
    const struct observer_counts *counts = &report->counts[BACKTEST_NEW];
    const struct backtest_note all[] = {
        {"rejected", "rejected events passed over", observed->rejected},
        {"outliers", "outliers passed over", observed->outliers},
        {"duplicates", "rows seen before passed over", observed->duplicates},
        {"bodies_missing", "events without a body, judged by their row alone", counts->bodies_missing},
        {"bodies_unreadable", "unreadable bodies, judged by their row alone", counts->bodies_unreadable},
        {"undated", "events of which nobody knows when they were", report->tally->undated},
        {"bad_bodies", "lines that are no bodies", report->bad_bodies},
        {"bad_lines", "replication lines about events that could not be read", observed->bad_lines},
        {"bad_records", "lines that are no recorded messages", report->recording.bad_records},
        {"gaps", "gaps in the recordings: what was published meanwhile is not in them", report->recording.gaps},
        {"cut_short", "files that broke off; what is there was read",
         report->recording.cut_short + report->bodies_cut_short},
        {"other_channels", "messages on other channels", report->recording.other_channels},
    };
    _Static_assert(sizeof all / sizeof *all == BACKTEST_NOTES, "as many as BACKTEST_NOTES");
    memcpy(notes, all, sizeof all);
}
