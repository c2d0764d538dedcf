/* The other processes of a bench: Redis, which `bench/run` has started, and engines, which the bench starts. Whatever
 * fails ends this process with 1. */
#ifndef WEIR_BENCH_PROCESSES_H
#define WEIR_BENCH_PROCESSES_H

#include <hiredis/hiredis.h>
#include <stdint.h>
#include <sys/types.h>

redisContext *bench_connect(const char *socket_path);
/* One command; the caller frees the answer, which is no error. */
redisReply *bench_ask(redisContext *redis, const char *format, ...);
/* Likewise, for its number alone. */
long long bench_ask_number(redisContext *redis, const char *format, ...);
pid_t bench_redis_process(redisContext *redis);

/* Starts `weir run -c CONFIGURATION`, which logs into the file `log_path`. */
pid_t bench_start_engine(const char *weir, const char *configuration_path, const char *log_path);
/* Ends with 1 if that engine has ended by itself. */
void bench_check_engine(pid_t engine, const char *log_path);
void bench_stop_engine(pid_t engine, const char *log_path);

/* Seconds of processor time that `process` has taken so far. */
double bench_processor_seconds(pid_t process);
double bench_seconds_since(uint64_t started_ns);
void bench_pause(long nanoseconds);

#endif
