/* Writes files of lines as line_reader reads them, plain or as zstd, so that a killed writer loses no more than what it
 * has not flushed.
 *
 * What lies in the file always ends with a whole line and a whole block: it can be read while it is written. A new
 * frame is begun now and then, so that damage in the middle reaches no further than to the next. Writing blocks. */
#ifndef WEIR_REPLICATION_LINE_WRITER_H
#define WEIR_REPLICATION_LINE_WRITER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

struct line_writer;

#define LINE_WRITER_LEVEL_DEFAULT 3
#define LINE_WRITER_LEVEL_MAXIMUM 19

/* Makes the file, which must not be there, readable and writable for its owner alone. `level` from 1 to
 * LINE_WRITER_LEVEL_MAXIMUM; 0: not compressed. NULL with a sentence in `error`; errno says why. */
struct line_writer *line_writer_create(const char *path, int level, struct buffer *error);
/* Ends what is written and closes the file, which is on the disk then. False with a sentence in `error` (the file is
 * closed anyway). */
bool line_writer_close(struct line_writer *writer, struct buffer *error);

/* Appends a line, whose line break is put behind it; there is none in `line`. It is in memory until the writer is
 * flushed, or a megabyte has gathered. */
void line_writer_append(struct line_writer *writer, struct slice line);
/* Hands everything to the kernel. False with a sentence in `error`: some of it did not go out, and nothing more will.
 */
bool line_writer_flush(struct line_writer *writer, struct buffer *error);

/* Bytes of the file, and of the lines in it. */
uint64_t line_writer_size(const struct line_writer *writer);
uint64_t line_writer_text_size(const struct line_writer *writer);
const char *line_writer_path(const struct line_writer *writer);

#endif
