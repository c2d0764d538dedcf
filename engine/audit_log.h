/* Reads the durable stream of verdicts backwards, for an audit that must know what an earlier run judged
 * (engine/audit.h): page by page, until nothing of interest comes any more. */
#ifndef WEIR_ENGINE_AUDIT_LOG_H
#define WEIR_ENGINE_AUDIT_LOG_H

#include "engine/redis_link.h"

struct audit_log;

struct audit_log_callbacks {
    void *context;
    /* A row; true if it is of interest. */
    bool (*row)(void *context, struct slice row);
    /* Everything of interest was handed over; or, not `whole`, the stream cannot be read. Once; the reader may not be
     * destroyed from within. */
    void (*ended)(void *context, bool whole);
};

/* `address` must stay valid. */
struct audit_log *audit_log_create(struct event_base *base, const struct redis_address *address,
                                   const char *server_name, const struct audit_log_callbacks *callbacks);
void audit_log_destroy(struct audit_log *log);

#endif
