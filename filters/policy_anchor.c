/* Lists of tens of thousands of globs are made of `*.evil.example`, `@*:evil.example`, `@spam-*:*`, and some `*word*`.
 * A pattern set would look for all of them in one pass, but has to be compiled anew for each rule that comes, which
 * takes seconds. A hash of a few bytes at the right place does as well, and comes and goes alone. Only six lengths are
 * looked for, so that the number of look-ups does not depend on what the lists hold. */
#include "filters/policy_anchor.h"

#include <xxhash.h>

#define INSIDE_LENGTH 4u

static const uint8_t lengths[POLICY_ANCHOR_LENGTHS] = {16, 12, 8, 6, 4, 3};

static uint64_t key_of(const char *bytes, size_t length, uint8_t kind, uint8_t place)
{
    return XXH3_64bits_withSeed(bytes, length, (uint64_t)(kind + 1) << 8 | place) | 1;
}

/* A text has one at nearly each of its bytes, so that these are made in as few steps as will do (the end of
 * MurmurHash3). */
static inline uint64_t key_of_inside(const char *bytes, uint8_t kind)
{
    uint32_t run;
    memcpy(&run, bytes, sizeof run);
    uint64_t key = ((uint64_t)(kind + 1) << 32 | run) * 0xff51afd7ed558ccdu;
    key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53u;
    return (key ^ key >> 33) | 1;
}

static bool is_wild(char byte)
{
    return byte == '*' || byte == '?';
}

static void add(struct policy_anchor *anchors, uint32_t *count, uint64_t key, unsigned place)
{
    if (*count < POLICY_ANCHORS_MAXIMUM - 1)
        anchors[(*count)++] = (struct policy_anchor){key, (uint8_t)place};
}

/* The runs of four bytes that have no wildcard in them. */
static void add_inside(struct policy_anchor *anchors, uint32_t *count, struct slice glob, uint8_t kind)
{
    size_t run = 0;
    for (size_t at = 0; at < glob.length; at++) {
        run = is_wild(glob.data[at]) ? 0 : run + 1;
        if (run >= INSIDE_LENGTH)
            add(anchors, count, key_of_inside(glob.data + at + 1 - INSIDE_LENGTH, kind), POLICY_ANCHOR_INSIDE);
    }
}

uint32_t policy_anchors_of_glob(struct slice glob, uint8_t kind, struct policy_anchor anchors[POLICY_ANCHORS_MAXIMUM])
{
    uint32_t count = 0;
    size_t before = 0, behind = 0;
    while (before < glob.length && !is_wild(glob.data[before]))
        before++;
    while (behind < glob.length && !is_wild(glob.data[glob.length - 1 - behind]))
        behind++;
    for (unsigned index = 0; index < POLICY_ANCHOR_LENGTHS; index++) {
        unsigned end = POLICY_ANCHOR_END + index, beginning = POLICY_ANCHOR_BEGINNING + index;
        size_t length = lengths[index];
        if (behind >= length)
            add(anchors, &count, key_of(glob.data + glob.length - length, length, kind, (uint8_t)end), end);
        if (before >= length)
            add(anchors, &count, key_of(glob.data, length, kind, (uint8_t)beginning), beginning);
    }
    add_inside(anchors, &count, glob, kind);
    anchors[count++] = (struct policy_anchor){key_of("", 0, kind, POLICY_ANCHOR_NOWHERE), POLICY_ANCHOR_NOWHERE};
    return count;
}

uint32_t policy_anchors_of_text(struct slice text, uint8_t kind, uint32_t places, uint64_t keys[POLICY_ANCHOR_KEYS])
{
    uint32_t count = 0;
    for (uint32_t rest = places & ((1u << POLICY_ANCHOR_INSIDE) - 1); rest; rest &= rest - 1) {
        unsigned place = (unsigned)__builtin_ctz(rest);
        size_t length = lengths[place % POLICY_ANCHOR_LENGTHS];
        if (length <= text.length)
            keys[count++] = key_of(place < POLICY_ANCHOR_END ? text.data : text.data + text.length - length, length,
                                   kind, (uint8_t)place);
    }
    if (places >> POLICY_ANCHOR_INSIDE & 1)
        for (size_t at = 0; at + INSIDE_LENGTH <= text.length; at++)
            keys[count++] = key_of_inside(text.data + at, kind);
    if (places >> POLICY_ANCHOR_NOWHERE & 1)
        keys[count++] = key_of("", 0, kind, POLICY_ANCHOR_NOWHERE);
    return count;
}
