/* Redis itself: what it is, what it might forget, and what it lets Weir do. */
#include <stdlib.h>

#include "engine/clock.h"
#include "engine/doctor_parts.h"
#include "engine/redis_error.h"
#include "engine/redis_rights.h"

#define CLOCK_NOTE_MS 1000
#define CLOCK_PROBLEM_MS 10000

static void append_address(const struct doctor *doctor, struct buffer *address)
{
    redis_address_describe(&doctor->configuration->redis, address);
}

static void check_reachable(struct doctor *doctor)
{
    struct buffer address = {0}, problem = {0};
    append_address(doctor, &address);
    uint64_t start_ns = clock_now_ns();
    doctor->redis = redis_probe_open(&doctor->configuration->redis, doctor->settings.timeout_ms, &problem);
    if (doctor->redis) {
        doctor_say(doctor, DOCTOR_OK, "%s answers, after %.1f ms", buffer_string(&address),
                   (double)(clock_now_ns() - start_ns) / 1e6);
    } else {
        const char *advice = redis_error_advice(buffer_slice(&problem));
        doctor_say(doctor, DOCTOR_PROBLEM, "Redis at %s cannot be used: %s", buffer_string(&address),
                   buffer_string(&problem));
        doctor_fix(doctor, "%s",
                   *advice ? advice
                           : "see that Redis runs and that `redis:` names it: it must be the one "
                             "that Synapse's workers have");
    }
    buffer_free(&address);
    buffer_free(&problem);
}

static struct slice info(const struct doctor *doctor, const char *name)
{
    struct slice value = redis_info_find(buffer_slice(&doctor->info), name);
    return slice_present(value) ? value : slice_of("", 0);
}

static void check_version(struct doctor *doctor)
{
    static const char *const words[] = {"INFO", NULL};
    if (!redis_probe_text(doctor->redis, words, &doctor->info)) {
        doctor_say(doctor, DOCTOR_NOTE, "INFO is refused: %s", buffer_string(&doctor->info));
        doctor_fix(doctor, "ACL SETUSER %s +info",
                   doctor->configuration->redis.username ? doctor->configuration->redis.username : "default");
        buffer_clear(&doctor->info);
        return;
    }
    struct slice version = info(doctor, "redis_version"), role = info(doctor, "role");
    int major = atoi(version.data);
    doctor_say(doctor, major < 5 ? DOCTOR_PROBLEM : DOCTOR_OK, "Redis %.*s%s", (int)version.length, version.data,
               major < 5 ? ", which has no streams: 5 at least, 6 for ACL users" : "");
    if (slice_equal(role, SLICE("slave"))) {
        doctor_say(doctor, DOCTOR_PROBLEM, "this is a replica, which takes no writes");
        doctor_fix(doctor, "name the master, or let redis.sentinel find it");
    }
}

/* A stream has no expiry, so that only the policies for all keys would take it. */
static void check_memory(struct doctor *doctor)
{
    struct slice policy = info(doctor, "maxmemory_policy"), limit = info(doctor, "maxmemory");
    if (doctor->info.length == 0) {
        doctor_say(doctor, DOCTOR_NOTE, "not told, since INFO is refused");
        return;
    }
    bool limited = limit.length && !slice_equal(limit, SLICE("0"));
    struct slice used = info(doctor, "used_memory_human");
    if (slice_starts_with(policy, SLICE("allkeys"))) {
        doctor_say(
            doctor, limited ? DOCTOR_PROBLEM : DOCTOR_NOTE,
            "maxmemory-policy %.*s lets Redis throw away Weir's positions and verdicts when its memory is full%s",
            (int)policy.length, policy.data, limited ? "" : " (there is no maxmemory now)");
        doctor_fix(doctor, "redis-cli CONFIG SET maxmemory-policy volatile-lru\n"
                           "(and in redis.conf; Synapse's cache keys expire, so that they are what it then takes)");
        return;
    }
    doctor_say(doctor, DOCTOR_OK, "uses %.*s; maxmemory %.*s, policy %.*s: nothing of Weir's is thrown away",
               (int)used.length, used.data, (int)limit.length, limited ? limit.data : "0", (int)policy.length,
               policy.data);
}

