/* The positions of the writers of a recording while it is played: what a real writer would answer to REPLICATE, and the
 * tokens of later rounds of a recording that is played again and again.
 *
 * The file is scanned once (playback_scan for each line), then each line is passed through playback_play. */
#ifndef WEIR_ENGINE_PLAYBACK_H
#define WEIR_ENGINE_PLAYBACK_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

struct playback;

struct playback *playback_create(void);
void playback_destroy(struct playback *playback);

/* First pass: learns the streams, writers and tokens of one line. */
void playback_scan(struct playback *playback, struct slice line);

/* Second pass: takes note of what `line` says and returns the line to publish: itself in the first round; with its
 * tokens raised, in `scratch`, in later ones. */
struct slice playback_play(struct playback *playback, struct slice line, struct buffer *scratch);

/* Starts the next round. Its tokens are raised, for each stream, by the greatest token so far, so that they go on
 * rising. False if they would not fit into 64 bits any more. */
bool playback_next_round(struct playback *playback);

/* Calls `publish` with `POSITION <stream> <writer> <token> <token>` for each writer: where it stands now. */
void playback_positions(struct playback *playback, void (*publish)(void *context, struct slice line), void *context);

/* Between two rounds, after playback_next_round: `POSITION <stream> <writer> <last token> <token before the first>`,
 * which promises that the raising of the tokens left no row out. */
void playback_bridge(struct playback *playback, void (*publish)(void *context, struct slice line), void *context);

#endif
