/* Synapse's database, as the source of bodies and of missed events. */
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "engine/doctor_parts.h"

#define CLOCK_NOTE_MS 1000
#define SLOW_NOTE_MS 50

static bool is_used(const struct doctor *doctor)
{
    return doctor->configuration->body_source == BODY_SOURCE_POSTGRES;
}

static void check_reachable(struct doctor *doctor)
{
    struct buffer text = {0};
    if (!is_used(doctor)) {
        doctor_say(doctor, DOCTOR_OK, "no database is configured");
        return;
    }
    uint64_t start_ns = clock_now_ns();
    doctor->postgres = postgres_probe_open(&doctor->configuration->postgres, doctor->settings.timeout_ms, &text);
    if (doctor->postgres) {
        postgres_probe_describe(doctor->postgres, &text);
        doctor_say(doctor, DOCTOR_OK, "%s answers, after %.1f ms", buffer_string(&text),
                   (double)(clock_now_ns() - start_ns) / 1e6);
    } else {
        doctor_say(doctor, DOCTOR_PROBLEM, "the database cannot be used: %s", buffer_string(&text));
        doctor_fix(doctor, "see that PostgreSQL runs, that bodies.postgres names it, and that pg_hba.conf lets this "
                           "role in from here");
    }
    buffer_free(&text);
}

static void check_rights(struct doctor *doctor)
{
    struct postgres_rights rights;
    struct buffer problem = {0};
    if (!is_used(doctor))
        return;
    if (!postgres_rights_check(doctor->postgres, &rights, &problem)) {
        doctor_say(doctor, DOCTOR_PROBLEM, "the database does not tell which rights there are: %s",
                   buffer_string(&problem));
    } else if (rights.absent.length || rights.missing.length) {
        enum doctor_state state = rights.bodies ? DOCTOR_NOTE : DOCTOR_PROBLEM;
        doctor_say(doctor, state, "%s%s%s%s%s", rights.missing.length ? "may not be read: " : "",
                   buffer_string(&rights.missing), rights.missing.length && rights.absent.length ? "; " : "",
                   rights.absent.length ? "are not there, or in a schema that may not be looked into: " : "",
                   buffer_string(&rights.absent));
        doctor_fix(doctor, "%s%s", buffer_string(&rights.grants),
                   rights.absent.length ? "(or bodies.postgres names another database than Synapse's)" : "");
    } else {
        doctor_say(doctor, DOCTOR_OK, "every table that Weir reads can be read");
    }
    postgres_rights_free(&rights);
    buffer_free(&problem);
}

/* The newest event's body, by the statement that the engine asks with, timed the second time: the first may read from
 * the disk. */
static void check_body(struct doctor *doctor)
{
    static const char newest[] = "SELECT event_id FROM events ORDER BY stream_ordering DESC LIMIT 1";
    static const char any[] = "SELECT event_id FROM event_json LIMIT 1";
    static const char body[] = "SELECT json FROM event_json WHERE event_id = ANY(ARRAY[$1::text])";
    struct buffer problem = {0};
    if (!is_used(doctor))
        return;
    PGresult *id = postgres_probe_ask(doctor->postgres, newest, NULL, &problem);
    if (!id) {
        buffer_clear(&problem);
        id = postgres_probe_ask(doctor->postgres, any, NULL, &problem);
    }
    uint64_t elapsed_ns = 0;
    PGresult *result = NULL;
    for (int round = 0; id && PQntuples(id) && round < 2; round++) {
        uint64_t start_ns = clock_now_ns();
        PQclear(result);
        result = postgres_probe_ask(doctor->postgres, body, PQgetvalue(id, 0, 0), &problem);
        elapsed_ns = clock_now_ns() - start_ns;
    }
    if (!id || problem.length) {
        doctor_say(doctor, DOCTOR_PROBLEM, "no event can be read: %s", buffer_string(&problem));
    } else if (PQntuples(id) == 0) {
        doctor_say(doctor, DOCTOR_NOTE, "the database holds no event yet");
    } else if (!result || PQntuples(result) == 0) {
        doctor_say(doctor, DOCTOR_NOTE, "the newest event has no body (it may be read from a replica that lags)");
    } else {
        bool slow = elapsed_ns > (uint64_t)SLOW_NOTE_MS * 1000000u;
        doctor_say(doctor, slow ? DOCTOR_NOTE : DOCTOR_OK,
                   "the body of the newest event (%d bytes) was read in %.1f ms", PQgetlength(result, 0, 0),
                   (double)elapsed_ns / 1e6);
        if (slow)
            doctor_fix(doctor, "ask the database itself, or one that is nearer; events wait for their bodies");
    }
    PQclear(id);
    PQclear(result);
    buffer_free(&problem);
}

