/* The forms in which the outcome of a backtest is told: a screenful of text, JSON, and a page. */
#ifndef WEIR_ENGINE_BACKTEST_REPORT_H
#define WEIR_ENGINE_BACKTEST_REPORT_H

#include "engine/backtest.h"
#include "engine/human_text.h"

/* Fit for a terminal of 80 columns, but for ids and rules. */
void backtest_append_text(struct buffer *output, const struct backtest_report *report);

/* The version of the JSON's shape (docs/backtest.md); it rises with every change that a reader could trip over. */
#define BACKTEST_JSON_VERSION 1
/* One JSON object with a line break. Equal recordings and configurations give the same bytes, but for `run` and the
 * `cost` of modules. */
void backtest_append_json(struct buffer *output, const struct backtest_report *report);

/* A page of HTML that needs nothing else: no network, no script, pictures as SVG within it. It is XML too. */
void backtest_append_page(struct buffer *output, const struct backtest_report *report);

/* What several of them say. */

/* Modules whose verdicts are only recorded. */
bool backtest_module_is_dry(const struct backtest_report *report, unsigned side, uint32_t index);
/* What it denied, replaced or failed at. */
uint64_t backtest_module_decided(const struct module_tally *module);
/* "2026-11-20 14:00:05" in UTC; "-" for 0. */
void backtest_append_time(struct buffer *output, int64_t time_ms);
/* "denied by keywords: rule: reason", "passed"; texts cut to `characters` each. */
void backtest_append_opinion(struct buffer *output, const struct backtest_opinion *opinion, uint32_t characters);

/* Counts that are worth a line if they are not 0. */
struct backtest_note {
    const char *name; /* in JSON */
    const char *text;
    uint64_t count;
};
#define BACKTEST_NOTES 12u
/* All of them, zeros too. */
void backtest_notes(const struct backtest_report *report, struct backtest_note notes[BACKTEST_NOTES]);

#endif
