/* From exec to ready, and what then is in memory: the engine beside a Redis, with chains of several kinds.
 *
 * Ready is what the engine says when Redis has confirmed its subscription: from there on no event is missed. Without a
 * `cache_dir` nothing is kept between starts, so every start compiles; with one, a first start fills it. Both are
 * compared with the pattern library's own time for the same expressions in this process, just before or after. */
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "bench/figure.h"
#include "bench/patterns.h"
#include "bench/rules.h"
#include "bench/started.h"
#include "engine/clock.h"
#include "filters/glob.h"
#include "filters/vectorscan.h"

#define RUNS 7
#define READY "subscribed; asks every writer for its position"
#define REDIS_READY "eady to accept connections"
#define REDIS_ALONE "redis-server without data, from exec to ready"
#define SAMPLE "deploy/sample"
#define IDS 1000000
#define LITERALS 10000
#define EXPRESSIONS 1000
#define LITERALS_MODULE "keywords, config: {patterns_file: startup-literals.txt}"
#define EXPRESSIONS_MODULE "keywords, config: {patterns_file: startup-expressions.txt, syntax: regex}"
#define KEPT "cache_dir: startup-patterns\n"

struct startup {
    const char *json_path;
    const char *folder;
    const char *weir;
};

/* ---- files */

static void write_file(const struct startup *startup, const char *name, struct buffer *content)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", startup->folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(buffer_slice(content).data, 1, content->length, file) != content->length || fclose(file) != 0)
        bench_fail("cannot write %s", path);
    buffer_clear(content);
}

static void write_configuration(const struct startup *startup, const char *name, const char *keys, const char *module)
{
    struct buffer text = {0};
    buffer_append_format(&text,
                         "server_name: startup.example\nredis: {path: %s/redis.sock}\nhttp: false\n"
                         "bodies: {file: startup-bodies.jsonl}\n%smodules: [{module: %s}]\n",
                         startup->folder, keys, module);
    write_file(startup, name, &text);
    buffer_free(&text);
}

static void write_files(const struct startup *startup)
{
    struct buffer lines = {0};
    write_file(startup, "startup-bodies.jsonl", &lines);
    rules_append_senders(&lines, IDS);
    write_file(startup, "startup-ids.txt", &lines);
    patterns_append_lines(&lines, PATTERN_LITERAL, LITERALS);
    write_file(startup, "startup-literals.txt", &lines);
    patterns_append_lines(&lines, PATTERN_REGEX, EXPRESSIONS);
    write_file(startup, "startup-expressions.txt", &lines);
    buffer_free(&lines);
}

/* The sample configuration with this Redis and a free port; its lists and its script stay where they are. */
static void write_sample(const struct startup *startup)
{
    static const char *const lists[] = {"recording.events.jsonl.zst", "spam-domains.txt", "spam-users.txt",
                                        "spam-words.txt", "spam.lua"};
    struct buffer text = {0};
    char line[4096];
    FILE *sample = fopen(SAMPLE "/weir.yaml", "r");
    if (!sample)
        bench_fail("cannot read " SAMPLE "/weir.yaml: benches run in the repository's top folder");
    while (fgets(line, sizeof line, sample)) {
        if (strcmp(line, "  host: 127.0.0.1\n") == 0)
            buffer_append_format(&text, "  path: %s/redis.sock\n", startup->folder);
        else if (strncmp(line, "  listen:", strlen("  listen:")) == 0)
            buffer_append_string(&text, "  listen: 127.0.0.1:0\n");
        else
            buffer_append_string(&text, line);
    }
    fclose(sample);
    write_file(startup, "startup-sample.yaml", &text);
    buffer_free(&text);
    for (size_t index = 0; index < sizeof lists / sizeof *lists; index++) {
        char *target = realpath(SAMPLE, NULL);
        char from[4096];
        char to[4096];
        snprintf(from, sizeof from, "%s/%s", target ? target : SAMPLE, lists[index]);
        snprintf(to, sizeof to, "%s/%s", startup->folder, lists[index]);
        if (symlink(from, to) != 0)
            bench_fail("cannot link %s", to);
        free(target);
    }
}

/* ---- starts */

static struct started start_engine(const struct startup *startup, const char *configuration)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", startup->folder, configuration);
    const char *const arguments[] = {startup->weir, "run", "-c", path, NULL};
    return started_program(arguments, READY);
}