static void check_role(struct doctor *doctor)
{
    static const char statement[] =
        "SELECT current_setting('is_superuser'), has_table_privilege(to_regclass('event_json'), 'INSERT')";
    struct buffer problem = {0}, tables = {0};
    if (!is_used(doctor))
        return;
    PGresult *result = postgres_probe_ask(doctor->postgres, statement, NULL, &problem);
    bool known = result && PQntuples(result) == 1;
    if (!known) {
        doctor_say(doctor, DOCTOR_NOTE, "the database does not tell what the role may do: %s", buffer_string(&problem));
    } else if (strcmp(PQgetvalue(result, 0, 0), "on") == 0 || *PQgetvalue(result, 0, 1) == 't') {
        doctor_say(doctor, DOCTOR_NOTE, "Weir reads with a role that %s; one that only reads is enough",
                   strcmp(PQgetvalue(result, 0, 0), "on") == 0 ? "may do everything (SUPERUSER)"
                                                               : "may change Synapse's tables");
        postgres_tables_append(&tables);
        doctor_fix(doctor, "CREATE ROLE weir LOGIN PASSWORD '...';\nGRANT SELECT ON %s TO weir;",
                   buffer_string(&tables));
    } else {
        doctor_say(doctor, DOCTOR_OK, "the role can only read");
    }
    PQclear(result);
    buffer_free(&tables);
    buffer_free(&problem);
}

static void check_clock(struct doctor *doctor)
{
    static const char statement[] = "SELECT (date_part('epoch', clock_timestamp()) * 1000)::bigint";
    struct buffer problem = {0};
    if (!is_used(doctor))
        return;
    PGresult *result = postgres_probe_ask(doctor->postgres, statement, NULL, &problem);
    if (result && PQntuples(result) == 1) {
        int64_t difference_ms = llabs(strtoll(PQgetvalue(result, 0, 0), NULL, 10) - clock_wall_ms());
        bool far = difference_ms > CLOCK_NOTE_MS;
        doctor_say(doctor, far ? DOCTOR_NOTE : DOCTOR_OK,
                   "the clocks of PostgreSQL and of this machine differ by %lld ms", (long long)difference_ms);
        if (far)
            doctor_fix(doctor, "timedatectl set-ntp true     (on both machines)");
    } else {
        doctor_say(doctor, DOCTOR_NOTE, "the database does not tell its time: %s", buffer_string(&problem));
    }
    PQclear(result);
    buffer_free(&problem);
}

const struct doctor_check doctor_postgres_checks[] = {
    {"postgres.reachable", "configuration", check_reachable, "Synapse's database is reached."},
    {"postgres.rights", "postgres.reachable", check_rights, "The role may read what Weir reads."},
    {"postgres.body", "postgres.rights", check_body, "A body can be read, and how long that takes."},
    {"postgres.role", "postgres.reachable", check_role, "The role can do no more than it needs."},
    {"postgres.clock", "postgres.reachable", check_clock, "Its clock and this one agree."},
    {NULL, NULL, NULL, NULL},
};
