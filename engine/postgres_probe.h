/* Synapse's database asked one thing at a time by whoever waits for the answer: for `weir init` and `weir doctor`. Only
 * reads, in a session that cannot write. */
#ifndef WEIR_ENGINE_POSTGRES_PROBE_H
#define WEIR_ENGINE_POSTGRES_PROBE_H

#include <libpq-fe.h>

#include "engine/configuration.h"

struct postgres_probe;

/* Connects, in `timeout_ms` at most, which is also the time of each answer. NULL with a sentence in `problem`, libpq's
 * on one line. */
struct postgres_probe *postgres_probe_open(const struct postgres_settings *settings, int64_t timeout_ms,
                                           struct buffer *problem);
void postgres_probe_close(struct postgres_probe *probe);

/* The rows of one statement; `parameter` is its $1, a text, or NULL for a statement without. The caller frees them with
 * PQclear. NULL with a sentence in `problem` if it failed or took too long; the connection is of no more use after the
 * latter. */
PGresult *postgres_probe_ask(struct postgres_probe *probe, const char *statement, const char *parameter,
                             struct buffer *problem);

/* What Weir reads of Synapse's database, and whether this role may. */
struct postgres_rights {
    struct buffer missing; /* tables that it may not read, a list for people; empty: none */
    struct buffer absent;  /* tables that are not there; Synapse has all of them */
    struct buffer grants;  /* lines for psql that give what is missing */
    bool bodies;           /* event_json can be read: the least that is needed */
};

/* False with a sentence in `problem` if the database cannot tell. The caller frees the result in either case. */
bool postgres_rights_check(struct postgres_probe *probe, struct postgres_rights *rights, struct buffer *problem);
void postgres_rights_free(struct postgres_rights *rights);

/* All tables that Weir reads, a list as GRANT takes it. */
void postgres_tables_append(struct buffer *output);

/* "/run/postgresql, database synapse, role weir" for people, without the password; what libpq chose where nothing is
 * configured. */
void postgres_probe_describe(struct postgres_probe *probe, struct buffer *output);

#endif
