/* What an administrator can do about an error that Redis answers with. */
#ifndef WEIR_ENGINE_REDIS_ERROR_H
#define WEIR_ENGINE_REDIS_ERROR_H

#include "base/slice.h"

/* A sentence for the log, for the text of an error or of one that quotes it; "" if there is nothing to say. */
const char *redis_error_advice(struct slice text);

#endif
