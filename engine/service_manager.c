/* The loop must not wait for the manager, so nothing blocks: what could not be sent is kept as what is to be said, not
 * as a message, and said by the next look as it is then. */
#include "engine/service_manager.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "replication/command.h"

/* Of the time that the manager gives: as sd_watchdog_enabled(3) asks, half of it, and a little for a busy machine. */
#define WATCHDOG_SHARE 3

enum state { STATE_STARTING, STATE_READY, STATE_RELOADING, STATE_STOPPING };

struct service_manager {
    int socket;
    struct sockaddr_un address;
    socklen_t address_length;
    uint64_t watchdog_us; /* 0: not watched */
    enum state state;
    bool state_told;
    uint64_t reloading_since_us; /* monotonic */
    int64_t stop_ms;
    service_manager_words *words; /* NULL: paused */
    const void *context;
    char *told; /* the last words */
    struct event *looks, *beats;
};

/* ---- sending */

/* Whether the manager has it. One that is gone for good is not told of again and again: its death is systemd's own. */
static bool send_text(struct service_manager *manager, const struct buffer *message)
{
    ssize_t sent = sendto(manager->socket, message->data, message->length, MSG_DONTWAIT | MSG_NOSIGNAL,
                          (const struct sockaddr *)&manager->address, manager->address_length);
    static struct log_gate gate;
    uint64_t suppressed;
    if (sent >= 0)
        return true;
    if (errno != EAGAIN && errno != ENOBUFS && log_gate_pass(&gate, &suppressed))
        log_warning("the service manager cannot be told", LOG_STRING("reason", strerror(errno)),
                    LOG_INTEGER("suppressed", suppressed));
    return false;
}

static void append_state(const struct service_manager *manager, struct buffer *message)
{
    switch (manager->state) {
    case STATE_STARTING:
        break;
    case STATE_READY:
        buffer_append_string(message, "READY=1\n");
        break;
    case STATE_RELOADING:
        buffer_append_format(message, "RELOADING=1\nMONOTONIC_USEC=%llu\n",
                             (unsigned long long)manager->reloading_since_us);
        break;
    case STATE_STOPPING:
        buffer_append_format(message, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\n", (long long)manager->stop_ms * 1000);
        break;
    }
}

/* Sends what the manager does not know yet, if there is anything. */
static void tell(struct service_manager *manager)
{
    const char *words = manager->words ? manager->words(manager->context) : NULL;
    bool new_words = words && (!manager->told || strcmp(words, manager->told) != 0);
    struct buffer message = {0};
    if (!manager->state_told)
        append_state(manager, &message);
    if (new_words)
        buffer_append_format(&message, "STATUS=%s\n", words);
    if (message.length && send_text(manager, &message)) {
        manager->state_told = true;
        if (new_words) {
            free(manager->told);
            manager->told = memory_copy_text(words, strlen(words));
        }
    }
    buffer_free(&message);
}

static void beat(struct service_manager *manager)
{
    struct buffer message = {0};
    buffer_append_string(&message, "WATCHDOG=1\n");
    if (manager->watchdog_us)
        (void)send_text(manager, &message);
    buffer_free(&message);
}

static void enter(struct service_manager *manager, enum state state)
{
    manager->state = state;
    manager->state_told = false;
    tell(manager);
}

/* ---- what happens */

static void on_look(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    tell(argument);
}

static void on_beat(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    beat(argument);
}

static struct event *every(struct event_base *base, uint64_t microseconds, event_callback_fn function, void *argument)
{
    struct timeval period = {.tv_sec = (time_t)(microseconds / 1000000),
                             .tv_usec = (suseconds_t)(microseconds % 1000000)};
    struct event *timer = event_new(base, -1, EV_PERSIST, function, argument);
    event_add(timer, &period);
    return timer;
}

void service_manager_start(struct service_manager *manager, struct event_base *base, service_manager_words *words,
                           const void *context)
{
    if (!manager)
        return;
    manager->words = words;
    manager->context = context;
    manager->looks = every(base, SERVICE_MANAGER_LOOK_MS * UINT64_C(1000), on_look, manager);
    if (manager->watchdog_us)
        manager->beats = every(base, manager->watchdog_us / WATCHDOG_SHARE + 1, on_beat, manager);
    beat(manager);
    if (manager->state != STATE_STOPPING)
        enter(manager, STATE_READY);
}

static void stop_timer(struct event **timer)
{
    if (*timer)
        event_free(*timer);
    *timer = NULL;
}

void service_manager_pause(struct service_manager *manager)
{
    if (!manager)
        return;
    stop_timer(&manager->looks);
    stop_timer(&manager->beats);
    beat(manager);
    manager->words = NULL;
}

void service_manager_reloading(struct service_manager *manager, bool busy)
{
    if (!manager || manager->state == STATE_STOPPING)
        return;
    manager->reloading_since_us = clock_now_ns() / 1000;
    enter(manager, busy ? STATE_RELOADING : STATE_READY);
}

void service_manager_stopping(struct service_manager *manager, int64_t milliseconds)
{
    if (!manager)
        return;
    manager->stop_ms = milliseconds;
    enter(manager, STATE_STOPPING);
}

/* ---- its socket */

/* "@name" is in Linux's abstract space, which is no file. */
static bool use_address(struct service_manager *manager, const char *path)
{
    size_t length = strlen(path);
    manager->address.sun_family = AF_UNIX;
    if ((*path != '/' && *path != '@') || length < 2 || length >= sizeof manager->address.sun_path) {
        log_warning("NOTIFY_SOCKET is neither a path nor @NAME; the service manager is not told anything",
                    LOG_STRING("value", path));
        return false;
    }
    memcpy(manager->address.sun_path, path, length);
    if (*path == '@')
        manager->address.sun_path[0] = '\0';
    manager->address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

/* Whether it is this process that is watched: the variables are inherited. */
static bool read_watchdog(struct service_manager *manager, const char *microseconds, const char *process)
{
    int64_t number;
    if (process && (!command_parse_integer(slice_from_string(process), &number) || number != getpid()))
        return true;
    if (!microseconds)
        return true;
    if (!command_parse_integer(slice_from_string(microseconds), &number) || number <= 0)
        return false;
    manager->watchdog_us = (uint64_t)number;
    return true;
}

struct service_manager *service_manager_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path)
        return NULL;
    struct service_manager *manager = memory_allocate_zeroed(1, sizeof *manager);
    manager->socket = -1;
    bool usable = use_address(manager, path);
    if (!read_watchdog(manager, getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID")))
        log_warning("WATCHDOG_USEC is no number of microseconds; the service manager's watchdog is left alone");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (usable)
        manager->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (manager->socket >= 0)
        return manager;
    if (usable)
        log_warning("the service manager cannot be told", LOG_STRING("reason", strerror(errno)));
    free(manager);
    return NULL;
}

void service_manager_close(struct service_manager *manager)
{
    if (!manager)
        return;
    service_manager_pause(manager);
    close(manager->socket);
    free(manager->told);
    free(manager);
}
