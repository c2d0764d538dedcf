/* Any callback over HTTP: POST /v1/callbacks/<name> with {"args": {…}} is answered with the chain's value and its tag,
 * or with {"raise":…}, as a request over Redis is (engine/answerer.h). GET /v1/callbacks lists them. */
#ifndef WEIR_ENGINE_CALLBACK_AREA_H
#define WEIR_ENGINE_CALLBACK_AREA_H

#include "engine/http_server.h"
#include "engine/questions.h"

#define CALLBACK_AREA_PATH "/v1/callbacks"

struct callback_area;

/* `questions` must outlive it. `timeout_ms` is how long a question may wait at most. */
struct callback_area *callback_area_create(struct questions *questions, int64_t timeout_ms);
/* Answers what waits: before the server that it was added to is destroyed. */
void callback_area_stop(struct callback_area *area);
/* After the server. */
void callback_area_destroy(struct callback_area *area);
struct http_area callback_area_http(struct callback_area *area);

/* The list, as JSON. */
void callback_area_append_list(const struct chain *chain, struct buffer *json);

#endif
