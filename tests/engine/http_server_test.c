#include "engine/http_server.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/console_page.h"

Test(http_server, listen_addresses)
{
    static const struct {
        const char *listen;
        const char *host; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:9180", "127.0.0.1", 9180},
        {"localhost:0", "localhost", 0},
        {"[::1]:80", "::1", 80},
        {":65535", "", 65535},
        {"", NULL, 0},
        {"9180", NULL, 0},
        {"127.0.0.1", NULL, 0},
        {"127.0.0.1:", NULL, 0},
        {"127.0.0.1:65536", NULL, 0},
        {"127.0.0.1:-1", NULL, 0},
        {"127.0.0.1: 1", NULL, 0},
        {"::1:80", NULL, 0},
        {"[]:80", NULL, 0},
        {"[::1:80", NULL, 0},
        {"[localhost]:80", NULL, 0},
        {"http://h:80", NULL, 0},
        {"0123456789012345678901234567890123456789012345678901234567890123:1", NULL, 0},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char host[64];
        uint16_t port = 1;
        bool parsed = http_listen_parse(cases[index].listen, host, sizeof host, &port);
        cr_expect_eq(parsed, cases[index].host != NULL, "%s", cases[index].listen);
        if (parsed && cases[index].host) {
            cr_expect_str_eq(host, cases[index].host);
            cr_expect_eq(port, cases[index].port);
        }
    }
}

