/* The queue of events that wait: rooms, tickets, reuse, memory. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/event_queue.h"

static struct event_queue *queue;

static void set_up(void)
{
    queue = event_queue_create();
}

static void tear_down(void)
{
    event_queue_destroy(queue);
}

TestSuite(event_queue, .init = set_up, .fini = tear_down);

static struct queued_event *append(const char *room, const char *event_id)
{
    struct event_row row = {.event_id = slice_from_string(event_id),
                            .room_id = slice_from_string(room),
                            .type = SLICE("m.x"),
                            .state_key = SLICE("")};
    return event_queue_append(queue, &row);
}

Test(event_queue, keeps_each_room_in_order_and_apart)
{
    enum { ROOMS = 37, EVENTS = 1000 };
    struct queued_event *firsts[ROOMS] = {0};
    char room[16], text[16];
    for (unsigned number = 0; number < EVENTS; number++) {
        snprintf(room, sizeof room, "!%u", number % ROOMS);
        snprintf(text, sizeof text, "$%u", number);
        cr_expect_eq(event_queue_room_waits(queue, slice_from_string(room)), number >= ROOMS);
        struct queued_event *entry = append(room, text);
        cr_expect_eq(event_queue_is_first(entry), number < ROOMS);
        if (number < ROOMS)
            firsts[number] = entry;
    }
    cr_assert_eq(event_queue_count(queue), EVENTS);
    for (unsigned start = ROOMS; start-- > 0;) {
        struct queued_event *entry = firsts[start];
        for (unsigned number = start; number < EVENTS; number += ROOMS) {
            snprintf(text, sizeof text, "$%u", number);
            cr_assert_not_null(entry);
            cr_assert(event_queue_is_first(entry));
            cr_assert(slice_equal(entry->row.event_id, slice_from_string(text)));
            cr_assert(slice_present(entry->row.state_key));
            cr_assert_not(slice_present(entry->row.membership));
            entry = event_queue_remove(queue, entry);
        }
        cr_assert_null(entry);
        snprintf(room, sizeof room, "!%u", start);
        cr_expect_not(event_queue_room_waits(queue, slice_from_string(room)));
    }
    cr_expect_eq(event_queue_count(queue), 0u);
    cr_expect_eq(event_queue_bytes(queue), 0u);
}

Test(event_queue, tickets_find_what_waits_and_nothing_that_left)
{
    struct queued_event *first = append("!a", "$1");
    struct queued_event *second = append("!b", "$2");
    uint64_t first_ticket = first->ticket;
    event_queue_remove(queue, first);
    cr_expect_null(event_queue_find(queue, first_ticket));
    cr_expect_eq(event_queue_find(queue, second->ticket), second);
    struct queued_event *third = append("!c", "$3");
    cr_expect_eq(third, first, "memory is reused");
    cr_expect_neq(third->ticket, first_ticket);
    cr_expect_null(event_queue_find(queue, first_ticket));
    cr_expect_null(event_queue_find(queue, 0));
    cr_expect_null(event_queue_find(queue, UINT64_MAX));
}

Test(event_queue, finds_what_is_parked)
{
    struct queued_event *first = append("!a", "$1");
    struct queued_event *second = append("!b", "$2");
    cr_expect_null(event_queue_first_parked(queue));
    cr_expect_null(event_queue_find_parked(queue, 0));
    event_queue_park(queue, first, 7);
    event_queue_park(queue, second, UINT64_MAX);
    cr_expect_eq(event_queue_parked_count(queue), 2u);
    cr_expect_eq(event_queue_first_parked(queue), first);
    cr_expect_eq(event_queue_find_parked(queue, UINT64_MAX), second);
    event_queue_unpark(queue, first);
    event_queue_park(queue, first, 8);
    cr_expect_null(event_queue_find_parked(queue, 7));
    cr_expect_eq(event_queue_find_parked(queue, 8), first);
    event_queue_unpark(queue, first);
    event_queue_unpark(queue, second);
    cr_expect_null(event_queue_first_parked(queue));
}

Test(event_queue, counts_bytes)
{
    struct queued_event *entry = append("!a", "$1");
    size_t row = event_queue_bytes(queue);
    cr_expect_eq(row, strlen("!a$1m.x"));
    event_queue_account(queue, entry, row + 70000);
    cr_expect_eq(event_queue_bytes(queue), row + 70000);
    event_queue_remove(queue, entry);
    cr_expect_eq(event_queue_bytes(queue), 0u);
}
