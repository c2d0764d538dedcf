/* What each module costs by itself, set as an administrator would set it, and what all of them cost at once with their
 * default parameters against the chain of three that the other figures speak of.
 *
 * Every pass is later than the one before and its events have ids of their own, since modules that remember know an
 * event that they are asked about again. What the events say is the same in each pass, so a module that counts texts or
 * senders finds more of them with each. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "bench/corpus.h"
#include "bench/figure.h"
#include "bench/rules.h"

#define ROUNDS 4
#define RUNS 15
/* From event to event: a hundred a second. */
#define APART_MS 10
#define ID_MAXIMUM 128u
#define START_MS 1700000000000

/* Configurations are JSON with ' for ". `usual` is what an administrator would set; `least` what the module cannot do
 * without, and a rate at which the bench's stream is no flood; the rest is left to its defaults. Scripts and services
 * are measured elsewhere (lua_bench.c, http_bench.c). */
static const struct entry {
    const char *name;
    const char *usual;
    const char *least;
} entries[] = {
    {"censor", "{'rules': [{'list': ['viagra', 'free nitro']}], 'strip': ['via_links']}", "{}"},
    {"combine",
     "{'rules': [{'name': 'caps', 'module': 'shape', 'config': {'max_caps': 0.7}}, {'module': 'user_list', 'config': "
     "{'deny': ['@a:x']}}, {'module': 'server_list', 'config': {'deny': ['evil.example']}}], 'score': {'caps': 1, "
     "'user_list': 1, 'server_list': 1}, 'threshold': 2}",
     "{'rules': [{'module': 'user_list'}], 'expression': 'user_list'}"},
    {"event_types", "{'deny': ['org.example.*', 'm.call.*'], 'sticky': 'deny', 'malformed': 'deny'}", "{}"},
    {"hold", "{'after': 2, 'modules': ['user_list']}", "{'modules': ['user_list']}"},
    {"invite_guard", "{'protected': ['@admin:lab.test'], 'room_name_words': ['airdrop']}", "{}"},
    {"join_wave", "{'rate': '50000/h'}", "{}"},
    {"keywords", "{'words': ['viagra', 'free nitro', 'airdrop', 'seed phrase', 'casino'], 'fold': 'unicode'}",
     "{'words': []}"},
    {"links", "{'deny': ['bit.ly', 'tinyurl.com', 'evil-*.example'], 'max_links': 30}", "{}"},
    {"login", "{'ips': {'deny': ['203.0.113.0/24']}}", "{}"},
    {"media", "{'deny': ['sticker'], 'deny_extensions': ['exe', 'scr']}", "{}"},
    {"media_hash", "{'mxc': ['mxc://evil.example/abc']}", "{}"},
    {"mentions", "{}", "{}"},
    {"names", "{'patterns': ['telegram\\\\s*@'], 'lookalike_of': ['Administrator']}", "{}"},
    {"newcomer", "{'deny': ['media', 'links', 'mentions']}", "{}"},
    {"presence_groups", "{'groups': [{'from': ['@*:lab.test'], 'to': ['@*:lab.test']}]}", "{}"},
    {"rate", "{'rules': [{'rate': '100000/m'}, {'key': 'room', 'rate': '1000000/m'}]}",
     "{'rules': [{'rate': '100000/m'}]}"},
    {"regex", "{'patterns': [{'pattern': 'wa\\\\.me/[0-9]{8,}'}, {'pattern': 'double\\\\s+your\\\\s+money'}]}", "{}"},
    {"registration", "{'ips': {'deny': ['203.0.113.0/24']}}", "{}"},
    {"repeat", "{'same': 1000}", "{\'same\': 1000}"},
    {"room_list", "{'deny': ['!evil:example.org', '!*:evil.example']}", "{}"},
    {"room_rules", "{'name': ['airdrop'], 'max_invitees': 50}", "{}"},
    {"sender_list", "{'users': ['@spammer:evil.example', '@spam*:*']}", "{'users': []}"},
    {"server_list", "{'deny': ['evil.example', '*.evil.example'], 'ip_literals': 'deny'}", "{}"},
    {"shape", "{}", "{}"},
    {"state_guard", "{'protect': ['power_levels', 'server_acl'], 'min_interval': '1s'}", "{}"},
    {"trust", "{'sources': [{'users': ['@bot_*:*']}, {'power_level': 50}, {'min_age': '7d', 'min_messages': 50}]}",
     "{}"},
    {"user_list", "{'deny': ['@spammer:evil.example', '@spam*:*']}", "{}"},
};
#define ENTRIES (sizeof entries / sizeof *entries)

static json_t *configuration(const char *text)
{
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *quote = copy; (quote = strchr(quote, '\'')); quote++)
        *quote = '"';
    json_error_t error;
    json_t *config = json_loads(copy, 0, &error);
    if (!config)
        bench_fail("%s: %s", text, error.text);
    return config;
}

