/* Work that comes in pieces, each of which passes through stages, done by several threads: a conveyor belt at which
 * everybody does whatever there is to do.
 *
 * A line reads its pieces one after another, in order. A stage is ordered (one piece at a time, in their order) or not
 * (any number at once). What waits is bounded: a line has a number of places for pieces, which are used in turn. Work
 * nearest to the end of its line is done first. Several lines may run at once; stages may be held until all lines
 * before theirs have ended. The owner's data needs no locks: a stage sees all that the stages before it did to its
 * piece, and an ordered one all that itself did to earlier pieces, whichever thread did it. */
#ifndef WEIR_ENGINE_WORK_LINE_H
#define WEIR_ENGINE_WORK_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define WORK_STAGES_MAXIMUM 8u
#define WORK_PIECES_MAXIMUM 64u

struct work_stage {
    bool ordered;
    bool held;      /* until the lines before this one have ended */
    uint32_t needs; /* the stages that the piece must have passed, a bit for each */
    void (*run)(void *context, void *piece);
};

struct work_line {
    void *context;
    /* Makes the next piece in one of `pieces`, whose former content is done with; false: there are no more. */
    bool (*read)(void *context, void *piece);
    struct work_stage stages[WORK_STAGES_MAXIMUM];
    uint32_t stage_count; /* 1 or more */
    void *pieces[WORK_PIECES_MAXIMUM];
    uint32_t piece_count;
};

/* Returns when all lines have ended and every piece has passed all stages. The calling thread is one of `jobs` (from 1
 * to LANES_MAXIMUM, fewer if the system allows no more); each has a lane of its own (base/lane.h), the caller 0.
 * `between` (may be NULL) is called by the caller between two of its works. */
void work_lines_run(const struct work_line *lines, uint32_t line_count, unsigned jobs, void (*between)(void *context),
                    void *context);

#endif
