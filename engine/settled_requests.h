/* Requests that are settled, gathered until their transaction leaves: then one XACK and one XDEL name them all, and the
 * answers to one channel are one message where whoever asks takes several in one. */
#ifndef WEIR_ENGINE_SETTLED_REQUESTS_H
#define WEIR_ENGINE_SETTLED_REQUESTS_H

#include "engine/transaction.h"

struct settled_request {
    struct slice key, group, entry; /* an entry of the stream `key`, delivered to `group` */
    struct slice reply_to;          /* the channel; absent: nobody is told */
    struct slice message;           /* one line; absent likewise */
    bool lines;                     /* it may stand in one message with others, one a line */
};

/* A message of several answers is ended when it has become so long. */
#define SETTLED_LINES_MAXIMUM ((size_t)64 << 10)
/* So many channels have a message in the making. */
#define SETTLED_CHANNELS_MAXIMUM 32

struct settled_lines {
    struct buffer channel, message;
};

/* A zeroed struct is empty. */
struct settled_requests {
    struct buffer key, group;
    struct buffer entries; /* each with a space behind it */
    struct settled_lines lines[SETTLED_CHANNELS_MAXIMUM];
    size_t line_count;
    size_t line_next;  /* whose message gives way when there are more channels */
    size_t line_bytes; /* in all messages */
};

void settled_requests_free(struct settled_requests *settled);
/* Keeps a copy of what it has to; what need not wait goes into `transaction`, which must be the one that is sealed. */
void settled_requests_add(struct settled_requests *settled, struct transaction *transaction,
                          const struct settled_request *request);
/* Bytes that are kept; 0: nothing is. */
size_t settled_requests_bytes(const struct settled_requests *settled);
/* Appends all that is kept to `transaction`. */
void settled_requests_seal(struct settled_requests *settled, struct transaction *transaction);

#endif
