/* Stands in for the web services that modules ask: nobody is connected to, a case says what each answers. */
#ifndef WEIR_ENGINE_CASES_SERVICES_H
#define WEIR_ENGINE_CASES_SERVICES_H

#include <jansson.h>

#include "filters/service.h"

struct case_services;

struct case_services *case_services_create(void);
/* After the chains that use them. */
void case_services_destroy(struct case_services *services);
/* For the modules. */
const struct module_services *case_services_interface(struct case_services *services);

/* What the questions that follow get: {URL: {"status": 200, "body": …} or {"error": TEXT}}; NULL: nothing. Borrowed.
 * Forgets what was asked before. */
void case_services_answers(struct case_services *services, const json_t *answers);
/* The answer to `ticket`; lives until the next call. A URL that the case has not named gets none. */
const struct service_answer *case_services_answer(struct case_services *services, uint64_t ticket);
/* The first URL that was asked and has no answer; NULL if all have. */
const char *case_services_unnamed(const struct case_services *services);

#endif
