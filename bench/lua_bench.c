/* Events through a script of one rule, from their raw JSON to the verdict, against yyjson alone on the same texts.
 *
 * Three scripts that say the same, "is this word in the body?": with the body as a declared field, with the body
 * through the proxy (which parses the event), and one that is asked and looks at nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/memory.h"
#include "bench/corpus.h"
#include "bench/figure.h"
#include "filters/judge.h"
#include "filters/module.h"

#define ROUNDS 4
#define RUNS 15

#define RULE                                                                                                           \
    "function check_event_for_spam(event)\n"                                                                           \
    "  local body = event.content.body\n"                                                                              \
    "  if type(body) == 'string' and body:find('cheap followers', 1, true) then return refuse() end\n"                 \
    "  return pass\n"                                                                                                  \
    "end\n"

static const struct script {
    const char *events_name; /* of the figure of the rate */
    const char *ratio_name;
    const char *text;
} scripts[] = {
    {"lua_events_per_second", "lua_vs_yyjson", "fields = {'body'}\n" RULE},
    {"lua_parsed_events_per_second", "lua_parsed_vs_yyjson", RULE},
    {"lua_idle_events_per_second", "lua_idle_vs_yyjson", "function check_event_for_spam(event) return pass end\n"},
};

struct work {
    const struct corpus *corpus;
    struct judge *judge;
    char *pool;
    size_t pool_size;
    uint64_t denied;
    uint64_t checksum; /* keeps the compiler from leaving work out */
};

static void parse_alone(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct slice body = work->corpus->events[index].body;
        yyjson_alc allocator;
        yyjson_alc_pool_init(&allocator, work->pool, work->pool_size);
        yyjson_doc *document =
            yyjson_read_opts((char *)(uintptr_t)body.data, body.length, YYJSON_READ_NOFLAG, &allocator, NULL);
        work->checksum += yyjson_doc_get_val_count(document);
    }
}

static void judge_all(void *context)
{
    struct work *work = context;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        struct event event = {.event_id = work->corpus->events[index].event_id};
        if (judge_read(work->judge, work->corpus->events[index].body, &event) != EVENT_READ_OK)
            bench_fail("a recorded body could not be read");
        const struct outcome *outcome = judge_event(work->judge, &event, JUDGE_EVENT_FOR_SPAM);
        if (outcome->kind == OUTCOME_FAILED)
            bench_fail("the script failed: %.*s", (int)outcome->result.value.raised->text.length,
                       outcome->result.value.raised->text.data);
        work->denied += outcome->kind == OUTCOME_DENIED;
    }
}

static void report(void *context, const char *path, const char *message)
{
    (void)context;
    bench_fail("%s: %s", path, message);
}

static bool read_file(void *context, const char *name, struct buffer *content, struct buffer *error)
{
    (void)name, (void)error;
    buffer_append_string(content, context);
    return true;
}

static struct chain *chain_of(const char *script)
{
    struct module_host host = {.context = (void *)(uintptr_t)script, .report = report, .read_file = read_file};
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = CORPUS_SERVER});
    json_t *config = json_pack("{s:s}", "script", "bench.lua");
    if (!chain_append(chain, module_find("lua"), config, NULL, &host) || !chain_seal(chain, NULL, NULL))
        bench_fail("the script could not be loaded");
    json_decref(config);
    return chain;
}

static void measure(struct work *work, const struct script *script, const char *json_path)
{
    struct figure rate = {
        .name = script->events_name, .reference = "yyjson alone, events a second", .unit = "events/s"};
    struct figure ratio = {.name = script->ratio_name,
                           .reference = "yyjson_read_opts alone, default flags, pool reused, same bodies",
                           .unit = "ns/event"};
    struct chain *chain = chain_of(script->text);
    work->judge = judge_create(chain);
    work->denied = 0;
    double events = (double)ROUNDS * (double)work->corpus->event_count;
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair pair = figure_measure(judge_all, parse_alone, work, ROUNDS);
        if (run == 0) /* warms caches and pools */
            continue;
        figure_add(&rate, pair.reference / pair.ours, events / pair.ours);
        figure_add(&ratio, pair.ours / pair.reference, pair.ours * 1e9 / events);
    }
    bool has_rule = strstr(script->text, "refuse") != NULL;
    if (has_rule && (work->denied == 0 || work->denied == (bench_runs(RUNS) + 1) * (uint64_t)events))
        bench_fail("the script denied %llu events: that measures nothing", (unsigned long long)work->denied);
    figure_report(&rate, json_path);
    figure_report(&ratio, json_path);
    judge_destroy(work->judge);
    chain_destroy(chain);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 3)
        bench_fail("usage: lua_bench JSON DATA");
    struct corpus *corpus = corpus_load(arguments[2]);
    struct work work = {.corpus = corpus};
    work.pool_size = yyjson_read_max_memory_usage(corpus->longest_body, YYJSON_READ_NOFLAG) + 64;
    work.pool = memory_allocate(work.pool_size);
    for (size_t index = 0; index < sizeof scripts / sizeof *scripts; index++)
        measure(&work, &scripts[index], arguments[1]);
    free(work.pool);
    corpus_free(corpus);
    return work.checksum == 0;
}
