/* The OpenAPI description (3.1) of the HTTP API, made from the tables of callbacks and of synapse-http-antispam's
 * endpoints. */
#ifndef WEIR_ENGINE_OPENAPI_H
#define WEIR_ENGINE_OPENAPI_H

#include "base/buffer.h"

#define OPENAPI_PATH "/openapi.json"

void openapi_append(struct buffer *json);

#endif
