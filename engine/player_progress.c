/* One line, drawn over itself: fit for 80 columns, and erased at the end so that the summary stands alone. */
#include "engine/player_progress.h"

#include <math.h>

#define BAR_WIDTH 24

static void append_duration(struct buffer *output, double seconds)
{
    if (seconds < 0 || !isfinite(seconds) || seconds > 359999) {
        buffer_append_string(output, "-:--");
        return;
    }
    unsigned total = (unsigned)ceil(seconds);
    if (total >= 3600)
        buffer_append_format(output, "%u:%02u:%02u", total / 3600, total / 60 % 60, total % 60);
    else
        buffer_append_format(output, "%u:%02u", total / 60, total % 60);
}

void player_progress_render(const struct player_progress *progress, struct buffer *output)
{
    double share = progress->share < 0 ? 0 : progress->share > 1 ? 1 : progress->share;
    unsigned filled = (unsigned)(share * BAR_WIDTH);
    buffer_append_string(output, "\r[");
    for (unsigned cell = 0; cell < BAR_WIDTH; cell++)
        buffer_append_char(output, cell < filled ? '#' : '.');
    buffer_append_format(output, "] %3u%%  %llu %s  %.0f/s  ETA ", (unsigned)(share * 100),
                         (unsigned long long)progress->messages, progress->counted ? progress->counted : "messages",
                         progress->rate);
    append_duration(output, progress->seconds_left);
    if (progress->round > 1)
        buffer_append_format(output, "  round %llu", (unsigned long long)progress->round);
    buffer_append_string(output, "\033[K");
}
