/* Who answers a request: a route of the program itself, then an area, then a page of a module. No module may take a
 * path of the program's own.
 *
 * What is checked before anybody is asked comes in the order in which it tells a stranger the least: the secret, then
 * the method, the size of the body, and how much the client has open already. */
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <strings.h>

#include "base/memory.h"
#include "engine/http_server_parts.h"
#include "engine/http_target.h"

static const struct {
    enum evhttp_cmd_type type;
    struct slice method; /* that a route must have to answer it */
} commands[] = {
    {EVHTTP_REQ_GET, {"GET", 3}},     {EVHTTP_REQ_HEAD, {"GET", 3}},      {EVHTTP_REQ_POST, {"POST", 4}},
    {EVHTTP_REQ_PUT, {"PUT", 3}},     {EVHTTP_REQ_DELETE, {"DELETE", 6}}, {EVHTTP_REQ_OPTIONS, {"OPTIONS", 7}},
    {EVHTTP_REQ_PATCH, {"PATCH", 5}},
};

static struct slice method_of(enum evhttp_cmd_type type)
{
    for (size_t index = 0; index < sizeof commands / sizeof commands[0]; index++)
        if (commands[index].type == type)
            return commands[index].method;
    return SLICE("");
}

/* The next word of a text, taken off it; an empty slice at its end. */
static struct slice next_word(const char **text)
{
    *text += strspn(*text, " ");
    struct slice word = slice_of(*text, strcspn(*text, " "));
    *text += word.length;
    return word;
}

static bool is_among(const char *methods, struct slice method)
{
    for (struct slice word = next_word(&methods); word.length; word = next_word(&methods))
        if (slice_equal(word, method))
            return true;
    return false;
}

/* As in the header Allow: "GET, HEAD, POST". */
static void append_allow(struct buffer *allow, const char *methods)
{
    for (struct slice word = next_word(&methods); word.length; word = next_word(&methods)) {
        buffer_append_format(allow, "%s%.*s", allow->length ? ", " : "", (int)word.length, word.data);
        if (slice_equal(word, SLICE("GET")))
            buffer_append_string(allow, ", HEAD");
    }
}

static void refuse_method(struct http_exchange *exchange, const char *methods)
{
    struct buffer allow = {0};
    append_allow(&allow, methods);
    http_exchange_header(exchange, "Allow", buffer_string(&allow));
    http_exchange_refuse(exchange, 405, "M_UNRECOGNIZED", "this path is served for another method");
    buffer_free(&allow);
}

static bool too_large(struct http_exchange *exchange, const struct http_request *request, size_t maximum)
{
    if (request->body.length <= maximum)
        return false;
    http_exchange_refuse(exchange, 413, "M_TOO_LARGE", "the body is larger than is taken at this path");
    return true;
}

static bool answered_by_route(struct http_server *server, struct http_exchange *exchange,
                              const struct http_request *request)
{
    const char *methods = NULL;
    for (const struct http_route *route = server->routes; route->path; route++) {
        if (!slice_equal(slice_from_string(route->path), request->path))
            continue;
        methods = route->method;
        if (!is_among(methods, request->method))
            continue;
        struct http_response response = {200, "text/plain; charset=utf-8", &server->body};
        buffer_clear(&server->body);
        route->handle(server->context, &response);
        http_exchange_answer(exchange, response.status, response.content_type, buffer_slice(response.body));
        return true;
    }
    if (methods)
        refuse_method(exchange, methods);
    return methods != NULL;
}

static bool answered_by_area(struct http_server *server, struct http_exchange *exchange, struct http_request *request)
{
    for (size_t index = 0; index < server->area_count; index++) {
        const struct http_area *area = &server->areas[index];
        const char *methods = area->methods(area->context, request->path);
        if (!methods)
            continue;
        if (http_guard_refuses(server, exchange, request, area))
            return true;
        if (!is_among(methods, request->method))
            refuse_method(exchange, methods);
        else if (!too_large(exchange, request, area->body_maximum))
            area->handle(area->context, exchange, request);
        return true;
    }
    return false;
}

