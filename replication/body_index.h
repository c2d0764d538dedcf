/* Event bodies from a file recorded beside a stream, as body_file.h has them, read and indexed by several threads: one
 * reads the file block by block (body_index_read), any of them index the blocks (body_index_add). */
#ifndef WEIR_REPLICATION_BODY_INDEX_H
#define WEIR_REPLICATION_BODY_INDEX_H

#include <stdint.h>

#include "base/buffer.h"
#include "replication/recording.h"

/* Larger files are refused: they are held in memory. */
#define BODY_INDEX_MAXIMUM ((size_t)4 << 30)

struct body_index;

/* NULL with a sentence in `error`. */
struct body_index *body_index_open(const char *path, struct buffer *error);
void body_index_close(struct body_index *index);

/* The next block of lines, which the index owns; LINE_OK, LINE_END, or LINE_FAILED with a sentence in `error`. One
 * thread at a time. */
enum line_status body_index_read(struct body_index *index, uint32_t *block, struct buffer *error);
/* Indexes a block that was read; several threads at once, each another block. */
void body_index_add(struct body_index *index, uint32_t block);

/* Once every block was added: the event's JSON, or an absent slice. Lives as long as the index. Of several lines with
 * one id the first of the file counts. Any number of threads. */
struct slice body_index_find(const struct body_index *index, struct slice event_id);
/* Whether the compressed file broke off, as line_reader_cut_short. */
bool body_index_cut_short(const struct body_index *index);
uint64_t body_index_bad_lines(const struct body_index *index);
/* How much of the file was read, as line_reader_progress. */
void body_index_progress(const struct body_index *index, uint64_t *done, uint64_t *size);

#endif
