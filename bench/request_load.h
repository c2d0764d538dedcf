/* A worker's side of the request path, and the bare responder that stands in the engine's place: requests in, answers
 * out, each request's time from when it was meant to leave. */
#ifndef WEIR_BENCH_REQUEST_LOAD_H
#define WEIR_BENCH_REQUEST_LOAD_H

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include "bench/corpus.h"
#include "bench/figure.h"

/* One side: who answers, and the connections of whoever asks it. */
struct request_side {
    const char *name;
    char key[64];      /* of the stream of requests */
    char reply_to[96]; /* the channel of the answers */
    redisContext *asking;
    redisContext *listening;
    const struct corpus *corpus;
    size_t next_event;
    bool lines; /* several answers may come in one message */
};

/* `server_name` is the prefix of the side's keys. */
void request_side_open(struct request_side *side, const char *name, const char *server_name, const char *socket_path,
                       const struct corpus *corpus);
void request_side_close(struct request_side *side);

/* Asks `count` times, each time when the answer before has come; `nanoseconds` gets the time of each. */
void request_one_at_a_time(struct request_side *side, size_t count, uint32_t *nanoseconds);

/* Asks `count` times at `rate` a second, whatever the answers do; times count from the moment at which the request
 * should have left. Requests that are not answered five seconds after the last one left have no time. Returns the rate
 * of answers that was reached, and how many came in `*answered`. */
double request_open_loop(struct request_side *side, double rate, size_t count, uint32_t *nanoseconds, size_t *answered);

/* Asks `count` times, with `in_flight` requests on their way all the time: the next ones leave when answers come.
 * Returns the rate, a second. */
double request_closed_loop(struct request_side *side, size_t in_flight, size_t count);

/* Puts `count` requests into the stream that nobody waits to be answered. */
void request_fill(struct request_side *side, size_t count);

/* A process that answers every request of the stream with the same word, in the same commands as the engine: it parses
 * nothing but Redis's protocol. */
pid_t request_responder_start(const char *socket_path, const char *key);

/* Sorts `nanoseconds` and puts its percentiles into `curve`. */
void request_percentiles(uint32_t *nanoseconds, size_t count, struct latency_curve *curve);

#endif
