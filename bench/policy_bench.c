/* What policy lists cost: 100,000 rules of 50 lists, two thirds of them names and a third globs, some entities hashed
 * in the second round, and a user of whom none says anything, with the server: the question that every event asks.
 * Against two plain look-ups in a map of the same names, which is the least that anybody could do. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "bench/figure.h"
#include "filters/policy_set.h"

#define RULES 100000u
#define LISTS 50u
#define NAMES 1000u /* asked about in turn */
#define QUESTIONS 100000u
#define CHANGES 20000u
#define ROUNDS 4
#define RUNS 11

/* Shapes of entities: what stands before and behind the rule's number. */
static const struct {
    enum policy_kind kind;
    const char *before, *behind;
} shapes[] = {
    {POLICY_USER, "@spammer", ":matrix.example"},
    {POLICY_USER, "@bot:evil", ".example"},
    {POLICY_SERVER, "evil", ".example"},
    {POLICY_USER, "@raid-", ":matrix.example"},
    {POLICY_USER, "@x", "*:matrix.example"},
    {POLICY_SERVER, "*.bad", ".example"},
    {POLICY_SERVER, "mail", ".example"},
    {POLICY_ROOM, "!room", ":evil.example"},
    {POLICY_USER, "@*:flood", ".example"},
    {POLICY_USER, "@troll", ":other.example"},
    {POLICY_USER, "*buy-now-", "*"},
    {POLICY_USER, "@user", ":big.example"},
};
#define SHAPES (sizeof shapes / sizeof *shapes)

struct work {
    struct policy_set *set;
    struct string_table *table;
    struct slice users[NAMES];
    struct slice servers[NAMES];
    uint64_t hits;
    int64_t ordering;
};

static void put_rule(struct work *work, unsigned number, bool hashes)
{
    char entity[128], key[32];
    size_t shape = number % SHAPES;
    snprintf(key, sizeof key, "rule%u", number);
    snprintf(entity, sizeof entity, "%s%u%s", shapes[shape].before, number, shapes[shape].behind);
    struct policy_rule rule = {.entity = slice_from_string(entity), .reason = SLICE("spam")};
    if (hashes && number % 20 == 0) {
        rule.hashed = true;
        for (unsigned at = 0; at < POLICY_DIGEST_SIZE; at++)
            rule.digest[at] = (unsigned char)(number * 2654435761u >> at % 24);
    }
    struct policy_place place = {.list = number % LISTS,
                                 .type = {shapes[shape].kind, 0},
                                 .state_key = slice_from_string(key),
                                 .event_id = slice_of((const char *)&work->ordering, sizeof work->ordering),
                                 .ordering = ++work->ordering};
    if (!policy_set_put(work->set, &place, POLICY_RULE_READ, &rule))
        bench_fail("the set is full");
    if (!rule.hashed)
        string_table_add(work->table, rule.entity, number);
}

static void open_work(struct work *work, bool hashes)
{
    struct policy_guard guard;
    policy_guard_open(&guard, &(struct text_list){0}, SLICE("own.example"));
    unsigned apply[LISTS];
    for (unsigned list = 0; list < LISTS; list++)
        apply[list] = 15;
    *work = (struct work){.table = string_table_create()};
    work->set = policy_set_create(&(struct policy_set_settings){
        .lists = LISTS, .apply = apply, .ignore_case = true, .capacity = 2 * RULES, .guard = guard});
    for (unsigned number = 0; number < RULES; number++)
        put_rule(work, number, hashes);
    for (unsigned name = 0; name < NAMES; name++) {
        char text[64];
        int length = snprintf(text, sizeof text, "@Somebody.%u:matrix.server%u.example", name, name % 77);
        char *copy = memory_copy_text(text, (size_t)length);
        char *colon = strchr(copy, ':');
        work->users[name] = slice_of(copy, (size_t)length);
        work->servers[name] = slice_of(colon + 1, (size_t)(copy + length - colon - 1));
    }
}

static void close_work(struct work *work)
{
    for (unsigned name = 0; name < NAMES; name++)
        free((char *)(uintptr_t)work->users[name].data);
    policy_set_destroy(work->set);
    string_table_destroy(work->table);
}

static void ask_set(void *context)
{
    struct work *work = context;
    struct policy_hits hits;
    for (unsigned question = 0; question < QUESTIONS; question++) {
        unsigned name = question * 7 % NAMES;
        work->hits += policy_set_find(work->set, POLICY_USER, work->users[name], &hits);
        work->hits += policy_set_find(work->set, POLICY_SERVER, work->servers[name], &hits);
    }
}

static void ask_table(void *context)
{
    struct work *work = context;
    for (unsigned question = 0; question < QUESTIONS; question++) {
        unsigned name = question * 7 % NAMES;
        work->hits += string_table_find(work->table, work->users[name]) != STRING_TABLE_NONE;
        work->hits += string_table_find(work->table, work->servers[name]) != STRING_TABLE_NONE;
    }
}

/* Rules take the place of others. */
static void change_set(void *context)
{
    struct work *work = context;
    for (unsigned change = 0; change < CHANGES; change++)
        put_rule(work, change * 31 % RULES, false);
}

static void change_table(void *context)
{
    struct work *work = context;
    struct string_table *table = string_table_create();
    for (unsigned change = 0; change < CHANGES; change++)
        string_table_add(table, work->users[change % NAMES], change);
    string_table_destroy(table);
}

static void measure(struct figure *figure, struct work *work, figure_work *ours, figure_work *reference,
                    unsigned things, const char *json_path)
{
    for (unsigned run = 0; run <= bench_runs(RUNS); run++) {
        struct figure_pair seconds = figure_measure(ours, reference, work, ROUNDS);
        if (run > 0)
            figure_add(figure, seconds.ours / seconds.reference, seconds.ours * 1e9 / ROUNDS / things);
    }
    figure_report(figure, json_path);
    if (work->hits)
        bench_fail("a rule hit a name that none is about");
}

int main(int argc, char **argv)
{
    struct work work;
    if (argc < 2)
        bench_fail("policy_bench JSON DATA FOLDER WEIR");
    struct figure plain = {.name = "policy_list_lookup_ns",
                           .reference = "two look-ups in a plain map of the same entities",
                           .unit = "ns/user and server"};
    struct figure hashed = {.name = "policy_list_hashed_lookup_ns",
                            .reference = "the same; one rule in twenty is hashed, so that two SHA-256 are taken",
                            .unit = "ns/user and server"};
    struct figure changed = {
        .name = "policy_list_change_ns", .reference = "adding a name to a plain map", .unit = "ns/rule"};
    open_work(&work, false);
    measure(&plain, &work, ask_set, ask_table, QUESTIONS, argv[1]);
    struct figure bytes = {
        .name = "policy_list_bytes_per_rule", .reference = "the bytes of an entity, 22", .unit = "bytes"};
    double each = (double)policy_set_memory(work.set) / RULES;
    figure_add(&bytes, each / 22, each);
    figure_report(&bytes, argv[1]);
    measure(&changed, &work, change_set, change_table, CHANGES, argv[1]);
    close_work(&work);
    open_work(&work, true);
    measure(&hashed, &work, ask_set, ask_table, QUESTIONS, argv[1]);
    close_work(&work);
    return 0;
}
