/* The parts of a policy server, put together as the configuration says. */
#ifndef WEIR_ENGINE_ENGINE_POLICY_H
#define WEIR_ENGINE_ENGINE_POLICY_H

#include <event2/event.h>

#include "engine/configuration.h"
#include "engine/http_server.h"
#include "engine/metrics.h"
#include "engine/questions.h"

struct engine_policy;

/* Adds its paths to `http`. NULL if it is not configured, or (logged) if libcurl is not there. `configuration` must
 * outlive it, with the key in it. */
struct engine_policy *engine_policy_start(struct event_base *base, const struct configuration *configuration,
                                          struct questions *questions, struct http_server *http,
                                          struct metrics *metrics);
/* After the HTTP server, before the questions. */
void engine_policy_stop(struct engine_policy *policy);

#endif
