/* posix_spawn, because a fork of a bench that has compiled patterns would copy its page tables, and count them. */
#include "bench/started.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "bench/figure.h"
#include "engine/clock.h"

#define PATIENCE_SECONDS 120
#define SETTLE_NANOSECONDS 100000000

extern char **environ;

struct child {
    pid_t process;
    int output;
    struct buffer said;
};

static void spawn(struct child *child, const char *const *arguments)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0)
        bench_fail("no pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    int error =
        posix_spawnp(&child->process, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    child->output = ends[0];
    if (error != 0)
        bench_fail("cannot start %s: %s", arguments[0], strerror(error));
}

/* Reads once; false at the end of the output, or after PATIENCE_SECONDS of silence. */
static bool listen_once(struct child *child)
{
    struct pollfd wait = {.fd = child->output, .events = POLLIN};
    if (poll(&wait, 1, PATIENCE_SECONDS * 1000) <= 0)
        return false;
    char *room = buffer_reserve(&child->said, 4096);
    ssize_t got = read(child->output, room, 4096);
    if (got <= 0)
        return false;
    child->said.length += (size_t)got;
    return true;
}

static _Noreturn void fail(struct child *child, const char *program, const char *problem)
{
    kill(child->process, SIGKILL);
    bench_fail("%s %s:\n%s", program, problem, buffer_string(&child->said));
}

/* A number of kibibytes from /proc/<process>/status, as mebibytes; 0 if it is not there. */
static double status_mib(pid_t process, const char *name)
{
    char line[256];
    double found = 0;
    snprintf(line, sizeof line, "/proc/%d/status", (int)process);
    FILE *status = fopen(line, "r");
    while (status && fgets(line, sizeof line, status)) {
        if (strncmp(line, name, strlen(name)) == 0)
            found = strtod(line + strlen(name), NULL) / 1024;
    }
    if (status)
        fclose(status);
    return found;
}

struct started started_program(const char *const *arguments, const char *phrase)
{
    struct child child = {0};
    struct started start;
    uint64_t started = clock_now_ns();
    spawn(&child, arguments);
    while (!strstr(buffer_string(&child.said), phrase)) {
        if (!listen_once(&child))
            fail(&child, arguments[0], "did not get ready");
    }
    start.seconds = (double)(clock_now_ns() - started) / 1e9;
    nanosleep(&(struct timespec){.tv_nsec = SETTLE_NANOSECONDS}, NULL);
    start.resident_mib = status_mib(child.process, "VmRSS:");
    start.peak_mib = status_mib(child.process, "VmHWM:");
    kill(child.process, SIGTERM);
    while (listen_once(&child))
        continue;
    int status;
    if (waitpid(child.process, &status, 0) < 0 || status != 0)
        fail(&child, arguments[0], "did not stop cleanly");
    close(child.output);
    buffer_free(&child.said);
    return start;
}
