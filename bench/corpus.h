/* The recorded traffic that the benches run over: a stream of Synapse 1.140 and the bodies of its events, in memory. */
#ifndef WEIR_BENCH_CORPUS_H
#define WEIR_BENCH_CORPUS_H

#include "base/buffer.h"
#include "replication/body_file.h"

/* Its recordings are <folder>/<CORPUS_NAME>.jsonl.zst and <folder>/<CORPUS_NAME>.events.jsonl.zst. */
#define CORPUS_NAME "synapse-1.140-big"
#define CORPUS_SERVER "lab.test"

struct corpus_event {
    struct slice event_id;
    struct slice body;
};

struct corpus {
    struct body_file *bodies;
    struct corpus_event *events; /* in the order of the file, which is that of the stream */
    size_t event_count;
    size_t longest_body;
    size_t bodies_bytes;
    struct slice *lines; /* the messages of the server's channel */
    size_t line_count;
    struct buffer texts; /* of ids and lines */
};

/* Loads from `folder` (tests/data); ends the process with 1 if that fails. */
struct corpus *corpus_load(const char *folder);
void corpus_free(struct corpus *corpus);

/* Puts the uncompressed recordings into `folder` under the same names without `.zst`. */
void corpus_unpack(const char *from_folder, const char *folder);

#endif
