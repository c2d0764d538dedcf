/* The HTTP client against a real web service that behaves well, badly, or not at all. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/engine/service_fixture.h"

static void expect_failure(struct service_fixture *fixture, struct service *service, const char *path,
                           const char *words)
{
    const struct fixture_answer *answer = fixture_ask(fixture, service, path, "{}");
    cr_expect_not(answer->arrived, "%s: %s", path, answer->text);
    cr_expect_not_null(strstr(answer->text, words), "%s: %s", path, answer->text);
}

Test(service, asks_and_keeps_the_connection)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    char url[64], label[64];
    snprintf(url, sizeof url, "http://localhost:%d/base?key=secret", (int)fixture.http_port);
    struct service_settings settings = fixture_settings(url);
    settings.authorization = "Bearer token";
    struct service *service = fixture_service(&fixture, &settings);
    for (int turn = 0; turn < 3; turn++) {
        const struct fixture_answer *answer = fixture_ask(&fixture, service, "/echo", "{\"a\":\"\xc3\xa9\"}");
        cr_expect(answer->arrived, "%s", answer->text);
        cr_expect_eq(answer->status, 200);
        cr_expect_str_eq(answer->text, "{\"a\":\"\xc3\xa9\"}");
    }
    const struct fixture_answer *answer = fixture_ask(&fixture, service, "/stats", "{}");
    json_t *stats = json_loads(answer->text, 0, NULL);
    json_t *headers = json_object_get(stats, "headers");
    url[strcspn(url + strlen("http://"), "/") + strlen("http://")] = '\0';
    const char *const expected[][2] = {
        {"target", "/base/stats?key=secret"}, {"content-type", "application/json"}, {"accept", "application/json"},
        {"authorization", "Bearer token"},    {"user-agent", "weir/" WEIR_VERSION}, {"host", url + strlen("http://")},
    };
    for (size_t index = 0; index < sizeof expected / sizeof *expected; index++)
        cr_expect_str_eq(json_string_value(json_object_get(headers, expected[index][0])), expected[index][1]);
    cr_expect_eq(json_integer_value(json_object_get(stats, "connections")), 1);
    json_decref(stats);
    fixture_label(label, fixture.http_port, "/base");
    cr_expect_eq(fixture_metric(&fixture, "weir_service_questions_total", label), 4);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_answers_total", label), 4);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_answer_seconds_count", NULL), 4);
    fixture_close(&fixture);
}

Test(service, takes_every_form_of_an_answer)
{
    static const char *const paths[] = {"/echo", "/chunked", "/echo", "/bye",     "/echo",        "/says_close",
                                        "/echo", "/old",     "/echo", "/chunked", "/short_lived", "/echo"};
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service *service = fixture_service_at(&fixture, "http", fixture.http_port, fixture_settings(NULL));
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) {
        char body[64];
        snprintf(body, sizeof body, "{\"question\": %zu, \"filler\": \"................\"}", index);
        const struct fixture_answer *answer = fixture_ask(&fixture, service, paths[index], body);
        cr_expect(answer->arrived, "%s: %s", paths[index], answer->text);
        cr_expect_str_eq(answer->text, body, "%s", paths[index]);
    }
    const struct fixture_answer *answer = fixture_ask(&fixture, service, "/error", "{}");
    cr_expect(answer->arrived);
    cr_expect_eq(answer->status, 500);
    cr_expect_str_eq(answer->text, "{\"error\": \"broken\"}");
    fixture_close(&fixture);
}

/* What is left on a connection behind an answer must never become the answer to the next question. */
Test(service, never_takes_an_unasked_answer)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    for (int tls = 0; tls < 2; tls++) {
        struct service_settings settings = fixture_settings(NULL);
        settings.authorities = fixture.authorities;
        settings.connections = 1;
        struct service *service =
            fixture_service_at(&fixture, tls ? "https" : "http", tls ? fixture.tls_port : fixture.http_port, settings);
        for (int turn = 0; turn < 6; turn++) {
            const char *path = turn < 3 ? "/talkative" : "/afterthought";
            const struct fixture_answer *answer = fixture_ask(&fixture, service, path, "\"asked\"");
            cr_expect(answer->arrived, "%s", answer->text);
            cr_expect_str_eq(answer->text, "\"asked\"");
            usleep(turn < 3 ? 0 : 200000); /* it lies in the socket, and the loop has not seen it */
        }
        fixture.interface->close(service);
    }
    fixture_close(&fixture);
}

