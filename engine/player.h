/* Publishes a recording onto Redis as Synapse's writers would: each line on its channel, at its pace or faster, in
 * order, with every answer of Redis checked. Other processes' REPLICATE is answered with the positions of what was
 * played. */
#ifndef WEIR_ENGINE_PLAYER_H
#define WEIR_ENGINE_PLAYER_H

#include <event2/event.h>

#include "engine/redis_link.h"

struct player;

struct player_options {
    const char *recording; /* path; read twice, so no pipe */
    const struct redis_address *redis;
    const char *server_name; /* replaces what stands before the `/` of each channel; NULL: as recorded */
    double speed;            /* times the recorded pace; 0: as fast as Redis takes it */
    bool loop;               /* start over at the end */
    uint32_t subscribers;    /* waits until the main channel has so many, 10 s at most */
    bool progress;           /* draw a bar on stderr */
};

enum player_outcome { PLAYER_FINISHED, PLAYER_INTERRUPTED, PLAYER_FAILED };

struct player_summary {
    uint64_t messages;  /* of the recording, answered by Redis */
    uint64_t bad_lines; /* lines of the file that are no messages, in the first pass */
    double seconds;     /* from the first message on */
};

/* Reads the recording through once. NULL with a sentence in `error`. `options` must stay valid. */
struct player *player_create(struct event_base *base, const struct player_options *options, struct buffer *error);
void player_destroy(struct player *player);

/* Runs the event loop until all is played and answered, or player_stop, or nothing more can be done (`error` then says
 * why). */
enum player_outcome player_run(struct player *player, struct buffer *error);

/* Ends player_run once Redis has answered what was sent; at once when called a second time. */
void player_stop(struct player *player);

void player_summarise(const struct player *player, struct player_summary *summary);

/* "10", "0.5", "10x" or "max" (0); false if it is none of these. */
bool player_speed_parse(const char *text, double *speed);

#endif
