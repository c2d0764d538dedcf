/* Whose turn it is, and who gives way when the queue is full. */
#include "engine/request_queue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/request_shares.h"

static struct request_queue *queue;

static void open_queue(size_t requests, size_t bytes)
{
    queue = request_queue_create(&(struct request_queue_settings){.requests = requests, .bytes = bytes});
}

static void add_sized(const char *entry, const char *asker, const char *room, size_t size)
{
    char *args = calloc(1, size + 1);
    memset(args, 'x', size);
    struct request_fields fields = {.entry = slice_from_string(entry),
                                    .args = slice_of(args, size),
                                    .reply_to = slice_from_string(asker),
                                    .room = slice_from_string(room)};
    request_queue_add(queue, &fields, 7);
    free(args);
}

static void add(const char *entry, const char *asker, const char *room)
{
    add_sized(entry, asker, room, 10);
}

static void expect(struct queued_request *request, const char *entry)
{
    if (!entry) {
        cr_expect_null(request);
        return;
    }
    cr_assert_not_null(request);
    cr_expect(slice_equal(request->fields.entry, slice_from_string(entry)), "%.*s instead of %s",
              (int)request->fields.entry.length, request->fields.entry.data, entry);
    free(request);
}

static void expect_turns(const char *const *entries)
{
    for (; *entries; entries++)
        expect(request_queue_take(queue), *entries);
    expect(request_queue_take(queue), NULL);
}
#define EXPECT_TURNS(...) expect_turns((const char *const[]){__VA_ARGS__, NULL})

Test(request_queue, a_request_comes_out_as_it_went_in)
{
    open_queue(10, 1000000);
    struct request_fields fields = {SLICE("1-0"), SLICE("callback"), SLICE("{}"),  SLICE("replies"),
                                    SLICE("id"),  SLICE("99"),       SLICE_ABSENT, SLICE("1")};
    request_queue_add(queue, &fields, 7);
    cr_expect_eq(request_queue_count(queue), 1);
    cr_expect_gt(request_queue_bytes(queue), 25);
    struct queued_request *request = request_queue_take(queue);
    cr_expect(slice_equal(request->fields.callback, SLICE("callback")));
    cr_expect(slice_equal(request->fields.args, SLICE("{}")));
    cr_expect(slice_equal(request->fields.reply_to, SLICE("replies")));
    cr_expect(slice_equal(request->fields.id, SLICE("id")));
    cr_expect(slice_equal(request->fields.deadline, SLICE("99")));
    cr_expect_not(slice_present(request->fields.room));
    cr_expect(slice_equal(request->fields.lines, SLICE("1")));
    cr_expect_eq(request->renewed_ns, 7);
    free(request);
    cr_expect_eq(request_queue_count(queue), 0);
    cr_expect_eq(request_queue_bytes(queue), 0);
    request_queue_destroy(queue);
}

Test(request_queue, askers_have_their_turns_and_of_each_its_rooms)
{
    open_queue(100, 1000000);
    add("a1", "a", "!r");
    add("a2", "a", "!r");
    add("a3", "a", "!s");
    add("a4", "a", NULL);
    add("b1", "b", "!r");
    add("b2", "b", "!r");
    add("c1", "c", "");
    EXPECT_TURNS("a1", "b1", "c1", "a3", "b2", "a4", "a2");
    request_queue_destroy(queue);
}

Test(request_queue, who_comes_again_is_last)
{
    open_queue(100, 1000000);
    add("a1", "a", NULL);
    add("b1", "b", NULL);
    expect(request_queue_take(queue), "a1");
    add("c1", "c", NULL);
    add("a2", "a", NULL);
    EXPECT_TURNS("b1", "c1", "a2");
    request_queue_destroy(queue);
}

