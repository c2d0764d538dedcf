/* What a service manager that started the engine is told, by the protocol of sd_notify(3): systemd, or whoever else
 * gave it a socket in $NOTIFY_SOCKET. That it is ready, loads its configuration again, or stops; in words what it
 * lacks; and, if the manager watches it, that its event loop still turns.
 *
 * Written by hand, since it is one datagram: no library for it. Everything may be called without a manager (NULL),
 * which is how the engine runs from a terminal. */
#ifndef WEIR_ENGINE_SERVICE_MANAGER_H
#define WEIR_ENGINE_SERVICE_MANAGER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/* How often the words are asked for, at most. */
#define SERVICE_MANAGER_LOOK_MS 1000

struct service_manager;

/* Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, and takes them out of the environment, so that no child
 * speaks for the engine. NULL if there is no manager, or (logged) if its socket cannot be used. */
struct service_manager *service_manager_open(void);
void service_manager_close(struct service_manager *manager);

/* A sentence without line breaks that stays valid until the next call: what the engine lacks, or that it is ready. */
typedef const char *service_manager_words(const void *context);

/* The event loop begins: READY=1, and from now on, by timers on `base`, what `words` says whenever it has changed, and
 * WATCHDOG=1 at least twice in the time after which the manager would give the engine up. What the manager's socket has
 * no room for is sent again with the next look. */
void service_manager_start(struct service_manager *manager, struct event_base *base, service_manager_words *words,
                           const void *context);
/* The event loop has ended, and `base` goes. The manager hears nothing more until the next start. */
void service_manager_pause(struct service_manager *manager);

/* RELOADING=1 with the time, which Type=notify-reload compares with that of its signal; and READY=1 at the end. */
void service_manager_reloading(struct service_manager *manager, bool busy);
/* STOPPING=1; nothing else is told after it but words. The stop may take so long before the engine is killed. */
void service_manager_stopping(struct service_manager *manager, int64_t milliseconds);

#endif
