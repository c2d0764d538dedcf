/* What counts as an ending is a list, since the names of homeservers, after which one would call a recording, have
 * points in them. */
#include "engine/record_names.h"

#include <stdio.h>
#include <time.h>

#define STAMP_LENGTH 20

static const char *const endings[] = {".zst", ".jsonl", ".json", ".log", ".events", ".bodies"};

/* Where the endings of `path` begin. */
static size_t stem_length(const char *path)
{
    size_t length = strlen(path);
    for (size_t index = 0; index < sizeof endings / sizeof *endings; index++) {
        size_t size = strlen(endings[index]);
        if (length > size && path[length - size - 1] != '/' && memcmp(path + length - size, endings[index], size) == 0)
            length -= size;
    }
    return length;
}

void record_stamp(int64_t moment_ms, char stamp[static RECORD_STAMP_ROOM])
{
    time_t seconds = (time_t)(moment_ms / 1000);
    struct tm moment;
    gmtime_r(&seconds, &moment);
    size_t length = strftime(stamp, RECORD_STAMP_ROOM, "%Y%m%dT%H%M%S", &moment);
    snprintf(stamp + length, RECORD_STAMP_ROOM - length, ".%03uZ", (unsigned)(moment_ms % 1000));
}

void record_name_append(const char *path, const char *stamp, struct buffer *output)
{
    size_t stem = stem_length(path);
    buffer_append(output, path, stem);
    buffer_append_char(output, '.');
    buffer_append_string(output, stamp);
    buffer_append_string(output, path + stem);
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_stamp(struct slice text)
{
    static const char form[] = "00000000T000000.000Z";
    if (text.length != STAMP_LENGTH)
        return false;
    for (size_t index = 0; index < STAMP_LENGTH; index++)
        if (form[index] == '0' ? !is_digit(text.data[index]) : text.data[index] != form[index])
            return false;
    return true;
}

struct slice record_name_stamp(const char *path, struct slice name)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    size_t stem = stem_length(path) - folder;
    size_t ending = strlen(path) - folder - stem;
    if (name.length < stem + 1 + STAMP_LENGTH + ending || memcmp(name.data, path + folder, stem) != 0 ||
        name.data[stem] != '.' || memcmp(name.data + name.length - ending, path + folder + stem, ending) != 0)
        return SLICE_ABSENT;
    struct slice stamp = slice_of(name.data + stem + 1, name.length - stem - 1 - ending);
    return is_stamp(stamp) ? stamp : SLICE_ABSENT;
}