struct work {
    const struct corpus *corpus;
    struct judge *judge;
    uint64_t passes;
    uint64_t denied;
    uint64_t checksum; /* keeps the compiler from leaving work out */
};

/* The next pass's time and ids; both sides of a pair pay for them. */
static void read_event(struct work *work, size_t index, char id[ID_MAXIMUM], struct event *event)
{
    struct slice recorded = work->corpus->events[index].event_id;
    size_t length = recorded.length < ID_MAXIMUM - 8 ? recorded.length : ID_MAXIMUM - 8;
    memcpy(id, recorded.data, length);
    memcpy(id + length, &work->passes, 8);
    *event = (struct event){.event_id = slice_of(id, length + 8)};
    uint64_t number = work->passes * work->corpus->event_count + index;
    judge_set_time(work->judge, START_MS + (int64_t)number * APART_MS, false);
    if (judge_read(work->judge, work->corpus->events[index].body, event) != EVENT_READ_OK)
        bench_fail("a recorded body could not be read");
    work->checksum += event->sender.length;
}

static void read_alone(void *context)
{
    struct work *work = context;
    work->passes++;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        char id[ID_MAXIMUM];
        struct event event;
        read_event(work, index, id, &event);
    }
}

static void read_and_judge(void *context)
{
    struct work *work = context;
    work->passes++;
    for (size_t index = 0; index < work->corpus->event_count; index++) {
        char id[ID_MAXIMUM];
        struct event event;
        read_event(work, index, id, &event);
        work->denied += judge_event(work->judge, &event, JUDGE_BOTH)->kind == OUTCOME_DENIED;
    }
}

static double nanoseconds(const struct work *work, double seconds)
{
    return seconds * 1e9 / ROUNDS / (double)work->corpus->event_count;
}

static void measure_module(struct work *work, const struct entry *entry, const char *json_path)
{
    char name[64];
    snprintf(name, sizeof name, "module_%s_ns", entry->name);
    struct figure figure = {.name = name, .reference = "reading its fields, without judging", .unit = "ns/event"};
    struct rules_module module = {entry->name, configuration(entry->usual)};
    struct chain *chain = rules_chain_of(&module, 1);
    work->judge = judge_create(chain);
    work->denied = 0;
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair pair = figure_measure(read_and_judge, read_alone, work, ROUNDS);
        if (run > 0)
            figure_add(&figure, pair.ours / pair.reference, nanoseconds(work, pair.ours - pair.reference));
    }
    figure_report(&figure, json_path);
    judge_destroy(work->judge);
    chain_destroy(chain);
}

struct both {
    struct work all;
    struct work three;
};

static void judge_all(void *context)
{
    read_and_judge(&((struct both *)context)->all);
}

static void judge_three(void *context)
{
    read_and_judge(&((struct both *)context)->three);
}

static struct chain *chain_of_all(void)
{
    struct rules_module modules[ENTRIES];
    size_t count = 0;
    for (size_t index = 0; index < ENTRIES; index++)
        modules[count++] = (struct rules_module){entries[index].name, configuration(entries[index].least)};
    return rules_chain_of(modules, count);
}

static uint64_t measure_all(const struct corpus *corpus, const char *json_path)
{
    struct figure figure = {.name = "all_modules_vs_three",
                            .reference = "the chain of three that chain_vs_yyjson speaks of",
                            .unit = "ns/event",
                            .bound = BOUND_AT_MOST,
                            .limit = 4.0};
    struct chain *all = chain_of_all(), *three = rules_chain(RULES_ALL);
    struct both both = {{.corpus = corpus, .judge = judge_create(all)},
                        {.corpus = corpus, .judge = judge_create(three)}};
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair pair = figure_measure(judge_all, judge_three, &both, ROUNDS);
        if (run > 0)
            figure_add(&figure, pair.ours / pair.reference, nanoseconds(&both.all, pair.ours));
    }
    fprintf(stderr, "bench: %u modules; they deny %.1f %% of the events, the chain of three %.1f %%\n",
            chain_module_count(all), 100.0 * (double)both.all.denied / (double)(both.all.passes * corpus->event_count),
            100.0 * (double)both.three.denied / (double)(both.three.passes * corpus->event_count));
    figure_report(&figure, json_path);
    judge_destroy(both.all.judge);
    judge_destroy(both.three.judge);
    chain_destroy(all);
    chain_destroy(three);
    return both.all.checksum + both.three.checksum;
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 3)
        bench_fail("usage: modules_bench JSON DATA");
    struct corpus *corpus = corpus_load(arguments[2]);
    struct work work = {.corpus = corpus};
    for (size_t index = 0; index < ENTRIES; index++)
        measure_module(&work, &entries[index], arguments[1]);
    uint64_t checksum = work.checksum + measure_all(corpus, arguments[1]);
    corpus_free(corpus);
    return checksum == 0;
}
