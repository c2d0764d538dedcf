/* Everything is rounded down to what a person compares at a glance. The texts are ASCII, so that tables stay aligned on
 * every terminal. */
#include "engine/human_text.h"

#include <math.h>

/* Longer than anything lasts. */
#define SPAN_MAXIMUM_MS 1e15

void human_append_count(struct buffer *output, uint64_t count)
{
    if (count >= 1000) {
        human_append_count(output, count / 1000);
        buffer_append_format(output, ",%03u", (unsigned)(count % 1000));
    } else {
        buffer_append_integer(output, (int64_t)count);
    }
}

void human_append_rate(struct buffer *output, double rate)
{
    if (!(rate > 0))
        buffer_append_char(output, '0');
    else if (rate < 9.995)
        buffer_append_format(output, "%.2f", rate);
    else if (rate < 99.95)
        buffer_append_format(output, "%.1f", rate);
    else
        human_append_count(output, rate < 1e18 ? (uint64_t)(rate + 0.5) : UINT64_C(1000000000000000000));
}

void human_append_span(struct buffer *output, double milliseconds)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    int64_t left =
        milliseconds > 0 ? (int64_t)(milliseconds < SPAN_MAXIMUM_MS ? milliseconds / 1000 : SPAN_MAXIMUM_MS / 1000) : 0;
    size_t unit = 0;
    while (unit < 3 && left < units[unit].seconds)
        unit++;
    buffer_append_format(output, "%lld %s", (long long)(left / units[unit].seconds), units[unit].name);
    left %= units[unit].seconds;
    if (unit < 3 && left / units[unit + 1].seconds)
        buffer_append_format(output, " %lld %s", (long long)(left / units[unit + 1].seconds), units[unit + 1].name);
}

void human_append_seconds(struct buffer *output, double seconds)
{
    if (!(seconds > 0))
        buffer_append_string(output, "0 ms");
    else if (seconds < 0.0001)
        buffer_append_format(output, "%.3g us", seconds * 1e6);
    else if (seconds < 1)
        buffer_append_format(output, "%.3g ms", seconds * 1e3);
    else if (seconds < 100)
        buffer_append_format(output, "%.3g s", seconds);
    else
        human_append_span(output, seconds * 1000);
}

void human_append_bytes(struct buffer *output, double bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    if (!(bytes > 0))
        bytes = 0;
    for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    buffer_append_format(output, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}