Test(service, says_what_is_wrong_with_an_answer)
{
    static const char *const cases[][2] = {
        {"/drop", "the service closed the connection without an answer"},
        {"/half", "the connection ended in the middle of the answer"},
        {"/garbage", "what the service answers is not HTTP"},
        {"/huge", "the answer is larger than 1 MiB"},
        {"/huge_chunked", "the answer is larger than 1 MiB"},
        {"/huge_old", "the answer is larger than 1 MiB"},
        {"/many_headers", "what the service answers is not HTTP"},
    };
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service_settings settings = fixture_settings(NULL);
    settings.authorities = fixture.authorities;
    for (int tls = 0; tls < 2; tls++) {
        struct service *service =
            fixture_service_at(&fixture, tls ? "https" : "http", tls ? fixture.tls_port : fixture.http_port, settings);
        for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
            expect_failure(&fixture, service, cases[index][0], cases[index][1]);
        const struct fixture_answer *answer = fixture_ask(&fixture, service, "/echo", "1");
        cr_expect(answer->arrived, "%s", answer->text);
        fixture.interface->close(service);
    }
    /* A question that the service has read is never asked again. */
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        cr_expect_eq(fixture_asked(&fixture, cases[index][0] + 1), 2, "%s", cases[index][0]);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_failures_total", "reason=\"too_large\""), 6);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_failures_total", "reason=\"closed\""), 4);
    fixture_close(&fixture);
}

/* An answered connection that the service closes when the next question is on it: asked once, and failed. */
Test(service, does_not_repeat_what_has_left)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service *service = fixture_service_at(&fixture, "http", fixture.http_port, fixture_settings(NULL));
    cr_expect(fixture_ask(&fixture, service, "/echo", "1")->arrived);
    expect_failure(&fixture, service, "/drop", "without an answer");
    cr_expect_eq(fixture_asked(&fixture, "drop"), 1);
    fixture_close(&fixture);
}

/* A kept connection that the service has closed is found out before, or when, the question is written. */
Test(service, does_not_lose_questions_to_closed_connections)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service_settings settings = fixture_settings(NULL);
    settings.attempts = 1;
    struct service *service = fixture_service_at(&fixture, "http", fixture.http_port, settings);
    for (int turn = 0; turn < 20; turn++) {
        cr_expect(fixture_ask(&fixture, service, "/bye", "1")->arrived);
        usleep(20000); /* the end of the connection lies in the socket, and the loop has not seen it */
        const struct fixture_answer *answer = fixture_ask(&fixture, service, "/bye", "2");
        cr_expect(answer->arrived, "%s", answer->text);
        usleep(20000);
    }
    cr_expect_eq(fixture_asked(&fixture, "bye"), 40);
    fixture_close(&fixture);
}

Test(service, time_is_up)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service_settings settings = fixture_settings(NULL);
    settings.timeout_ms = 200;
    struct service *service = fixture_service_at(&fixture, "http", fixture.http_port, settings);
    expect_failure(&fixture, service, "/silent", "no answer within 200 ms");
    expect_failure(&fixture, service, "/drip", "no answer within 200 ms");
    cr_expect_eq(fixture_metric(&fixture, "weir_service_failures_total", "reason=\"timeout\""), 2);
    cr_expect_eq(fixture_asked(&fixture, "silent"), 1);
    fixture_close(&fixture);
}

