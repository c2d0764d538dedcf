/* What an event costs in the processor's own coin: instructions, branch misses and cache misses, by the counters that
 * Linux gives (perf_event_open), and energy, by those of the package (RAPL), for the chain and for yyjson alone.
 *
 * Counts do not depend on what else the machine does as times do, which makes them the surest of all figures; but
 * virtual machines seldom have such counters, and energy is often for root alone. What is missing is said and left out.
 * The energy is that of the whole package, so the machine should have nothing else to do. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/memory.h"
#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"

/* Passes of each side in one run, one after the other: RAPL tells no times below a millisecond. */
#define ROUNDS 16
#define RUNS 9

#define ENERGY_FILES "/sys/class/powercap/*/energy_uj"
#define PACKAGES_MAXIMUM 16

struct work {
    const struct corpus *corpus;
    struct judge *judge;
    char *pool;
    size_t pool_size;
    uint64_t denied;
    uint64_t checksum; /* keeps the compiler from leaving work out */
};

struct counter {
    const char *figure;
    const char *unit;
    uint64_t event;
    int descriptor; /* -1: not here */
};

struct package {
    int descriptor;
    double range; /* of the counter, in microjoules: it begins again at 0 */
};

struct meters {
    struct counter counters[3];
    struct package packages[PACKAGES_MAXIMUM];
    size_t package_count;
};
#define COUNTERS (sizeof((struct meters *)0)->counters / sizeof(struct counter))

/* One of each meter: counts of the counters, microjoules of all packages. */
struct reading {
    double counts[COUNTERS];
    double energies[PACKAGES_MAXIMUM];
};

static void parse_alone(struct work *work)
{
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct slice body = work->corpus->events[index].body;
        yyjson_alc allocator;
        yyjson_alc_pool_init(&allocator, work->pool, work->pool_size);
        yyjson_doc *document =
            yyjson_read_opts((char *)(uintptr_t)body.data, body.length, YYJSON_READ_NOFLAG, &allocator, NULL);
        work->checksum += yyjson_doc_get_val_count(document);
    }
}

static void read_and_judge(struct work *work)
{
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct event event = {.event_id = work->corpus->events[index].event_id};
        if (judge_read(work->judge, work->corpus->events[index].body, &event) != EVENT_READ_OK)
            bench_fail("a recorded body could not be read");
        const struct outcome *outcome = judge_event(work->judge, &event, JUDGE_BOTH);
        work->denied += outcome->kind != OUTCOME_PASSED;
    }
}

