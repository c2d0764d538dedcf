/* A request waits for the keys of whoever asks, then for the check; at any time its client may hang up, and its time
 * may pass. All of them stand in one list, the oldest first, so that one timer looks after their time. */
#include "engine/policy_server.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/matrix_authorization.h"

/* Matrix allows 65,536 bytes for an event in canonical JSON; with each character escaped it may be six times as long.
 */
#define BODY_MAXIMUM ((size_t)512 << 10)
#define MILLISECOND_NS UINT64_C(1000000)
/* While there are requests. */
static const struct timeval look_every = {.tv_usec = 500000};

/* How a request ended: as the check did, or before it. */
enum ending {
    ENDING_SIGNED = POLICY_SIGNED,
    ENDING_REFUSED = POLICY_REFUSED,
    ENDING_MALFORMED = POLICY_MALFORMED,
    ENDING_UNKNOWN_ROOM = POLICY_UNKNOWN_ROOM,
    ENDING_KEPT_OUT = POLICY_KEPT_OUT,
    ENDING_OVERLOADED = POLICY_OVERLOADED,
    ENDING_FAILED = POLICY_FAILED,
    ENDING_NOT_JSON = POLICY_ENDINGS,
    ENDING_UNAUTHENTICATED,
    ENDING_GONE, /* the client hung up */
    ENDINGS,
};

static const struct ending_row {
    const char *label; /* in the metrics */
    int status;        /* of /sign */
    const char *errcode;
    bool unexpected; /* so that `check` has no answer for it either */
} ending_rows[ENDINGS] = {
    [ENDING_SIGNED] = {"signed", 200, NULL, false},
    [ENDING_REFUSED] = {"refused", 400, "M_FORBIDDEN", false},
    [ENDING_MALFORMED] = {"malformed", 400, "M_BAD_JSON", false},
    [ENDING_UNKNOWN_ROOM] = {"unknown_room", 404, "M_NOT_FOUND", false},
    [ENDING_KEPT_OUT] = {"kept_out", 403, "M_FORBIDDEN", true},
    [ENDING_OVERLOADED] = {"overloaded", 429, "M_LIMIT_EXCEEDED", true},
    [ENDING_FAILED] = {"failed", 503, "M_UNKNOWN", true},
    [ENDING_NOT_JSON] = {"malformed", 400, "M_NOT_JSON", false},
    [ENDING_UNAUTHENTICATED] = {"unauthenticated", 401, "M_UNAUTHORIZED", true},
    [ENDING_GONE] = {"gone", 0, NULL, true},
};

enum endpoint { ENDPOINT_SIGN, ENDPOINT_SIGN_UNSTABLE, ENDPOINT_CHECK, ENDPOINT_WELL_KNOWN, ENDPOINTS };

static const struct endpoint_row {
    const char *prefix;
    const char *suffix; /* NULL: the prefix is all; otherwise something stands between them */
    const char *methods;
    enum endpoint endpoint;
} endpoint_rows[] = {
    {"/_matrix/policy/v1/sign", NULL, "POST", ENDPOINT_SIGN},
    {"/_matrix/policy/unstable/org.matrix.msc4284/sign", NULL, "POST", ENDPOINT_SIGN_UNSTABLE},
    {"/_matrix/policy/unstable/org.matrix.msc4284/event/", "/check", "POST", ENDPOINT_CHECK},
    {"/.well-known/matrix/policy_server", NULL, "GET", ENDPOINT_WELL_KNOWN},
    {"/.well-known/matrix/org.matrix.msc4284.policy_server", NULL, "GET", ENDPOINT_WELL_KNOWN},
};

struct policy_request {
    struct policy_request *next, **place;
    struct policy_server *server;
    struct http_exchange *exchange;
    enum endpoint endpoint;
    uint64_t received_ns;
    json_t *event;
    struct matrix_authorization authorization;
    struct buffer signed_text;
    struct shared_waiter keys;
    bool waited_for_keys;
    bool checking;
    struct policy_check check;
    struct arena arena;
};

