/* The local state file: a copy of the positions that Redis holds for this engine, for the day on which Redis has lost
 * them. One JSON object:
 *
 *     {"weir_state":1,"server_name":"…","instance_name":"…","checksum":"16 hex digits","positions":{"field":"value",…}}
 *
 * `weir_state` is the version of the form; the fields are those of the hash `<server_name>/weir/positions`. The
 * checksum is XXH3 (64 bits) of the names, fields and values in their order, each preceded by its length as 8 bytes,
 * little end first. */
#ifndef WEIR_ENGINE_STATE_FILE_H
#define WEIR_ENGINE_STATE_FILE_H

#include "engine/positions_copy.h"

/* Files above this are refused unread. */
#define STATE_FILE_MAXIMUM ((size_t)64 << 20)

/* Whose positions they are. */
struct state_owner {
    const char *server_name;
    const char *instance_name;
};

/* Appends "<directory>/<server_name>.<instance_name>.positions", where every byte of the names but letters, digits,
 * `-`,
 * `_` and `.` is written as %XX, so that the path stays in the directory; names too long for a file are cut and told
 * apart by a hash. */
void state_file_append_path(struct buffer *path, const char *directory, const struct state_owner *owner);
/* The same for another file of that engine's, which ends in `what` instead of "positions". */
void state_file_append_path_of(struct buffer *path, const char *directory, const struct state_owner *owner,
                               const char *what);

/* Appends the file's text. Fields that are not UTF-8, which no Synapse writes, are left out. */
void state_file_append(struct buffer *text, const struct state_owner *owner, const struct positions_copy *positions);
/* Reads such a text into `positions` (zeroed). False with a sentence in `*problem` if it is damaged, of another version
 * or of another engine; `positions` is then empty. */
bool state_file_parse(struct slice text, const struct state_owner *owner, struct positions_copy *positions,
                      const char **problem);

enum state_file_status { STATE_FILE_READ, STATE_FILE_ABSENT, STATE_FILE_UNUSABLE };
/* Reads the file at `path`, likewise. */
enum state_file_status state_file_read(const char *path, const struct state_owner *owner,
                                       struct positions_copy *positions, const char **problem);
/* Reads any file of at most `limit` bytes into `content`; what was read of one that is unusable is left there. */
enum state_file_status state_file_load(const char *path, size_t limit, struct buffer *content, const char **problem);
/* Puts `text` in the place of the file at `path`, which is never seen half written, not even after a power failure: a
 * temporary file beside it, made durable, takes its name, and then the folder is made durable. Returns 0 or an errno
 * with what could not be done ("write the temporary file") in `*step`; the old file is then still there. Blocks. */
int state_file_replace(const char *path, struct slice text, const char **step);

#endif
