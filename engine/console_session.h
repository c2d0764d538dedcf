/* Who has logged in to the console: sessions, which a browser names by the id in its cookie.
 *
 * An id is 256 random bits; of it only a digest is kept, so that nobody who reads the process's memory or a core file
 * can go on with a session. As many as CONSOLE_SESSIONS_MAXIMUM are open at once: a new one ends the oldest. Times are
 * monotonic, in nanoseconds. */
#ifndef WEIR_ENGINE_CONSOLE_SESSION_H
#define WEIR_ENGINE_CONSOLE_SESSION_H

#include <stdint.h>

#include "base/slice.h"

#define CONSOLE_SESSIONS_MAXIMUM 100u
#define CONSOLE_SESSION_ID_LENGTH 64u /* hexadecimal digits */

struct console_sessions;

/* A session ends by itself after `lasts_ns`, however much it was used. */
struct console_sessions *console_sessions_create(uint64_t lasts_ns);
void console_sessions_destroy(struct console_sessions *sessions);

/* Begins a session and writes its id, with a zero behind it. False if there is no randomness to be had. */
bool console_sessions_begin(struct console_sessions *sessions, uint64_t now_ns, char id[CONSOLE_SESSION_ID_LENGTH + 1]);
/* The number of the session with this id, which no other one ever has; 0 if none is open. `id` may be anything. */
uint64_t console_sessions_find(struct console_sessions *sessions, struct slice id, uint64_t now_ns);
bool console_sessions_is_open(const struct console_sessions *sessions, uint64_t number, uint64_t now_ns);
void console_sessions_end(struct console_sessions *sessions, uint64_t number);
void console_sessions_end_all(struct console_sessions *sessions);
/* How many are open. */
unsigned console_sessions_count(const struct console_sessions *sessions, uint64_t now_ns);

#endif
