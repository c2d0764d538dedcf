/* Questions that have ended, well or badly, go into one list, and are handed on from one event: so answers come from
 * the event loop alone, and whoever gets one may post, or close a service, without anything of it being on the stack.
 */
#include "engine/service.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/service_breaker.h"
#include "engine/service_client.h"
#include "engine/service_metrics.h"
#include "engine/tls_client.h"

/* A path behind the URL; Matrix ids have 255 bytes at most. */
#define PATH_MAXIMUM 2048

struct service {
    TAILQ_ENTRY(service) link;
    struct services *services;   /* NULL: not of an event loop (a batch that is not attached) */
    struct service_batch *batch; /* NULL: none */
    TAILQ_ENTRY(service) batch_link;
    struct service_settings settings; /* its texts are not kept */
    struct service_endpoint endpoint;
    struct service_client *client;
    struct service_breaker breaker;
    struct log_gate gate;
    int64_t in_flight;
    uint32_t label;
};

struct service_batch {
    struct module_services interface;
    TAILQ_HEAD(, service) services_of;
};

struct services {
    struct event_base *base;
    services_answered_function *answered;
    void *context;
    struct module_services interface;
    struct service_metrics metrics;
    struct evdns_base *resolver;
    TAILQ_HEAD(, service) open;
    struct question_list ended;
    struct question *delivering; /* its owner is NULL once its service was closed */
    bool unusable;               /* the answer that is being handed on */
    struct event *turn;
    uint64_t last_ticket;
    struct buffer target;
};

static void log_failure(struct service *service, const char *reason)
{
    uint64_t suppressed;
    if (log_gate_pass(&service->gate, &suppressed))
        log_warning("a question to a service failed", LOG_STRING("service", service->endpoint.url.label),
                    LOG_STRING("reason", reason), LOG_INTEGER("suppressed", suppressed));
}

static void count_failure(struct service *service, enum service_failure failure, const char *reason)
{
    service->services->metrics.failures[failure]++;
    service->services->metrics.failed[service->label]++;
    log_failure(service, reason);
}

/* The service did badly: for the breaker, too. */
static void note_bad(struct service *service)
{
    if (!service_breaker_failed(&service->breaker, clock_now_ns()))
        return;
    log_warning("a service fails time and again; it is left alone for a while",
                LOG_STRING("service", service->endpoint.url.label), LOG_INTEGER("failures", service->breaker.failures),
                LOG_INTEGER("pause_ms", service->breaker.pause_ns / 1000000));
    service_client_give_up(service->client, SERVICE_BREAKER, "the circuit breaker opened while the question waited");
}

static void note_good(struct service *service)
{
    if (service_breaker_succeeded(&service->breaker))
        log_info("a service answers again", LOG_STRING("service", service->endpoint.url.label));
}

/* Callbacks of the clients. */

static void on_ended(void *context, struct question *question)
{
    struct service *service = context;
    struct services *services = service->services;
    TAILQ_INSERT_TAIL(&services->ended, question, link);
    event_active(services->turn, EV_TIMEOUT, 0);
    if (question->failure == SERVICE_ANSWERED) {
        services->metrics.answers[service->label]++;
        latency_record(services->metrics.latency, clock_now_ns() - question->posted_ns);
        return;
    }
    count_failure(service, question->failure, buffer_string(&question->text));
    if (question->failure != SERVICE_BREAKER)
        note_bad(service);
}

static void on_wants_turn(void *context)
{
    struct service *service = context;
    event_active(service->services->turn, EV_TIMEOUT, 0);
}

static void deliver(struct services *services, struct question *question)
{
    bool arrived = question->failure == SERVICE_ANSWERED;
    struct slice text = buffer_slice(&question->text);
    struct service_answer answer = {.arrived = arrived,
                                    .status = question->status,
                                    .body = arrived ? text : SLICE_ABSENT,
                                    .error = arrived ? SLICE_ABSENT : text};
    struct service *service = question->owner;
    service->in_flight--;
    services->delivering = question;
    services->unusable = false;
    services->answered(services->context, question->ticket, &answer);
    services->delivering = NULL;
    service = question->owner;
    if (service && arrived && !services->unusable)
        note_good(service);
    question_free(question);
}

static void on_turn(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct services *services = context;
    struct service *service;
    struct question *question;
    TAILQ_FOREACH(service, &services->open, link)
    service_client_turn(service->client);
    while ((question = TAILQ_FIRST(&services->ended))) {
        TAILQ_REMOVE(&services->ended, question, link);
        deliver(services, question);
    }
}

