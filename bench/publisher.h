/* A process that stands for Synapse: publishes lines prepared beforehand onto Redis, pipelined, as fast as Redis takes
 * them. */
#ifndef WEIR_BENCH_PUBLISHER_H
#define WEIR_BENCH_PUBLISHER_H

#include <sys/types.h>

#include "base/buffer.h"
#include "bench/corpus.h"

struct publication {
    struct buffer commands;
    size_t messages;     /* that a subscriber gets */
    int64_t first_token; /* the position that is announced before the first row */
    int64_t last_token;
    size_t denied; /* rows whose type is one of `denied_types` */
};

/* `rows` RDATA lines of `events` on CORPUS_SERVER from one writer with rising tokens, made of the recorded `ev` rows
 * over and over, after a POSITION of that writer. `denied_types` is NULL-terminated. */
struct publication *publication_create(const struct corpus *corpus, size_t rows, const char *const *denied_types);
void publication_free(struct publication *publication);
#define PUBLICATION_WRITER "persister1"

struct publisher {
    pid_t process;
    int go; /* the write end of a pipe */
};

/* Starts a process that is connected to the unix socket and waits. Ends this process with 1 if that fails. */
struct publisher publisher_start(const struct publication *publication, const char *socket_path);
/* Lets it publish. */
void publisher_go(const struct publisher *publisher);
/* Waits for its end; the seconds of processor time that it took. */
double publisher_finish(const struct publisher *publisher);

#endif
