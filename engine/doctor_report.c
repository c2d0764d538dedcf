/* Fixes are not wrapped: they are there to be copied. */
#include <string.h>

#include "engine/doctor_parts.h"
#include "engine/text_layout.h"

static const char *const state_texts[] = {
    [DOCTOR_OK] = "ok", [DOCTOR_NOTE] = "note", [DOCTOR_SKIPPED] = "skipped", [DOCTOR_PROBLEM] = "problem"};

#define STATE_WIDTH 7u
#define NAME_WIDTH 22u
#define TEXT_WIDTH 86u

static size_t count_of(const struct doctor *doctor, enum doctor_state state)
{
    size_t count = 0;
    for (size_t index = 0; index < doctor->count; index++)
        count += doctor->findings[index].state == state;
    return count;
}

static void append_fix(const char *fix, struct buffer *output)
{
    for (const char *line = fix; *line;) {
        size_t length = strcspn(line, "\n");
        buffer_append_format(output, "%*s%s%.*s\n", (int)(STATE_WIDTH + NAME_WIDTH + 4), "",
                             line == fix ? "fix: " : "     ", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static void append_sum(const struct doctor *doctor, struct buffer *output)
{
    size_t problems = count_of(doctor, DOCTOR_PROBLEM), notes = count_of(doctor, DOCTOR_NOTE),
           skipped = count_of(doctor, DOCTOR_SKIPPED);
    if (problems == 0)
        buffer_append_string(output, "No problem was found");
    else
        buffer_append_format(output, "%zu problem%s found", problems, problems == 1 ? " was" : "s were");
    if (notes)
        buffer_append_format(output, "; %zu note%s", notes, notes == 1 ? "" : "s");
    if (skipped)
        buffer_append_format(output, "; %zu check%s could not be made", skipped, skipped == 1 ? "" : "s");
    buffer_append_string(output, ".\n");
}

void doctor_append_text(const struct doctor *doctor, struct buffer *output)
{
    static const size_t widths[] = {STATE_WIDTH, NAME_WIDTH, TEXT_WIDTH};
    for (size_t index = 0; index < doctor->count; index++) {
        const struct doctor_finding *finding = &doctor->findings[index];
        const char *cells[] = {state_texts[finding->state], finding->check->name, finding->text};
        text_append_row(output, cells, widths, 3, 0);
        if (finding->fix)
            append_fix(finding->fix, output);
    }
    buffer_append_char(output, '\n');
    append_sum(doctor, output);
}

static void append_member(const char *name, const char *text, struct buffer *output)
{
    buffer_append_format(output, "\"%s\":", name);
    buffer_append_json_string(output, slice_from_string(text));
}

/* All findings of the check that the one at `index` is the first of; returns where the next begin. */
static size_t append_check(const struct doctor *doctor, size_t index, struct buffer *output)
{
    const struct doctor_check *check = doctor->findings[index].check;
    enum doctor_state worst = DOCTOR_OK;
    size_t end = index;
    for (; end < doctor->count && doctor->findings[end].check == check; end++)
        if (doctor->findings[end].state > worst)
            worst = doctor->findings[end].state;
    buffer_append_char(output, '{');
    append_member("name", check->name, output);
    buffer_append_char(output, ',');
    append_member("state", state_texts[worst], output);
    buffer_append_char(output, ',');
    append_member("text", check->text, output);
    buffer_append_string(output, ",\"findings\":[");
    for (size_t at = index; at < end; at++) {
        buffer_append_string(output, at > index ? ",{" : "{");
        append_member("state", state_texts[doctor->findings[at].state], output);
        buffer_append_char(output, ',');
        append_member("text", doctor->findings[at].text, output);
        buffer_append_char(output, ',');
        append_member("fix", doctor->findings[at].fix, output);
        buffer_append_char(output, '}');
    }
    buffer_append_string(output, "]}");
    return end;
}

void doctor_append_json(const struct doctor *doctor, struct buffer *output)
{
    buffer_append_char(output, '{');
    append_member("version", WEIR_VERSION, output);
    buffer_append_char(output, ',');
    append_member("configuration", doctor->settings.configuration, output);
    buffer_append_format(output, ",\"problems\":%zu,\"notes\":%zu,\"skipped\":%zu,\"checks\":[",
                         count_of(doctor, DOCTOR_PROBLEM), count_of(doctor, DOCTOR_NOTE),
                         count_of(doctor, DOCTOR_SKIPPED));
    for (size_t index = 0; index < doctor->count;) {
        if (index)
            buffer_append_char(output, ',');
        index = append_check(doctor, index, output);
    }
    buffer_append_string(output, "]}\n");
}
