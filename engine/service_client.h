/* The questions and the connections of one service: each question waits for a connection, is asked on it, and ends with
 * an answer, with a failure, or when its time is up. */
#ifndef WEIR_ENGINE_SERVICE_CLIENT_H
#define WEIR_ENGINE_SERVICE_CLIENT_H

#include <sys/queue.h>

#include "engine/service_connection.h"
#include "filters/service.h"

struct question {
    TAILQ_ENTRY(question) link;
    void *owner; /* for whoever gets it back */
    uint64_t ticket;
    uint64_t posted_ns;
    /* Set when it has ended: */
    enum service_failure failure;
    int status;
    struct buffer text; /* the answer's body, or a sentence that says why there is none */
    /* The client's own: */
    struct service_client *client;
    struct service_slot *slot; /* where it is being asked; NULL: it waits */
    struct event *timer;
    struct buffer target;
    struct buffer body;
    int64_t attempts;
};
TAILQ_HEAD(question_list, question);

/* `target` and `body` are copied. */
struct question *question_create(void *owner, uint64_t ticket, struct slice target, struct slice body);
void question_free(struct question *question);

struct service_client;

struct service_client_owner {
    void *context;
    /* The question has ended, and is the owner's again. Nothing of the client may be ended from within, but other
     * questions may be let go of (service_client_give_up). */
    void (*ended)(void *context, struct question *question);
    /* service_client_turn is to be called soon. */
    void (*wants_turn)(void *context);
};

/* `endpoint` is the caller's and must live as long as the client. */
struct service_client *service_client_create(const struct service_endpoint *endpoint,
                                             const struct service_settings *settings,
                                             const struct service_client_owner *owner);
/* With all its questions, of which nothing is told. */
void service_client_destroy(struct service_client *client);

/* Takes the question over. It is asked in the next turn, and its time runs from now on. */
void service_client_post(struct service_client *client, struct question *question);
/* Asks what waits as far as there are connections. Called from the event loop alone. */
void service_client_turn(struct service_client *client);
/* Ends every question that still waits for a connection. */
void service_client_give_up(struct service_client *client, enum service_failure failure, const char *reason);

#endif
