/* An entry of the stream of requests as Redis delivers it, read into the fields of a request, with bounds on what may
 * come in. */
#ifndef WEIR_ENGINE_REQUEST_ENTRY_H
#define WEIR_ENGINE_REQUEST_ENTRY_H

#include <hiredis/hiredis.h>

#include "engine/answerer.h"

enum request_entry_state {
    REQUEST_ENTRY_NONE,    /* it is no entry */
    REQUEST_ENTRY_GONE,    /* it was deleted while it was pending: `fields` has `entry` alone */
    REQUEST_ENTRY_WHOLE,   /* to be asked */
    REQUEST_ENTRY_REFUSED, /* to be answered with `*problem`, a sentence */
};

/* The slices live as long as `entry`. Of two fields with one name the last counts; unknown ones are passed over. */
enum request_entry_state request_entry_read(const redisReply *entry, struct request_fields *fields,
                                            const char **problem);

/* An answer's text, or an absent slice. */
struct slice request_reply_text(const redisReply *reply);

#define REQUEST_ENTRY_FIELDS_MAXIMUM 64u
/* Of `args`, in bytes; of every other field. */
#define REQUEST_ENTRY_ARGS_MAXIMUM ((size_t)16 << 20)
#define REQUEST_ENTRY_TEXT_MAXIMUM ((size_t)1024)

#endif
