/* The texts of the OpenAPI description that no table has. */
#ifndef WEIR_ENGINE_OPENAPI_PARTS_H
#define WEIR_ENGINE_OPENAPI_PARTS_H

#include "base/buffer.h"

/* Parts of JSON with ' for ", so that they can be read in C; they have no other '. */
extern const char openapi_introduction[];     /* members of `info` */
extern const char openapi_own_paths[];        /* members of `paths` */
extern const char openapi_question_errors[];  /* further members of the `responses` of a callback */
extern const char openapi_antispam_answers[]; /* members of the `responses` of an endpoint of synapse-http-antispam */
extern const char openapi_schemas[];          /* members of `components.schemas` */
extern const char openapi_responses[];        /* members of `components.responses` */

/* Appends a part as JSON. */
void openapi_append_part(const char *part, struct buffer *json);

#endif