/* What modules call. */

static const char *objection(struct service *service, struct slice path, struct slice body,
                             enum service_failure *failure)
{
    buffer_clear(&service->services->target);
    *failure = SERVICE_QUESTION;
    if (body.length > SERVICE_QUESTION_MAXIMUM)
        return "the question is larger than 1 MiB";
    if (path.length > PATH_MAXIMUM ||
        !service_url_append_target(&service->endpoint.url, path, &service->services->target))
        return "the question's path is too long, or holds what no URL can hold";
    *failure = SERVICE_BUSY;
    if (service->in_flight >= service->settings.in_flight)
        return "too many questions wait for this service already";
    *failure = SERVICE_BREAKER;
    if (!service_breaker_admits(&service->breaker, clock_now_ns()))
        return "the service failed too often just now (its circuit breaker is open)";
    return NULL;
}

static uint64_t post(struct service *service, struct slice path, struct slice body, const char **refusal)
{
    struct services *services = service->services;
    enum service_failure failure;
    if (!services) {
        *refusal = "the configuration that asks is not in use";
        return 0;
    }
    services->metrics.questions[service->label]++;
    const char *reason = objection(service, path, body, &failure);
    if (reason) {
        *refusal = reason;
        count_failure(service, failure, reason);
        return 0;
    }
    struct question *question =
        question_create(service, ++services->last_ticket, buffer_slice(&services->target), body);
    service->in_flight++;
    service_client_post(service->client, question);
    return question->ticket;
}

static void unusable(struct service *service, const char *why)
{
    struct services *services = service->services;
    if (!services)
        return;
    if (services->delivering && services->delivering->owner == service)
        services->unusable = true;
    count_failure(service, SERVICE_UNUSABLE, why);
    note_bad(service);
}

/* The resolver of all services, made when the first host name must be looked up. */
static struct evdns_base *resolver(struct services *services)
{
    if (!services->resolver)
        services->resolver =
            evdns_base_new(services->base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!services->resolver) { /* no name servers: the hosts file may still know the name */
        services->resolver = evdns_base_new(services->base, 0);
        if (services->resolver)
            evdns_base_load_hosts(services->resolver, "/etc/hosts");
    }
    return services->resolver;
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return strcasecmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &address) == 1 ||
           inet_pton(AF_INET6, host, &address) == 1;
}

/* Whatever of it needs no event loop, and may take a while: the system's certificates are a large file. */
static bool prepare_endpoint(struct service_endpoint *endpoint, const struct service_settings *settings,
                             struct buffer *error)
{
    if (!service_url_parse(&endpoint->url, settings->url, error))
        return false;
    if (settings->authorization) {
        endpoint->authorization = memory_copy_text(settings->authorization, strlen(settings->authorization));
        if (strpbrk(settings->authorization, "\r\n")) {
            buffer_append_string(error, "the value of `authorization` holds a line break");
            return false;
        }
    }
    struct tls_client_settings tls = {.authorities = settings->authorities, .verify = settings->verify};
    return !endpoint->url.tls || (endpoint->tls = tls_client_create(&tls, error));
}

static void free_service(struct service *service)
{
    service_url_free(&service->endpoint.url);
    free(service->endpoint.authorization);
    SSL_CTX_free(service->endpoint.tls);
    free(service);
}

static struct service *prepare(const struct service_settings *settings, struct buffer *error)
{
    struct service *service = memory_allocate_zeroed(1, sizeof *service);
    if (!prepare_endpoint(&service->endpoint, settings, error)) {
        free_service(service);
        return NULL;
    }
    service->settings = *settings;
    service->settings.url = service->settings.authorities = service->settings.authorization = NULL;
    service->breaker = (struct service_breaker){.threshold = settings->breaker_failures,
                                                .pause_ns = (uint64_t)settings->breaker_pause_ms * 1000000};
    return service;
}

/* False if its host cannot be looked up. */
static bool attach(struct service *service, struct services *services)
{
    bool found = is_address(service->endpoint.url.host) || (service->endpoint.resolver = resolver(services));
    service->services = services;
    service->endpoint.base = services->base;
    service->label = service_metrics_acquire(&services->metrics, service->endpoint.url.label);
    struct service_client_owner owner = {service, on_ended, on_wants_turn};
    service->client = service_client_create(&service->endpoint, &service->settings, &owner);
    TAILQ_INSERT_TAIL(&services->open, service, link);
    return found;
}