Test(request_queue, whoever_has_most_gives_way_with_the_youngest_of_its_largest_room)
{
    open_queue(6, 1000000);
    add("a1", "a", "!r");
    add("a2", "a", "!flood");
    add("a3", "a", "!flood");
    add("a4", "a", "!flood");
    add("b1", "b", NULL);
    add("b2", "b", NULL);
    expect(request_queue_take_excess(queue), NULL);
    add("c1", "c", NULL);
    expect(request_queue_take_excess(queue), "a4");
    expect(request_queue_take_excess(queue), NULL);
    add("a5", "a", "!flood");
    expect(request_queue_take_excess(queue), "a5");
    EXPECT_TURNS("a1", "b1", "c1", "a2", "b2", "a3");
    request_queue_destroy(queue);
}

Test(request_queue, bytes_are_bounded_and_huge_requests_are_no_small_share)
{
    open_queue(1000, 500000);
    char entry[16];
    for (int number = 0; number < 20; number++) {
        snprintf(entry, sizeof entry, "a%d", number);
        add(entry, "a", NULL);
    }
    add_sized("b1", "b", NULL, 300000);
    expect(request_queue_take_excess(queue), NULL);
    add_sized("b2", "b", NULL, 300000);
    expect(request_queue_take_excess(queue), "b2");
    expect(request_queue_take_excess(queue), NULL);
    cr_expect_eq(request_queue_count(queue), 21);
    request_queue_destroy(queue);
}

Test(request_queue, many_parties_come_and_go)
{
    enum { PARTIES = 2000, EACH = 3 };
    char entry[32], asker[32], room[32];
    size_t taken = 0;
    open_queue(PARTIES, (size_t)1 << 30);
    for (int number = 0; number < PARTIES * EACH; number++) {
        snprintf(entry, sizeof entry, "%d", number);
        snprintf(asker, sizeof asker, "a%d", number % PARTIES);
        snprintf(room, sizeof room, "!%d", number % 7);
        add(entry, asker, room);
        for (struct queued_request *request; (request = request_queue_take_excess(queue)); taken++)
            free(request);
        cr_assert_leq(request_queue_count(queue), PARTIES);
    }
    for (struct queued_request *request; (request = request_queue_take(queue)); taken++)
        free(request);
    cr_expect_eq(taken, PARTIES * EACH);
    cr_expect_eq(request_queue_bytes(queue), 0);
    request_queue_destroy(queue);
}

static void count_visit(void *context, struct queued_request *request)
{
    size_t *count = context;
    cr_expect(slice_present(request->fields.entry));
    ++*count;
}

Test(request_queue, what_waits_is_visited_and_forgotten_with_the_queue)
{
    size_t count = 0;
    open_queue(100, 1000000);
    add("a1", "a", NULL);
    add("a2", "a", "!r");
    add("b1", "b", NULL);
    request_queue_each(queue, count_visit, &count);
    cr_expect_eq(count, 3);
    request_queue_destroy(queue);
}

Test(request_shares, the_largest_is_known_through_every_change)
{
    enum { PARTIES = 50 };
    struct shares shares = {0};
    struct share parties[PARTIES] = {0};
    bool inside[PARTIES] = {false};
    uint64_t random = 1;
    cr_expect_null(shares_largest(&shares));
    for (int round = 0; round < 5000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t place = (random >> 33) % PARTIES;
        uint64_t weight = (random >> 40) % 100, largest = 0;
        if (!inside[place]) {
            parties[place].weight = weight;
            shares_add(&shares, &parties[place]);
        } else if (weight % 4 == 0) {
            shares_remove(&shares, &parties[place]);
        } else {
            shares_change(&shares, &parties[place], weight);
        }
        inside[place] = !inside[place] || weight % 4;
        size_t count = 0;
        for (size_t index = 0; index < PARTIES; index++) {
            count += inside[index];
            if (inside[index] && parties[index].weight > largest)
                largest = parties[index].weight;
        }
        cr_assert_eq(shares.count, count);
        cr_assert(!count || shares_largest(&shares)->weight == largest);
    }
    shares_free(&shares);
}
