/* What a service manager hears, on a real datagram socket of its own. */
#include "engine/service_manager.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/clock.h"

static char folder[64], path[96];
static int listener = -1;

static void listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 20};
    size_t length = strlen(name);
    memcpy(address.sun_path, name, length);
    if (*name == '@')
        *address.sun_path = '\0';
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(
        bind(listener, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)), 0,
        "%s", strerror(errno));
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setenv("NOTIFY_SOCKET", name, 1);
}

static void open_listener(void)
{
    strcpy(folder, "/tmp/weir-test.XXXXXX");
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/notify", folder);
    listen_at(path);
}

static void close_listener(void)
{
    close(listener);
    unlink(path);
    rmdir(folder);
}

static const char *next_message(void)
{
    static char text[4096];
    ssize_t length = recv(listener, text, sizeof text - 1, 0);
    cr_assert_geq(length, 0, "nothing came");
    text[length] = '\0';
    return text;
}

static bool is_silent(void)
{
    char text[16];
    return recv(listener, text, sizeof text, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static const char *current = "not connected to Redis";

static const char *say(const void *context)
{
    cr_expect_eq(context, (const void *)&current);
    return current;
}

static void turn(struct event_base *base, int milliseconds)
{
    struct timeval time = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    event_base_loopexit(base, &time);
    event_base_dispatch(base);
}

TestSuite(service_manager, .init = open_listener, .fini = close_listener);

Test(service_manager, nobody_there_is_nobody_told)
{
    unsetenv("NOTIFY_SOCKET");
    struct event_base *base = event_base_new();
    struct service_manager *manager = service_manager_open();
    cr_assert_null(manager);
    service_manager_start(manager, base, say, &current);
    service_manager_reloading(manager, true);
    service_manager_stopping(manager, 1000);
    service_manager_pause(manager);
    service_manager_close(manager);
    event_base_free(base);
}

Test(service_manager, hears_a_life)
{
    struct event_base *base = event_base_new();
    struct service_manager *manager = service_manager_open();
    cr_assert(manager);
    cr_expect_null(getenv("NOTIFY_SOCKET"), "no child speaks for the engine");
    service_manager_start(manager, base, say, &current);
    cr_expect_str_eq(next_message(), "READY=1\nSTATUS=not connected to Redis\n");

    current = "ready";
    turn(base, 2 * SERVICE_MANAGER_LOOK_MS + 500);
    cr_expect_str_eq(next_message(), "STATUS=ready\n");
    cr_expect(is_silent(), "what has not changed is not repeated");

    uint64_t before_us = clock_now_ns() / 1000;
    service_manager_reloading(manager, true);
    unsigned long long since_us = 0;
    cr_expect_eq(sscanf(next_message(), "RELOADING=1\nMONOTONIC_USEC=%llu\n", &since_us), 1);
    cr_expect_geq(since_us, before_us);
    cr_expect_leq(since_us, clock_now_ns() / 1000);
    service_manager_reloading(manager, false);
    cr_expect_str_eq(next_message(), "READY=1\n");

    current = "stopping";
    service_manager_stopping(manager, 25000);
    cr_expect_str_eq(next_message(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=25000000\nSTATUS=stopping\n");
    service_manager_reloading(manager, false);
    cr_expect(is_silent(), "a stop stays one");
    service_manager_close(manager);
    event_base_free(base);
}

Test(service_manager, a_second_loop_is_ready_again)
{
    struct service_manager *manager = service_manager_open();
    for (int life = 0; life < 2; life++) {
        struct event_base *base = event_base_new();
        service_manager_start(manager, base, say, &current);
        cr_expect_str_eq(next_message(), life ? "READY=1\n" : "READY=1\nSTATUS=not connected to Redis\n");
        turn(base, 10);
        service_manager_pause(manager);
        event_base_free(base);
    }
    service_manager_close(manager);
}

Test(service_manager, the_watchdog_hears_the_loop)
{
    char process[32];
    snprintf(process, sizeof process, "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "300000", 1);
    setenv("WATCHDOG_PID", process, 1);
    struct event_base *base = event_base_new();
    struct service_manager *manager = service_manager_open();
    cr_expect_null(getenv("WATCHDOG_USEC"));
    service_manager_start(manager, base, say, &current);
    cr_expect_str_eq(next_message(), "WATCHDOG=1\n");
    cr_expect_str_eq(next_message(), "READY=1\nSTATUS=not connected to Redis\n");
    turn(base, 950);
    int beats = 0;
    while (!is_silent())
        beats++;
    cr_expect_geq(beats, 3, "%d in 950 ms of which each may be 300 ms without", beats);
    cr_expect(is_silent());
    usleep(400000);
    cr_expect(is_silent(), "a loop that does not turn is not alive");
    service_manager_close(manager);
    event_base_free(base);
}

Test(service_manager, another_processes_watchdog_is_left_alone)
{
    setenv("WATCHDOG_USEC", "300000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    struct event_base *base = event_base_new();
    struct service_manager *manager = service_manager_open();
    service_manager_start(manager, base, say, &current);
    cr_expect_str_eq(next_message(), "READY=1\nSTATUS=not connected to Redis\n");
    turn(base, 500);
    cr_expect(is_silent());
    service_manager_close(manager);
    event_base_free(base);
}

Test(service_manager, what_did_not_fit_is_said_later_as_it_is_then)
{
    struct event_base *base = event_base_new();
    struct service_manager *manager = service_manager_open();
    int full = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int stuffed = 0;
    while (sendto(full, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address) == 1)
        stuffed++;
    uint64_t before_ns = clock_now_ns();
    service_manager_start(manager, base, say, &current);
    cr_expect_lt(clock_now_ns() - before_ns, UINT64_C(2000000000), "the loop does not wait for the manager");
    while (stuffed--)
        cr_expect_str_eq(next_message(), "x");
    cr_expect(is_silent());
    current = "ready";
    turn(base, SERVICE_MANAGER_LOOK_MS + 500);
    cr_expect_str_eq(next_message(), "READY=1\nSTATUS=ready\n");
    close(full);
    service_manager_close(manager);
    event_base_free(base);
}

Test(service_manager, a_name_in_the_abstract_space)
{
    char name[64];
    snprintf(name, sizeof name, "@weir-test-%d", (int)getpid());
    close(listener);
    listen_at(name);
    struct event_base *base = event_base_new();
    struct service_manager *manager = service_manager_open();
    service_manager_start(manager, base, say, &current);
    cr_expect_str_eq(next_message(), "READY=1\nSTATUS=not connected to Redis\n");
    service_manager_close(manager);
    event_base_free(base);
}

Test(service_manager, what_is_no_socket_is_refused)
{
    char long_path[200] = "/";
    memset(long_path + 1, 'x', sizeof long_path - 2);
    for (const char *const *value = (const char *const[]){"", "@", "relative", "vsock:2:1234", long_path, NULL}; *value;
         value++) {
        setenv("NOTIFY_SOCKET", *value, 1);
        cr_expect_null(service_manager_open(), "%s", *value);
    }
}