struct policy_server {
    struct policy_server_settings settings;
    struct policy_request *first;
    struct policy_request **last;
    size_t count;
    struct event *timer;
    struct buffer well_known;
    struct buffer answer;
    uint64_t *endings;
    uint64_t *waiting;
    struct latency *latency;
    struct log_gate unauthenticated_gate;
    struct log_gate late_gate;
};

/* ---- the end of a request */

static void release(struct policy_request *request, enum ending ending)
{
    struct policy_server *server = request->server;
    *request->place = request->next;
    if (request->next)
        request->next->place = request->place;
    else
        server->last = request->place;
    server->count--;
    server->endings[ending]++;
    latency_record(server->latency, clock_now_ns() - request->received_ns);
    shared_waits_leave(&request->keys);
    if (request->checking)
        policy_check_leave(&request->check);
    json_decref(request->event);
    buffer_free(&request->signed_text);
    arena_free(&request->arena);
    free(request);
}

static void answer_signature(struct policy_server *server, struct http_exchange *exchange, struct slice signature)
{
    buffer_clear(&server->answer);
    buffer_append_format(&server->answer, "{\"%s\":{\"ed25519:policy_server\":\"", server->settings.server_name);
    buffer_append_slice(&server->answer, signature);
    buffer_append_string(&server->answer, "\"}}");
    http_exchange_answer(exchange, 200, NULL, buffer_slice(&server->answer));
}

/* `signature` of a signed one, `sentence` of all others. The request is gone. */
static void end(struct policy_request *request, enum ending ending, struct slice signature, const char *sentence)
{
    const struct ending_row *row = &ending_rows[ending];
    if (request->endpoint == ENDPOINT_CHECK && !row->unexpected)
        http_exchange_answer(request->exchange, 200, NULL,
                             ending == ENDING_SIGNED ? SLICE("{\"recommendation\":\"ok\"}")
                                                     : SLICE("{\"recommendation\":\"spam\"}"));
    else if (ending == ENDING_SIGNED)
        answer_signature(request->server, request->exchange, signature);
    else if (ending == ENDING_REFUSED && request->endpoint == ENDPOINT_SIGN_UNSTABLE)
        http_exchange_answer(request->exchange, 200, NULL, SLICE("{}"));
    else
        http_exchange_refuse(request->exchange, row->status, row->errcode, sentence);
    release(request, ending);
}

static void on_gone(void *context)
{
    release(context, ENDING_GONE);
}

/* ---- the check */

static void on_checked(void *context, const struct policy_result *result)
{
    end(context, (enum ending)result->ending, result->signature, result->sentence);
}

static int64_t deadline_ms(const struct policy_request *request)
{
    int64_t spent_ms = (int64_t)((clock_now_ns() - request->received_ns) / MILLISECOND_NS);
    return clock_wall_ms() + request->server->settings.timeout_ms - spent_ms;
}

/* A body is optional for `check`; of an event that nobody shows, nothing good is said. */
static void begin_check(struct policy_request *request)
{
    if (!request->event) {
        end(request, ENDING_NOT_JSON, SLICE_ABSENT, "the body must be the event");
        return;
    }
    request->check.event = request->event;
    request->check.deadline_ms = deadline_ms(request);
    request->check.ended = on_checked;
    request->check.context = request;
    request->checking = true;
    policy_check_begin(request->server->settings.checks, &request->check);
}

/* ---- who asks */

static void refuse_caller(struct policy_request *request, const char *problem)
{
    uint64_t suppressed;
    if (log_gate_pass(&request->server->unauthenticated_gate, &suppressed))
        log_warning("a request to the policy server was refused: it is not known who asks",
                    LOG_TEXT("origin", request->authorization.origin), LOG_STRING("reason", problem),
                    LOG_INTEGER("suppressed", suppressed));
    end(request, ENDING_UNAUTHENTICATED, SLICE_ABSENT, problem);
}

static void authenticate(struct policy_request *request);

static void on_keys(void *context, const void *result)
{
    (void)result;
    authenticate(context);
}

