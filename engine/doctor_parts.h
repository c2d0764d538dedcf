/* What the checks of `weir doctor` share (engine/doctor_*.c). */
#ifndef WEIR_ENGINE_DOCTOR_PARTS_H
#define WEIR_ENGINE_DOCTOR_PARTS_H

#include <jansson.h>

#include "engine/configuration.h"
#include "engine/doctor.h"
#include "engine/http_probe.h"
#include "engine/postgres_probe.h"
#include "engine/redis_probe.h"
#include "engine/replication_probe.h"

struct doctor_check {
    const char *name;  /* "redis.rights" */
    const char *needs; /* the check without which this one cannot be made; NULL: none */
    void (*run)(struct doctor *doctor);
    const char *text; /* what is looked at, for the manual and for whoever reads the findings */
};

/* One thing that a check says. */
struct doctor_finding {
    const struct doctor_check *check;
    enum doctor_state state;
    char *text;
    char *fix; /* lines to copy, or what to do; NULL: nothing */
};

struct doctor {
    struct doctor_settings settings;
    const struct doctor_check *current;
    struct doctor_finding *findings;
    size_t count;
    /* What earlier checks found out for later ones. */
    struct configuration *configuration;
    struct redis_probe *redis;
    struct buffer info; /* INFO's answer */
    struct replication_answers *answers;
    struct postgres_probe *postgres;
    json_t *status; /* of the running engine; NULL: it did not tell */
    bool engine_runs;
};

/* Adds a finding of the check that runs. */
void doctor_say(struct doctor *doctor, enum doctor_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What to do about the finding that was added last. */
void doctor_fix(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The checks, in the order in which they are made; each table ends with a NULL name. */
extern const struct doctor_check doctor_files_checks[];
extern const struct doctor_check doctor_redis_checks[];
extern const struct doctor_check doctor_replication_checks[];
extern const struct doctor_check doctor_postgres_checks[];
extern const struct doctor_check doctor_engine_checks[];
extern const struct doctor_check doctor_requests_checks[];

#endif