/* Of this thread, in user mode, on whatever processor it runs. */
static int open_counter(uint64_t event)
{
    struct perf_event_attr attributes = {.size = sizeof attributes,
                                         .type = PERF_TYPE_HARDWARE,
                                         .config = event,
                                         .exclude_kernel = 1,
                                         .exclude_hv = 1,
                                         .read_format =
                                             PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING};
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* The number in a file of /sys, or a negative one. */
static double read_number(int descriptor)
{
    char text[32];
    ssize_t length = pread(descriptor, text, sizeof text - 1, 0);
    if (length <= 0)
        return -1;
    text[length] = '\0';
    return strtod(text, NULL);
}

/* Opens `name` beside the file `path`; -1 if it cannot be. */
static int open_beside(const char *path, const char *name)
{
    char beside[256];
    int folder = (int)(strrchr(path, '/') - path);
    snprintf(beside, sizeof beside, "%.*s/%s", folder, path, name);
    return open(beside, O_RDONLY | O_CLOEXEC);
}

/* Other zones are a part of a package, or the whole machine with it. */
static bool is_package(const char *energy_path)
{
    char name[16] = "";
    int file = open_beside(energy_path, "name");
    bool is = file >= 0 && read(file, name, sizeof name - 1) > 0 && strncmp(name, "package-", 8) == 0;
    if (file >= 0)
        close(file);
    return is;
}

static void open_package(struct meters *meters, const char *energy_path)
{
    struct package package = {.descriptor = open(energy_path, O_RDONLY | O_CLOEXEC), .range = -1};
    int range = open_beside(energy_path, "max_energy_range_uj");
    if (range >= 0) {
        package.range = read_number(range);
        close(range);
    }
    if (package.descriptor >= 0 && package.range > 0 && read_number(package.descriptor) >= 0 &&
        meters->package_count < PACKAGES_MAXIMUM)
        meters->packages[meters->package_count++] = package;
    else if (package.descriptor >= 0)
        close(package.descriptor);
}

static void open_packages(struct meters *meters)
{
    glob_t found = {0};
    if (glob(ENERGY_FILES, 0, NULL, &found) == 0) {
        for (size_t index = 0; index < found.gl_pathc; index++) {
            if (is_package(found.gl_pathv[index]))
                open_package(meters, found.gl_pathv[index]);
        }
    }
    globfree(&found);
    if (meters->package_count == 0)
        fprintf(stderr, "bench: energy: no readable RAPL counters here, skipped\n");
}

static void open_meters(struct meters *meters)
{
    *meters = (struct meters){.counters = {{"chain_instructions", "each event", PERF_COUNT_HW_INSTRUCTIONS, -1},
                                           {"chain_branch_misses", "each event", PERF_COUNT_HW_BRANCH_MISSES, -1},
                                           {"chain_cache_misses", "each event", PERF_COUNT_HW_CACHE_MISSES, -1}}};
    for (size_t index = 0; index < COUNTERS; index++) {
        struct counter *counter = &meters->counters[index];
        counter->descriptor = open_counter(counter->event);
        if (counter->descriptor < 0)
            fprintf(stderr, "bench: %s: no performance counters here (%s), skipped\n", counter->figure,
                    strerror(errno));
    }
    open_packages(meters);
}

static void close_meters(const struct meters *meters)
{
    for (size_t index = 0; index < COUNTERS; index++) {
        if (meters->counters[index].descriptor >= 0)
            close(meters->counters[index].descriptor);
    }
    for (size_t index = 0; index < meters->package_count; index++)
        close(meters->packages[index].descriptor);
}

/* Where there are more counters than the processor can run at once, each runs a part of the time. */
static double read_counter(const struct counter *counter)
{
    struct {
        uint64_t value;
        uint64_t enabled;
        uint64_t running;
    } now = {0};
    if (read(counter->descriptor, &now, sizeof now) != sizeof now)
        bench_fail("%s: the counter cannot be read", counter->figure);
    return now.running ? (double)now.value * (double)now.enabled / (double)now.running : 0;
}

static void read_meters(const struct meters *meters, struct reading *reading)
{
    for (size_t index = 0; index < meters->package_count; index++)
        reading->energies[index] = read_number(meters->packages[index].descriptor);
    for (size_t index = 0; index < COUNTERS; index++) {
        const struct counter *counter = &meters->counters[index];
        reading->counts[index] = counter->descriptor >= 0 ? read_counter(counter) : 0;
    }
}

static double energy_between(const struct meters *meters, const struct reading *before, const struct reading *after)
{
    double sum = 0;
    for (size_t index = 0; index < meters->package_count; index++) {
        double used = after->energies[index] - before->energies[index];
        sum += used < 0 ? used + meters->packages[index].range : used;
    }
    return sum;
}

/* What ROUNDS passes took; `energies[0]` is the sum of all packages. */
static struct reading measure_side(struct work *work, const struct meters *meters, void (*pass)(struct work *))
{
    struct reading before = {0};
    struct reading after = {0};
    read_meters(meters, &before);
    for (unsigned round = 0; round < ROUNDS; round++)
        pass(work);
    read_meters(meters, &after);
    struct reading used = {.energies = {energy_between(meters, &before, &after)}};
    for (size_t index = 0; index < COUNTERS; index++)
        used.counts[index] = after.counts[index] - before.counts[index];
    return used;
}

/* The reference may have none at all, of cache misses for one: it then counts as one in the whole run. */
static void add(struct figure *figure, double ours, double reference, double events)
{
    figure_add(figure, ours / (reference > 1 ? reference : 1), ours / events);
}

static void report(const struct figure *figure, const char *json_path)
{
    figure_report(figure, json_path);
    double ratio = figure_ratio(figure);
    fprintf(stderr, "bench: %s: yyjson alone about %.4g\n", figure->name, ratio > 0 ? figure_value(figure) / ratio : 0);
}

static void measure(struct work *work, const struct meters *meters, const char *json_path)
{
    static const char reference[] = "the same of yyjson_read_opts alone, default flags, pool reused, same bodies";
    struct figure counted[COUNTERS];
    struct figure energy = {.name = "chain_energy", .reference = reference, .unit = "nJ/event"};
    double events = (double)ROUNDS * (double)work->corpus->event_count;
    for (size_t index = 0; index < COUNTERS; index++)
        counted[index] = (struct figure){
            .name = meters->counters[index].figure, .reference = reference, .unit = meters->counters[index].unit};
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct reading parsed;
        if (run % 2)
            parsed = measure_side(work, meters, parse_alone);
        struct reading judged = measure_side(work, meters, read_and_judge);
        if (run % 2 == 0)
            parsed = measure_side(work, meters, parse_alone);
        if (run == 0) /* warms caches and pools */
            continue;
        for (size_t index = 0; index < COUNTERS; index++)
            add(&counted[index], judged.counts[index], parsed.counts[index], events);
        add(&energy, judged.energies[0] * 1e3, parsed.energies[0] * 1e3, events);
    }
    for (size_t index = 0; index < COUNTERS; index++) {
        if (meters->counters[index].descriptor >= 0)
            report(&counted[index], json_path);
    }
    if (meters->package_count)
        report(&energy, json_path);
}

static bool has_meters(const struct meters *meters)
{
    for (size_t index = 0; index < COUNTERS; index++) {
        if (meters->counters[index].descriptor >= 0)
            return true;
    }
    return meters->package_count > 0;
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 3)
        bench_fail("usage: counters_bench JSON DATA");
    struct meters meters;
    open_meters(&meters);
    if (!has_meters(&meters))
        return 0;
    struct corpus *corpus = corpus_load(arguments[2]);
    struct work work = {.corpus = corpus};
    work.pool_size = yyjson_read_max_memory_usage(corpus->longest_body, YYJSON_READ_NOFLAG) + 64;
    work.pool = memory_allocate(work.pool_size);
    struct chain *chain = rules_chain(RULES_ALL);
    work.judge = judge_create(chain);
    measure(&work, &meters, arguments[1]);
    if (work.denied == 0)
        bench_fail("the chain denied nothing: that measures nothing");
    judge_destroy(work.judge);
    chain_destroy(chain);
    free(work.pool);
    corpus_free(corpus);
    close_meters(&meters);
    return work.checksum == 0;
}
