/* A client of POST /v1/callbacks/check_event_for_spam that does as little as one can: one connection that is kept, one
 * write and as a rule one read for each question. Whatever fails ends this process with 1. */
#ifndef WEIR_BENCH_HTTP_ASKER_H
#define WEIR_BENCH_HTTP_ASKER_H

#include "base/slice.h"

struct http_asker;

/* A port of 127.0.0.1 on which nobody listens now. */
int http_asker_free_port(void);
struct http_asker *http_asker_open(int port);
/* Asks about the event and waits for the answer. */
void http_asker_ask(struct http_asker *asker, struct slice event);
void http_asker_close(struct http_asker *asker);

#endif
