/* The drop-in server for synapse-http-antispam: POST <any prefix>/antispam/<callback>. */
#ifndef WEIR_ENGINE_ANTISPAM_AREA_H
#define WEIR_ENGINE_ANTISPAM_AREA_H

#include "engine/http_server.h"
#include "engine/questions.h"

struct antispam_area;

/* `questions` and `metrics` (which gets the families) must outlive it. `timeout_ms` is how long a module may keep a
 * client waiting. */
struct antispam_area *antispam_area_create(struct questions *questions, int64_t timeout_ms, struct metrics *metrics);
/* Answers what waits: before the server that it was added to is destroyed. */
void antispam_area_stop(struct antispam_area *area);
/* After the server. */
void antispam_area_destroy(struct antispam_area *area);
/* To be added after every area with paths of its own: this one has whatever looks like it. */
struct http_area antispam_area_http(struct antispam_area *area);

#endif
