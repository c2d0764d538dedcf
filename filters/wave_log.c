/* Tables of holds know hashes, of which nobody can read a room's name: so the names of the waves that were logged are
 * kept here. They come from outside: what could break a line is replaced, and what is longer than an id may be is cut.
 */
#include "filters/wave_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define NAME_MAXIMUM 435u
#define PART_MAXIMUM 255u /* an id is no longer */

struct wave {
    uint32_t until;
    char name[NAME_MAXIMUM + 1]; /* of where it is, as it is logged; empty: the row is free */
};

struct wave_log {
    wave_log_function *log;
    uint32_t longest;
    uint32_t first_end; /* none ends before */
    uint32_t count;
    struct wave rows[WAVE_LOG_ROWS];
};

struct wave_log *wave_log_create(wave_log_function *log, uint32_t longest)
{
    struct wave_log *waves = memory_allocate_zeroed(1, sizeof *waves);
    waves->log = log;
    waves->longest = longest;
    return waves;
}

void wave_log_destroy(struct wave_log *waves)
{
    free(waves);
}

static void append_cut(struct wave *wave, struct slice text, size_t maximum)
{
    size_t used = strlen(wave->name), room = NAME_MAXIMUM - used;
    size_t length = text.length;
    if (maximum > room)
        maximum = room;
    if (length > maximum) {
        length = maximum;
        while (length && ((unsigned char)text.data[length] & 0xc0) == 0x80)
            length--;
    }
    for (size_t index = 0; index < length; index++) {
        unsigned char byte = (unsigned char)text.data[index];
        wave->name[used + index] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
    }
    wave->name[used + length] = '\0';
}

static void say(const struct wave_log *waves, const char *level, const char *what, const struct wave *wave,
                struct slice reason)
{
    struct buffer line = {0};
    if (!waves->log)
        return;
    buffer_append_format(&line, "%s: %s", what, wave->name);
    if (slice_present(reason))
        buffer_append_format(&line, " (%.*s)", (int)reason.length, reason.data);
    waves->log(level, "join_wave", buffer_slice(&line));
    buffer_free(&line);
}

bool wave_log_begin(struct wave_log *waves, struct slice room, struct slice server, struct slice reason, uint32_t until)
{
    struct wave *wave = waves->rows;
    if (waves->count == WAVE_LOG_ROWS)
        return false;
    while (wave->name[0])
        wave++;
    append_cut(wave, room, PART_MAXIMUM);
    if (slice_present(server)) {
        append_cut(wave, SLICE(" from "), PART_MAXIMUM);
        append_cut(wave, server, PART_MAXIMUM);
    }
    if (!wave->name[0])
        return false;
    wave->until = until;
    if (!waves->count++ || until < waves->first_end)
        waves->first_end = until;
    say(waves, "warning", "a wave of joins", wave, reason);
    return true;
}

void wave_log_see_time(struct wave_log *waves, uint32_t now)
{
    /* A wave that would last longer than it can is of a clock that was set back. */
    if (!waves->count || (now < waves->first_end && waves->first_end - now <= waves->longest))
        return;
    waves->first_end = UINT32_MAX;
    for (struct wave *wave = waves->rows; wave < waves->rows + WAVE_LOG_ROWS; wave++) {
        if (!wave->name[0])
            continue;
        if (now < wave->until && wave->until - now <= waves->longest) {
            waves->first_end = wave->until < waves->first_end ? wave->until : waves->first_end;
            continue;
        }
        say(waves, "info", "a wave of joins is over", wave, SLICE_ABSENT);
        wave->name[0] = '\0';
        waves->count--;
    }
}

void wave_log_save(const struct wave_log *waves, struct buffer *output)
{
    for (const struct wave *wave = waves->rows; wave < waves->rows + WAVE_LOG_ROWS; wave++)
        if (wave->name[0])
            buffer_append(output, (const char *)wave, sizeof *wave);
}

static bool read_rows(struct wave_log *waves, struct slice saved)
{
    size_t count = saved.length / sizeof *waves->rows;
    if (count > WAVE_LOG_ROWS || saved.length != count * sizeof *waves->rows)
        return false;
    if (count)
        memcpy(waves->rows, saved.data, saved.length);
    for (const struct wave *wave = waves->rows; wave < waves->rows + count; wave++)
        if (!wave->name[0] || !memchr(wave->name, '\0', sizeof wave->name))
            return false;
    waves->count = (uint32_t)count;
    return true;
}

bool wave_log_restore(struct wave_log *waves, struct slice saved)
{
    memset(waves->rows, 0, sizeof waves->rows);
    waves->count = waves->first_end = 0; /* the next time that is seen finds the first end */
    if (read_rows(waves, saved))
        return true;
    memset(waves->rows, 0, sizeof waves->rows);
    return false;
}
