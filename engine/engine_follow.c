/* The order is what keeps events from slipping by: the subscription first, then, once Redis has confirmed it, REPLICATE
 * (replication.md, sections 1 and 6.3). */
#include "engine/clock.h"
#include "engine/engine_parts.h"
#include "engine/log.h"

/* REPLICATE is sent again this often until some writer has answered, and then seldom. */
#define REPLICATE_AGAIN_SECONDS 5
#define REPLICATE_SELDOM_SECONDS 600
/* It leaves on the command connection, which may be back later than the subscription. */
#define REPLICATE_WAIT_MS 50

static void schedule_seconds(struct event *event, int seconds)
{
    struct timeval delay = {.tv_sec = seconds};
    event_add(event, &delay);
}

static void on_subscriber_ready(void *context)
{
    struct engine *engine = context;
    struct slice arguments[] = {SLICE("SUBSCRIBE"), buffer_slice(&engine->own_channel),
                                slice_from_string(engine->configuration->server_name)};
    redis_link_command(engine->subscriber, arguments, 3);
}

static void send_replicate(struct engine *engine)
{
    outbox_publish(engine->outbox, slice_from_string(engine->configuration->server_name), SLICE("REPLICATE "));
}

static void on_replicate_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct engine *engine = argument;
    if (!engine->subscribed || engine->stopping)
        return;
    if (!outbox_is_ready(engine->outbox)) {
        struct timeval delay = {.tv_usec = REPLICATE_WAIT_MS * 1000};
        event_add(engine->replicate_timer, &delay);
        return;
    }
    if (!engine->positions_seen && engine->replicate_sent)
        log_info("no Synapse process has told its position yet; asks again");
    if (!engine->positions_seen || engine->replicate_seldom || !engine->replicate_sent)
        send_replicate(engine);
    engine->replicate_sent = true;
    engine->replicate_seldom = engine->positions_seen;
    schedule_seconds(engine->replicate_timer,
                     engine->replicate_seldom ? REPLICATE_SELDOM_SECONDS : REPLICATE_AGAIN_SECONDS);
}

static void on_subscribed(void *context, struct slice channel)
{
    struct engine *engine = context;
    if (!slice_equal(channel, slice_from_string(engine->configuration->server_name)))
        return;
    engine->subscribed = true;
    engine->positions_seen = false;
    engine->replicate_seldom = false;
    engine->replicate_sent = false;
    log_info("subscribed; asks every writer for its position", LOG_TEXT("channel", channel));
    on_replicate_timer(-1, 0, engine);
}

static void on_subscriber_lost(void *context, const char *reason)
{
    (void)reason;
    struct engine *engine = context;
    engine->subscribed = false;
    engine->received_ns = 0;
    event_del(engine->replicate_timer);
    observer_disconnected(engine->observer);
}

static void on_message(void *context, struct slice channel, struct slice data)
{
    struct engine *engine = context;
    if (slice_equal(channel, engine->main_channel)) {
        if (!engine->positions_seen && slice_starts_with(data, SLICE("POSITION ")))
            engine->positions_seen = true;
        if (!engine->received_ns)
            engine->received_ns = clock_now_ns();
        observer_line(engine->observer, data, engine->received_ns);
    } else if (slice_starts_with(data, SLICE("REPLICATE"))) {
        outbox_announce(engine->outbox);
    }
}

static void on_batch_end(void *context)
{
    struct engine *engine = context;
    engine->received_ns = 0;
    presence_router_flush(engine->presence);
}

void engine_follow_start(struct engine *engine)
{
    engine->replicate_timer = event_new(engine->base, -1, 0, on_replicate_timer, engine);
    struct redis_link_callbacks callbacks = {.context = engine,
                                             .ready = on_subscriber_ready,
                                             .lost = on_subscriber_lost,
                                             .message = on_message,
                                             .subscribed = on_subscribed,
                                             .batch_end = on_batch_end};
    engine->subscriber = redis_link_create(engine->base, &engine->configuration->redis, "subscriber", &callbacks);
}

void engine_follow_stop(struct engine *engine)
{
    if (engine->subscriber)
        redis_link_destroy(engine->subscriber);
    engine->subscriber = NULL;
    if (engine->replicate_timer)
        event_free(engine->replicate_timer);
    engine->replicate_timer = NULL;
}
