/* Where a glob is looked up: a run of its literal bytes that every text it matches must have, at its beginning, at its
 * end, or somewhere. A text has a handful of such places to look under, whatever the number of globs.
 *
 * Anchors are 64-bit keys that are never 0; texts and globs are folded alike before. */
#ifndef WEIR_FILTERS_POLICY_ANCHOR_H
#define WEIR_FILTERS_POLICY_ANCHOR_H

#include <stdint.h>

#include "base/slice.h"

/* Where the run lies, with one number for each length that is looked for. */
#define POLICY_ANCHOR_LENGTHS 6u
enum policy_anchor_place {
    POLICY_ANCHOR_BEGINNING,                                             /* and those behind it */
    POLICY_ANCHOR_END = POLICY_ANCHOR_BEGINNING + POLICY_ANCHOR_LENGTHS, /* likewise */
    POLICY_ANCHOR_INSIDE = POLICY_ANCHOR_END + POLICY_ANCHOR_LENGTHS,    /* a run of four bytes anywhere */
    POLICY_ANCHOR_NOWHERE,                                               /* the glob has no run worth it */
    POLICY_ANCHOR_PLACES
};

struct policy_anchor {
    uint64_t key;
    uint8_t place;
};

/* Anchors that a glob can be looked up under, the best first; the last is always the one that is nowhere. */
#define POLICY_ANCHORS_MAXIMUM 32u
uint32_t policy_anchors_of_glob(struct slice glob, uint8_t kind, struct policy_anchor anchors[POLICY_ANCHORS_MAXIMUM]);

/* The keys that a text of at most POLICY_ANCHOR_TEXT_MAXIMUM bytes is to be looked up under, of the places whose bits
 * are set in `places`; returns how many. */
#define POLICY_ANCHOR_TEXT_MAXIMUM 1024u
#define POLICY_ANCHOR_KEYS (POLICY_ANCHOR_TEXT_MAXIMUM + POLICY_ANCHOR_PLACES)
uint32_t policy_anchors_of_text(struct slice text, uint8_t kind, uint32_t places, uint64_t keys[POLICY_ANCHOR_KEYS]);

#endif
