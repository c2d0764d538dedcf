/* The runner: what a check says is kept in order, and a check whose base is missing says so itself. */
#include "engine/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/doctor_parts.h"
#include "engine/tail_format.h"

#define TEXT_MAXIMUM 4096

static const struct doctor_check *const tables[] = {doctor_files_checks,       doctor_redis_checks,
                                                    doctor_replication_checks, doctor_postgres_checks,
                                                    doctor_engine_checks,      doctor_requests_checks};

/* What servers and whoever writes on the channel say is in it: it is shown without control characters. Lines stay. */
static char *format_text(const char *format, va_list arguments)
{
    char text[TEXT_MAXIMUM];
    struct buffer visible = {0};
    vsnprintf(text, sizeof text, format, arguments);
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n\t");
        tail_append_visible(&visible, slice_of(line, length));
        line += length;
        if (*line)
            buffer_append_char(&visible, *line++ == '\n' ? '\n' : ' ');
    }
    char *copy = memory_copy_text(buffer_slice(&visible).data, visible.length);
    buffer_free(&visible);
    return copy;
}

void doctor_say(struct doctor *doctor, enum doctor_state state, const char *format, ...)
{
    va_list arguments;
    doctor->findings = memory_reallocate(doctor->findings, (doctor->count + 1) * sizeof *doctor->findings);
    va_start(arguments, format);
    doctor->findings[doctor->count++] =
        (struct doctor_finding){.check = doctor->current, .state = state, .text = format_text(format, arguments)};
    va_end(arguments);
}

void doctor_fix(struct doctor *doctor, const char *format, ...)
{
    struct doctor_finding *finding = &doctor->findings[doctor->count - 1];
    va_list arguments;
    free(finding->fix);
    va_start(arguments, format);
    finding->fix = format_text(format, arguments);
    va_end(arguments);
}

/* The worst that a check said. */
static enum doctor_state state_of(const struct doctor *doctor, const char *name)
{
    enum doctor_state worst = DOCTOR_OK;
    for (size_t index = 0; index < doctor->count; index++)
        if (strcmp(doctor->findings[index].check->name, name) == 0 && doctor->findings[index].state > worst)
            worst = doctor->findings[index].state;
    return worst;
}

/* Of a configuration whose modules are wrong the rest is known, and can be looked at. */
static bool is_lacking(const struct doctor *doctor, const char *name)
{
    return strcmp(name, doctor_files_checks[0].name) == 0 ? !doctor->configuration
                                                          : state_of(doctor, name) >= DOCTOR_SKIPPED;
}

static void run_check(struct doctor *doctor, const struct doctor_check *check)
{
    doctor->current = check;
    if (check->needs && is_lacking(doctor, check->needs)) {
        doctor_say(doctor, DOCTOR_SKIPPED, "not looked at, since it needs %s", check->needs);
        return;
    }
    check->run(doctor);
}

struct doctor *doctor_run(const struct doctor_settings *settings)
{
    struct doctor *doctor = memory_allocate_zeroed(1, sizeof *doctor);
    doctor->settings = *settings;
    for (size_t table = 0; table < sizeof tables / sizeof *tables; table++)
        for (const struct doctor_check *check = tables[table]; check->name; check++)
            run_check(doctor, check);
    return doctor;
}

void doctor_destroy(struct doctor *doctor)
{
    for (size_t index = 0; index < doctor->count; index++) {
        free(doctor->findings[index].text);
        free(doctor->findings[index].fix);
    }
    free(doctor->findings);
    free(doctor->answers);
    redis_probe_close(doctor->redis);
    postgres_probe_close(doctor->postgres);
    configuration_destroy(doctor->configuration);
    json_decref(doctor->status);
    buffer_free(&doctor->info);
    free(doctor);
}

enum doctor_state doctor_worst(const struct doctor *doctor)
{
    enum doctor_state worst = DOCTOR_OK;
    for (size_t index = 0; index < doctor->count; index++)
        if (doctor->findings[index].state != DOCTOR_SKIPPED && doctor->findings[index].state > worst)
            worst = doctor->findings[index].state;
    return worst;
}

bool doctor_has_configuration(const struct doctor *doctor)
{
    return state_of(doctor, doctor_files_checks[0].name) < DOCTOR_SKIPPED;
}
