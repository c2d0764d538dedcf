/* Rates: what a million senders take, for how long their state holds up the loop when it is copied, and how many
 * decisions a second come through Redis where engines share a rate, against the buckets of one engine alone.
 *
 * Engines are processes with the module in a chain and the engine's link to Redis; each keeps WINDOW questions on their
 * way, as an engine does under load, and counts the decisions of the same events. Redis is the private one. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/memory.h"
#include "bench/figure.h"
#include "bench/processes.h"
#include "engine/clock.h"
#include "engine/shared_rate.h"
#include "filters/chain.h"
#include "filters/chain_state.h"

#define SENDERS 1000000u
#define DECISIONS 100000u
#define WINDOW 64u
#define TRIES 5
#define RUNS 7
#define START INT64_C(1700000000000)
#define TICKETS 1024u /* a power of two above WINDOW */

static void on_report(void *context, const char *path, const char *message)
{
    (void)context;
    bench_fail("%s: %s", path, message);
}

static struct chain *make_chain(const char *config, const struct module_services *services)
{
    const struct module_host host = {.report = on_report, .services = services};
    json_t *json = json_loads(config, 0, NULL);
    struct chain *chain = chain_create(&(struct chain_settings){.server_name = "bench.example"});
    if (!chain_append(chain, module_find("rate"), json, NULL, &host) || !chain_seal(chain, NULL, NULL))
        bench_fail("the chain could not be built");
    json_decref(json);
    return chain;
}

/* ---- memory, and copying */

