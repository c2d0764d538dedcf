#include "replication/replica_lag.h"

#include <xxhash.h>

static enum replica_verdict judge(const struct replica_state *state, struct replica_wait *wait, int64_t upto,
                                  int64_t now_ms, int64_t patience_ms)
{
    if (state->writer_stands >= upto)
        return REPLICA_HAS_IT;
    if (state->highest >= upto) {
        if (wait->seen_at_ms && now_ms - wait->seen_at_ms >= REPLICA_SETTLE_MS)
            return REPLICA_HAS_IT;
        if (!wait->seen_at_ms)
            wait->seen_at_ms = now_ms;
    }
    if (!wait->give_up_at_ms)
        wait->give_up_at_ms = now_ms + patience_ms;
    return now_ms < wait->give_up_at_ms ? REPLICA_IS_BEHIND : REPLICA_GIVEN_UP;
}

enum replica_verdict replica_judge(struct replica_memory *memory, const struct replica_state *state,
                                   struct replica_wait *wait, struct slice writer, int64_t upto, int64_t now_ms,
                                   int64_t patience_ms)
{
    if (!state->in_recovery)
        return REPLICA_HAS_IT;
    uint64_t hash = XXH3_64bits(writer.data, writer.length);
    size_t slot = hash % REPLICA_MEMORY_SLOTS;
    if (memory->slots[slot].writer == hash && memory->slots[slot].upto >= upto)
        return REPLICA_HAS_IT;
    enum replica_verdict verdict = judge(state, wait, upto, now_ms, patience_ms);
    if (verdict != REPLICA_IS_BEHIND) {
        memory->slots[slot].writer = hash;
        memory->slots[slot].upto = upto;
    }
    return verdict;
}
