/* The queue of events that wait: order, tickets, growth, memory. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/event_queue.h"

static struct event_row row_of(const char *event_id)
{
    return (struct event_row){.event_id = slice_from_string(event_id), .type = SLICE("m.x"), .state_key = SLICE("")};
}

Test(event_queue, keeps_copies_in_order_while_it_grows)
{
    struct event_queue *queue = event_queue_create();
    char text[16];
    for (unsigned number = 0; number < 1000; number++) {
        uint64_t ticket;
        struct queued_event *entry = event_queue_append(queue, &ticket);
        snprintf(text, sizeof text, "$%u", number);
        struct event_row row = row_of(text);
        queued_event_set_row(entry, &row);
        cr_assert_eq(ticket, number);
    }
    cr_assert_eq(event_queue_count(queue), 1000u);
    for (unsigned number = 0; number < 1000; number++) {
        const struct queued_event *entry = event_queue_front(queue);
        snprintf(text, sizeof text, "$%u", number);
        cr_assert(slice_equal(entry->row.event_id, slice_from_string(text)));
        cr_assert(slice_present(entry->row.state_key));
        cr_assert_not(slice_present(entry->row.membership));
        event_queue_pop(queue);
    }
    cr_expect_null(event_queue_front(queue));
    event_queue_destroy(queue);
}

Test(event_queue, tickets_find_what_waits_and_nothing_that_left)
{
    struct event_queue *queue = event_queue_create();
    uint64_t first, second;
    event_queue_append(queue, &first);
    event_queue_append(queue, &second);
    event_queue_pop(queue);
    cr_expect_null(event_queue_find(queue, first));
    cr_expect_not_null(event_queue_find(queue, second));
    cr_expect_null(event_queue_find(queue, second + 1));
    event_queue_destroy(queue);
}

Test(event_queue, counts_the_bytes_of_bodies)
{
    struct event_queue *queue = event_queue_create();
    uint64_t ticket;
    struct queued_event *entry = event_queue_append(queue, &ticket);
    for (int chunk = 0; chunk < 1000; chunk++)
        buffer_append(&entry->body, "0123456789012345678901234567890123456789012345678901234567890123456789", 70);
    event_queue_account_body(queue, entry);
    cr_expect_eq(event_queue_bytes(queue), 70000u);
    event_queue_pop(queue);
    cr_expect_eq(event_queue_bytes(queue), 0u);
    event_queue_destroy(queue);
}