static bool answered_by_page(struct http_server *server, struct http_exchange *exchange,
                             const struct http_request *request)
{
    void *state = NULL;
    const struct web_resource *page =
        server->find_page ? server->find_page(server->context, request->path, &state) : NULL;
    if (!page)
        return false;
    if (http_guard_refuses_page(server, exchange, request, page))
        return true;
    if (!is_among(page->methods, request->method)) {
        refuse_method(exchange, page->methods);
    } else if (!too_large(exchange, request, HTTP_BODY_MAXIMUM)) {
        struct web_request asked = {.method = request->method, .query = request->query, .body = request->body};
        struct web_response answer = {.status = 200, .content_type = "application/json", .body = &server->body};
        buffer_clear(&server->body);
        page->serve(state, &asked, &answer);
        http_exchange_answer(exchange, answer.status, answer.content_type, buffer_slice(answer.body));
    }
    return true;
}

/* The headers that a request is handed on with. */
static const struct {
    const char *name;
    size_t offset; /* of a slice in struct http_request */
} passed_on[] = {
    {"Authorization", offsetof(struct http_request, authorization)},
    {"Cookie", offsetof(struct http_request, cookie)},
    {"Host", offsetof(struct http_request, host)},
    {"Origin", offsetof(struct http_request, origin)},
    {"Sec-Fetch-Site", offsetof(struct http_request, fetch_site)},
    {"If-None-Match", offsetof(struct http_request, if_none_match)},
    {"X-Weir-Console", offsetof(struct http_request, console)},
};

static void take_header(struct http_request *request, const struct evkeyval *header)
{
    for (size_t index = 0; index < sizeof passed_on / sizeof *passed_on; index++) {
        struct slice *value = (struct slice *)(void *)((char *)request + passed_on[index].offset);
        if (slice_present(*value) || strcasecmp(header->key, passed_on[index].name) != 0)
            continue;
        *value = slice_from_string(header->value);
        return;
    }
}

/* In one pass over the headers; of several of one name the first counts, as for evhttp. `*wish`: Connection. */
static void read_headers(struct evhttp_request *received, struct http_request *request, const char **wish)
{
    const struct evkeyvalq *all = evhttp_request_get_input_headers(received);
    *wish = NULL;
    for (const struct evkeyval *header = TAILQ_FIRST(all); header; header = TAILQ_NEXT(header, next)) {
        if (!*wish && strcasecmp(header->key, "Connection") == 0)
            *wish = header->value;
        else
            take_header(request, header);
    }
}

static struct http_request read_request(struct evhttp_request *received, const struct http_connection *connection)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(received);
    size_t length = evbuffer_get_length(input);
    return (struct http_request){.method = method_of(evhttp_request_get_command(received)),
                                 .body = slice_of(length ? (const char *)evbuffer_pullup(input, -1) : "", length),
                                 .client = slice_from_string(connection->client->address)};
}

void http_dispatch(struct evhttp_request *received, void *context)
{
    struct http_server *server = context;
    struct http_connection *connection = http_connection_of(server, received);
    struct http_request request = read_request(received, connection);
    const char *wish;
    read_headers(received, &request, &wish);
    struct http_exchange *exchange = http_exchange_begin(connection, received, wish);
    ++*server->counts[HTTP_COUNT_REQUESTS];
    server->asked = exchange;
    if (!http_target_split(slice_from_string(evhttp_request_get_uri(received)), &server->path, &request.path,
                           &request.query)) {
        http_exchange_refuse(exchange, 400, "M_UNRECOGNIZED", "the target of the request is no path");
    } else if (connection->client->open > server->open_per_client) {
        ++*server->counts[HTTP_COUNT_LIMITED];
        http_exchange_refuse(exchange, 429, "M_LIMIT_EXCEEDED", "too many requests of this client wait for answers");
    } else if (!answered_by_route(server, exchange, &request) && !answered_by_area(server, exchange, &request) &&
               !answered_by_page(server, exchange, &request)) {
        http_exchange_refuse(exchange, 404, "M_UNRECOGNIZED", "nothing is served at this path");
    }
    if (server->asked)
        http_connection_park(connection);
    server->asked = NULL;
}

void http_server_add_area(struct http_server *server, const struct http_area *area)
{
    server->areas = memory_reallocate(server->areas, (server->area_count + 1) * sizeof *server->areas);
    server->areas[server->area_count++] = *area;
}

void http_server_find_pages(struct http_server *server, http_page_finder *find_page)
{
    server->find_page = find_page;
}

bool http_server_has_own(const struct http_server *server, const char *path)
{
    for (const struct http_route *route = server->routes; route->path; route++)
        if (strcmp(route->path, path) == 0)
            return true;
    for (size_t index = 0; index < server->area_count; index++)
        if (server->areas[index].methods(server->areas[index].context, slice_from_string(path)))
            return true;
    return false;
}
