/* An event loop that runs only while an answer is waited for. */
#include "engine/explain_services.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/service.h"

struct explain_services {
    struct event_base *base;
    struct metrics *metrics;
    struct services *services;
    uint64_t answered; /* the ticket of `answer` */
    struct service_answer answer;
    struct buffer body;
    struct buffer error;
};

static struct slice keep(struct buffer *buffer, struct slice text)
{
    buffer_clear(buffer);
    if (!slice_present(text))
        return text;
    buffer_append_slice(buffer, text);
    return buffer_slice(buffer);
}

static void on_answered(void *context, uint64_t ticket, const struct service_answer *answer)
{
    struct explain_services *services = context;
    services->answered = ticket;
    services->answer = *answer;
    services->answer.body = keep(&services->body, answer->body);
    services->answer.error = keep(&services->error, answer->error);
}

struct explain_services *explain_services_create(void)
{
    struct explain_services *services = memory_allocate_zeroed(1, sizeof *services);
    services->base = event_base_new();
    services->metrics = metrics_create();
    services->services = services_create(services->base, services->metrics, on_answered, services);
    return services;
}

void explain_services_destroy(struct explain_services *services)
{
    services_destroy(services->services);
    metrics_destroy(services->metrics);
    event_base_free(services->base);
    buffer_free(&services->body);
    buffer_free(&services->error);
    free(services);
}

const struct module_services *explain_services_interface(struct explain_services *services)
{
    return services_interface(services->services);
}

const struct service_answer *explain_services_wait(void *context, uint64_t ticket)
{
    struct explain_services *services = context;
    while (services->answered != ticket)
        if (event_base_loop(services->base, EVLOOP_ONCE) != 0) {
            services->answer = (struct service_answer){.error = SLICE("no service knows of the question")};
            break;
        }
    return &services->answer;
}
