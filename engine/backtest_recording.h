/* The recordings of a backtest: from the file to the events that are to be judged, in steps that several threads can
 * share (engine/work_line.h).
 *
 * What counts as an event to judge is the observer's affair, as in a replay: positions, duplicates, rejected events. It
 * is told of lines that concern events only. Several recordings are one stream: what an earlier one had is a duplicate
 * in a later one. */
#ifndef WEIR_ENGINE_BACKTEST_RECORDING_H
#define WEIR_ENGINE_BACKTEST_RECORDING_H

#include "engine/backtest_batch.h"
#include "engine/observer.h"
#include "replication/recording.h"

struct backtest_recording;

struct backtest_recording_settings {
    const char *server_name;
    const char *instance_name;
    bool judge_rejected;
    bool judge_outliers;
    /* Whether anybody follows the room; then its rows are events with `state`, too, before they are judged. */
    bool (*followed)(void *context, struct slice room_id);
    void *context;
};

struct backtest_recording_counts {
    uint64_t messages;       /* lines that are messages */
    uint64_t other_channels; /* of those, on channels that are not ours */
    uint64_t bad_records;    /* lines that are no recorded messages */
    uint64_t gaps;           /* of which the recording tells */
    uint64_t cut_short;      /* files that broke off */
    struct observer_counts observed;
};

struct backtest_recording *backtest_recording_create(const struct backtest_recording_settings *settings);
void backtest_recording_destroy(struct backtest_recording *recording);

/* The next file; "-" is standard input. False with a sentence in `error`. */
bool backtest_recording_open(struct backtest_recording *recording, const char *path, struct buffer *error);
/* How much of that file was read, as line_reader_progress. */
void backtest_recording_progress(const struct backtest_recording *recording, uint64_t *done, uint64_t *size);

/* Ordered: clears the batch and reads the next lines of the file into it. LINE_END at its end, LINE_FAILED with a
 * sentence in `error`. */
enum line_status backtest_recording_read(struct backtest_recording *recording, struct backtest_batch *batch,
                                         struct buffer *error);
/* By any number of threads: finds the messages that concern events. */
void backtest_recording_scan(struct backtest_recording *recording, struct backtest_batch *batch);
/* Ordered: makes events of them. */
void backtest_recording_order(struct backtest_recording *recording, struct backtest_batch *batch);

struct backtest_recording_counts backtest_recording_counts(const struct backtest_recording *recording);

#endif