/* A port of this machine at which nobody listens. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(probe, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(getsockname(probe, (struct sockaddr *)&address, &length), 0);
    close(probe);
    return ntohs(address.sin_port);
}

Test(service, connects_again_until_the_service_is_there)
{
    int port = free_port();
    struct service_fixture fixture;
    fixture_open(&fixture);
    struct service_settings settings = fixture_settings(NULL);
    struct service *impatient = fixture_service_at(&fixture, "http", port, settings);
    expect_failure(&fixture, impatient, "/echo", "cannot connect: Connection refused");
    settings.attempts = 1000;
    struct service *service = fixture_service_at(&fixture, "http", port, settings);
    fixture_post(&fixture, service, "/echo", "\"late\"");
    fixture_run(&fixture, 100);
    cr_expect_eq(fixture.count, 1u);
    fixture_start_server(&fixture, port);
    fixture_wait(&fixture, 2);
    cr_expect(fixture.answers[1].arrived, "%s", fixture.answers[1].text);
    cr_expect_str_eq(fixture.answers[1].text, "\"late\"");
    settings.timeout_ms = 200;
    struct service *hurried = fixture_service_at(&fixture, "http", free_port(), settings);
    expect_failure(&fixture, hurried, "/echo", "no answer within 200 ms; the last attempt: cannot connect: Connection");
    fixture_close(&fixture);
}

Test(service, unknown_hosts)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    struct service_settings settings = fixture_settings("http://no-such-host.invalid/");
    settings.attempts = 1;
    settings.timeout_ms = 2000;
    struct buffer error = {0};
    struct service *service = fixture.interface->open(fixture.interface->context, &settings, &error);
    if (service) { /* a machine without name servers says so at once */
        const struct fixture_answer *answer = fixture_ask(&fixture, service, "", "{}");
        cr_expect_not(answer->arrived);
        bool looked_up =
            strstr(answer->text, "cannot look up the host name") || strstr(answer->text, "no answer within");
        cr_expect(looked_up, "%s", answer->text);
    } else {
        cr_expect_not_null(strstr(buffer_string(&error), "cannot be looked up"));
    }
    buffer_free(&error);
    fixture_close(&fixture);
}

Test(service, verifies_tls)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct {
        json_int_t port;
        const char *authorities;
        bool verify;
        const char *failure; /* NULL: it answers */
    } cases[] = {
        {fixture.tls_port, fixture.authorities, true, NULL},
        {fixture.tls_port, NULL, false, NULL},
        {fixture.other_tls_port, fixture.authorities, false, NULL},
        {fixture.tls_port, NULL, true, "the certificate of the service is not accepted: "},
        {fixture.other_tls_port, fixture.authorities, true,
         "the certificate of the service is not accepted: hostname mismatch"},
        {fixture.http_port, fixture.authorities, true, "TLS"},
        {free_port(), fixture.authorities, true, "cannot connect: Connection refused"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct service_settings settings = fixture_settings(NULL);
        settings.authorities = cases[index].authorities;
        settings.verify = cases[index].verify;
        struct service *service = fixture_service_at(&fixture, "https", cases[index].port, settings);
        for (int turn = 0; turn < 2 && !cases[index].failure; turn++) {
            const struct fixture_answer *answer = fixture_ask(&fixture, service, "/echo", "\"secret\"");
            cr_expect(answer->arrived, "%zu: %s", index, answer->text);
            cr_expect_str_eq(answer->text, "\"secret\"");
        }
        if (cases[index].failure)
            expect_failure(&fixture, service, "/echo", cases[index].failure);
        fixture.interface->close(service);
    }
    json_t *stats = fixture_stats(&fixture);
    cr_expect_str_eq(json_string_value(json_object_get(stats, "sni")), "localhost");
    /* Nothing was said to those that could not prove who they are. */
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(stats, "questions"), "echo")), 6);
    json_decref(stats);
    fixture_close(&fixture);
}

Test(service, keeps_tls_connections)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service_settings settings = fixture_settings(NULL);
    settings.authorities = fixture.authorities;
    struct service *service = fixture_service_at(&fixture, "https", fixture.tls_port, settings);
    for (int turn = 0; turn < 10; turn++)
        cr_expect(fixture_ask(&fixture, service, "/echo", "1")->arrived);
    json_t *stats = json_loads(fixture_ask(&fixture, service, "/stats", "1")->text, 0, NULL);
    /* One more may be made where the service's tickets for later sessions came late. */
    cr_expect_leq(json_integer_value(json_object_get(stats, "connections")), 2);
    json_decref(stats);
    fixture_close(&fixture);
}

Test(service, an_address_in_the_certificate)
{
    struct service_fixture fixture;
    char url[64];
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    for (int good = 0; good < 2; good++) {
        snprintf(url, sizeof url, "https://127.0.0.1:%d", (int)(good ? fixture.tls_port : fixture.other_tls_port));
        struct service_settings settings = fixture_settings(url);
        settings.authorities = fixture.authorities;
        struct service *service = fixture_service(&fixture, &settings);
        const struct fixture_answer *answer = fixture_ask(&fixture, service, "/echo", "1");
        cr_expect_eq(answer->arrived, good == 1, "%s", answer->text);
        if (!good)
            cr_expect_not_null(strstr(answer->text, "IP address mismatch"), "%s", answer->text);
    }
    fixture_close(&fixture);
}

