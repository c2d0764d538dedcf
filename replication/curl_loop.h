/* libcurl's transfers on a libevent loop, for replication/rows_http.h: no thread of ours waits for any of them. */
#ifndef WEIR_REPLICATION_CURL_LOOP_H
#define WEIR_REPLICATION_CURL_LOOP_H

#include <event2/event.h>

#include "replication/curl_library.h"

struct curl_loop;

/* `done` gets each transfer that ended, which is no longer in the loop then; it may add others, but must not destroy
 * the loop. It is never called from within another function of this header. At most `idle_connections` that no transfer
 * uses are kept open. libcurl must have been loaded. */
struct curl_loop *curl_loop_create(struct event_base *base, long idle_connections,
                                   void (*done)(void *context, CURL *transfer, CURLcode result), void *context);
/* Every transfer must have ended or been removed. */
void curl_loop_destroy(struct curl_loop *loop);

/* Begins a transfer; false if libcurl refuses it. The handle stays the caller's. */
bool curl_loop_add(struct curl_loop *loop, CURL *transfer);
/* Breaks a transfer off; `done` is not called for it. */
void curl_loop_remove(struct curl_loop *loop, CURL *transfer);

#endif