static void wait_for_keys(struct policy_request *request)
{
    if (request->waited_for_keys) {
        end(request, ENDING_FAILED, SLICE_ABSENT, "your server's keys cannot be had now");
        return;
    }
    request->waited_for_keys = true;
    request->keys = (struct shared_waiter){.woken = on_keys, .context = request};
    server_keys_wait(request->server->settings.keys, request->authorization.origin, request->authorization.key,
                     &request->keys);
}

static void authenticate(struct policy_request *request)
{
    unsigned char key[SIGNING_KEY_PUBLIC_SIZE];
    const struct matrix_authorization *authorization = &request->authorization;
    const char *problem = NULL;
    switch (
        server_keys_find(request->server->settings.keys, authorization->origin, authorization->key, key, &problem)) {
    case SERVER_KEYS_FOUND:
        if (signing_key_verify(key, buffer_slice(&request->signed_text), authorization->signature))
            begin_check(request);
        else
            refuse_caller(request, "the signature is not that of the request");
        break;
    case SERVER_KEYS_NONE:
        refuse_caller(request, problem);
        break;
    case SERVER_KEYS_TOO_MANY:
        end(request, ENDING_OVERLOADED, SLICE_ABSENT, problem);
        break;
    case SERVER_KEYS_WANTED:
        wait_for_keys(request);
        break;
    }
}

/* What is wrong with the header; NULL if who asks says so rightly, or if whoever asks is believed. */
static const char *read_authorization(struct policy_request *request, const struct http_request *http)
{
    const struct policy_server_settings *settings = &request->server->settings;
    struct matrix_authorization *authorization = &request->authorization;
    const struct slice own_name = slice_from_string(settings->server_name);
    if (!settings->keys)
        return NULL;
    const char *problem = matrix_authorization_read(http->authorization, &request->arena, authorization);
    if (problem)
        return problem;
    if (slice_present(authorization->destination) && !slice_equal(authorization->destination, own_name))
        return "the request is meant for another server";
    struct slice uri = http->path;
    if (http->query.length)
        uri = arena_format(&request->arena, "%.*s?%.*s", (int)http->path.length, http->path.data,
                           (int)http->query.length, http->query.data);
    struct matrix_request signed_request = {"POST", uri, own_name, request->event};
    if (!matrix_authorization_text(&signed_request, authorization->origin, &request->signed_text))
        return "the request is too large for its signature to be checked";
    return NULL;
}

/* ---- requests */

static const struct endpoint_row *find_endpoint(struct slice path)
{
    for (size_t index = 0; index < sizeof endpoint_rows / sizeof *endpoint_rows; index++) {
        const struct endpoint_row *row = &endpoint_rows[index];
        struct slice prefix = slice_from_string(row->prefix), suffix = slice_from_string(row->suffix);
        if (!row->suffix ? slice_equal(path, prefix)
                         : slice_starts_with(path, prefix) && path.length > prefix.length + suffix.length &&
                               slice_equal(slice_of(path.data + path.length - suffix.length, suffix.length), suffix))
            return row;
    }
    return NULL;
}

static const char *area_methods(void *context, struct slice path)
{
    (void)context;
    const struct endpoint_row *row = find_endpoint(path);
    return row ? row->methods : NULL;
}

/* For web clients, as the specification demands of everything under /.well-known. */
static void answer_well_known(const struct policy_server *server, struct http_exchange *exchange)
{
    http_exchange_header(exchange, "Access-Control-Allow-Origin", "*");
    http_exchange_answer(exchange, 200, NULL, buffer_slice(&server->well_known));
}

