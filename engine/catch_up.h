/* Fetches rows that were missed (replication.md 7): asks the sources in their order, and asks again for as long as it
 * takes, so that a range that can be had from anybody is had in the end.
 *
 * `events` are asked for until they are there. Of every other stream, whose rows only tell the latest state, each
 * source is asked once. Requests about the same writer and stream follow each other. */
#ifndef WEIR_ENGINE_CATCH_UP_H
#define WEIR_ENGINE_CATCH_UP_H

#include <event2/event.h>

#include "engine/metrics.h"
#include "replication/row_source.h"

struct catch_up;

/* Who asks. */
struct catch_up_owner {
    void *context;
    /* As row_source_callbacks.rows. After an answer that broke off the same token never comes twice. */
    void (*rows)(void *context, const struct position_rows *rows);
    /* The answer's end. `limited`: there is more behind `reached`, the owner asks again. May ask from within. */
    void (*ended)(void *context, enum stream stream, struct slice writer, int64_t reached, bool limited);
};

struct catch_up *catch_up_create(struct event_base *base, struct metrics *metrics);
/* Requests are dropped without a word. The sources must have been destroyed before. */
void catch_up_destroy(struct catch_up *catch_up);

/* What a source is created with. `name` ("database") must stay valid. Sources are asked in the order in which they were
 * added, and the first that serves a writer is preferred. */
#define CATCH_UP_SOURCES_MAXIMUM 4u
struct row_source_callbacks catch_up_callbacks(struct catch_up *catch_up, const char *name);
/* The source that was created with those callbacks; in the same order. */
void catch_up_add(struct catch_up *catch_up, struct row_source source);

/* Whether any source has the rows of that writer. */
bool catch_up_serves(const struct catch_up *catch_up, enum stream stream, struct slice writer);
/* Asks for rows of (request->from, request->upto]; false if nobody serves them. Nothing of `owner` is called from
 * within; `owner` must live until `ended`. */
bool catch_up_ask(struct catch_up *catch_up, const struct row_request *request, const struct catch_up_owner *owner);
/* Whether new requests are held back: too much waits elsewhere. */
void catch_up_pause(struct catch_up *catch_up, bool paused);
/* Requests that have not ended. */
size_t catch_up_waiting(const struct catch_up *catch_up);

#endif
