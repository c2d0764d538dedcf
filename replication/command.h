/* The commands of Synapse's replication protocol, one message of the channel each (replication.md, section 2).
 *
 * Parsing splits a line into slices of itself and allocates nothing; the JSON in it is not read here, because most rows
 * are of streams that nobody asks about. `command_json` reads it where it is wanted. */
#ifndef WEIR_REPLICATION_COMMAND_H
#define WEIR_REPLICATION_COMMAND_H

#include <stdint.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "base/slice.h"

enum command_name {
#define COMMAND(name, fields, secret) COMMAND_##name,
#include "replication/commands.def"
#undef COMMAND
    COMMAND_COUNT
};

struct command {
    enum command_name name;
    struct slice stream_name;   /* RDATA, POSITION */
    struct slice instance_name; /* RDATA, POSITION, FEDERATION_ACK: the writer */
    bool batch;                 /* RDATA: `batch` stood where the token does; `token` is 0 */
    int64_t token;              /* RDATA, FEDERATION_ACK */
    int64_t previous_token;     /* POSITION */
    int64_t new_token;          /* POSITION */
    struct slice json;          /* RDATA: the row; USER_IP, LOCK_RELEASED: the array. Unread text */
    struct slice data;          /* the rest of the line, of commands with one text argument */
    struct slice instance_id;   /* USER_SYNC, CLEAR_USER_SYNC */
    struct slice user_id;       /* USER_SYNC, USER_IP */
    struct slice device_id;     /* USER_SYNC; absent for `None` and in the older form */
    bool has_device_id;         /* USER_SYNC: the newer form, even with `None` */
    bool is_syncing;            /* USER_SYNC */
    int64_t last_sync_ms;       /* USER_SYNC */
};

enum command_status {
    COMMAND_OK,
    COMMAND_BLANK,   /* white space only: neither a command nor an error */
    COMMAND_UNKNOWN, /* a name that is not in the table */
    COMMAND_INVALID, /* a known command that Synapse's parser would refuse, or no UTF-8 */
};

/* Reads one line. Slices of `command` point into `line`. On COMMAND_INVALID `*problem` is a sentence for people that
 * quotes nothing of the line (it may hold an access token). */
enum command_status command_parse(struct slice line, struct command *command, const char **problem);

/* Reads the JSON of a command as Python's json takes it but for the limits that replication.md 2.1 allows; checks the
 * number of elements of USER_IP and LOCK_RELEASED. NULL with a sentence in `*problem` if it fails. `allocator` may be
 * NULL. The caller frees the document. */
yyjson_doc *command_json(const struct command *command, const yyjson_alc *allocator, const char **problem);

/* Deepest nesting of JSON that is read; the deepest real row has four levels. */
#define COMMAND_JSON_DEPTH_MAXIMUM 512

/* Writes the command again, as Synapse would publish it; false with a sentence in `*problem` where Synapse's publisher
 * refuses (a line break in it, JSON that does not parse). */
bool command_write(const struct command *command, struct buffer *output, const char **problem);

const char *command_name_text(enum command_name name);
/* Whether the command's text may hold an access token and so is never logged, stored or republished. */
bool command_is_secret(enum command_name name);

/* Python's int() as replication.md 2.1 (5) describes it, within int64_t. */
bool command_parse_integer(struct slice text, int64_t *value);

#endif
