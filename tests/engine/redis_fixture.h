/* A real redis-server of a test's own: on a unix socket in a temporary folder, gone with the test. */
#ifndef WEIR_TESTS_REDIS_FIXTURE_H
#define WEIR_TESTS_REDIS_FIXTURE_H

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct redis_fixture {
    char folder[64];
    char socket[96];
    const char *password; /* of the fixture's own connection; NULL: none */
    pid_t process;
    redisContext *control;
};

static inline redisContext *redis_fixture_connect(const struct redis_fixture *fixture)
{
    redisContext *context = redisConnectUnix(fixture->socket);
    if (context->err) {
        redisFree(context);
        return NULL;
    }
    if (fixture->password)
        freeReplyObject(redisCommand(context, "AUTH %s", fixture->password));
    redisReply *reply = redisCommand(context, "PING");
    bool alive = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    if (!alive) {
        redisFree(context);
        return NULL;
    }
    return context;
}

static inline void redis_fixture_launch(struct redis_fixture *fixture)
{
    fixture->process = fork();
    if (fixture->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", fixture->socket, "--dir", fixture->folder,
               "--save", "", "--loglevel", "warning", "--logfile", "redis.log",
               fixture->password ? "--requirepass" : NULL, fixture->password, NULL);
        _exit(127);
    }
    for (int attempt = 0; attempt < 500 && !fixture->control; attempt++) {
        usleep(20000);
        fixture->control = redis_fixture_connect(fixture);
    }
    cr_assert_not_null(fixture->control, "redis-server does not start");
}

static inline void redis_fixture_halt(struct redis_fixture *fixture)
{
    redisFree(fixture->control);
    fixture->control = NULL;
    kill(fixture->process, SIGTERM);
    waitpid(fixture->process, NULL, 0);
}

static inline void redis_fixture_start(struct redis_fixture *fixture, const char *password)
{
    *fixture = (struct redis_fixture){.folder = "/tmp/weir-test-XXXXXX", .password = password};
    cr_assert_not_null(mkdtemp(fixture->folder));
    snprintf(fixture->socket, sizeof fixture->socket, "%s/redis.sock", fixture->folder);
    redis_fixture_launch(fixture);
}

static inline void redis_fixture_stop(struct redis_fixture *fixture)
{
    char path[128];
    redis_fixture_halt(fixture);
    snprintf(path, sizeof path, "%s/redis.log", fixture->folder);
    unlink(path);
    unlink(fixture->socket);
    rmdir(fixture->folder);
}

/* An answer's integer, or -1. */
static inline long long redis_fixture_integer(struct redis_fixture *fixture, const char *command)
{
    redisReply *reply = redisCommand(fixture->control, command);
    long long value = reply && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    if (reply)
        freeReplyObject(reply);
    return value;
}

#endif
