/* How long an address has to wait before it may try a secret again: each wrong one in a row makes it longer.
 *
 * The first LOGIN_PAUSE_FREE wrong tries cost nothing, so that a mistyped secret is no trouble; then the pause is a
 * second and doubles up to LOGIN_PAUSE_MAXIMUM_S. It is forgotten an hour after the last try. An IPv6 address counts as
 * its network of 64 bits, of which one customer has all. Of more than LOGIN_PAUSE_ADDRESSES addresses those that tried
 * longest ago are forgotten. Times are monotonic, in nanoseconds. */
#ifndef WEIR_ENGINE_LOGIN_PAUSE_H
#define WEIR_ENGINE_LOGIN_PAUSE_H

#include <stdint.h>

#include "base/slice.h"

#define LOGIN_PAUSE_FREE 3u
#define LOGIN_PAUSE_MAXIMUM_S 60u
#define LOGIN_PAUSE_ADDRESSES 1000u

struct login_pauses;

struct login_pauses *login_pauses_create(void);
void login_pauses_destroy(struct login_pauses *pauses);

/* Whole seconds that `address` still has to wait; 0: it may try. */
unsigned login_pauses_left(struct login_pauses *pauses, struct slice address, uint64_t now_ns);
/* It tried with a wrong secret. */
void login_pauses_wrong(struct login_pauses *pauses, struct slice address, uint64_t now_ns);
/* It tried with the right one: nothing is held against it any more. */
void login_pauses_right(struct login_pauses *pauses, struct slice address);

#endif
