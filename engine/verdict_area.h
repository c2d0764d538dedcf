/* GET /v1/log: verdicts from the durable stream, as docs/admin-api.md has it. */
#ifndef WEIR_ENGINE_VERDICT_AREA_H
#define WEIR_ENGINE_VERDICT_AREA_H

#include "engine/http_server.h"
#include "engine/verdict_pages.h"

#define VERDICT_AREA_PATH "/v1/log"

struct verdict_area;

/* `address` must stay valid. */
struct verdict_area *verdict_area_create(struct event_base *base, const struct redis_address *address,
                                         const char *server_name);
/* Answers what waits: before the server that it was added to is destroyed. */
void verdict_area_stop(struct verdict_area *area);
/* After the server. */
void verdict_area_destroy(struct verdict_area *area);
struct http_area verdict_area_http(struct verdict_area *area);

#endif
