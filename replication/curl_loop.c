/* libcurl says which sockets it waits for and when it wants to be called (its multi socket interface), libevent waits.
 * Transfers go forward only in the two event handlers below, never where one is added. */
#include "replication/curl_loop.h"

#include <stdlib.h>

#include "base/memory.h"

struct curl_loop {
    struct event_base *base;
    CURLM *multi;
    struct event *timer;
    void (*done)(void *context, CURL *transfer, CURLcode result);
    void *context;
};

static void forward(struct curl_loop *loop, curl_socket_t socket, int events)
{
    int running, left;
    curl.multi_socket_action(loop->multi, socket, events, &running);
    CURLMsg *message;
    while ((message = curl.multi_info_read(loop->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *transfer = message->easy_handle;
        CURLcode result = message->data.result;
        curl.multi_remove_handle(loop->multi, transfer); /* the message is gone from here on */
        loop->done(loop->context, transfer, result);
    }
}

static void on_socket_event(evutil_socket_t socket, short what, void *argument)
{
    forward(argument, socket, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    forward(argument, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl wants to know of other things on a socket than before, or of nothing. */
static int on_socket_wanted(CURL *transfer, curl_socket_t socket, int wanted, void *context, void *socket_context)
{
    (void)transfer;
    struct curl_loop *loop = context;
    struct event *event = socket_context;
    if (event)
        event_free(event);
    event = NULL;
    if (wanted != CURL_POLL_REMOVE) {
        int what = EV_PERSIST | (wanted & CURL_POLL_IN ? EV_READ : 0) | (wanted & CURL_POLL_OUT ? EV_WRITE : 0);
        event = event_new(loop->base, socket, (short)what, on_socket_event, loop);
        event_add(event, NULL);
    }
    curl.multi_assign(loop->multi, socket, event);
    return 0;
}

static int on_timer_wanted(CURLM *multi, long after_ms, void *context)
{
    (void)multi;
    struct curl_loop *loop = context;
    struct timeval delay = {.tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000};
    if (after_ms < 0)
        event_del(loop->timer);
    else
        event_add(loop->timer, &delay);
    return 0;
}

struct curl_loop *curl_loop_create(struct event_base *base, long idle_connections,
                                   void (*done)(void *context, CURL *transfer, CURLcode result), void *context)
{
    struct curl_loop *loop = memory_allocate_zeroed(1, sizeof *loop);
    *loop = (struct curl_loop){.base = base, .multi = curl.multi_init(), .done = done, .context = context};
    if (!loop->multi)
        abort(); /* out of memory, as in base/memory.h */
    loop->timer = event_new(base, -1, 0, on_timer, loop);
    curl.multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl.multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl.multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl.multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    curl.multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, idle_connections);
    return loop;
}

void curl_loop_destroy(struct curl_loop *loop)
{
    if (!loop)
        return;
    curl.multi_cleanup(loop->multi);
    event_free(loop->timer);
    free(loop);
}

bool curl_loop_add(struct curl_loop *loop, CURL *transfer)
{
    return curl.multi_add_handle(loop->multi, transfer) == CURLM_OK;
}

void curl_loop_remove(struct curl_loop *loop, CURL *transfer)
{
    curl.multi_remove_handle(loop->multi, transfer);
}
