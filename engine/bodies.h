/* The body source that the configuration asks for: a recorded file, PostgreSQL, or none. */
#ifndef WEIR_ENGINE_BODIES_H
#define WEIR_ENGINE_BODIES_H

#include <event2/event.h>

#include "engine/configuration.h"
#include "engine/metrics.h"
#include "replication/body_source.h"

struct bodies;

/* Opens the source; NULL (logged) if a file cannot be read. A database is connected to in the background. */
struct bodies *bodies_open(struct event_base *base, const struct configuration *configuration, struct metrics *metrics);
void bodies_close(struct bodies *bodies);
/* Where answers that come later go. */
void bodies_answer_to(struct bodies *bodies, body_arrived_function *arrived, void *context);
struct body_source bodies_source(struct bodies *bodies);
/* Whether bodies can be had now. */
bool bodies_ready(const struct bodies *bodies);

#endif
