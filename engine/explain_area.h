/* What each module says to one question, over HTTP: POST /v1/explain with {"event": {…}} for what an observed event is
 * asked, with {"event_id": "$…"} for one whose body the engine fetches, or with {"callback": NAME, "args": {…}}. The
 * answer is an explanation as JSON, with ?format=text for people. */
#ifndef WEIR_ENGINE_EXPLAIN_AREA_H
#define WEIR_ENGINE_EXPLAIN_AREA_H

#include "engine/explain_lookup.h"
#include "engine/http_server.h"
#include "engine/questions.h"

#define EXPLAIN_AREA_PATH "/v1/explain"

struct explain_area {
    const struct questions *questions; /* whose chain is explained */
    struct explain_lookup *lookup;     /* for events that are named by their id */
    const char *instance_name;
    const bool *as_synapse; /* of observed events; as it is at the moment */
};

/* `area` is the owner's, and must outlive the server. Nothing that is explained is published or counted; but modules do
 * what they do, and one that asks a service asks it, though nobody waits for its answer. */
struct http_area explain_area_http(struct explain_area *area);

#endif
