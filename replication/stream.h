/* Synapse's streams and the rows of each (replication.md, sections 3 and 4), by table. */
#ifndef WEIR_REPLICATION_STREAM_H
#define WEIR_REPLICATION_STREAM_H

#include <stdint.h>
#include <yyjson.h>

#include "base/json_pool.h"
#include "base/slice.h"

enum stream {
#define STREAM(name, can_go_back, secret, fields) STREAM_##name,
#include "replication/streams.def"
#undef STREAM
    STREAM_COUNT,
    STREAM_UNKNOWN = STREAM_COUNT
};

struct stream_definition {
    const char *name;
    bool can_go_back; /* its tokens start again at 0 when its writer restarts */
    bool secret;      /* its rows may hold access tokens */
    const char *fields;
};

extern const struct stream_definition stream_definitions[STREAM_COUNT];

enum stream stream_find(struct slice name);

/* A row read by its table: `names[i]` is the field of `values[i]`. Fields that an older form lacks are not there. */
#define STREAM_FIELDS_MAXIMUM 12
struct stream_row {
    struct slice kind; /* `events` only: "ev", "state", "state-all" */
    struct slice names[STREAM_FIELDS_MAXIMUM];
    yyjson_val *values[STREAM_FIELDS_MAXIMUM];
    uint32_t count;
    bool newer; /* it had more elements than any known version gives: the known ones were read */
};

/* Reads a row of any stream; false with a sentence in `*problem` if its shape fits no known version. */
bool stream_row_read(enum stream stream, yyjson_val *row, struct stream_row *result, const char **problem);

enum event_row_kind { EVENT_ROW_EV, EVENT_ROW_STATE, EVENT_ROW_STATE_ALL };

/* A row of `events`. Slices point into the JSON document. */
struct event_row {
    enum event_row_kind kind;
    struct slice event_id;
    struct slice room_id;
    struct slice type;
    struct slice state_key;
    struct slice redacts;
    struct slice relates_to;
    struct slice membership;
    bool rejected;
    bool outlier;
    bool newer; /* as in struct stream_row */
};

/* Reads a row of `events` (8 or 9 fields for `ev`, or more from a newer version). Unlike Synapse it insists that the
 * event id, room id and type of an `ev` row are strings, since it cannot judge anything without them. */
bool event_row_read(yyjson_val *row, struct event_row *result, const char **problem);
/* The same straight from the JSON text, of an `ev` row in the form in which Synapse writes nearly all of them; slices
 * then point into `json`. False says nothing about the row: it is to be read by event_row_read. */
bool event_row_scan(struct slice json, struct event_row *row);
/* Either way, whichever reads it: from the JSON text of a row of `events`. Slices live until `pool` is used again, and
 * as long as `json` does. */
bool event_row_parse(struct slice json, struct json_pool *pool, struct event_row *row, const char **problem);

#endif
