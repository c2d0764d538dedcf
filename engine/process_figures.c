/* Read from /proc when somebody asks. */
#include "engine/process_figures.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Without the one that is open for the counting, and without `.` and `..`. */
static uint64_t open_files(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    (void)closedir(folder);
    return count > 3 ? count - 3 : 0;
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

struct process_figures process_figures(void)
{
    struct rusage usage;
    struct rlimit limit;
    struct process_figures figures = {.resident_bytes = resident_bytes(), .open_files = open_files()};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        figures.processor_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        figures.most_files = limit.rlim_cur;
    return figures;
}

static void append(struct buffer *output, const struct metric_definition *definition, const char *label, double value)
{
    metrics_append_family(output, definition);
    metrics_append_sample(output, definition, label, value);
}

static void render(const void *context, struct buffer *output)
{
    static const struct metric_definition build = {"weir_build_info", METRIC_GAUGE, "1, with the version as a label.",
                                                   "version"},
                                          memory = {"process_resident_memory_bytes", METRIC_GAUGE,
                                                    "Resident memory size in bytes.", NULL},
                                          processor = {"process_cpu_seconds_total", METRIC_COUNTER,
                                                       "Total user and system CPU time spent in seconds.", NULL},
                                          start = {"process_start_time_seconds", METRIC_GAUGE,
                                                   "Start time of the process since unix epoch in seconds.", NULL},
                                          files = {"process_open_fds", METRIC_GAUGE, "Number of open file descriptors.",
                                                   NULL},
                                          most = {"process_max_fds", METRIC_GAUGE,
                                                  "Maximum number of open file descriptors.", NULL};
    const int64_t *started_ms = context;
    struct process_figures figures = process_figures();
    append(output, &build, WEIR_VERSION, 1);
    append(output, &memory, NULL, (double)figures.resident_bytes);
    append(output, &processor, NULL, figures.processor_seconds);
    append(output, &start, NULL, (double)*started_ms / 1e3);
    append(output, &files, NULL, (double)figures.open_files);
    append(output, &most, NULL, (double)figures.most_files);
}

void process_metrics_register(struct metrics *metrics, const int64_t *started_ms)
{
    metrics_on_render(metrics, render, started_ms);
}
