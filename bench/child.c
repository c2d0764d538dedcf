/* Pipes and lines: what a script in any language can do without a library. A child that hangs is ended by the deadline
 * of an answer, one that dies is seen by the end of its output. */
#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/figure.h"

#define ANSWER_SECONDS_MAXIMUM 120
#define END_SECONDS_MAXIMUM 5

extern char **environ;

static void open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        bench_fail("no pipe: %s", strerror(errno));
}

bool child_start(struct child *child, const char *name, const char *const *arguments)
{
    int questions[2], answers[2];
    posix_spawn_file_actions_t actions;
    *child = (struct child){.name = name};
    signal(SIGPIPE, SIG_IGN); /* a child that died is seen by what it does not answer */
    open_pipe(questions);
    open_pipe(answers);
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, questions[0], STDIN_FILENO) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, answers[1], STDOUT_FILENO) != 0)
        bench_fail("%s cannot be given pipes", name);
    int failure =
        posix_spawnp(&child->process, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(questions[0]);
    close(answers[1]);
    child->questions = fdopen(questions[1], "w");
    child->answers = fdopen(answers[0], "r");
    if (!child->questions || !child->answers)
        bench_fail("%s cannot be given pipes", name);
    if (failure == 0)
        return true;
    child->process = 0;
    child_stop(child);
    if (failure != ENOENT)
        bench_fail("%s cannot be started: %s", name, strerror(failure));
    return false;
}

static _Noreturn void fail(struct child *child, const char *problem)
{
    if (child->process)
        kill(child->process, SIGKILL);
    bench_fail("%s: %s", child->name, problem);
}

/* A line without its end. An answer is one line, so nothing is left in the stream's buffer when it is waited for. */
static void read_line(struct child *child, char *line, size_t size)
{
    struct pollfd ready = {.fd = fileno(child->answers), .events = POLLIN};
    if (poll(&ready, 1, ANSWER_SECONDS_MAXIMUM * 1000) != 1)
        fail(child, "does not answer");
    if (!fgets(line, (int)size, child->answers))
        fail(child, "ended");
    line[strcspn(line, "\n")] = '\0';
}

bool child_ready(struct child *child, struct child_pass *first, char *text, size_t size)
{
    static const char missing[] = "missing ";
    char line[512];
    int length = 0;
    read_line(child, line, sizeof line);
    *first = (struct child_pass){0};
    if (strncmp(line, missing, strlen(missing)) == 0) {
        snprintf(text, size, "%s", line + strlen(missing));
        return false;
    }
    if (sscanf(line, "ready %" SCNu64 " %" SCNu64 " %n", &first->denied, &first->places, &length) != 2 || length == 0)
        fail(child, "is not ready");
    snprintf(text, size, "%s", line + length);
    return true;
}

struct child_pass child_pass(struct child *child)
{
    char line[128];
    struct child_pass pass;
    if (fputs("go\n", child->questions) == EOF || fflush(child->questions) != 0)
        fail(child, "takes no question");
    read_line(child, line, sizeof line);
    if (sscanf(line, "%lf %" SCNu64 " %" SCNu64, &pass.seconds, &pass.denied, &pass.places) != 3 || pass.seconds <= 0)
        fail(child, "gives no figures");
    return pass;
}

void child_stop(struct child *child)
{
    fclose(child->questions);
    fclose(child->answers);
    for (int wait = 0; child->process && wait < END_SECONDS_MAXIMUM * 100; wait++) {
        if (waitpid(child->process, NULL, WNOHANG) != 0)
            return;
        usleep(10000);
    }
    if (child->process) {
        kill(child->process, SIGKILL);
        waitpid(child->process, NULL, 0);
    }
}