static struct started start_redis(const struct startup *startup)
{
    char socket[4096];
    snprintf(socket, sizeof socket, "%s/startup.sock", startup->folder);
    const char *const arguments[] = {"redis-server",  "--port",       "0",  "--unixsocket",
                                     socket,          "--save",       "",   "--dir",
                                     startup->folder, "--appendonly", "no", NULL};
    return started_program(arguments, REDIS_READY);
}

/* How long an engine takes to start, in `runs` starts, and what it then holds; `memory` may be NULL. */
static void measure_start(const struct startup *startup, const char *configuration, unsigned runs, struct figure *time,
                          struct figure *memory)
{
    double peak = 0;
    time->reference = REDIS_ALONE;
    time->unit = "ms";
    for (unsigned run = 0; run <= runs; run++) {
        struct started redis;
        if (run % 2)
            redis = start_redis(startup);
        struct started engine = start_engine(startup, configuration);
        if (run % 2 == 0)
            redis = start_redis(startup);
        if (run == 0) /* puts the files into the page cache */
            continue;
        figure_add(time, engine.seconds / redis.seconds, engine.seconds * 1e3);
        if (memory)
            figure_add(memory, engine.resident_mib / memory->limit, engine.resident_mib);
        peak = engine.peak_mib > peak ? engine.peak_mib : peak;
    }
    fprintf(stderr, "bench: %s: at most %.1f MiB while it started\n", time->name, peak);
    figure_report(time, startup->json_path);
    if (!memory)
        return;
    memory->limit = 1; /* the ratio is to the bound */
    figure_report(memory, startup->json_path);
}

/* ---- compiling */

/* What the pattern library gets to compile. */
struct expressions {
    const char **texts;
    unsigned int *flags;
    unsigned int *numbers;
    unsigned count;
};

static bool library_takes(const char *text, unsigned int flags)
{
    hs_expr_info_t *information = NULL;
    hs_compile_error_t *error = NULL;
    bool taken = hs_expression_info(text, flags, &information, &error) == HS_SUCCESS;
    free(information);
    hs_free_compile_error(error);
    return taken;
}

/* The patterns as the engine's module gives them to the library: those that it refuses as they are, as prefilters. */
static struct expressions make_expressions(enum pattern_syntax syntax, unsigned count)
{
    const unsigned int common = HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY | HS_FLAG_CASELESS;
    struct expressions made = {.texts = memory_allocate_zeroed(count, sizeof *made.texts),
                               .flags = memory_allocate_zeroed(count, sizeof *made.flags),
                               .numbers = memory_allocate_zeroed(count, sizeof *made.numbers),
                               .count = count};
    struct buffer pattern = {0};
    struct buffer expression = {0};
    for (unsigned index = 0; index < count; index++) {
        buffer_clear(&pattern);
        buffer_clear(&expression);
        patterns_append(&pattern, syntax, index);
        if (syntax == PATTERN_LITERAL)
            glob_append_literal(&expression, buffer_slice(&pattern));
        else
            buffer_append_slice(&expression, buffer_slice(&pattern));
        made.texts[index] = memory_copy_text(expression.data, expression.length);
        made.flags[index] = common | (syntax == PATTERN_LITERAL ? HS_FLAG_DOTALL : HS_FLAG_UTF8 | HS_FLAG_UCP);
        if (!library_takes(made.texts[index], made.flags[index]))
            made.flags[index] |= HS_FLAG_PREFILTER;
        made.numbers[index] = index;
    }
    buffer_free(&pattern);
    buffer_free(&expression);
    return made;
}

static void free_expressions(struct expressions *expressions)
{
    for (unsigned index = 0; index < expressions->count; index++)
        free((char *)(uintptr_t)expressions->texts[index]);
    free(expressions->texts);
    free(expressions->flags);
    free(expressions->numbers);
}

static double compile_seconds(const struct expressions *expressions)
{
    hs_database_t *database = NULL;
    hs_compile_error_t *error = NULL;
    uint64_t started = clock_now_ns();
    if (hs_compile_multi(expressions->texts, expressions->flags, expressions->numbers, expressions->count,
                         HS_MODE_BLOCK, vectorscan_implementation()->platform, &database, &error) != HS_SUCCESS)
        bench_fail("the pattern library refuses what it should compile: %s", error ? error->message : "");
    double seconds = (double)(clock_now_ns() - started) / 1e9;
    hs_free_database(database);
    return seconds;
}

