/* Who answers on Synapse's replication channel: REPLICATE is sent as `weir run` sends it, and every process of Synapse
 * tells its positions then. */
#ifndef WEIR_ENGINE_REPLICATION_PROBE_H
#define WEIR_ENGINE_REPLICATION_PROBE_H

#include "engine/redis_probe.h"

#define REPLICATION_WRITERS_MAXIMUM 256u
#define REPLICATION_NAME_MAXIMUM 128u

struct replication_writer {
    char name[REPLICATION_NAME_MAXIMUM]; /* what no configuration's name may hold is `?` in it */
    bool events;                         /* it told a position of the stream `events` */
    int64_t newest;                      /* the highest of them, or of rows */
};

struct replication_answers {
    int64_t receivers; /* who got REPLICATE beside us: processes of Synapse, and engines; -1: not told */
    uint64_t lines;    /* of any kind, that were heard */
    struct replication_writer writers[REPLICATION_WRITERS_MAXIMUM];
    size_t writer_count;
};

/* Listens until all of `expected` told a position of `events` and nothing more comes, or for `listen_ms`. False with a
 * sentence in `problem` if the channel cannot be subscribed to or published on. */
bool replication_probe(struct redis_probe *probe, const char *server_name, const char *const *expected,
                       size_t expected_count, int64_t listen_ms, struct replication_answers *answers,
                       struct buffer *problem);

/* NULL if it told nothing. */
const struct replication_writer *replication_answers_find(const struct replication_answers *answers, const char *name);

#endif
