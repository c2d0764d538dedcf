/* A connection may not be destroyed from within its own callbacks, so those only take note and ask for a turn.
 *
 * When the service cannot be reached, no new connection is tried for a moment, which doubles with each failure: the
 * pause is the service's, not the question's, so that a crowd of questions does not become a crowd of attempts. */
#include "engine/service_client.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "engine/clock.h"

#define PAUSE_FIRST_MS 25
#define PAUSE_LAST_MS 400

struct service_slot {
    struct service_client *client;
    struct service_connection *connection; /* NULL: none */
    struct question *question;             /* which is out on it */
    bool proven;                           /* it has brought an answer */
    bool spent;                            /* to be destroyed in the next turn */
};

struct service_client {
    const struct service_endpoint *endpoint;
    struct service_client_owner owner;
    int64_t timeout_ms;
    int64_t attempts;
    struct question_list waiting;
    struct question_list asked;
    struct service_slot *slots;
    size_t slot_count;
    unsigned unreached; /* attempts to connect in a row that failed */
    uint64_t pause_until_ns;
    struct event *pause_timer;
};

struct question *question_create(void *owner, uint64_t ticket, struct slice target, struct slice body)
{
    struct question *question = memory_allocate_zeroed(1, sizeof *question);
    question->owner = owner;
    question->ticket = ticket;
    question->posted_ns = clock_now_ns();
    buffer_append_slice(&question->target, target);
    buffer_append_slice(&question->body, body);
    buffer_string(&question->target);
    return question;
}

void question_free(struct question *question)
{
    if (question->timer)
        event_free(question->timer);
    buffer_free(&question->text);
    buffer_free(&question->target);
    buffer_free(&question->body);
    free(question);
}

static void set_timer(struct event *timer, int64_t milliseconds)
{
    struct timeval delay = {milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000};
    event_add(timer, &delay);
}

static void end_question(struct question *question, enum service_failure failure)
{
    struct service_client *client = question->client;
    TAILQ_REMOVE(question->slot ? &client->asked : &client->waiting, question, link);
    if (question->slot)
        question->slot->question = NULL;
    question->slot = NULL;
    question->failure = failure;
    event_del(question->timer);
    client->owner.ended(client->owner.context, question);
}

static void end_badly(struct question *question, enum service_failure failure, const char *reason)
{
    buffer_clear(&question->text);
    buffer_append_string(&question->text, reason);
    end_question(question, failure);
}

/* The connection of `slot`, which is in none of its own callbacks. */
static void drop(struct service_slot *slot)
{
    if (slot->connection)
        service_connection_destroy(slot->connection);
    *slot = (struct service_slot){.client = slot->client};
}

static void on_time_up(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct question *question = context;
    struct service_client *client = question->client;
    struct service_slot *slot = question->slot;
    struct buffer reason = {0};
    buffer_append_format(&reason, "no answer within %" PRId64 " ms", client->timeout_ms);
    if (question->text.length) {
        buffer_append_string(&reason, "; the last attempt: ");
        buffer_append_slice(&reason, buffer_slice(&question->text));
    }
    end_badly(question, SERVICE_TIMEOUT, buffer_string(&reason));
    buffer_free(&reason);
    if (slot) {
        drop(slot);
        client->owner.wants_turn(client->owner.context);
    }
}

/* Callbacks of the connections. */

static void on_gone(void *context, struct service_connection *connection)
{
    (void)connection;
    struct service_slot *slot = context;
    slot->spent = true;
    slot->client->owner.wants_turn(slot->client->owner.context);
}

static void take_answer(struct service_slot *slot, const struct service_exchange *exchange)
{
    struct question *question = slot->question;
    size_t length = evbuffer_get_length(exchange->body);
    slot->proven = true;
    slot->client->unreached = 0;
    slot->client->pause_until_ns = 0;
    question->status = exchange->status;
    buffer_clear(&question->text);
    buffer_reserve(&question->text, length);
    evbuffer_remove(exchange->body, question->text.data, length);
    question->text.length = length;
    end_question(question, SERVICE_ANSWERED);
}

static void pause_connecting(struct service_client *client)
{
    unsigned doublings = client->unreached < 8 ? client->unreached : 8;
    int64_t pause = (int64_t)PAUSE_FIRST_MS << doublings;
    client->unreached++;
    if (pause > PAUSE_LAST_MS)
        pause = PAUSE_LAST_MS;
    if (pause > client->timeout_ms / 4)
        pause = client->timeout_ms / 4;
    client->pause_until_ns = clock_now_ns() + (uint64_t)pause * 1000000;
    set_timer(client->pause_timer, pause);
}

/* A connection that had proven itself and was closed before the question was written costs no attempt: there are only
 * so many of them, and a new one follows. */
