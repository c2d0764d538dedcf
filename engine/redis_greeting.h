/* How a connection to Redis begins: AUTH, the check that this server is a master where sentinels named it, SELECT, and
 * a PING, whose answer shows that it takes commands (it is no longer loading, and asks for no password that we do not
 * have). */
#ifndef WEIR_ENGINE_REDIS_GREETING_H
#define WEIR_ENGINE_REDIS_GREETING_H

#include "engine/redis_address.h"

#define REDIS_GREETING_MAXIMUM 4

/* Zeroed before each connection. */
struct redis_greeting {
    int commands[REDIS_GREETING_MAXIMUM]; /* in the order in which they were sent */
    size_t sent;
    size_t answered;
};

enum redis_greeting_result { REDIS_GREETING_GOES_ON, REDIS_GREETING_DONE, REDIS_GREETING_REFUSED };

/* Appends the commands, all at once. */
void redis_greeting_begin(struct redis_greeting *greeting, const struct redis_address *address, struct buffer *output);
/* Takes the next answer: its text, or that of an error. If refused, with a sentence in `reason`, which never holds the
 * password. */
enum redis_greeting_result redis_greeting_answer(struct redis_greeting *greeting, const struct redis_address *address,
                                                 bool is_error, struct slice text, struct buffer *reason);

#endif
