/* An event loop with services, and a real web service beside it (service_server.py) that is gone with the test. */
#ifndef WEIR_TESTS_SERVICE_FIXTURE_H
#define WEIR_TESTS_SERVICE_FIXTURE_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/log.h"
#include "engine/service.h"

#define FIXTURE_ANSWERS 64
#define FIXTURE_SECONDS 30

struct fixture_answer {
    uint64_t ticket;
    bool arrived;
    int status;
    char text[4096]; /* the beginning of the body, or the error */
    size_t length;   /* of the whole */
};

struct service_fixture {
    struct event_base *base;
    struct metrics *metrics;
    struct services *services;
    const struct module_services *interface;
    struct fixture_answer answers[FIXTURE_ANSWERS];
    size_t count;
    bool posting; /* an answer that comes now comes from within `post` */
    void (*then)(struct service_fixture *fixture, const struct service_answer *answer); /* in the callback; or NULL */
    struct service *then_service;
    char folder[64];
    char authorities[4096]; /* the certificate that signed the web service's */
    pid_t server;
    FILE *server_input;
    json_int_t http_port;
    json_int_t tls_port;
    json_int_t other_tls_port;
};

static inline void fixture_answered(void *context, uint64_t ticket, const struct service_answer *answer)
{
    struct service_fixture *fixture = context;
    cr_assert_lt(fixture->count, (size_t)FIXTURE_ANSWERS);
    cr_assert_not(fixture->posting, "an answer came from within post");
    struct fixture_answer *noted = &fixture->answers[fixture->count++];
    struct slice text = answer->arrived ? answer->body : answer->error;
    *noted = (struct fixture_answer){.ticket = ticket, .arrived = answer->arrived, .status = answer->status};
    noted->length = text.length;
    snprintf(noted->text, sizeof noted->text, "%.*s", (int)text.length, text.data);
    if (fixture->then)
        fixture->then(fixture, answer);
}

