/* What rows of `verdicts` somebody wants to see: the filter that GET /v1/log and GET /v1/verdicts take as the query of
 * their URL (docs/admin-api.md), held against a row's JSON text. */
#ifndef WEIR_ENGINE_VERDICT_FILTER_H
#define WEIR_ENGINE_VERDICT_FILTER_H

#include "base/buffer.h"

enum verdict_filter_member {
    VERDICT_FILTER_ROOM,
    VERDICT_FILTER_SENDER,
    VERDICT_FILTER_MODULE,
    VERDICT_FILTER_EVENT_ID,
    VERDICT_FILTER_CALLBACK,
    VERDICT_FILTER_CODE,
    VERDICT_FILTER_TEXT,
    VERDICT_FILTER_DRY_RUN,
    VERDICT_FILTER_COUNT
};

/* The longest value that a condition may have, in bytes, decoded. */
#define VERDICT_FILTER_VALUE_MAXIMUM 1024u

/* A zeroed struct is a filter that every row fits. It may be moved. */
struct verdict_filter {
    struct buffer wanted[VERDICT_FILTER_COUNT]; /* empty: nothing is asked of that member */
    struct buffer scratch;                      /* of a match: the row that is decoded in place */
};

/* Reads the conditions out of a query into an empty filter. Parameters without a value, as a form sends them for fields
 * that were left empty, ask for nothing. `others` are names that the caller reads itself, ended by NULL; it may be
 * NULL. False with a sentence for the client in `problem`: a parameter that nobody knows, one that is there twice, a
 * value that is too long, no UTF-8, or none that `dry_run` can have. The filter is to be freed in any case. */
bool verdict_filter_parse(struct verdict_filter *filter, struct slice query, const char *const *others,
                          struct buffer *problem);
void verdict_filter_free(struct verdict_filter *filter);

/* Whether every row fits: then whoever has a row of the engine itself need not ask. */
bool verdict_filter_is_empty(const struct verdict_filter *filter);
/* The longest text that a row of the engine itself has in it if it fits, as it stands there: looking for it is far
 * quicker than to read the row. A part of the filter; absent if none is known. */
struct slice verdict_filter_needle(const struct verdict_filter *filter);
/* Whether `row` is a JSON object that fits; what is no JSON, or nested too deeply, does not, whatever the filter. Takes
 * one walk over the text, and no memory once the filter has seen a row as long as this one. */
bool verdict_filter_match(struct verdict_filter *filter, struct slice row);

#endif
