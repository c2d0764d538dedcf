/* One screen of `weir top`, as lines of text: what is drawn on a terminal, or printed by --once. */
#ifndef WEIR_ENGINE_TOP_FRAME_H
#define WEIR_ENGINE_TOP_FRAME_H

#include <stdbool.h>

#include "engine/top_figures.h"

enum top_mark {
    TOP_MARK_PLAIN,
    TOP_MARK_STRONG,   /* the head of the page */
    TOP_MARK_HEADING,  /* of a table */
    TOP_MARK_SELECTED, /* the chosen module */
    TOP_MARK_BAD,      /* worth a look */
};

/* What whoever looks at it has chosen. */
struct top_view {
    enum top_sort sort;
    size_t selected; /* the place of the chosen module in the chain */
    bool paused;
    bool help;           /* the page of the keys, in place of the figures */
    const char *trouble; /* why the figures are old; NULL: they are not */
    const char *message; /* the last line: a question, or what came of it; NULL: the keys */
    const char *every;   /* "2s" */
};

struct top_frame {
    struct buffer text;  /* each line with its line break */
    struct buffer marks; /* an enum top_mark for each line */
};

/* Clears the frame and fills it with `height` lines at most; 0: as many as it takes, without the lines that are only
 * for a terminal. Whoever draws cuts them to the width. */
void top_frame_fill(struct top_frame *frame, const struct top_samples *samples, const struct top_view *view,
                    size_t height);
void top_frame_free(struct top_frame *frame);

#endif
