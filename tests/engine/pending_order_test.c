/* Many rooms, writers and batches; bodies and answers that come at random, chains that are replaced, and crashes. What
 * must hold whatever happens: the events of a room are judged in order, each exactly once, and a position never falls
 * nor passes over an event that is not judged. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/engine/waiting_module.h"

enum { WRITERS = 3, ROOMS = 23, EVENTS = 1200, SEEDS = 8, BATCH_MAXIMUM = 4, WAITING = 80 };

struct published {
    unsigned writer, room, token;
    bool ends_token;
    bool judged;
    char type[8];
};

static struct {
    uint64_t random;
    struct published events[EVENTS];
    unsigned tokens[WRITERS]; /* of the newest event */
    unsigned sent;            /* events that were published */
    int last_of_room[ROOMS];  /* the newest event of it that was judged */
    int64_t positions[WRITERS];
    struct buffer ahead[WRITERS];
    uint64_t bodies[EVENTS]; /* tickets without an answer */
    unsigned body_count;
    unsigned crashes, reloads;
    uint64_t judged_before;
} world;

static struct observer *observer;
static struct metrics *metrics;
static struct chain *chain;

static unsigned draw(unsigned bound)
{
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return (unsigned)(world.random % bound);
}

static void on_judged(void *context, const struct verdict *verdict)
{
    (void)context;
    unsigned number = (unsigned)strtoul(verdict->event->event_id.data + 1, NULL, 10);
    struct published *event = &world.events[number];
    cr_assert_not(event->judged, "$%u was judged twice", number);
    cr_assert_lt(world.last_of_room[event->room], (int)number, "$%u came too late", number);
    cr_assert_eq(verdict->token, event->token);
    event->judged = true;
    world.last_of_room[event->room] = (int)number;
}

static unsigned writer_number(struct slice writer)
{
    return (unsigned)(writer.data[1] - '0');
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context, (void)stream;
    unsigned number = writer_number(writer);
    cr_assert_gt(token, world.positions[number]);
    world.positions[number] = token;
    for (unsigned event = 0; event < world.sent; event++)
        if (world.events[event].writer == number && world.events[event].token <= token)
            cr_assert(world.events[event].judged, "the position passed over $%u", event);
}

static void on_chain_unused(void *context, struct chain *unused)
{
    (void)context;
    chain_destroy(unused);
}

static void on_request(void *context, uint64_t ticket, struct slice event_id)
{
    (void)context, (void)event_id;
    cr_assert_lt(world.body_count, (unsigned)EVENTS);
    world.bodies[world.body_count++] = ticket;
}

static void start(bool bodies)
{
    metrics = metrics_create();
    struct observer_settings settings = {
        .chain = chain, .instance_name = "weir1", .ask_as_synapse = bodies, .queue_limit = SIZE_MAX, .live = true};
    if (bodies)
        settings.bodies.request = on_request;
    struct observer_callbacks callbacks = {
        .judged = on_judged, .position = on_position, .chain_unused = on_chain_unused};
    observer = observer_create(&settings, &callbacks, metrics);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        char name[8], line[64];
        snprintf(name, sizeof name, "w%u", writer);
        observer_restore(observer, STREAM_events, slice_from_string(name), world.positions[writer]);
        if (world.ahead[writer].length)
            observer_restore_ahead(observer, STREAM_events, slice_from_string(name),
                                   buffer_slice(&world.ahead[writer]));
        snprintf(line, sizeof line, "POSITION events %s %lld %lld", name, (long long)world.positions[writer],
                 (long long)world.positions[writer]);
        observer_line(observer, slice_from_string(line), 1);
    }
}

static void stop(void)
{
    world.judged_before += observer_counts(observer).judged_before;
    observer_destroy(observer);
    metrics_destroy(metrics);
    waiting.count = 0;
    world.body_count = 0;
}

/* What the outbox stores at the end of a turn, with the verdicts and positions of that turn. */
static void end_turn(void)
{
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        char name[8];
        snprintf(name, sizeof name, "w%u", writer);
        buffer_clear(&world.ahead[writer]);
        observer_append_ahead(observer, STREAM_events, slice_from_string(name), &world.ahead[writer]);
    }
}

static void send(unsigned number)
{
    const struct published *event = &world.events[number];
    char token[16], line[256];
    snprintf(token, sizeof token, "%u", event->token);
    snprintf(line, sizeof line, "RDATA events w%u %s [\"ev\",[\"$%u\",\"!%u\",\"%s\",null,null,null,null,false,false]]",
             event->writer, event->ends_token ? token : "batch", number, event->room, event->type);
    observer_line(observer, slice_from_string(line), 1);
}

