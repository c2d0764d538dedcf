/* Who may come in.
 *
 * A browser sends what any site makes it send, to wherever a name leads. Where there is a secret, the page's cookie is
 * not sent for another site (SameSite), and the header that our page adds is one that no other site may add. Where
 * there is none, on loopback, anybody on this machine may ask, and so might a site in a browser on it: by a name of its
 * own that leads to 127.0.0.1 (DNS rebinding), which shows in Host, or by sending what it cannot read the answer of,
 * which shows in Origin and Sec-Fetch-Site: what is read like that costs work, and takes places from others. Programs
 * that are no browsers send neither of them. */
#include "engine/http_browser.h"
#include "engine/http_server_parts.h"
#include "engine/http_target.h"

/* Whether it has not the secret, if there is one, and was told. */
static bool unauthorized(struct http_server *server, struct http_exchange *exchange, const struct http_request *request)
{
    struct slice token = http_bearer_token(request->authorization);
    uint64_t suppressed;
    if (!server->secret || (slice_present(token) && http_secret_matches(server->secret, token)))
        return false;
    ++*server->counts[HTTP_COUNT_UNAUTHORIZED];
    if (log_gate_pass(&server->unauthorized_gate, &suppressed))
        log_warning(slice_present(token) ? "an HTTP request with another secret than http.secret was refused"
                                         : "an HTTP request without the secret was refused",
                    LOG_TEXT("client", request->client), LOG_TEXT("path", request->path),
                    LOG_INTEGER("suppressed", suppressed));
    http_exchange_header(exchange, "WWW-Authenticate", "Bearer");
    if (slice_present(token))
        http_exchange_refuse(exchange, 401, "M_UNKNOWN_TOKEN", "this is not the secret of this server");
    else
        http_exchange_refuse(exchange, 401, "M_MISSING_TOKEN",
                             "this needs the header \"Authorization: Bearer\" with the "
                             "secret of this server");
    return true;
}

/* Whether a request of a browser is not of our own page, and was told. */
static bool refuse_foreign(struct http_server *server, struct http_exchange *exchange,
                           const struct http_request *request, const char *sentence)
{
    uint64_t suppressed;
    ++*server->counts[HTTP_COUNT_FOREIGN];
    if (log_gate_pass(&server->foreign_gate, &suppressed))
        log_warning("an HTTP request that another site may have made a browser send was refused",
                    LOG_TEXT("client", request->client), LOG_TEXT("path", request->path),
                    LOG_STRING("reason", sentence), LOG_TEXT("host", request->host),
                    LOG_TEXT("origin", request->origin), LOG_INTEGER("suppressed", suppressed));
    http_exchange_refuse(exchange, 403, "M_FORBIDDEN", sentence);
    return true;
}

static bool changes_something(const struct http_request *request)
{
    return !slice_equal(request->method, SLICE("GET"));
}

static bool is_of_another_site(const struct http_request *request)
{
    if (slice_present(request->origin) && !http_origin_is(request->origin, request->host))
        return true;
    return slice_present(request->fetch_site) && !slice_equal(request->fetch_site, SLICE("same-origin")) &&
           !slice_equal(request->fetch_site, SLICE("none"));
}

static bool refuses_without_secret(struct http_server *server, struct http_exchange *exchange,
                                   const struct http_request *request, const struct http_area *area)
{
    if (slice_present(request->host) && !http_host_is_loopback(request->host))
        return refuse_foreign(server, exchange, request,
                              "without `http.secret` this is served only as 127.0.0.1, [::1] or localhost");
    if ((area->closed || changes_something(request)) && is_of_another_site(request))
        return refuse_foreign(server, exchange, request,
                              "without `http.secret` nothing is changed or told for a page of another origin");
    return false;
}

static bool refuses_with_secret(struct http_server *server, struct http_exchange *exchange,
                                struct http_request *request)
{
    bool told = slice_present(http_bearer_token(request->authorization)) || !slice_present(request->cookie) ||
                !server->sessions.find;
    request->session = told ? 0 : server->sessions.find(server->sessions.context, request->cookie);
    if (!request->session)
        return unauthorized(server, exchange, request);
    if (changes_something(request) && !slice_equal(request->console, SLICE("1")))
        return refuse_foreign(server, exchange, request,
                              "what comes with the console's cookie and changes something needs the header "
                              "\"X-Weir-Console: 1\"");
    return false;
}

bool http_guard_refuses(struct http_server *server, struct http_exchange *exchange, struct http_request *request,
                        const struct http_area *area)
{
    if (!area->browser || !server->guarded)
        return area->closed && unauthorized(server, exchange, request);
    if (!server->secret)
        return refuses_without_secret(server, exchange, request, area);
    return area->closed && refuses_with_secret(server, exchange, request);
}

/* Without a secret nobody could be told from anybody. */
bool http_guard_refuses_page(struct http_server *server, struct http_exchange *exchange,
                             const struct http_request *request, const struct web_resource *page)
{
    if (!page->closed)
        return false;
    if (server->secret)
        return unauthorized(server, exchange, request);
    http_exchange_refuse(exchange, 403, "M_FORBIDDEN", "this page is served only where `http.secret` is configured");
    return true;
}
