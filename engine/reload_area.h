/* POST /v1/reload loads the configuration again and answers when that is done: 200 with what is in use now, 422 with
 * all that is wrong and why the old configuration goes on. GET tells how the last time ended. */
#ifndef WEIR_ENGINE_RELOAD_AREA_H
#define WEIR_ENGINE_RELOAD_AREA_H

#include "engine/http_server.h"
#include "engine/reload.h"

#define RELOAD_AREA_PATH "/v1/reload"

struct reload_area;

/* `reload` must be there until reload_area_stop. */
struct reload_area *reload_area_create(struct reload *reload);
/* Answers what waits: before the server that it was added to is destroyed, and before `reload` is. */
void reload_area_stop(struct reload_area *area);
/* After the server. */
void reload_area_destroy(struct reload_area *area);
struct http_area reload_area_http(struct reload_area *area);

#endif
