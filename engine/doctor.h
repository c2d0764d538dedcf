/* `weir doctor`: whether everything that Weir needs is there and works, from the configuration's files to Synapse's
 * module. Every check is a row of a table and looks at one thing; it changes nothing. */
#ifndef WEIR_ENGINE_DOCTOR_H
#define WEIR_ENGINE_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* In the order of how bad it is. */
enum doctor_state {
    DOCTOR_OK,
    DOCTOR_NOTE,    /* works, but something should be known */
    DOCTOR_SKIPPED, /* could not be looked at, since another check failed */
    DOCTOR_PROBLEM, /* does not work, or will not */
};

struct doctor_settings {
    const char *configuration; /* its path */
    int64_t timeout_ms;        /* of each question to a server */
    int64_t listen_ms;         /* how long Synapse's writers may take to tell their positions */
};

struct doctor;

/* Runs every check. The caller frees the result with doctor_destroy. */
struct doctor *doctor_run(const struct doctor_settings *settings);
void doctor_destroy(struct doctor *doctor);

/* The worst of all checks but for those skipped: a check is skipped only where another has a problem. */
enum doctor_state doctor_worst(const struct doctor *doctor);
/* Whether the configuration itself cannot be used. */
bool doctor_has_configuration(const struct doctor *doctor);

/* A line for each finding, in columns, and below it what it means and a fix to copy. */
void doctor_append_text(const struct doctor *doctor, struct buffer *output);
/* {"version", "configuration", "problems", "notes", "skipped", "checks": [{"name", "state", "text", "findings":
 * [{"state", "text", "fix"}]}]}: a check's text says what it looks at, a finding's what was found. */
void doctor_append_json(const struct doctor *doctor, struct buffer *output);

#endif
