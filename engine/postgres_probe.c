/* libpq's own timeout does not bound an answer, so that both connecting and asking wait for the socket themselves. */
#include "engine/postgres_probe.h"

#include <poll.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/postgres_parameters.h"

/* What is read: by the source of bodies, by catching up and auditing (replication/rows_postgres.c), and by modules that
 * follow rooms and the policy server (replication/state_postgres.c). */
static const char *const tables[] = {"event_json",
                                     "events",
                                     "state_events",
                                     "redactions",
                                     "event_relations",
                                     "room_memberships",
                                     "rejections",
                                     "ex_outlier_stream",
                                     "stream_positions",
                                     "current_state_events",
                                     "rooms"};
#define TABLE_COUNT (sizeof tables / sizeof *tables)

struct postgres_probe {
    PGconn *connection;
    int64_t timeout_ms;
};

static int64_t now_ms(void)
{
    return (int64_t)(clock_now_ns() / 1000000u);
}

/* Whether the socket can be read or written before `end_ms`. */
static bool wait_for(const struct postgres_probe *probe, short what, int64_t end_ms)
{
    struct pollfd descriptor = {.fd = PQsocket(probe->connection), .events = what};
    int64_t left = end_ms - now_ms();
    return left > 0 && poll(&descriptor, 1, (int)left) > 0;
}

/* libpq's words on one line. */
static void append_line(struct buffer *output, const char *message)
{
    size_t start = output->length;
    for (; *message; message++) {
        bool space = *message == '\n' || *message == '\t' || *message == ' ';
        if (!space)
            buffer_append_char(output, *message);
        else if (output->length > start && output->data[output->length - 1] != ' ' && message[1])
            buffer_append_char(output, ' ');
    }
    if (output->length == start)
        buffer_append_string(output, "the connection was closed");
}

static bool finish_connecting(struct postgres_probe *probe, struct buffer *problem)
{
    int64_t end_ms = now_ms() + probe->timeout_ms;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        if (!wait_for(probe, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, end_ms)) {
            buffer_append_format(problem, "the database did not answer within %lld ms", (long long)probe->timeout_ms);
            return false;
        }
        state = PQconnectPoll(probe->connection);
    }
    if (state == PGRES_POLLING_FAILED)
        append_line(problem, PQerrorMessage(probe->connection));
    return state == PGRES_POLLING_OK;
}

struct postgres_probe *postgres_probe_open(const struct postgres_settings *settings, int64_t timeout_ms,
                                           struct buffer *problem)
{
    struct postgres_parameters parameters = postgres_parameters(settings);
    struct postgres_probe *probe = memory_allocate_zeroed(1, sizeof *probe);
    probe->timeout_ms = timeout_ms;
    probe->connection = PQconnectStartParams(parameters.keywords, parameters.values, 0);
    if (!probe->connection || PQstatus(probe->connection) == CONNECTION_BAD)
        append_line(problem, probe->connection ? PQerrorMessage(probe->connection) : "out of memory");
    else if (finish_connecting(probe, problem) && PQsetnonblocking(probe->connection, 1) == 0) {
        PQclear(postgres_probe_ask(probe, "SET default_transaction_read_only TO on", NULL, problem));
        return probe;
    }
    postgres_probe_close(probe);
    return NULL;
}

void postgres_probe_close(struct postgres_probe *probe)
{
    if (!probe)
        return;
    PQfinish(probe->connection);
    free(probe);
}

/* Waits until the whole answer is there. */
static bool await_answer(struct postgres_probe *probe, struct buffer *problem)
{
    int64_t end_ms = now_ms() + probe->timeout_ms;
    int left = 1;
    while (left > 0 || PQisBusy(probe->connection)) {
        if (left > 0)
            left = PQflush(probe->connection);
        if (left == 0 && !PQisBusy(probe->connection))
            break;
        if (left < 0 || !wait_for(probe, left > 0 ? POLLIN | POLLOUT : POLLIN, end_ms)) {
            buffer_append_format(problem, "the database did not answer within %lld ms", (long long)probe->timeout_ms);
            return false;
        }
        if (!PQconsumeInput(probe->connection)) {
            append_line(problem, PQerrorMessage(probe->connection));
            return false;
        }
    }
    return true;
}

PGresult *postgres_probe_ask(struct postgres_probe *probe, const char *statement, const char *parameter,
                             struct buffer *problem)
{
    PGresult *answer = NULL, *result;
    if (PQsendQueryParams(probe->connection, statement, parameter ? 1 : 0, NULL, &parameter, NULL, NULL, 0) != 1) {
        append_line(problem, PQerrorMessage(probe->connection));
        return NULL;
    }
    if (!await_answer(probe, problem))
        return NULL;
    while ((result = PQgetResult(probe->connection))) {
        PQclear(answer);
        answer = result;
    }
    ExecStatusType status = answer ? PQresultStatus(answer) : PGRES_FATAL_ERROR;
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return answer;
    append_line(problem, answer ? PQresultErrorMessage(answer) : PQerrorMessage(probe->connection));
    PQclear(answer);
    return NULL;
}

static void append_name(struct buffer *list, const char *name)
{
    buffer_append_format(list, "%s%s", list->length ? ", " : "", name);
}

/* What `GRANT` says of the role and the schema; both as SQL quotes them. */
static void append_grants(struct postgres_probe *probe, struct postgres_rights *rights)
{
    char *role = PQescapeIdentifier(probe->connection, PQuser(probe->connection), strlen(PQuser(probe->connection)));
    if (role && rights->missing.length)
        buffer_append_format(&rights->grants, "GRANT SELECT ON %s TO %s;\n", buffer_string(&rights->missing), role);
    else if (role)
        buffer_append_format(&rights->grants, "GRANT USAGE ON SCHEMA public TO %s;\n", role);
    PQfreemem(role);
}

bool postgres_rights_check(struct postgres_probe *probe, struct postgres_rights *rights, struct buffer *problem)
{
    *rights = (struct postgres_rights){.bodies = true};
    for (size_t index = 0; index < TABLE_COUNT; index++) {
        PGresult *result = postgres_probe_ask(probe, "SELECT has_table_privilege(to_regclass($1::text), 'SELECT')",
                                              tables[index], problem);
        if (!result)
            return false;
        bool there = PQntuples(result) == 1 && !PQgetisnull(result, 0, 0);
        bool allowed = there && *PQgetvalue(result, 0, 0) == 't';
        if (!allowed)
            append_name(there ? &rights->missing : &rights->absent, tables[index]);
        if (index == 0)
            rights->bodies = allowed;
        PQclear(result);
    }
    if (rights->missing.length || rights->absent.length)
        append_grants(probe, rights);
    return true;
}

void postgres_tables_append(struct buffer *output)
{
    for (size_t index = 0; index < TABLE_COUNT; index++)
        buffer_append_format(output, "%s%s", index ? ", " : "", tables[index]);
}

void postgres_rights_free(struct postgres_rights *rights)
{
    buffer_free(&rights->missing);
    buffer_free(&rights->absent);
    buffer_free(&rights->grants);
}

void postgres_probe_describe(struct postgres_probe *probe, struct buffer *output)
{
    const char *host = PQhost(probe->connection);
    buffer_append_format(output, "%s%s%s, database %s, role %s", host && *host ? host : "libpq's default",
                         host && *host == '/' ? "" : ":", host && *host == '/' ? "" : PQport(probe->connection),
                         PQdb(probe->connection), PQuser(probe->connection));
}
