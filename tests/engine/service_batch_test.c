/* Services of a chain that another thread makes and ends. */
#include <pthread.h>

#include "tests/engine/service_fixture.h"

struct making {
    struct service_batch *batch;
    struct service_settings settings;
    struct service *service;
    struct buffer error;
};

static void *make(void *argument)
{
    struct making *making = argument;
    const struct module_services *interface = service_batch_interface(making->batch);
    making->service = interface->open(interface->context, &making->settings, &making->error);
    return NULL;
}

static void *end(void *argument)
{
    struct making *making = argument;
    if (making->service)
        service_batch_interface(making->batch)->close(making->service);
    service_batch_destroy(making->batch);
    return NULL;
}

static void in_thread(void *(*work)(void *), struct making *making)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, work, making), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

Test(service_batch, is_made_and_ended_in_a_thread_and_asked_on_the_loop)
{
    struct service_fixture fixture;
    const char *refusal = NULL;
    char url[64];
    fixture_open(&fixture);
    fixture_start_server(&fixture, 0);
    snprintf(url, sizeof url, "https://localhost:%d", (int)fixture.tls_port);
    struct making making = {.batch = service_batch_create(NULL), .settings = fixture_settings(url)};
    making.settings.authorities = fixture.authorities;
    in_thread(make, &making);
    cr_assert_not_null(making.service, "%s", buffer_string(&making.error));
    cr_expect_eq(fixture_try(&fixture, making.service, "/echo", SLICE("{}"), &refusal), 0u);
    cr_expect_not_null(refusal);
    service_batch_attach(making.batch, fixture.services);
    const struct fixture_answer *answer = fixture_ask(&fixture, making.service, "/echo", "{\"a\":1}");
    cr_expect(answer->arrived, "%s", answer->text);
    cr_expect_str_eq(answer->text, "{\"a\":1}");
    /* What is in flight is forgotten. */
    fixture_post(&fixture, making.service, "/echo", "{}");
    service_batch_detach(making.batch);
    cr_expect_eq(fixture_try(&fixture, making.service, "/echo", SLICE("{}"), &refusal), 0u);
    in_thread(end, &making);
    fixture_run(&fixture, 50);
    cr_expect_eq(fixture.count, 1u);
    fixture_close(&fixture);
}

Test(service_batch, one_that_is_never_used_leaves_nothing)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    struct making making = {.batch = service_batch_create(NULL), .settings = fixture_settings("http://localhost:1/a")};
    in_thread(make, &making);
    cr_expect_not_null(making.service);
    making.service = NULL; /* the chain forgot to close it */
    in_thread(end, &making);
    making = (struct making){.batch = service_batch_create(NULL), .settings = fixture_settings("gopher://localhost")};
    in_thread(make, &making);
    cr_expect_null(making.service);
    cr_expect_neq(making.error.length, 0u);
    in_thread(end, &making);
    buffer_free(&making.error);
    cr_expect_eq(fixture_metric(&fixture, "weir_service_questions_total", "service=\"http://localhost:1/a\""), -1);
    fixture_close(&fixture);
}

Test(service_batch, ends_on_the_loop_while_it_is_attached)
{
    struct service_fixture fixture;
    fixture_open(&fixture);
    struct making making = {.batch = service_batch_create(NULL), .settings = fixture_settings("http://localhost:1/")};
    in_thread(make, &making);
    service_batch_attach(making.batch, fixture.services);
    (void)fixture_post(&fixture, making.service, "/", "{}");
    service_batch_destroy(making.batch);
    fixture_run(&fixture, 20);
    cr_expect_eq(fixture.count, 0u);
    fixture_close(&fixture);
}
