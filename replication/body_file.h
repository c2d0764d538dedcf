/* Event bodies from a file recorded beside a stream: JSON lines, plain or zstd,
 * {"event_id": …, "json": {…}, …}; other keys are passed over.
 *
 * The file is held in memory whole (a gigabyte at most) with an index over the event ids. The text of a body is found
 * without parsing it: it is read once, when it is judged. */
#ifndef WEIR_REPLICATION_BODY_FILE_H
#define WEIR_REPLICATION_BODY_FILE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

#define BODY_FILE_MAXIMUM ((size_t)1 << 30)

struct body_file;

/* NULL with a sentence in `error`. Lines that are no bodies are counted and skipped. */
struct body_file *body_file_open(const char *path, struct buffer *error);
/* The same from memory; takes `content` over. For tests and fuzzing. */
struct body_file *body_file_from_memory(struct buffer content);
void body_file_close(struct body_file *file);

/* The event's JSON, or an absent slice. Lives as long as the file. Of several lines with one id the first counts. */
struct slice body_file_find(const struct body_file *file, struct slice event_id);

uint64_t body_file_count(const struct body_file *file);
uint64_t body_file_bad_lines(const struct body_file *file);
/* Whether the compressed file broke off, as line_reader_cut_short. */
bool body_file_cut_short(const struct body_file *file);

#endif
