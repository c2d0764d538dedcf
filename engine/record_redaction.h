/* What of a live replication stream goes into a recording: nothing that could open an account, and by default only what
 * Weir itself reads.
 *
 * Lines of `events`, `backfill` and `presence`, and positions, stay as they are. The rows of other streams keep their
 * place and their shape: texts become empty, numbers 0, lists and objects empty. With `all_streams` they keep what is
 * in them but for the fields that may hold a secret (record_redaction.c has the table). Commands that carry no position
 * are left out, or kept where they can hold nothing; USER_IP, which holds an access token, an address and a device,
 * never is. A stream that this version does not know is treated as if all of it were secret. */
#ifndef WEIR_ENGINE_RECORD_REDACTION_H
#define WEIR_ENGINE_RECORD_REDACTION_H

#include "base/buffer.h"
#include "base/json_pool.h"
#include "replication/command.h"

struct record_redaction {
    bool all_streams;
    bool without_content; /* the texts of presence are masked too (engine/record_content.h) */
    struct json_pool pool;
    struct buffer line;
};

void record_redaction_free(struct record_redaction *redaction);

/* What is to be recorded of `line`, which was read as `command`: the line itself, or another in the redaction's memory
 * that lives until the next call; absent if nothing is. */
struct slice record_redact(struct record_redaction *redaction, struct slice line, const struct command *command);

#endif
