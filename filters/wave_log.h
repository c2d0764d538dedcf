/* Lines in the log about waves of joins (filters/modules/join_wave.c): one when a wave begins, one when it is over.
 *
 * WAVE_LOG_ROWS waves are followed at a time, in 28 KiB; of others nothing is logged, so that whoever starts many
 * cannot fill the log. Not for several threads. */
#ifndef WEIR_FILTERS_WAVE_LOG_H
#define WEIR_FILTERS_WAVE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define WAVE_LOG_ROWS 64u

struct wave_log;

/* The `log` of a struct module_host. */
typedef void wave_log_function(const char *level, const char *module, struct slice message);

/* `log` may be NULL: nobody listens. `longest` is how long a wave lasts, in seconds. */
struct wave_log *wave_log_create(wave_log_function *log, uint32_t longest);
void wave_log_destroy(struct wave_log *waves);

/* A wave in `room` (all times are in seconds since 1970) that is over at `until`; of users of `server`, if that is not
 * absent. `reason` is told with it. False if there is no row left: it is not logged. */
bool wave_log_begin(struct wave_log *waves, struct slice room, struct slice server, struct slice reason,
                    uint32_t until);
/* Logs the ends of waves that are over now. */
void wave_log_see_time(struct wave_log *waves, uint32_t now);

/* Appends which waves last. */
void wave_log_save(const struct wave_log *waves, struct buffer *output);
/* Takes them over; false, and there are none, for what wave_log_save has not written. Logs nothing. */
bool wave_log_restore(struct wave_log *waves, struct slice saved);

#endif