Test(http_server, who_reaches_an_address)
{
    static const struct {
        const char *listen;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:1", true}, {"127.200.3.4:1", true},        {"[::1]:1", true},      {"localhost:1", true},
        {":1", false},         {"0.0.0.0:1", false},           {"[::]:1", false},      {"192.0.2.1:1", false},
        {"127.1:1", false},    {"127.0.0.1.example:1", false}, {"[fe80::1]:1", false}, {"nonsense", false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++)
        cr_expect_eq(http_listen_is_loopback(cases[index].listen), cases[index].loopback, "%s", cases[index].listen);
}

static void handle_hello(void *context, struct http_response *response)
{
    buffer_append_format(response->body, "hello %s\n", (const char *)context);
}

static void handle_unready(void *context, struct http_response *response)
{
    (void)context;
    response->status = 503;
    response->content_type = "application/json";
    buffer_append_string(response->body, "{}");
}

static const struct http_route routes[] = {
    {"GET", "/hello", handle_hello},
    {"GET", "/readyz", handle_unready},
    {NULL, NULL, NULL},
};

static struct http_server *listening(struct event_base *base, const char *address, void *context, struct buffer *error)
{
    struct http_server_settings settings = {.listen = address, .routes = routes, .context = context};
    return http_server_create(base, &settings, error);
}

static void serve_echo(void *state, const struct web_request *request, struct web_response *response)
{
    response->content_type = "text/plain";
    buffer_append_format(response->body, "%s|%.*s|%.*s|%zu", (const char *)state, (int)request->method.length,
                         request->method.data, (int)request->query.length, request->query.data, request->body.length);
    if (request->body.length <= 16)
        buffer_append_format(response->body, "|%.*s", (int)request->body.length, request->body.data);
}

static void serve_refusal(void *state, const struct web_request *request, struct web_response *response)
{
    (void)state, (void)request;
    web_response_refuse(response, 400, "M_MISSING_PARAM", "no \"name\"");
}

static const struct web_resource *find_page(void *context, struct slice path, void **state)
{
    static const struct web_resource pages[] = {
        {.path = "/page", .methods = "GET POST", .serve = serve_echo},
        {.path = "/post", .methods = "POST", .serve = serve_echo},
        {.path = "/bad", .methods = "GET", .serve = serve_refusal},
        {.path = "/hello", .methods = "GET POST", .serve = serve_echo},
        {.path = "/closed", .methods = "GET", .serve = serve_echo, .closed = true},
    };
    *state = context;
    for (size_t index = 0; index < sizeof pages / sizeof *pages; index++)
        if (slice_equal(path, slice_from_string(pages[index].path)))
            return &pages[index];
    return NULL;
}

/* What curl prints for `arguments` and `path`. */
static void ask(const char *address, const char *arguments, const char *path, char *output, size_t size)
{
    char command[512];
    snprintf(command, sizeof command, "curl -s -m 5 -i %s 'http://%s%s'", arguments, address, path);
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    output[fread(output, 1, size - 1, pipe)] = '\0';
    pclose(pipe);
}

Test(http_server, answers_a_real_client)
{
    static const struct {
        const char *arguments; /* of curl */
        const char *path;
        const char *status;
        const char *part;
        const char *absent;
    } cases[] = {
        {"-X GET", "/hello", "HTTP/1.1 200 OK", "\r\n\r\nhello world\n", NULL},
        {"-X GET", "/hello?a=b", "HTTP/1.1 200 OK", "text/plain; charset=utf-8", NULL},
        {"-I", "/hello", "HTTP/1.1 200 OK", "Content-Length: 12", "hello world"},
        {"-X GET", "/readyz", "HTTP/1.1 503 Service Unavailable", "Content-Type: application/json", NULL},
        {"-X GET", "/other", "HTTP/1.1 404 Not Found", "\"errcode\":\"M_UNRECOGNIZED\"", NULL},
        {"-d x=1", "/hello", "HTTP/1.1 405 Method Not Allowed", "Allow: GET, HEAD", NULL},
        {"-X DELETE", "/hello", "HTTP/1.1 405 Method Not Allowed", "M_UNRECOGNIZED", NULL},
        {"-X GET", "/page", "HTTP/1.1 200 OK", "\r\n\r\nworld|GET||0|", NULL},
        {"-X GET", "/page?a=%20&b+c", "HTTP/1.1 200 OK", "\r\n\r\nworld|GET|a=%20&b+c|0|", NULL},
        {"-X GET", "/page?", "HTTP/1.1 200 OK", "\r\n\r\nworld|GET||0|", NULL},
        {"-I", "/page?a", "HTTP/1.1 200 OK", "Content-Length: 14\r\n", "world"},
        {"-d x=1", "/page?a", "HTTP/1.1 200 OK", "\r\n\r\nworld|POST|a|3|x=1", NULL},
        {"-X PUT", "/page", "HTTP/1.1 405 Method Not Allowed", "Allow: GET, HEAD, POST\r\n", NULL},
        {"-X GET", "/post", "HTTP/1.1 405 Method Not Allowed", "Allow: POST\r\n", NULL},
        {"-I", "/post", "HTTP/1.1 405 Method Not Allowed", "Allow: POST\r\n", NULL},
        {"-X GET", "/bad", "HTTP/1.1 400 Bad Request",
         "\r\n\r\n{\"errcode\":\"M_MISSING_PARAM\",\"error\":\"no \\\"name\\\"\"}\n", NULL},
        {"-X GET", "/bad", "HTTP/1.1 400 Bad Request", "Content-Type: application/json\r\n", NULL},
        {"-X GET", "/page/below", "HTTP/1.1 404 Not Found", "M_UNRECOGNIZED", NULL},
        {"-X GET", "/page/", "HTTP/1.1 404 Not Found", "M_UNRECOGNIZED", NULL},
        {"-X GET", "/closed", "HTTP/1.1 403 Forbidden", "http.secret", "world"},
    };
    struct event_base *base = event_base_new();
    struct buffer error = {0};
    struct http_server *server = listening(base, "127.0.0.1:0", (void *)"world", &error);
    cr_assert_not_null(server, "%s", buffer_string(&error));
    http_server_find_pages(server, find_page);
    cr_expect(http_server_has_own(server, "/hello"));
    cr_expect_not(http_server_has_own(server, "/page"));
    cr_expect_not(http_server_has_own(server, "/"));
    const struct http_area page = console_page_http();
    http_server_add_area(server, &page);
    cr_expect(http_server_has_own(server, "/"));
    cr_expect(http_server_has_own(server, "/console"));
    cr_expect(http_server_has_own(server, "/console/page"));
    cr_expect_not(http_server_has_own(server, "/consoles"));
    pid_t process = fork();
    if (process == 0) {
        event_reinit(base);
        event_base_dispatch(base);
        _exit(0);
    }
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char output[4096];
        ask(http_server_address(server), cases[index].arguments, cases[index].path, output, sizeof output);
        cr_expect_eq(strncmp(output, cases[index].status, strlen(cases[index].status)), 0, "%s", output);
        cr_expect_not_null(strstr(output, cases[index].part), "%s", output);
        if (cases[index].absent)
            cr_expect_null(strstr(output, cases[index].absent), "%s", output);
    }
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
    http_server_destroy(server);
    event_base_free(base);
    buffer_free(&error);
}

Test(http_server, says_why_it_cannot_listen)
{
    struct event_base *base = event_base_new();
    struct buffer error = {0};
    struct http_server *server = listening(base, "[::1]:0", NULL, &error);
    if (!server) /* a machine without IPv6 */
        server = listening(base, "127.0.0.1:0", NULL, &error);
    cr_assert_not_null(server);
    cr_expect_null(listening(base, http_server_address(server), NULL, &error));
    cr_expect_not_null(strstr(buffer_string(&error), "Address already in use"), "%s", buffer_string(&error));
    cr_expect_null(listening(base, "nonsense", NULL, &error));
    cr_expect_not_null(strstr(buffer_string(&error), "'nonsense'"), "%s", buffer_string(&error));
    http_server_destroy(server);
    event_base_free(base);
    buffer_free(&error);
}