static void take_failure(struct service_slot *slot, const struct service_exchange *exchange)
{
    struct service_client *client = slot->client;
    struct question *question = slot->question;
    slot->spent = true;
    if (!slot->proven && exchange->repeatable)
        pause_connecting(client);
    if (!slot->proven)
        question->attempts++;
    if (!exchange->repeatable || question->attempts >= client->attempts) {
        end_badly(question, exchange->failure, exchange->reason);
        return;
    }
    buffer_clear(&question->text);
    buffer_append_string(&question->text, exchange->reason);
    TAILQ_REMOVE(&client->asked, question, link);
    TAILQ_INSERT_HEAD(&client->waiting, question, link);
    question->slot = NULL;
    slot->question = NULL;
}

static void on_ended(void *context, struct service_connection *connection, const struct service_exchange *exchange)
{
    struct service_slot *slot = context;
    struct service_client *client = slot->client;
    if (exchange->failure == SERVICE_ANSWERED)
        take_answer(slot, exchange);
    else
        take_failure(slot, exchange);
    if (!service_connection_usable(connection))
        slot->spent = true;
    client->owner.wants_turn(client->owner.context);
}

/* A connection that can take a question now, kept or new; NULL: none. */
static struct service_slot *find_slot(struct service_client *client)
{
    struct service_slot *empty = NULL;
    for (size_t index = 0; index < client->slot_count; index++) {
        struct service_slot *slot = &client->slots[index];
        if (slot->question)
            continue;
        if (slot->connection && service_connection_usable(slot->connection))
            return slot;
        drop(slot);
        if (!empty)
            empty = slot;
    }
    if (!empty || clock_now_ns() < client->pause_until_ns)
        return NULL;
    struct service_connection_owner owner = {empty, on_ended, on_gone};
    /* Of several addresses libevent tries the first only: every other attempt is for IPv4. */
    int family = client->unreached % 2 ? AF_INET : AF_UNSPEC;
    empty->connection = service_connection_create(client->endpoint, family, &owner);
    if (!empty->connection)
        service_client_give_up(client, SERVICE_TLS, "OpenSSL cannot make a session for this host");
    return empty->connection ? empty : NULL;
}

void service_client_turn(struct service_client *client)
{
    for (size_t index = 0; index < client->slot_count; index++)
        if (client->slots[index].spent)
            drop(&client->slots[index]);
    while (!TAILQ_EMPTY(&client->waiting)) {
        struct service_slot *slot = find_slot(client);
        struct question *question = TAILQ_FIRST(&client->waiting);
        if (!slot || !question)
            return;
        TAILQ_REMOVE(&client->waiting, question, link);
        TAILQ_INSERT_TAIL(&client->asked, question, link);
        question->slot = slot;
        slot->question = question;
        service_connection_ask(slot->connection, question->target.data, buffer_slice(&question->body));
    }
}

static void on_pause_over(evutil_socket_t socket, short what, void *context)
{
    (void)socket, (void)what;
    struct service_client *client = context;
    client->pause_until_ns = 0;
    client->owner.wants_turn(client->owner.context);
}

void service_client_post(struct service_client *client, struct question *question)
{
    question->client = client;
    question->timer = evtimer_new(client->endpoint->base, on_time_up, question);
    set_timer(question->timer, client->timeout_ms);
    TAILQ_INSERT_TAIL(&client->waiting, question, link);
    client->owner.wants_turn(client->owner.context);
}

void service_client_give_up(struct service_client *client, enum service_failure failure, const char *reason)
{
    struct question *question;
    while ((question = TAILQ_FIRST(&client->waiting)))
        end_badly(question, failure, reason);
}

struct service_client *service_client_create(const struct service_endpoint *endpoint,
                                             const struct service_settings *settings,
                                             const struct service_client_owner *owner)
{
    struct service_client *client = memory_allocate_zeroed(1, sizeof *client);
    client->endpoint = endpoint;
    client->owner = *owner;
    client->timeout_ms = settings->timeout_ms;
    client->attempts = settings->attempts;
    client->slot_count = (size_t)settings->connections;
    client->slots = memory_allocate_zeroed(client->slot_count, sizeof *client->slots);
    for (size_t index = 0; index < client->slot_count; index++)
        client->slots[index].client = client;
    client->pause_timer = evtimer_new(endpoint->base, on_pause_over, client);
    TAILQ_INIT(&client->waiting);
    TAILQ_INIT(&client->asked);
    return client;
}

static void free_list(struct question_list *list)
{
    struct question *question;
    while ((question = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, question, link);
        question_free(question);
    }
}

void service_client_destroy(struct service_client *client)
{
    for (size_t index = 0; index < client->slot_count; index++)
        drop(&client->slots[index]);
    free_list(&client->waiting);
    free_list(&client->asked);
    event_free(client->pause_timer);
    free(client->slots);
    free(client);
}
