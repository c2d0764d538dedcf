/* One question waits at a time, since whoever asks the chain waits for its end; a module that posts and does not wait
 * is answered by nobody. */
#include "engine/cases_services.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct case_services {
    struct module_services interface;
    const json_t *answers;
    uint64_t ticket;
    struct buffer url;     /* that was asked last */
    struct buffer unnamed; /* the first without an answer; empty: none */
    struct buffer text;    /* of the answer */
    struct service_answer answer;
};

/* What a module takes for a service. */
struct case_service {
    struct case_services *services;
    char *url;
};

static struct service *open_service(void *context, const struct service_settings *settings, struct buffer *error)
{
    (void)error;
    struct case_service *service = memory_allocate_zeroed(1, sizeof *service);
    service->services = context;
    service->url = memory_copy_text(settings->url, strlen(settings->url));
    return (struct service *)service;
}

static void close_service(struct service *service)
{
    struct case_service *closed = (struct case_service *)service;
    free(closed->url);
    free(closed);
}

static uint64_t post(struct service *service, struct slice path, struct slice body, const char **refusal)
{
    (void)body, (void)refusal;
    const struct case_service *asked = (const struct case_service *)service;
    struct case_services *services = asked->services;
    buffer_clear(&services->url);
    buffer_append_string(&services->url, asked->url);
    buffer_append_slice(&services->url, path);
    return ++services->ticket;
}

static void unusable(struct service *service, const char *why)
{
    (void)service, (void)why;
}

struct case_services *case_services_create(void)
{
    struct case_services *services = memory_allocate_zeroed(1, sizeof *services);
    services->interface = (struct module_services){
        .context = services, .open = open_service, .close = close_service, .post = post, .unusable = unusable};
    return services;
}

void case_services_destroy(struct case_services *services)
{
    buffer_free(&services->url);
    buffer_free(&services->unnamed);
    buffer_free(&services->text);
    free(services);
}

const struct module_services *case_services_interface(struct case_services *services)
{
    return &services->interface;
}

void case_services_answers(struct case_services *services, const json_t *answers)
{
    services->answers = answers;
    buffer_clear(&services->unnamed);
}

const struct service_answer *case_services_answer(struct case_services *services, uint64_t ticket)
{
    const json_t *given = json_object_get(services->answers, buffer_string(&services->url));
    const json_t *error = json_object_get(given, "error"), *status = json_object_get(given, "status");
    struct service_answer *answer = &services->answer;
    *answer = (struct service_answer){.arrived = given && !error && ticket == services->ticket};
    buffer_clear(&services->text);
    if (!given && !services->unnamed.length)
        buffer_append(&services->unnamed, buffer_string(&services->url), services->url.length + 1);
    if (answer->arrived) {
        const json_t *body = json_object_get(given, "body");
        char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        buffer_append_string(&services->text, text ? text : "{}");
        free(text);
        answer->status = status ? (int)json_integer_value(status) : 200;
        answer->body = buffer_slice(&services->text);
        return answer;
    }
    if (json_is_string(error))
        buffer_append_string(&services->text, json_string_value(error));
    else
        buffer_append_format(&services->text, "the case does not say under `services` what %s answers",
                             buffer_string(&services->url));
    answer->error = buffer_slice(&services->text);
    return answer;
}

const char *case_services_unnamed(const struct case_services *services)
{
    return services->unnamed.length ? services->unnamed.data : NULL;
}