/* Events with their tokens, as several writers would publish them; a batch is not interleaved with anything. */
static void make_events(void)
{
    static const char *const types[] = {"t.pass", "t.pass", "t.pass", "t.deny", "t.ask", "t.ask"};
    unsigned token = 10, batch = 0, writer = 0;
    for (unsigned number = 0; number < EVENTS; number++) {
        if (batch == 0) {
            batch = draw(4) ? 1 : 1 + draw(BATCH_MAXIMUM);
            writer = draw(WRITERS);
            token += 1 + draw(3);
        }
        struct published *event = &world.events[number];
        *event = (struct published){.writer = writer, .token = token, .ends_token = --batch == 0};
        event->room = draw(3) ? draw(ROOMS) : 0; /* one room is busier than the others */
        snprintf(event->type, sizeof event->type, "%s", types[draw(6)]);
    }
    world.events[EVENTS - 1].ends_token = true;
}

/* After a crash the writers' rows come again from the stored positions on, as an answer to a catch-up brings them. */
static void crash(bool bodies)
{
    stop();
    world.crashes++;
    start(bodies);
    for (unsigned number = 0; number < world.sent; number++)
        if (world.events[number].token > world.positions[world.events[number].writer])
            send(number);
    end_turn();
}

static void answer_one(void)
{
    static const char *const answers[] = {"pass", "pass", "deny", "again", NULL};
    unsigned tries = 20;
    while (waiting.count && tries--) {
        struct question *question = &waiting.questions[draw((unsigned)waiting.count)];
        if (!question->ticket)
            continue;
        waiting_reply(observer, question, answers[draw(5)]);
        return;
    }
}

static void bring_body(void)
{
    if (!world.body_count)
        return;
    unsigned chosen = draw(world.body_count);
    uint64_t ticket = world.bodies[chosen];
    world.bodies[chosen] = world.bodies[--world.body_count];
    observer_body_arrived(observer, ticket, draw(5) ? SLICE("{\"sender\":\"@a:lab.test\"}") : SLICE_ABSENT);
}

static void reload(void)
{
    chain = waiting_chain("next");
    world.reloads++;
    observer_use_chain(observer, chain);
}

static void send_some(void)
{
    do {
        if (world.sent == EVENTS)
            return;
        send(world.sent++);
    } while (!world.events[world.sent - 1].ends_token);
}

static bool all_judged(void)
{
    return world.sent == EVENTS && observer_counts(observer).waiting == 0;
}

static void run(unsigned seed, bool bodies)
{
    memset(&world, 0, sizeof world);
    world.random = 88172645463325252ull * (seed + 1);
    for (unsigned room = 0; room < ROOMS; room++)
        world.last_of_room[room] = -1;
    waiting.count = 0;
    chain = waiting_chain("first");
    make_events();
    start(bodies);
    while (!all_judged()) {
        unsigned what = draw(1000);
        bool sending = world.sent < EVENTS; /* the end comes in peace */
        if (what < 4 && sending)
            crash(bodies);
        else if (what < 8 && sending)
            reload();
        else if (what < 400 && observer_counts(observer).waiting < WAITING)
            send_some();
        else if (what < 700)
            answer_one();
        else
            bring_body();
        end_turn();
    }
    for (unsigned number = 0; number < EVENTS; number++)
        cr_assert(world.events[number].judged, "$%u was lost", number);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        cr_expect_eq(world.ahead[writer].length, 0u);
        buffer_free(&world.ahead[writer]);
    }
    stop();
    cr_expect_gt(world.crashes, 2u);
    cr_expect_gt(world.reloads, 2u);
    cr_expect_gt(world.judged_before, 10u, "crashes that find nothing ahead of a position test nothing");
    chain_destroy(chain);
    cr_expect_eq(waiting.states, 0u);
}

Test(pending_order, holds_with_services_that_answer_at_random)
{
    log_threshold = LOG_ERROR;
    for (unsigned seed = 0; seed < SEEDS; seed++)
        run(seed, false);
    free(waiting.questions);
}

Test(pending_order, holds_with_bodies_that_come_at_random)
{
    log_threshold = LOG_ERROR;
    for (unsigned seed = 0; seed < SEEDS; seed++)
        run(seed, true);
    free(waiting.questions);
}
