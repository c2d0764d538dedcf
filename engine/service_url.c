/* libevent's parser takes the URL apart; what is refused beyond its rules is what would be sent or shown by mistake. */
#include "engine/service_url.h"

#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const struct scheme {
    const char *name;
    bool tls;
    uint16_t port;
} schemes[] = {{"http", false, 80}, {"https", true, 443}};

static char *copy(const char *text)
{
    return memory_copy_text(text, strlen(text));
}

static bool fits_request_line(struct slice text)
{
    for (size_t index = 0; index < text.length; index++)
        if (text.data[index] <= ' ' || text.data[index] >= 0x7f)
            return false;
    return true;
}

static const struct scheme *find_scheme(const char *name)
{
    for (size_t index = 0; name && index < sizeof schemes / sizeof *schemes; index++)
        if (strcasecmp(name, schemes[index].name) == 0)
            return &schemes[index];
    return NULL;
}

/* What is wrong with it, or NULL. */
static const char *objection(const struct evhttp_uri *uri, const char *text)
{
    if (!uri || !fits_request_line(slice_from_string(text)))
        return "is no URL";
    if (!find_scheme(evhttp_uri_get_scheme(uri)))
        return "must begin with http:// or https://";
    if (evhttp_uri_get_userinfo(uri))
        return "must not hold a user name or password: use `authorization`";
    const char *host = evhttp_uri_get_host(uri);
    if (!host || !*host)
        return "has no host";
    if (evhttp_uri_get_port(uri) == 0 || evhttp_uri_get_port(uri) > UINT16_MAX)
        return "has a port that does not exist";
    if (evhttp_uri_get_fragment(uri))
        return "must not hold a fragment (`#`)";
    return NULL;
}

static void take(struct service_url *url, const struct evhttp_uri *uri)
{
    const struct scheme *scheme = find_scheme(evhttp_uri_get_scheme(uri));
    const char *host = evhttp_uri_get_host(uri);
    struct buffer text = {0};
    url->tls = scheme->tls;
    url->port = evhttp_uri_get_port(uri) < 0 ? scheme->port : (uint16_t)evhttp_uri_get_port(uri);
    url->host = *host == '[' ? memory_copy_text(host + 1, strlen(host) - 2) : copy(host);
    url->path = copy(evhttp_uri_get_path(uri));
    if (evhttp_uri_get_query(uri))
        url->query = copy(evhttp_uri_get_query(uri));
    buffer_append_string(&text, host);
    if (url->port != scheme->port)
        buffer_append_format(&text, ":%u", url->port);
    url->authority = copy(buffer_string(&text));
    buffer_clear(&text);
    buffer_append_format(&text, "%s://%s%s", scheme->name, url->authority, url->path);
    url->label = copy(buffer_string(&text));
    buffer_free(&text);
}

bool service_url_parse(struct service_url *url, const char *text, struct buffer *error)
{
    *url = (struct service_url){0};
    struct evhttp_uri *uri = evhttp_uri_parse(text);
    const char *wrong = objection(uri, text);
    if (wrong)
        buffer_append_format(error, "\"%s\" %s", text, wrong);
    else
        take(url, uri);
    if (uri)
        evhttp_uri_free(uri);
    return !wrong;
}

void service_url_free(struct service_url *url)
{
    free(url->host);
    free(url->path);
    free(url->query);
    free(url->authority);
    free(url->label);
    *url = (struct service_url){0};
}

bool service_url_append_target(const struct service_url *url, struct slice path, struct buffer *target)
{
    if (!fits_request_line(path))
        return false;
    size_t start = target->length;
    buffer_append_string(target, url->path);
    if (path.length)
        buffer_append_slice(target, path);
    if (target->length == start)
        buffer_append_char(target, '/');
    if (url->query)
        buffer_append_format(target, "?%s", url->query);
    return true;
}
