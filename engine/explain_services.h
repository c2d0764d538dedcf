/* The services that modules ask, for one question at a time: whoever explains waits until the answer is there. */
#ifndef WEIR_ENGINE_EXPLAIN_SERVICES_H
#define WEIR_ENGINE_EXPLAIN_SERVICES_H

#include "filters/service.h"

struct explain_services;

struct explain_services *explain_services_create(void);
/* After the chain that uses them. */
void explain_services_destroy(struct explain_services *services);

/* For the modules; valid until explain_services_destroy. */
const struct module_services *explain_services_interface(struct explain_services *services);

/* Waits for the answer to `ticket`, which comes within the module's own timeout; it lives until the next call.
 * `context` is a struct explain_services. */
const struct service_answer *explain_services_wait(void *context, uint64_t ticket);

#endif