static void measure_compile(const struct startup *startup, const char *configuration, enum pattern_syntax syntax,
                            unsigned count, struct figure *figure)
{
    struct expressions expressions = make_expressions(syntax, count);
    figure->unit = "ms";
    for (unsigned run = 0; run < bench_runs(RUNS); run++) {
        double library = 0;
        if (run % 2)
            library = compile_seconds(&expressions);
        struct started engine = start_engine(startup, configuration);
        if (run % 2 == 0)
            library = compile_seconds(&expressions);
        figure_add(figure, engine.seconds / library, engine.seconds * 1e3);
    }
    figure_report(figure, startup->json_path);
    free_expressions(&expressions);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 5)
        bench_fail("usage: startup_bench JSON DATA FOLDER WEIR");
    struct startup startup = {.json_path = arguments[1], .folder = arguments[3], .weir = arguments[4]};
    write_files(&startup);
    write_sample(&startup);
    write_configuration(&startup, "startup-idle.yaml", "", "event_types, config: {deny: [m.room.encryption]}");
    write_configuration(&startup, "startup-ids.yaml", "", "sender_list, config: {users_file: startup-ids.txt}");
    write_configuration(&startup, "startup-literals.yaml", "", LITERALS_MODULE);
    write_configuration(&startup, "startup-expressions.yaml", "", EXPRESSIONS_MODULE);
    write_configuration(&startup, "startup-literals-kept.yaml", KEPT, LITERALS_MODULE);
    write_configuration(&startup, "startup-expressions-kept.yaml", KEPT, EXPRESSIONS_MODULE);
    struct figure idle = {.name = "startup_idle"};
    struct figure idle_memory = {.name = "resident_idle_mib",
                                 .reference = "the bound itself, 16 MiB",
                                 .unit = "MiB",
                                 .bound = BOUND_AT_MOST,
                                 .limit = 16};
    struct figure sample = {.name = "startup_sample"};
    struct figure ids = {.name = "startup_1m_ids"};
    struct figure ids_memory = {.name = "resident_1m_ids_mib",
                                .reference = "the bound itself, 100 MiB",
                                .unit = "MiB",
                                .bound = BOUND_AT_MOST,
                                .limit = 100};
    struct figure literals = {.name = "startup_10k_patterns_vs_compile",
                              .reference = "hs_compile_multi of the same 10,000 literals",
                              .bound = BOUND_AT_MOST,
                              .limit = 1.5};
    struct figure expressions = {.name = "startup_1k_regexes_vs_compile",
                                 .reference = "hs_compile_multi of the same 1,000 regular expressions"};
    struct figure literals_kept = {.name = "startup_10k_patterns_cached_vs_compile",
                                   .reference = literals.reference,
                                   .bound = BOUND_AT_MOST,
                                   .limit = 0.4};
    struct figure expressions_kept = {.name = "startup_1k_regexes_cached_vs_compile",
                                      .reference = expressions.reference,
                                      .bound = BOUND_AT_MOST,
                                      .limit = 0.2};
    measure_start(&startup, "startup-idle.yaml", bench_runs(RUNS), &idle, &idle_memory);
    if (!bench_is_quick())
        measure_start(&startup, "startup-sample.yaml", RUNS, &sample, NULL);
    measure_start(&startup, "startup-ids.yaml", bench_is_quick() ? 1 : RUNS, &ids, &ids_memory);
    measure_compile(&startup, "startup-literals.yaml", PATTERN_LITERAL, LITERALS, &literals);
    (void)start_engine(&startup, "startup-literals-kept.yaml");
    measure_compile(&startup, "startup-literals-kept.yaml", PATTERN_LITERAL, LITERALS, &literals_kept);
    if (bench_is_quick())
        return 0;
    measure_compile(&startup, "startup-expressions.yaml", PATTERN_REGEX, EXPRESSIONS, &expressions);
    (void)start_engine(&startup, "startup-expressions-kept.yaml");
    measure_compile(&startup, "startup-expressions-kept.yaml", PATTERN_REGEX, EXPRESSIONS, &expressions_kept);
    return 0;
}
