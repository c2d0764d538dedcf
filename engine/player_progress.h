/* The bar that `weir play` and `weir backtest` draw on a terminal. */
#ifndef WEIR_ENGINE_PLAYER_PROGRESS_H
#define WEIR_ENGINE_PLAYER_PROGRESS_H

#include <stdint.h>

#include "base/buffer.h"

struct player_progress {
    double share;        /* 0…1 of this round */
    uint64_t messages;   /* in all rounds */
    double rate;         /* messages per second */
    double seconds_left; /* below 0: unknown */
    uint64_t round;      /* counted from 1; shown from 2 on */
    const char *counted; /* what `messages` are, for people; NULL: messages */
};

/* The line with the carriage return and escape sequences that draw it over the last one. */
void player_progress_render(const struct player_progress *progress, struct buffer *output);

#endif