Test(service, bounds_hold)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service_settings settings = fixture_settings(NULL);
    settings.connections = 3;
    settings.in_flight = 10;
    struct service *service = fixture_service_at(&fixture, "http", fixture.http_port, settings);
    const char *refusal = NULL;
    for (int count = 0; count < 10; count++)
        fixture_post(&fixture, service, "/slow", "50");
    cr_expect_eq(fixture_try(&fixture, service, "/echo", SLICE("1"), &refusal), 0u);
    cr_expect_str_eq(refusal, "too many questions wait for this service already");
    char label[64];
    fixture_label(label, fixture.http_port, "");
    cr_expect_eq(fixture_metric(&fixture, "weir_service_in_flight", label), 10);
    fixture_wait(&fixture, 10);
    for (int count = 0; count < 10; count++)
        cr_expect(fixture.answers[count].arrived, "%s", fixture.answers[count].text);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_in_flight", label), 0);
    struct buffer large = {0};
    memset(buffer_reserve(&large, SERVICE_QUESTION_MAXIMUM + 1), '1', SERVICE_QUESTION_MAXIMUM + 1);
    large.length = SERVICE_QUESTION_MAXIMUM + 1;
    cr_expect_eq(fixture_try(&fixture, service, "/echo", buffer_slice(&large), &refusal), 0u);
    cr_expect_str_eq(refusal, "the question is larger than 1 MiB");
    large.length--;
    cr_expect_neq(fixture_try(&fixture, service, "/echo", buffer_slice(&large), &refusal), 0u);
    fixture_wait(&fixture, 11);
    cr_expect(fixture.answers[10].arrived, "%s", fixture.answers[10].text);
    cr_expect_eq(fixture.answers[10].length, SERVICE_QUESTION_MAXIMUM);
    cr_expect_eq(fixture_try(&fixture, service, "/a b", SLICE("1"), &refusal), 0u);
    buffer_free(&large);
    json_t *stats = fixture_stats(&fixture);
    cr_expect_leq(json_integer_value(json_object_get(stats, "most_open")), 4); /* one of them asks for the stats */
    json_decref(stats);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_failures_total", "reason=\"busy\""), 1);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_failures_total", "reason=\"question\""), 2);
    fixture_close(&fixture);
}

Test(service, the_breaker_opens_and_closes)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service_settings settings = fixture_settings(NULL);
    settings.breaker_failures = 3;
    settings.breaker_pause_ms = 300;
    settings.connections = 1;
    struct service *service = fixture_service_at(&fixture, "http", fixture.http_port, settings);
    const char *refusal = NULL;
    for (int count = 0; count < 5; count++)
        fixture_post(&fixture, service, "/drop", "1");
    fixture_wait(&fixture, 5);
    cr_expect_str_eq(fixture.answers[2].text, "the service closed the connection without an answer");
    cr_expect_str_eq(fixture.answers[3].text, "the circuit breaker opened while the question waited");
    cr_expect_eq(fixture_try(&fixture, service, "/echo", SLICE("1"), &refusal), 0u);
    cr_expect_not_null(strstr(refusal, "circuit breaker"));
    char label[64];
    fixture_label(label, fixture.http_port, "");
    cr_expect_eq(fixture_metric(&fixture, "weir_service_breaker_state", label), 1);
    fixture_run(&fixture, 310);
    fixture_post(&fixture, service, "/drop", "1");
    cr_expect_eq(fixture_try(&fixture, service, "/echo", SLICE("1"), &refusal), 0u, "half open lets one through");
    cr_expect_eq(fixture_metric(&fixture, "weir_service_breaker_state", label), 2);
    fixture_wait(&fixture, 6);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_breaker_state", label), 1);
    fixture_run(&fixture, 310);
    cr_expect(fixture_ask(&fixture, service, "/echo", "1")->arrived);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_breaker_state", label), 0);
    cr_expect(fixture_ask(&fixture, service, "/echo", "1")->arrived);
    cr_expect_eq(fixture_asked(&fixture, "drop"), 4);
    fixture_close(&fixture);
}

static void call_unusable(struct service_fixture *fixture, const struct service_answer *answer)
{
    if (answer->arrived && answer->status == 500)
        fixture->interface->unusable(fixture->then_service, "the service answered with status 500");
}

