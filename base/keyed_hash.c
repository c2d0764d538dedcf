/* XXH3 with a seed. It is no cryptographic hash: whoever saw many hashes could find the seed, but none ever leaves the
 * process, other than in a snapshot that only the engine's user may read. */
#include "base/keyed_hash.h"

#include <sys/random.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t keyed_hash_seed;

void keyed_hash_draw_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec;
    }
    keyed_hash_seed = seed;
}

uint64_t keyed_hash(struct slice text, uint64_t seed)
{
    return XXH3_64bits_withSeed(text.data ? text.data : "", text.length, seed);
}

uint64_t keyed_hash_pair(struct slice first, struct slice second, uint64_t seed)
{
    return keyed_hash(second, keyed_hash(first, seed));
}