static double resident_mib(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        bench_fail("cannot read /proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1024 * 1024);
}

static bool passes(const struct chain *chain, struct arena *arena, unsigned sender, unsigned event)
{
    char id[32], user[32];
    struct event asked = {.room_id = SLICE("!r:bench.example"), .type = SLICE("m.room.message"), .has_body = true};
    asked.event_id = slice_of(id, (size_t)snprintf(id, sizeof id, "$%u", event));
    asked.sender = slice_of(user, (size_t)snprintf(user, sizeof user, "@u%u:bench.example", sender));
    struct callback_arguments arguments = {
        .event = &asked, .count = 1, .arena = arena, .now_ms = START + (int64_t)event / 1000};
    struct outcome outcome;
    chain_run(chain, CALLBACK_check_event_for_spam, &arguments, &outcome);
    return outcome.kind == OUTCOME_PASSED;
}

static void measure_senders(const char *json_path)
{
    struct figure memory = {.name = "resident_1m_senders_mib",
                            .reference = "the bound itself, 64 MiB",
                            .unit = "MiB",
                            .bound = BOUND_AT_MOST,
                            .limit = 1};
    struct figure copying = {.name = "state_copy_1m_senders_ms",
                             .reference = "the bound itself, 25 ms",
                             .unit = "ms",
                             .bound = BOUND_AT_MOST,
                             .limit = 1};
    struct arena arena = {0};
    double before = resident_mib();
    struct chain *chain = make_chain("{\"rules\": [{\"rate\": \"1/d\"}]}", NULL);
    for (unsigned sender = 0; sender < SENDERS; sender++)
        if (!passes(chain, &arena, sender, sender))
            bench_fail("the first event of a sender was refused");
    double mib = resident_mib() - before;
    figure_add(&memory, mib / 64, mib);
    unsigned forgotten = 0;
    for (unsigned sender = 0; sender < SENDERS; sender += 10)
        forgotten += passes(chain, &arena, sender, SENDERS + sender);
    fprintf(stderr, "bench: of %u senders asked about again %u were forgotten\n", SENDERS / 10, forgotten);
    if (forgotten > SENDERS / 10 / 1000)
        bench_fail("too many senders were forgotten");
    for (unsigned run = 0; run < bench_runs(RUNS); run++) {
        struct chain_state_saving saving;
        struct buffer snapshot = {0};
        chain_state_save_begin(&saving, &snapshot);
        uint64_t started_ns = clock_now_ns();
        (void)chain_state_save_next(chain, &saving, &snapshot);
        double seconds = bench_seconds_since(started_ns);
        figure_add(&copying, seconds / 0.025, seconds * 1e3);
        if (snapshot.length < (size_t)SENDERS * 15)
            bench_fail("the snapshot does not hold the senders");
        buffer_free(&snapshot);
    }
    figure_report(&memory, json_path);
    figure_report(&copying, json_path);
    chain_destroy(chain);
    arena_free(&arena);
}

/* ---- decisions */

/* A question on its way. */
struct slot {
    char id[32], user[40];
    struct event event;
    struct arena arena;
    struct walk walk;
};

struct decider {
    struct event_base *base;
    struct chain *chain;
    struct slot slots[WINDOW];
    struct slot *by_ticket[TICKETS];
    unsigned first; /* of the events that it asks about */
    bool connected;
    unsigned begun, ended, refused, failed, limit;
};

static bool begin(struct decider *decider, struct slot *slot)
{
    unsigned event = decider->first + decider->begun++;
    arena_reset(&slot->arena);
    slot->event = (struct event){.room_id = SLICE("!r:bench.example"), .type = SLICE("m.t"), .has_body = true};
    slot->event.event_id = slice_of(slot->id, (size_t)snprintf(slot->id, sizeof slot->id, "$%u", event));
    slot->event.sender =
        slice_of(slot->user, (size_t)snprintf(slot->user, sizeof slot->user, "@u%u:bench.example", event % 10007));
    slot->walk.arguments = (struct callback_arguments){
        .event = &slot->event, .count = 1, .arena = &slot->arena, .now_ms = START + (int64_t)event / 100};
    if (walk_start(&slot->walk, decider->chain, CALLBACK_check_event_for_spam) == WALK_PENDING) {
        decider->by_ticket[slot->walk.ticket % TICKETS] = slot;
        return true;
    }
    decider->refused += slot->walk.outcome.kind != OUTCOME_PASSED;
    decider->ended++;
    return false;
}

static void keep_busy(struct decider *decider, struct slot *slot)
{
    while (decider->begun < decider->limit && !begin(decider, slot))
        ;
    if (decider->ended == decider->limit)
        event_base_loopbreak(decider->base);
}

static void on_answered(void *context, uint64_t ticket, const struct service_answer *answer)
{
    struct decider *decider = context;
    struct slot *slot = decider->by_ticket[ticket % TICKETS];
    decider->by_ticket[ticket % TICKETS] = NULL;
    if (!slot) { /* the question whether anybody is there */
        decider->connected = answer->arrived;
        return;
    }
    decider->failed += !answer->arrived;
    if (walk_resume(&slot->walk, answer) != WALK_ENDED)
        bench_fail("an answer was no end");
    decider->refused += slot->walk.outcome.kind != OUTCOME_PASSED;
    decider->ended++;
    keep_busy(decider, slot);
}

static void decide(struct decider *decider, unsigned count)
{
    decider->limit = decider->begun + count;
    for (unsigned index = 0; index < WINDOW; index++)
        keep_busy(decider, &decider->slots[index]);
    if (decider->ended < decider->limit)
        event_base_dispatch(decider->base);
}

static void wait_until_connected(struct decider *decider, const struct shared_rates *rates)
{
    const struct rate_limit limit = {1, 1, 1000000};
    const struct shared_bucket bucket = {SLICE("waiting"), &limit, 1, 1};
    const struct shared_question question = {.buckets = &bucket, .count = 1, .now_ms = START};
    const struct timeval moment = {.tv_usec = 50000};
    const char *refusal;
    while (!decider->connected) {
        (void)rates->ask(rates->context, &question, &refusal);
        event_base_loopexit(decider->base, &moment);
        event_base_dispatch(decider->base);
    }
}

#define RULE "\"rules\": [{\"rate\": \"600/m\", \"burst\": 100}]"

/* An engine: says when it can be asked, waits for a byte, and tells its seconds. */
static void be_engine(const char *socket_path, unsigned first, int input, int output)
{
    struct decider *decider = memory_allocate_zeroed(1, sizeof *decider);
    struct metrics *metrics = metrics_create();
    struct redis_address address = {.unix_path = (char *)(uintptr_t)socket_path};
    decider->base = event_base_new();
    struct shared_rate *rate = shared_rate_create(decider->base, metrics, on_answered, decider);
    const struct module_services services = {.rates = shared_rate_interface(rate)};
    decider->chain = make_chain("{\"shared\": \"redis\", \"on_error\": \"deny\", " RULE "}", &services);
    shared_rate_use(rate, &address, "bench.example");
    wait_until_connected(decider, services.rates);
    decider->first = first;
    char byte = 0;
    if (write(output, &byte, 1) != 1 || read(input, &byte, 1) != 1)
        _exit(1);
    uint64_t started_ns = clock_now_ns();
    decide(decider, DECISIONS);
    double seconds = bench_seconds_since(started_ns);
    /* On a machine that does much else Redis may not answer in time: that is no measure. */
    if (decider->failed || decider->refused)
        seconds = 0;
    if (write(output, &seconds, sizeof seconds) != sizeof seconds)
        _exit(1);
    _exit(0);
}

/* Decisions a second of so many engines together; 0 if not all were asked of Redis. */
static double shared_rate_once(const char *socket_path, unsigned engines, unsigned *next)
{
    int to[2][2], from[2][2];
    pid_t processes[2];
    double longest = 0;
    bool whole = true;
    char byte = 0;
    for (unsigned index = 0; index < engines; index++) {
        if (pipe(to[index]) != 0 || pipe(from[index]) != 0)
            bench_fail("no pipe");
        unsigned first = *next;
        *next += DECISIONS;
        processes[index] = fork();
        if (processes[index] == 0)
            be_engine(socket_path, first, to[index][0], from[index][1]);
        close(to[index][0]);
        close(from[index][1]);
        if (read(from[index][0], &byte, 1) != 1)
            bench_fail("an engine did not start");
    }
    for (unsigned index = 0; index < engines; index++)
        if (write(to[index][1], &byte, 1) != 1)
            bench_fail("an engine is gone");
    for (unsigned index = 0; index < engines; index++) {
        double seconds;
        if (read(from[index][0], &seconds, sizeof seconds) != sizeof seconds)
            bench_fail("an engine told nothing");
        longest = seconds > longest ? seconds : longest;
        whole = whole && seconds > 0;
        waitpid(processes[index], NULL, 0);
        close(to[index][1]);
        close(from[index][0]);
    }
    return whole ? engines * (double)DECISIONS / longest : 0;
}

static double shared_rate(const char *socket_path, unsigned engines, unsigned *next)
{
    for (int attempt = 0; attempt < TRIES; attempt++) {
        double rate = shared_rate_once(socket_path, engines, next);
        if (rate > 0)
            return rate;
        fprintf(stderr, "bench: Redis did not answer in time; once more\n");
    }
    bench_fail("Redis did not answer in time in %d runs", TRIES);
}

static double local_rate(unsigned first)
{
    struct decider *decider = memory_allocate_zeroed(1, sizeof *decider);
    decider->base = event_base_new();
    decider->chain = make_chain("{" RULE "}", NULL);
    decider->first = first;
    uint64_t started_ns = clock_now_ns();
    decide(decider, DECISIONS);
    double seconds = bench_seconds_since(started_ns);
    for (unsigned index = 0; index < WINDOW; index++)
        arena_free(&decider->slots[index].arena);
    chain_destroy(decider->chain);
    event_base_free(decider->base);
    free(decider);
    return DECISIONS / seconds;
}

static void measure_sharing(const char *json_path, const char *folder)
{
    static const char reference[] = "the same decisions by the buckets of one engine alone";
    struct figure one = {.name = "shared_rate_one_engine", .reference = reference, .unit = "decisions/s"};
    struct figure two = {.name = "shared_rate_two_engines", .reference = reference, .unit = "decisions/s"};
    char path[4096];
    unsigned next = 0;
    snprintf(path, sizeof path, "%s/redis.sock", folder);
    for (unsigned run = 0; run < bench_runs(RUNS); run++) {
        double alone = shared_rate(path, 1, &next), local = local_rate(next), both = shared_rate(path, 2, &next);
        figure_add(&one, alone / local, alone);
        figure_add(&two, both / local, both);
    }
    figure_report(&one, json_path);
    figure_report(&two, json_path);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 4)
        bench_fail("usage: rate_bench JSON DATA FOLDER");
    measure_sharing(arguments[1], arguments[3]);
    measure_senders(arguments[1]);
    return 0;
}