Test(service, unusable_answers_open_the_breaker)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service_settings settings = fixture_settings(NULL);
    settings.breaker_failures = 2;
    settings.breaker_pause_ms = 60000;
    fixture.then = call_unusable;
    fixture.then_service = fixture_service_at(&fixture, "http", fixture.http_port, settings);
    const char *refusal = NULL;
    cr_expect(fixture_ask(&fixture, fixture.then_service, "/error", "1")->arrived);
    cr_expect(fixture_ask(&fixture, fixture.then_service, "/echo", "1")->arrived);
    cr_expect(fixture_ask(&fixture, fixture.then_service, "/error", "1")->arrived);
    cr_expect(fixture_ask(&fixture, fixture.then_service, "/error", "1")->arrived);
    cr_expect_eq(fixture_try(&fixture, fixture.then_service, "/echo", SLICE("1"), &refusal), 0u);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_failures_total", "reason=\"unusable\""), 3);
    fixture_close(&fixture);
}

Test(service, close_forgets_what_is_in_flight)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service_settings settings = fixture_settings(NULL);
    settings.connections = 2;
    struct service *service = fixture_service_at(&fixture, "http", fixture.http_port, settings);
    struct service *other = fixture_service_at(&fixture, "http", fixture.http_port, settings);
    for (int count = 0; count < 6; count++)
        fixture_post(&fixture, service, "/slow", "50");
    fixture_run(&fixture, 20);
    uint64_t kept = fixture_post(&fixture, other, "/slow", "200");
    fixture.interface->close(service);
    fixture_wait(&fixture, 1);
    cr_expect_eq(fixture.answers[0].ticket, kept);
    fixture_close(&fixture);
}

static void close_then_post_elsewhere(struct service_fixture *fixture, const struct service_answer *answer)
{
    const char *refusal;
    cr_expect(answer->arrived);
    if (!fixture->then_service)
        return;
    struct service *other = fixture_service_at(fixture, "http", fixture->http_port, fixture_settings(NULL));
    fixture->interface->close(fixture->then_service);
    fixture->then_service = NULL;
    cr_expect_neq(fixture->interface->post(other, SLICE("/echo"), SLICE("\"second\""), &refusal), 0u);
    cr_expect_str_eq(fixture->answers[0].text, "\"first\"");
    cr_expect_eq(answer->body.length, strlen("\"first\""));
}

Test(service, an_answer_may_close_and_post)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    struct service *service = fixture_service_at(&fixture, "http", fixture.http_port, fixture_settings(NULL));
    fixture.then = close_then_post_elsewhere;
    fixture.then_service = service;
    fixture_post(&fixture, service, "/echo", "\"first\"");
    fixture_post(&fixture, service, "/slow", "60");
    fixture_wait(&fixture, 2);
    cr_expect_str_eq(fixture.answers[1].text, "\"second\"");
    fixture_run(&fixture, 150);
    cr_expect_eq(fixture.count, 2u);
    fixture_close(&fixture);
}

Test(service, refuses_impossible_settings)
{
    static const char *const cases[][2] = {
        {"ftp://host/", "must begin with http:// or https://"},
        {"http://", "has no host"},
        {"nonsense", "must begin with http:// or https://"},
        {"http://user:word@host/", "must not hold a user name or password"},
        {"http://host:0/", "has a port that does not exist"},
        {"http://host:70000/", ""},
        {"http://host/#part", "must not hold a fragment"},
        {"http://host/a b", "is no URL"},
        {"http://host/\r\nX: y", "is no URL"},
    };
    struct service_fixture fixture;
    struct buffer error = {0};
    fixture_open(&fixture);
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct service_settings settings = fixture_settings(cases[index][0]);
        buffer_clear(&error);
        cr_expect_null(fixture.interface->open(fixture.interface->context, &settings, &error), "%s", cases[index][0]);
        cr_expect_not_null(strstr(buffer_string(&error), cases[index][1]), "%s", buffer_string(&error));
    }
    struct service_settings settings = fixture_settings("https://host/");
    static const char *const bad[] = {"", "no certificate",
                                      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        settings.authorities = bad[index];
        buffer_clear(&error);
        cr_expect_null(fixture.interface->open(fixture.interface->context, &settings, &error));
        cr_expect_not_null(strstr(buffer_string(&error), "the file of trusted certificates"), "%s",
                           buffer_string(&error));
    }
    settings = fixture_settings("http://host/");
    settings.authorization = "Bearer a\r\nX-Evil: b";
    cr_expect_null(fixture.interface->open(fixture.interface->context, &settings, &error));
    buffer_free(&error);
    fixture_close(&fixture);
}