static void check_persistence(struct doctor *doctor)
{
    if (doctor->info.length == 0) {
        doctor_say(doctor, DOCTOR_NOTE, "not told, since INFO is refused");
        return;
    }
    if (slice_equal(info(doctor, "aof_enabled"), SLICE("1"))) {
        bool good = !slice_equal(info(doctor, "aof_last_write_status"), SLICE("err"));
        doctor_say(doctor, good ? DOCTOR_OK : DOCTOR_PROBLEM, "writes are kept in a file (appendonly)%s",
                   good ? "" : ", which fails: see Redis's log and its disk");
        return;
    }
    doctor_say(doctor, DOCTOR_NOTE,
               "without appendonly a crash of Redis loses the verdicts since its last snapshot, which are judged anew "
               "as far as missed events can be fetched");
    doctor_fix(doctor, "redis-cli CONFIG SET appendonly yes     (and in redis.conf)");
}

static void check_rights(struct doctor *doctor)
{
    struct redis_rights rights;
    const struct configuration *configuration = doctor->configuration;
    if (!redis_rights_check(doctor->redis, &configuration->redis, configuration->server_name,
                            configuration->role != ROLE_ALONE, &rights)) {
        doctor_say(doctor, DOCTOR_PROBLEM, "Redis was lost while its rights were tried: %s",
                   redis_probe_problem(doctor->redis));
    } else {
        if (rights.missing.length) {
            doctor_say(doctor, DOCTOR_PROBLEM, "Redis refuses Weir what it needs: %s", buffer_string(&rights.missing));
            doctor_fix(doctor, "%s", buffer_string(&rights.line));
        }
        if (rights.refused.length) {
            doctor_say(doctor, DOCTOR_PROBLEM, "Redis takes no writes: %s", buffer_string(&rights.refused));
            doctor_fix(doctor, "%s", redis_error_advice(buffer_slice(&rights.refused)));
        }
        if (!rights.missing.length && !rights.refused.length)
            doctor_say(doctor, DOCTOR_OK, "Redis lets Weir do all that it needs");
    }
    redis_rights_free(&rights);
}

/* TIME's answer: seconds, microseconds. */
static void take_time(void *context, const redisReply *reply)
{
    int64_t *time_us = context;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[0]->type == REDIS_REPLY_STRING &&
        reply->element[1]->type == REDIS_REPLY_STRING)
        *time_us = strtoll(reply->element[0]->str, NULL, 10) * 1000000 + strtoll(reply->element[1]->str, NULL, 10);
}

/* Requests carry their deadlines as times of the workers' clocks, and stream ids are times of Redis's. */
static void check_clock(struct doctor *doctor)
{
    static const char *const again[] = {"INFO", "server", NULL};
    struct slice words[] = {SLICE("TIME")};
    struct buffer text = {0};
    int64_t time_us = 0;
    redis_probe_ask(doctor->redis, words, 1, take_time, &time_us);
    if (time_us == 0 && redis_probe_text(doctor->redis, again, &text)) {
        struct slice value = redis_info_find(buffer_slice(&text), "server_time_usec");
        time_us = slice_present(value) ? strtoll(value.data, NULL, 10) : 0;
    }
    buffer_free(&text);
    if (time_us == 0) {
        doctor_say(doctor, DOCTOR_NOTE, "Redis does not tell its time");
        return;
    }
    int64_t difference_ms = llabs(time_us / 1000 - clock_wall_ms());
    enum doctor_state state = difference_ms > CLOCK_PROBLEM_MS ? DOCTOR_PROBLEM
                              : difference_ms > CLOCK_NOTE_MS  ? DOCTOR_NOTE
                                                               : DOCTOR_OK;
    doctor_say(doctor, state, "the clocks of Redis and of this machine differ by %lld ms", (long long)difference_ms);
    if (state != DOCTOR_OK)
        doctor_fix(doctor, "timedatectl set-ntp true     (on both machines: deadlines of requests are times)");
}

const struct doctor_check doctor_redis_checks[] = {
    {"redis.reachable", "configuration", check_reachable, "Redis is reached, with its password and database."},
    {"redis.version", "redis.reachable", check_version, "It is new enough, and takes writes."},
    {"redis.memory", "redis.reachable", check_memory, "It does not throw streams away when it is full."},
    {"redis.persistence", "redis.reachable", check_persistence, "It keeps what it holds when it crashes."},
    {"redis.rights", "redis.reachable", check_rights, "Its user has the rights that Weir needs."},
    {"redis.clock", "redis.reachable", check_clock, "Its clock and this one agree."},
    {NULL, NULL, NULL, NULL},
};
