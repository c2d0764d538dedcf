/* Recorded streams: files of JSON lines, plain or zstd, one message of a channel a line,
 * {"t": seconds since 1970, "ch": channel, "data": the message}. */
#ifndef WEIR_REPLICATION_RECORDING_H
#define WEIR_REPLICATION_RECORDING_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

/* Reads a file line by line; zstd is told by its magic number, not by the name. Memory is one line and a window. */
struct line_reader;

/* Lines above this many bytes are skipped and counted. */
#define RECORDING_LINE_MAXIMUM (64u << 20)

enum line_status {
    LINE_OK,
    LINE_END,
    LINE_TOO_LONG, /* that line was skipped; go on */
    LINE_FAILED,   /* the file cannot be read any further */
};

/* `path` "-" is standard input. NULL with a sentence in `error`. */
struct line_reader *line_reader_open(const char *path, struct buffer *error);
void line_reader_close(struct line_reader *reader);
/* The next line without its line break; lives until the next call. On LINE_FAILED a sentence is put in `error`. */
enum line_status line_reader_next(struct line_reader *reader, struct slice *line, struct buffer *error);
/* The next whole lines, with their line breaks, `size` bytes or more while there are so many; appended to `block`,
 * which only grows: for who reads them elsewhere. LINE_OK, LINE_END or LINE_FAILED; lines that are too long are added
 * to
 * `*too_long`. What comes before a fault of the file is given out first. Not to be mixed with line_reader_next. */
enum line_status line_reader_block(struct line_reader *reader, size_t size, struct buffer *block, uint64_t *too_long,
                                   struct buffer *error);
/* Of the line given last, counted from 1. */
uint64_t line_reader_number(const struct line_reader *reader);
/* How much of the file (compressed bytes) was read, and its size (0 if unknown): for a progress bar. */
void line_reader_progress(const struct line_reader *reader, uint64_t *done, uint64_t *size);

/* Whether a compressed file ended, or went over into the next one, in the middle of a frame: whoever wrote it was
 * killed, or it was copied in part. All lines that are whole were given, the broken one at the end was not. Known at
 * the end. */
bool line_reader_cut_short(const struct line_reader *reader);

/* The whole file, decompressed, in one buffer that the caller frees; refuses above `limit` bytes. `*cut_short` (may be
 * NULL) as line_reader_cut_short. */
bool recording_load(const char *path, size_t limit, struct buffer *content, bool *cut_short, struct buffer *error);

/* One message of a recording. */
struct recording_message {
    struct slice time; /* the number as it was written; absent if the line has none */
    struct slice channel;
    struct slice data;
    bool escaped; /* `data` is as it stands in the line, see recording_read_escaped */
};

/* The message's time in seconds since 1970; 0 if it has none. */
double recording_message_time(const struct recording_message *message);
/* The same in whole milliseconds, cut off; 0 also for what is beyond the year 9999. */
int64_t recording_message_time_ms(const struct recording_message *message);

/* Reads the messages of a recording; slices of a message live until the next is read. No allocation in the steady
 * state. */
struct recording_reader;

struct recording_reader *recording_reader_create(void);
void recording_reader_destroy(struct recording_reader *reader);
/* False with a sentence in `*problem` if the line is no recorded message. Whether the texts are UTF-8 is not checked:
 * command_parse does so. */
bool recording_read(struct recording_reader *reader, struct slice line, struct recording_message *message,
                    const char **problem);
/* The same, but `data` may be given as it stands in the line, with `escaped` set: a text whose only escapes are
 * backslashes before quotes. Most rows of a stream are passed over by who reads it, and need not be copied. The slice
 * then lives as long as the line. */
bool recording_read_escaped(struct recording_reader *reader, struct slice line, struct recording_message *message,
                            const char **problem);
/* Such a text without its backslashes, in `output`, which is cleared before. */
struct slice recording_unescape(struct slice text, struct buffer *output);

#endif
