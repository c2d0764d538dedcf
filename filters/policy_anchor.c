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
    uint64_t key = XXH3_64bits_withSeed(bytes, length, (uint64_t)(kind + 1) << 8 | place);
    return key ? key : 1;
}

static bool is_wild(char byte)
{
    return byte == '*' || byte == '?';
}

static void add(struct policy_anchor *anchors, uint32_t *count, const char *bytes, size_t length, uint8_t kind,
                unsigned place)
{
    if (*count < POLICY_ANCHORS_MAXIMUM - 1)
        anchors[(*count)++] = (struct policy_anchor){key_of(bytes, length, kind, (uint8_t)place), (uint8_t)place};
}

/* The runs of four bytes that have no wildcard in them. */
static void add_inside(struct policy_anchor *anchors, uint32_t *count, struct slice glob, uint8_t kind)
{
    size_t run = 0;
    for (size_t at = 0; at < glob.length; at++) {
        run = is_wild(glob.data[at]) ? 0 : run + 1;
        if (run >= INSIDE_LENGTH)
            add(anchors, count, glob.data + at + 1 - INSIDE_LENGTH, INSIDE_LENGTH, kind, POLICY_ANCHOR_INSIDE);
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
        if (behind >= lengths[index])
            add(anchors, &count, glob.data + glob.length - lengths[index], lengths[index], kind,
                POLICY_ANCHOR_END + index);
        if (before >= lengths[index])
            add(anchors, &count, glob.data, lengths[index], kind, POLICY_ANCHOR_BEGINNING + index);
    }
    add_inside(anchors, &count, glob, kind);
    anchors[count++] = (struct policy_anchor){key_of("", 0, kind, POLICY_ANCHOR_NOWHERE), POLICY_ANCHOR_NOWHERE};
    return count;
}

/* The next place that some glob has, from `from` on; POLICY_ANCHOR_PLACES if there is none. */
static unsigned next_place(uint32_t places, unsigned from)
{
    uint32_t rest = from < 32 ? places >> from << from : 0;
    return rest ? (unsigned)__builtin_ctz(rest) : POLICY_ANCHOR_PLACES;
}

uint64_t policy_anchor_next(struct policy_anchor_walk *walk)
{
    for (;;) {
        unsigned place = next_place(walk->places, walk->place);
        struct slice text = walk->text;
        walk->place = (uint8_t)(place + (place != POLICY_ANCHOR_INSIDE));
        if (place >= POLICY_ANCHOR_PLACES)
            return 0;
        if (place == POLICY_ANCHOR_NOWHERE)
            return key_of("", 0, walk->kind, POLICY_ANCHOR_NOWHERE);
        if (place == POLICY_ANCHOR_INSIDE) {
            if (walk->inside + INSIDE_LENGTH <= text.length)
                return key_of(text.data + walk->inside++, INSIDE_LENGTH, walk->kind, POLICY_ANCHOR_INSIDE);
            walk->place++;
            continue;
        }
        size_t length = lengths[place % POLICY_ANCHOR_LENGTHS];
        if (length > text.length)
            continue;
        const char *bytes = place < POLICY_ANCHOR_END ? text.data : text.data + text.length - length;
        return key_of(bytes, length, walk->kind, (uint8_t)place);
    }
}
