/* A wrong secret costs its address a pause (engine/login_pause.h), in which not even the right one is looked at: else
 * the pause would slow nobody down. */
#include "engine/console_area.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/console_session.h"
#include "engine/http_browser.h"
#include "engine/log.h"
#include "engine/login_pause.h"

#define COOKIE "weir_session"
#define BODY_MAXIMUM 4096u

enum login { LOGIN_OPENED, LOGIN_WRONG, LOGIN_SLOWED, LOGINS };

struct console_area {
    const struct http_server *server;
    struct console_sessions *sessions;
    struct login_pauses *pauses;
    int64_t session_ms;
    bool tls;
    struct log_gate wrong_gate;
    uint64_t *logins;
    uint64_t *open;
};

static const char *login_text(const void *context, size_t index)
{
    static const char *const texts[LOGINS] = {"opened", "wrong_secret", "slowed_down"};
    (void)context;
    return texts[index];
}

static void on_collect(void *context)
{
    struct console_area *area = context;
    *area->open = console_sessions_count(area->sessions, clock_now_ns());
}

struct console_area *console_area_create(const struct http_server *server, const struct console_area_settings *settings)
{
    static const struct metric_definition logins = {"weir_console_logins_total", METRIC_COUNTER,
                                                    "Attempts to log in to the console, by how they ended.", "result"};
    static const struct metric_definition open = {"weir_console_sessions", METRIC_GAUGE,
                                                  "Sessions of the console that are open.", NULL};
    struct console_area *area = memory_allocate_zeroed(1, sizeof *area);
    area->server = server;
    area->session_ms = settings->session_ms;
    area->tls = settings->tls;
    area->sessions = console_sessions_create((uint64_t)settings->session_ms * 1000000u);
    area->pauses = login_pauses_create();
    area->logins = metrics_register(settings->metrics, &logins, LOGINS, login_text, NULL);
    area->open = metrics_register(settings->metrics, &open, 1, NULL, NULL);
    metrics_on_collect(settings->metrics, on_collect, area);
    return area;
}

void console_area_destroy(struct console_area *area)
{
    if (!area)
        return;
    console_sessions_destroy(area->sessions);
    login_pauses_destroy(area->pauses);
    free(area);
}

static uint64_t find_session(void *context, struct slice cookies)
{
    struct console_area *area = context;
    struct slice id = http_cookie_find(cookies, SLICE(COOKIE));
    return slice_present(id) ? console_sessions_find(area->sessions, id, clock_now_ns()) : 0;
}

static void answer_state(const struct console_area *area, struct http_exchange *exchange, bool session)
{
    bool needed = http_server_has_secret(area->server);
    struct buffer json = {0};
    buffer_append_format(&json, "{\"needed\":%s,\"open\":%s}\n", needed ? "true" : "false",
                         !needed || session ? "true" : "false");
    http_exchange_answer(exchange, 200, NULL, buffer_slice(&json));
    buffer_free(&json);
}

static void set_cookie(const struct console_area *area, struct http_exchange *exchange, const char *id, int64_t seconds)
{
    struct buffer cookie = {0};
    buffer_append_format(&cookie, COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s", id,
                         (long long)seconds, area->tls ? "; Secure" : "");
    http_exchange_header(exchange, "Set-Cookie", buffer_string(&cookie));
    buffer_free(&cookie);
}

static void begin_session(struct console_area *area, struct http_exchange *exchange, const struct http_request *request)
{
    char id[CONSOLE_SESSION_ID_LENGTH + 1];
    login_pauses_right(area->pauses, request->client);
    console_sessions_end(area->sessions, find_session(area, request->cookie)); /* the browser forgets its cookie */
    if (!console_sessions_begin(area->sessions, clock_now_ns(), id)) {
        log_error("no session of the console can be begun: the system gives no random bytes");
        http_exchange_refuse(exchange, 500, "M_UNKNOWN", "the system gives no random bytes");
        return;
    }
    ++area->logins[LOGIN_OPENED];
    log_info("somebody logged in to the console", LOG_TEXT("client", request->client));
    set_cookie(area, exchange, id, area->session_ms / 1000);
    answer_state(area, exchange, true);
}

static void refuse_wrong(struct console_area *area, struct http_exchange *exchange, const struct http_request *request)
{
    uint64_t suppressed;
    ++area->logins[LOGIN_WRONG];
    login_pauses_wrong(area->pauses, request->client, clock_now_ns());
    if (log_gate_pass(&area->wrong_gate, &suppressed))
        log_warning("somebody tried to log in to the console with another secret than http.secret",
                    LOG_TEXT("client", request->client), LOG_INTEGER("suppressed", suppressed));
    http_exchange_refuse(exchange, 403, "M_FORBIDDEN", "this is not the secret of this server");
}

static void refuse_early(struct console_area *area, struct http_exchange *exchange, unsigned seconds)
{
    char after[16];
    ++area->logins[LOGIN_SLOWED];
    snprintf(after, sizeof after, "%u", seconds);
    http_exchange_header(exchange, "Retry-After", after);
    http_exchange_refuse(exchange, 429, "M_LIMIT_EXCEEDED", "too many wrong secrets from this address: wait a while");
}

static void log_in(struct console_area *area, struct http_exchange *exchange, const struct http_request *request)
{
    unsigned left = login_pauses_left(area->pauses, request->client, clock_now_ns());
    json_t *body = json_loadb(request->body.data, request->body.length, 0, NULL);
    const json_t *secret = json_object_get(body, "secret");
    if (!http_server_has_secret(area->server))
        answer_state(area, exchange, true);
    else if (left)
        refuse_early(area, exchange, left);
    else if (!json_is_string(secret))
        http_exchange_refuse(exchange, 400, body ? "M_BAD_JSON" : "M_NOT_JSON",
                             "the body must be an object with the text `secret`");
    else if (!http_server_knows_secret(area->server, slice_of(json_string_value(secret), json_string_length(secret))))
        refuse_wrong(area, exchange, request);
    else
        begin_session(area, exchange, request);
    json_decref(body);
}

static void log_out(struct console_area *area, struct http_exchange *exchange, const struct http_request *request)
{
    uint64_t session = find_session(area, request->cookie);
    console_sessions_end(area->sessions, session);
    set_cookie(area, exchange, "", 0);
    answer_state(area, exchange, false);
}

static void handle(void *context, struct http_exchange *exchange, const struct http_request *request)
{
    struct console_area *area = context;
    if (slice_equal(request->method, SLICE("GET")))
        answer_state(area, exchange, find_session(area, request->cookie) != 0);
    else if (!slice_equal(request->console, SLICE("1")))
        http_exchange_refuse(exchange, 403, "M_FORBIDDEN", "this needs the header \"X-Weir-Console: 1\"");
    else if (slice_equal(request->method, SLICE("POST")))
        log_in(area, exchange, request);
    else
        log_out(area, exchange, request);
}

static const char *methods(void *context, struct slice path)
{
    (void)context;
    return slice_equal(path, SLICE(CONSOLE_AREA_PATH)) ? "GET POST DELETE" : NULL;
}

struct http_area console_area_http(struct console_area *area)
{
    return (struct http_area){
        .methods = methods, .handle = handle, .context = area, .body_maximum = BODY_MAXIMUM, .browser = true};
}

struct http_sessions console_area_sessions(struct console_area *area)
{
    return (struct http_sessions){find_session, area};
}

bool console_area_is_open(const struct console_area *area, uint64_t session)
{
    return console_sessions_is_open(area->sessions, session, clock_now_ns());
}

void console_area_end_sessions(struct console_area *area)
{
    console_sessions_end_all(area->sessions);
}
