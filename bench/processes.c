/* Processor time is read from the process's own clock: it counts to the nanosecond, where /proc counts in ticks. */
#include "bench/processes.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/figure.h"
#include "engine/clock.h"

redisContext *bench_connect(const char *socket_path)
{
    redisContext *redis = redisConnectUnix(socket_path);
    if (!redis || redis->err)
        bench_fail("cannot connect to %s: %s", socket_path, redis ? redis->errstr : "out of memory");
    return redis;
}

static redisReply *ask(redisContext *redis, const char *format, va_list arguments)
{
    redisReply *reply = redisvCommand(redis, format, arguments);
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        bench_fail("Redis: %s: %s", format, reply ? reply->str : redis->errstr);
    return reply;
}

redisReply *bench_ask(redisContext *redis, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = ask(redis, format, arguments);
    va_end(arguments);
    return reply;
}

long long bench_ask_number(redisContext *redis, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = ask(redis, format, arguments);
    va_end(arguments);
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}

pid_t bench_redis_process(redisContext *redis)
{
    redisReply *reply = bench_ask(redis, "INFO server");
    const char *process = strstr(reply->str, "process_id:");
    if (!process)
        bench_fail("Redis does not say its process id");
    pid_t id = (pid_t)strtol(process + strlen("process_id:"), NULL, 10);
    freeReplyObject(reply);
    return id;
}

pid_t bench_start_engine(const char *weir, const char *configuration_path, const char *log_path)
{
    pid_t engine = fork();
    if (engine < 0)
        bench_fail("cannot start %s", weir);
    if (engine == 0) {
        int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execl(weir, weir, "run", "-c", configuration_path, (char *)NULL);
        _exit(127);
    }
    return engine;
}

void bench_check_engine(pid_t engine, const char *log_path)
{
    if (waitpid(engine, NULL, WNOHANG) != 0)
        bench_fail("the engine has ended: see %s", log_path);
}

void bench_stop_engine(pid_t engine, const char *log_path)
{
    int status;
    kill(engine, SIGTERM);
    if (waitpid(engine, &status, 0) < 0 || status != 0)
        bench_fail("the engine did not stop cleanly: see %s", log_path);
}

double bench_processor_seconds(pid_t process)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &time) != 0)
        bench_fail("process %d is gone", (int)process);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double bench_seconds_since(uint64_t started_ns)
{
    return (double)(clock_now_ns() - started_ns) / 1e9;
}

void bench_pause(long nanoseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}