static struct policy_request *request_create(struct policy_server *server, struct http_exchange *exchange,
                                             enum endpoint endpoint)
{
    struct policy_request *request = memory_allocate_zeroed(1, sizeof *request);
    *request = (struct policy_request){.server = server,
                                       .exchange = exchange,
                                       .endpoint = endpoint,
                                       .received_ns = clock_now_ns(),
                                       .place = server->last};
    if (!server->first)
        event_add(server->timer, &look_every);
    *server->last = request;
    server->last = &request->next;
    server->count++;
    http_exchange_on_gone(exchange, on_gone, request);
    return request;
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *http)
{
    struct policy_server *server = context;
    const struct endpoint_row *row = find_endpoint(http->path);
    if (row->endpoint == ENDPOINT_WELL_KNOWN) {
        answer_well_known(server, exchange);
        return;
    }
    struct policy_request *request = request_create(server, exchange, row->endpoint);
    if (server->count > server->settings.waiting) {
        end(request, ENDING_OVERLOADED, SLICE_ABSENT, "too many requests wait here");
        return;
    }
    bool empty = http->body.length == 0;
    request->event = empty ? NULL : json_loadb(http->body.data, http->body.length, JSON_ALLOW_NUL, NULL);
    if (!request->event && !(empty && row->endpoint == ENDPOINT_CHECK)) {
        end(request, ENDING_NOT_JSON, SLICE_ABSENT, "the body is no JSON object");
        return;
    }
    const char *problem = read_authorization(request, http);
    if (problem) {
        refuse_caller(request, problem);
        return;
    }
    if (server->settings.keys) {
        request->check.asker = request->check.server = request->authorization.origin;
        authenticate(request);
    } else {
        request->check.asker = arena_copy(&request->arena, http->client);
        begin_check(request);
    }
}

static void on_timer(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct policy_server *server = argument;
    uint64_t suppressed, now = clock_now_ns(), timeout = (uint64_t)server->settings.timeout_ms * MILLISECOND_NS;
    struct policy_request *request = server->first;
    while (request && now - request->received_ns > timeout) {
        struct policy_request *next = request->next;
        if (log_gate_pass(&server->late_gate, &suppressed))
            log_warning("a request to the policy server took too long; the server that asked treats it as refused",
                        LOG_TEXT("origin", request->check.asker), LOG_INTEGER("suppressed", suppressed));
        end(request, ENDING_FAILED, SLICE_ABSENT, "it took too long");
        request = next;
    }
    if (server->first)
        event_add(server->timer, &look_every);
}

/* ---- life */

static const char *ending_label(const void *context, size_t index)
{
    (void)context;
    return index == ENDING_NOT_JSON ? NULL : ending_rows[index].label;
}

static void collect(void *context)
{
    const struct policy_server *server = context;
    server->endings[ENDING_MALFORMED] += server->endings[ENDING_NOT_JSON];
    server->endings[ENDING_NOT_JSON] = 0;
    *server->waiting = server->count;
}

static void register_metrics(struct policy_server *server, struct metrics *metrics)
{
    static const struct metric_definition requests = {"weir_policy_requests_total", METRIC_COUNTER,
                                                      "Requests to sign or check an event, by how they ended.",
                                                      "result"};
    static const struct metric_definition waiting = {"weir_policy_waiting", METRIC_GAUGE,
                                                     "Requests to sign or check an event that wait now.", NULL};
    server->endings = metrics_register(metrics, &requests, ENDINGS, ending_label, NULL);
    server->waiting = metrics_register(metrics, &waiting, 1, NULL, NULL);
    server->latency = metrics_register_latency(metrics, "weir_policy_request_seconds",
                                               "From a request to sign or check an event to its answer.");
    metrics_on_collect(metrics, collect, server);
}

struct policy_server *policy_server_create(struct event_base *base, const struct policy_server_settings *settings,
                                           struct metrics *metrics)
{
    struct policy_server *server = memory_allocate_zeroed(1, sizeof *server);
    server->settings = *settings;
    server->last = &server->first;
    server->timer = event_new(base, -1, 0, on_timer, server);
    buffer_append_format(&server->well_known, "{\"public_keys\":{\"ed25519\":\"%s\"}}", settings->public_key);
    register_metrics(server, metrics);
    return server;
}

void policy_server_destroy(struct policy_server *server)
{
    if (!server)
        return;
    event_free(server->timer);
    buffer_free(&server->well_known);
    buffer_free(&server->answer);
    free(server);
}

struct http_area policy_server_area(struct policy_server *server)
{
    return (struct http_area){
        .methods = area_methods, .handle = handle, .context = server, .body_maximum = BODY_MAXIMUM};
}