/* Whatever of it the event loop has. */
static void detach(struct service *service)
{
    struct services *services = service->services;
    if (!services)
        return;
    struct question *question = TAILQ_FIRST(&services->ended);
    while (question) {
        struct question *next = TAILQ_NEXT(question, link);
        if (question->owner == service) {
            TAILQ_REMOVE(&services->ended, question, link);
            question_free(question);
        }
        question = next;
    }
    if (services->delivering && services->delivering->owner == service)
        services->delivering->owner = NULL;
    TAILQ_REMOVE(&services->open, service, link);
    service_client_destroy(service->client);
    service_metrics_release(&services->metrics, service->label);
    service->services = NULL;
}

static void close_service(struct service *service)
{
    detach(service);
    if (service->batch)
        TAILQ_REMOVE(&service->batch->services_of, service, batch_link);
    free_service(service);
}

static struct service *open_service(void *context, const struct service_settings *settings, struct buffer *error)
{
    struct service *service = prepare(settings, error);
    if (!service || attach(service, context))
        return service;
    buffer_append_format(error, "\"%s\" cannot be looked up: there is no name server", service->endpoint.url.host);
    close_service(service);
    return NULL;
}

/* ---- batches */

static struct service *open_in_batch(void *context, const struct service_settings *settings, struct buffer *error)
{
    struct service_batch *batch = context;
    struct service *service = prepare(settings, error);
    if (!service)
        return NULL;
    service->batch = batch;
    TAILQ_INSERT_TAIL(&batch->services_of, service, batch_link);
    return service;
}

struct service_batch *service_batch_create(const struct shared_rates *rates)
{
    struct service_batch *batch = memory_allocate_zeroed(1, sizeof *batch);
    batch->interface = (struct module_services){batch, open_in_batch, close_service, post, unusable, rates};
    TAILQ_INIT(&batch->services_of);
    return batch;
}

const struct module_services *service_batch_interface(struct service_batch *batch)
{
    return &batch->interface;
}

void service_batch_attach(struct service_batch *batch, struct services *services)
{
    struct service *service;
    TAILQ_FOREACH(service, &batch->services_of, batch_link)
    if (!attach(service, services))
        log_failure(service, "its host cannot be looked up: there is no name server");
}

void service_batch_detach(struct service_batch *batch)
{
    struct service *service;
    TAILQ_FOREACH(service, &batch->services_of, batch_link)
    detach(service);
}

void service_batch_destroy(struct service_batch *batch)
{
    if (!batch)
        return;
    for (struct service *service = TAILQ_FIRST(&batch->services_of), *next; service; service = next) {
        next = TAILQ_NEXT(service, batch_link);
        service->batch = NULL;
        close_service(service);
    }
    free(batch);
}

/* Gauges are sums over the services of a label; of several breakers the worst is shown. */
static void collect(void *context)
{
    struct services *services = context;
    struct service_metrics *metrics = &services->metrics;
    const struct service *service;
    memset(metrics->in_flight, 0, SERVICE_LABELS * sizeof *metrics->in_flight);
    memset(metrics->breaker, 0, SERVICE_LABELS * sizeof *metrics->breaker);
    TAILQ_FOREACH(service, &services->open, link)
    {
        metrics->in_flight[service->label] += (uint64_t)service->in_flight;
        if (metrics->breaker[service->label] == BREAKER_CLOSED || service->breaker.state == BREAKER_OPEN)
            metrics->breaker[service->label] = service->breaker.state;
    }
}

struct services *services_create(struct event_base *base, struct metrics *metrics, services_answered_function *answered,
                                 void *context)
{
    struct services *services = memory_allocate_zeroed(1, sizeof *services);
    services->base = base;
    services->answered = answered;
    services->context = context;
    services->interface = (struct module_services){services, open_service, close_service, post, unusable, NULL};
    services->turn = event_new(base, -1, 0, on_turn, services);
    TAILQ_INIT(&services->open);
    TAILQ_INIT(&services->ended);
    service_metrics_register(&services->metrics, metrics);
    metrics_on_collect(metrics, collect, services);
    return services;
}

void services_destroy(struct services *services)
{
    if (!services)
        return;
    for (struct service *service = TAILQ_FIRST(&services->open), *next; service; service = next) {
        next = TAILQ_NEXT(service, link);
        close_service(service);
    }
    if (services->resolver)
        evdns_base_free(services->resolver, 1);
    event_free(services->turn);
    service_metrics_free(&services->metrics);
    buffer_free(&services->target);
    free(services);
}

const struct module_services *services_interface(struct services *services)
{
    return &services->interface;
}
