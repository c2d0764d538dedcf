/* The files of `weir record`: pairs of a recording and its bodies, one pair after the other, of which the oldest are
 * removed when all together grow beyond a limit.
 *
 * Without rotation there is one pair, under the names given. With it each pair has the time of its beginning (UTC) in
 * its names, before the endings: live.jsonl.zst becomes live.20260131T235959.042Z.jsonl.zst, so that the order of the
 * names is that of time; where there is such a file, a millisecond more. Pairs of earlier runs are older ones of the
 * same series. Files that end in `.zst` are compressed. All are made for their owner alone; none is ever overwritten.
 */
#ifndef WEIR_ENGINE_RECORD_FILES_H
#define WEIR_ENGINE_RECORD_FILES_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

struct record_files;
struct record_pair;

struct record_files_settings {
    const char *recording; /* path */
    const char *bodies;    /* path; NULL: none are written */
    int level;             /* of zstd, 1 to LINE_WRITER_LEVEL_MAXIMUM */
    int64_t rotate_ms;     /* 0: not by time */
    uint64_t rotate_bytes; /* 0: not by size; of a pair as it lies on the disk */
    uint64_t limit_bytes; /* 0: none; of all pairs of the series. Only with rotation; a pair then also ends at a quarter
                             of it */
};

/* Makes the first pair. NULL with a sentence in `error`. `settings` is copied, its texts must stay valid. `now_ms` is
 * the time since 1970. */
struct record_files *record_files_open(const struct record_files_settings *settings, int64_t now_ms,
                                       struct buffer *error);
/* Closes everything, bodies that were still awaited or not. False with a sentence in `error`. */
bool record_files_close(struct record_files *files, struct buffer *error);

/* A line of the recording, and a body of the pair that was held for it. */
void record_files_line(struct record_files *files, struct slice line);
void record_files_body(struct record_files *files, struct record_pair *pair, struct slice line);

/* The current pair, which stays open until it is released as often as it was held: a body that comes late belongs to
 * the pair that its event's row is in. */
struct record_pair *record_files_hold(struct record_files *files);
void record_files_release(struct record_files *files, struct record_pair *pair);

/* Whether the current pair is full or old enough; an empty one never is. */
bool record_files_due(const struct record_files *files, int64_t now_ms);
/* The next pair. Without rotation: the names given again, for an administrator who has moved the files away; as long as
 * they are in the way nothing changes. False with a sentence in `error`: the pair before goes on. */
bool record_files_rotate(struct record_files *files, int64_t now_ms, struct buffer *error);
/* Hands what was gathered to the kernel, and keeps the limit. False with a sentence in `error`: the disk is full, or
 * worse; nothing more can be recorded. */
bool record_files_flush(struct record_files *files, struct buffer *error);

struct record_files_counts {
    uint64_t bytes;   /* written in this run, as they lie on the disk */
    uint64_t files;   /* begun */
    uint64_t removed; /* files, to keep the limit */
};
struct record_files_counts record_files_counts(const struct record_files *files);
/* Path of the recording that is being written. */
const char *record_files_path(const struct record_files *files);

#endif
