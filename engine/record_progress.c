/* One line of at most 80 columns in the usual case, with what one looks for first: does it run, and how much is it. */
#include "engine/record_progress.h"

#include <stdio.h>

void record_append_size(struct buffer *output, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    while (size >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        size /= 1024;
        unit++;
    }
    buffer_append_format(output, size < 10 && unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

void record_progress_render(const struct record_counts *counts, bool connected, struct buffer *output)
{
    unsigned long seconds = (unsigned long)counts->seconds;
    buffer_append_format(output, "\r%s %lu:%02lu:%02lu  %llu messages  %llu bodies",
                         connected ? "recording" : "no Redis!", seconds / 3600, seconds / 60 % 60, seconds % 60,
                         (unsigned long long)counts->messages, (unsigned long long)counts->bodies.written);
    if (counts->bodies.waiting)
        buffer_append_format(output, " (%llu awaited)", (unsigned long long)counts->bodies.waiting);
    buffer_append_string(output, "  ");
    record_append_size(output, counts->files.bytes);
    if (counts->gaps)
        buffer_append_format(output, "  %llu gaps", (unsigned long long)counts->gaps);
    buffer_append_string(output, "\033[K");
}

void record_progress_draw(const struct record_counts *counts, bool connected)
{
    struct buffer line = {0};
    record_progress_render(counts, connected, &line);
    fputs(buffer_string(&line), stderr);
    buffer_free(&line);
}

void record_progress_erase(void)
{
    fputs("\r\033[K", stderr);
}
