/* The same probes as `weir doctor`'s, told in sentences while somebody waits. What keeps the answer from being used is
 * a failure; a right that is missing, or a Synapse that does not run yet, is something to be done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/init.h"
#include "engine/postgres_probe.h"
#include "engine/redis_error.h"
#include "engine/redis_rights.h"
#include "engine/replication_probe.h"

#define TIMEOUT_MS 5000
#define LISTEN_MS 3000

static bool holds(struct buffer *text, const char *const *words)
{
    for (; *words; words++)
        if (strstr(buffer_string(text), *words))
            return true;
    return false;
}

static enum init_result test_rights(struct redis_probe *probe, const struct init_answers *answers)
{
    struct redis_rights rights;
    enum init_result result = INIT_GOOD;
    if (!redis_rights_check(probe, &answers->redis, answers->server_name, false, &rights)) {
        printf("  ! Redis was lost while its rights were tried: %s\n", redis_probe_problem(probe));
        result = INIT_FAILED;
    }
    if (rights.missing.length) {
        printf("  ! Redis refuses Weir what it needs: %s. Give it on Redis:\n      %s\n",
               buffer_string(&rights.missing), buffer_string(&rights.line));
        result = INIT_NOTED;
    }
    if (rights.refused.length) {
        printf("  ! Redis takes no writes: %s (%s)\n", buffer_string(&rights.refused),
               redis_error_advice(buffer_slice(&rights.refused)));
        result = INIT_NOTED;
    }
    redis_rights_free(&rights);
    return result;
}

static void tell_writers(const struct replication_answers *answers)
{
    printf("  Synapse's processes told their positions:");
    for (size_t index = 0; index < answers->writer_count; index++)
        if (answers->writers[index].events)
            printf(" %s (events up to %lld)", answers->writers[index].name, (long long)answers->writers[index].newest);
        else
            printf(" %s", answers->writers[index].name);
    printf("\n");
}

/* What a user of the ACL cannot be told from a Synapse that is not there is told in Redis's own words. */
static enum init_result test_channel(struct redis_probe *probe, const struct init_answers *answers)
{
    static const char *const main_process[] = {"master"};
    struct replication_answers *heard = memory_allocate_zeroed(1, sizeof *heard);
    struct buffer problem = {0};
    enum init_result result = INIT_NOTED;
    bool named = answers->event_writer_count > 0;
    if (!replication_probe(probe, answers->server_name,
                           named ? (const char *const *)answers->event_writers : main_process,
                           named ? answers->event_writer_count : 1, LISTEN_MS, heard, &problem)) {
        printf(
            "  ! the channel \"%s\" cannot be listened to: %s\n      ACL SETUSER %s +subscribe +publish &%s &%s/weir "
            "&%s/weir/*\n",
            answers->server_name, buffer_string(&problem),
            answers->redis.username ? answers->redis.username : "default", answers->server_name, answers->server_name,
            answers->server_name);
    } else if (heard->writer_count) {
        tell_writers(heard);
        result = INIT_GOOD;
    } else if (heard->receivers > 0) {
        printf("  ! somebody listens on the channel \"%s\", but no process of Synapse told its position\n",
               answers->server_name);
    } else {
        printf("  ! nobody listens on the channel \"%s\" here: is this the Redis of Synapse's workers, is `redis: "
               "{enabled: true}` in homeserver.yaml, does Synapse run?\n",
               answers->server_name);
    }
    free(heard);
    buffer_free(&problem);
    return result;
}

enum init_result init_test_redis(const struct init_answers *answers)
{
    static const char *const of_password[] = {"NOAUTH", "WRONGPASS", "invalid password", "without any password", NULL};
    struct buffer address = {0}, problem = {0};
    redis_address_describe(&answers->redis, &address);
    struct redis_probe *probe = redis_probe_open(&answers->redis, TIMEOUT_MS, &problem);
    enum init_result result = INIT_GOOD;
    if (probe) {
        printf("  Redis at %s answers.\n", buffer_string(&address));
        result = test_rights(probe, answers);
        enum init_result heard = result == INIT_FAILED ? INIT_FAILED : test_channel(probe, answers);
        result = heard > result ? heard : result;
    } else {
        const char *advice = redis_error_advice(buffer_slice(&problem));
        result = holds(&problem, of_password) ? INIT_NEEDS_PASSWORD : INIT_FAILED;
        printf("  ! Redis at %s cannot be used: %s%s%s%s\n", buffer_string(&address), buffer_string(&problem),
               *advice ? " (" : "", advice, *advice ? ")" : "");
    }
    redis_probe_close(probe);
    buffer_free(&address);
    buffer_free(&problem);
    return result;
}

/* PostgreSQL. */

static enum init_result test_tables(struct postgres_probe *probe)
{
    struct postgres_rights rights;
    struct buffer problem = {0};
    enum init_result result = INIT_GOOD;
    if (!postgres_rights_check(probe, &rights, &problem)) {
        printf("  ! it does not tell which rights there are: %s\n", buffer_string(&problem));
        result = INIT_FAILED;
    } else if (rights.missing.length || rights.absent.length) {
        result = INIT_NOTED;
        if (rights.absent.length)
            printf("  ! these tables of Synapse's are not there, or in a schema that may not be looked into: %s\n",
                   buffer_string(&rights.absent));
        if (rights.missing.length)
            printf("  ! these tables may not be read: %s\n", buffer_string(&rights.missing));
        printf("    As the database's owner, in psql:\n      %s", buffer_string(&rights.grants));
    }
    postgres_rights_free(&rights);
    buffer_free(&problem);
    return result;
}

static enum init_result test_event(struct postgres_probe *probe)
{
    struct buffer problem = {0};
    PGresult *result = postgres_probe_ask(probe, "SELECT length(json) FROM event_json LIMIT 1", NULL, &problem);
    if (result)
        printf("  %s\n", PQntuples(result) ? "An event can be read." : "It holds no event yet.");
    else
        printf("  ! no event can be read: %s\n", buffer_string(&problem));
    PQclear(result);
    buffer_free(&problem);
    return result ? INIT_GOOD : INIT_NOTED;
}

enum init_result init_test_postgres(const struct init_answers *answers)
{
    static const char *const of_password[] = {"no password supplied", "password authentication failed", NULL};
    struct buffer text = {0};
    struct postgres_probe *probe = postgres_probe_open(&answers->postgres, TIMEOUT_MS, &text);
    enum init_result result;
    if (probe) {
        postgres_probe_describe(probe, &text);
        printf("  PostgreSQL answers: %s.\n", buffer_string(&text));
        result = test_tables(probe);
        enum init_result event = result == INIT_FAILED ? INIT_FAILED : test_event(probe);
        result = event > result ? event : result;
    } else {
        result = holds(&text, of_password) ? INIT_NEEDS_PASSWORD : INIT_FAILED;
        printf("  ! PostgreSQL cannot be used: %s\n", buffer_string(&text));
    }
    postgres_probe_close(probe);
    buffer_free(&text);
    return result;
}