/* Starts the program; its first line is a JSON object. `port` 0: HTTP and TLS on ports of its choice. */
static inline void fixture_start_server(struct service_fixture *fixture, int port)
{
    int input[2], output[2];
    char port_text[16], line[256];
    snprintf(port_text, sizeof port_text, "%d", port);
    cr_assert_eq(pipe(input), 0);
    cr_assert_eq(pipe(output), 0);
    fixture->server = fork();
    if (fixture->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        close(input[1]);
        execlp("python3", "python3", "-B", "tests/engine/service_server.py", fixture->folder, port ? port_text : NULL,
               NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    fixture->server_input = fdopen(input[1], "w");
    FILE *reader = fdopen(output[0], "r");
    cr_assert_not_null(fgets(line, sizeof line, reader), "the web service does not start");
    fclose(reader);
    json_t *ports = json_loads(line, 0, NULL);
    cr_assert_not_null(ports, "%s", line);
    fixture->http_port = json_integer_value(json_object_get(ports, "http"));
    fixture->tls_port = json_integer_value(json_object_get(ports, "tls"));
    fixture->other_tls_port = json_integer_value(json_object_get(ports, "other_tls"));
    json_decref(ports);
    snprintf(line, sizeof line, "%s/ca.pem", fixture->folder);
    if (!port && (reader = fopen(line, "r"))) {
        fixture->authorities[fread(fixture->authorities, 1, sizeof fixture->authorities - 1, reader)] = '\0';
        fclose(reader);
    }
}

static inline void fixture_open(struct service_fixture *fixture)
{
    *fixture = (struct service_fixture){.folder = "/tmp/weir-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(fixture->folder));
    signal(SIGPIPE, SIG_IGN);
    log_threshold = LOG_ERROR;
    fixture->base = event_base_new();
    fixture->metrics = metrics_create();
    fixture->services = services_create(fixture->base, fixture->metrics, fixture_answered, fixture);
    fixture->interface = services_interface(fixture->services);
}

static inline void fixture_close(struct service_fixture *fixture)
{
    char command[96];
    services_destroy(fixture->services);
    metrics_destroy(fixture->metrics);
    event_base_free(fixture->base);
    if (fixture->server) {
        fclose(fixture->server_input);
        kill(fixture->server, SIGKILL);
        waitpid(fixture->server, NULL, 0);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    cr_expect_eq(system(command), 0);
}

/* Settings that fit most tests: no time limit that a loaded machine could reach. */
static inline struct service_settings fixture_settings(const char *url)
{
    return (struct service_settings){.url = url,
                                     .verify = true,
                                     .timeout_ms = FIXTURE_SECONDS * 1000,
                                     .in_flight = FIXTURE_ANSWERS,
                                     .connections = 4,
                                     .attempts = 3,
                                     .breaker_pause_ms = 100};
}

static inline struct service *fixture_service(struct service_fixture *fixture, const struct service_settings *settings)
{
    struct buffer error = {0};
    struct service *service = fixture->interface->open(fixture->interface->context, settings, &error);
    cr_assert_not_null(service, "%s", buffer_string(&error));
    buffer_free(&error);
    return service;
}

/* A service at the given port of this machine, with those settings. */
static inline struct service *fixture_service_at(struct service_fixture *fixture, const char *scheme, json_int_t port,
                                                 struct service_settings settings)
{
    char url[64];
    snprintf(url, sizeof url, "%s://localhost:%lld", scheme, (long long)port);
    settings.url = url;
    return fixture_service(fixture, &settings);
}

/* The ticket; 0 with `*refusal` set. */
static inline uint64_t fixture_try(struct service_fixture *fixture, struct service *service, const char *path,
                                   struct slice body, const char **refusal)
{
    fixture->posting = true;
    uint64_t ticket = fixture->interface->post(service, slice_from_string(path), body, refusal);
    fixture->posting = false;
    return ticket;
}

static inline uint64_t fixture_post(struct service_fixture *fixture, struct service *service, const char *path,
                                    const char *body)
{
    const char *refusal = NULL;
    uint64_t ticket = fixture_try(fixture, service, path, slice_from_string(body), &refusal);
    cr_assert_neq(ticket, 0u, "refused: %s", refusal ? refusal : "for no reason");
    return ticket;
}

/* Runs the loop for a while. */
static inline void fixture_run(struct service_fixture *fixture, unsigned milliseconds)
{
    struct timeval delay = {milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000};
    event_base_loopexit(fixture->base, &delay);
    event_base_dispatch(fixture->base);
}

/* Runs the loop until there are `count` answers in all. */
static inline void fixture_wait(struct service_fixture *fixture, size_t count)
{
    uint64_t until = clock_now_ns() + FIXTURE_SECONDS * 1000000000ull;
    while (fixture->count < count && clock_now_ns() < until)
        fixture_run(fixture, 5);
    cr_assert_eq(fixture->count, count, "%zu of %zu answers", fixture->count, count);
}

/* Asks and waits for the answer. */
static inline const struct fixture_answer *fixture_ask(struct service_fixture *fixture, struct service *service,
                                                       const char *path, const char *body)
{
    uint64_t ticket = fixture_post(fixture, service, path, body);
    fixture_wait(fixture, fixture->count + 1);
    const struct fixture_answer *answer = &fixture->answers[fixture->count - 1];
    cr_expect_eq(answer->ticket, ticket);
    return answer;
}

/* What the web service has seen; the caller drops it. */
static inline json_t *fixture_stats(struct service_fixture *fixture)
{
    struct service *service = fixture_service_at(fixture, "http", fixture->http_port, fixture_settings(NULL));
    const struct fixture_answer *answer = fixture_ask(fixture, service, "/stats", "{}");
    cr_assert(answer->arrived, "%s", answer->text);
    json_t *stats = json_loads(answer->text, 0, NULL);
    cr_assert_not_null(stats, "%s", answer->text);
    fixture->interface->close(service);
    return stats;
}

/* How often the web service was asked with that path. */
static inline json_int_t fixture_asked(struct service_fixture *fixture, const char *name)
{
    json_t *stats = fixture_stats(fixture);
    json_int_t count = json_integer_value(json_object_get(json_object_get(stats, "questions"), name));
    json_decref(stats);
    return count;
}

/* The value of the metric `name`, with that label if it is not NULL; -1 without one. */
static inline double fixture_metric(struct service_fixture *fixture, const char *name, const char *label)
{
    struct buffer text = {0}, wanted = {0};
    metrics_render(fixture->metrics, &text);
    buffer_append_format(&wanted, label ? "\n%s{%s} " : "\n%s%s ", name, label ? label : "");
    const char *found = strstr(buffer_string(&text), buffer_string(&wanted));
    double value = found ? strtod(found + wanted.length, NULL) : -1;
    buffer_free(&text);
    buffer_free(&wanted);
    return value;
}

/* The label of a service at this machine's port, for fixture_metric. */
static inline const char *fixture_label(char label[static 64], json_int_t port, const char *path)
{
    snprintf(label, 64, "service=\"http://localhost:%d%s\"", (int)port, path);
    return label;
}

#endif
