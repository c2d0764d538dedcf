/* Reads what a writer's replication listener answers to a question for missed rows (replication.md 7.2), for
 * replication/rows_http.h. It does no I/O. */
#ifndef WEIR_REPLICATION_ROW_ANSWER_H
#define WEIR_REPLICATION_ROW_ANSWER_H

#include "base/buffer.h"
#include "replication/row_source.h"

/* Where the rows go: all of one token, tokens rising. Slices live until the call returns. */
struct row_answer_receiver {
    void *context;
    void (*rows)(void *context, const struct position_rows *rows);
};

/* Reads `text`, {"updates": [[token, row], …], "upto_token": N, "limited": bool}, as the answer to `request`. Rows
 * reach the receiver as Synapse writes them on the wire, byte for byte. They may be above `request->upto`, as those of
 * some streams are. A `failure` in `*answer` is a sentence that needs no freeing and does not name the writer: the text
 * is no such object, tokens go back or begin at or below `request->from`, or it is `limited` and no further than
 * `from`, which would be asked for again without end. All that is known before the first row is handed on, but for a
 * number in a row that cannot be written. */
void row_answer_read(struct slice text, const struct row_request *request, const struct row_answer_receiver *receiver,
                     struct row_answer *answer);

/* Appends what Synapse says went wrong, as `M_UNKNOWN "Unknown stream"`, ASCII and at most 1.5 kB; false, with nothing
 * appended, if `text` is no error of Synapse's. */
bool row_answer_error(struct slice text, struct buffer *sentence);

#endif
