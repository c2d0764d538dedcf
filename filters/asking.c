/* A sentence about a failure goes to the service's log and counts by way of the engine; here it is only found. */
#include "filters/asking.h"

#include <string.h>
#include <strings.h>

static bool is_web_url(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

static bool read_authorities(const struct module_host *host, const char *path, struct buffer *content)
{
    struct buffer error = {0};
    bool good = !path || host->read_file(host->context, path, content, &error);
    if (!good)
        module_host_report(host, "ca_file", "%s", buffer_string(&error));
    buffer_free(&error);
    return good;
}

static bool is_blank(char character)
{
    return character == ' ' || (character >= '\t' && character <= '\r');
}

static struct slice without_blanks(struct slice text)
{
    while (text.length && is_blank(text.data[0]))
        text = slice_of(text.data + 1, text.length - 1);
    while (text.length && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

/* A line break in the value would begin a header of its own. */
static bool is_header_value(struct slice value)
{
    for (size_t index = 0; index < value.length; index++)
        if ((unsigned char)value.data[index] < ' ' || value.data[index] == 0x7f)
            return false;
    return value.length > 0;
}

/* Puts what the file holds, without the blanks around it, into `content`, which is left empty where no file is named.
 */
static bool read_authorization(const struct module_host *host, const struct asking_configuration *configuration,
                               struct buffer *content)
{
    const char *path = configuration->authorization_path;
    struct buffer text = {0};
    struct buffer error = {0};
    bool good = !path;
    if (path && configuration->authorization) {
        module_host_report(host, "authorization_path", "cannot be used together with `authorization`");
    } else if (path && !host->read_file(host->context, path, &text, &error)) {
        module_host_report(host, "authorization_path", "%s", buffer_string(&error));
    } else if (path) {
        struct slice value = without_blanks(buffer_slice(&text));
        good = is_header_value(value);
        if (good)
            buffer_append_slice(content, value);
        else
            module_host_report(host, "authorization_path",
                               "%s: must hold one line, the value of the Authorization header", path);
    }
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    buffer_free(&text);
    buffer_free(&error);
    return good;
}

bool asking_open(const struct module_setup *setup, const char *url_name,
                 const struct asking_configuration *configuration, struct service **service)
{
    const struct module_host *host = setup->host;
    struct buffer authorities = {0};
    struct buffer authorization = {0};
    struct buffer error = {0};
    *service = NULL;
    if (!configuration->url) {
        module_host_report(host, "", "has no `%s: URL`", url_name);
        return false;
    }
    if (!is_web_url(configuration->url)) {
        module_host_report(host, url_name, "must begin with http:// or https://");
        return false;
    }
    bool good = read_authorities(host, configuration->ca_file, &authorities);
    good = read_authorization(host, configuration, &authorization) && good;
    if (good && host->services) {
        struct service_settings settings = {.url = configuration->url,
                                            .authorities = configuration->ca_file ? buffer_string(&authorities) : NULL,
                                            .verify = configuration->verify,
                                            .authorization = configuration->authorization_path
                                                                 ? buffer_string(&authorization)
                                                                 : configuration->authorization,
                                            .timeout_ms = configuration->timeout_ms,
                                            .in_flight = configuration->in_flight,
                                            .connections = configuration->connections,
                                            .attempts = configuration->attempts,
                                            .breaker_failures = configuration->breaker_failures,
                                            .breaker_pause_ms = configuration->breaker_pause_ms};
        *service = host->services->open(host->services->context, &settings, &error);
        good = *service != NULL;
        if (!good)
            module_host_report(host, url_name, "%s", buffer_string(&error));
    }
    buffer_free(&authorities);
    if (authorization.data)
        explicit_bzero(authorization.data, authorization.capacity);
    buffer_free(&authorization);
    buffer_free(&error);
    return good;
}

void asking_close(const struct module_services *services, struct service *service)
{
    if (service)
        services->close(service);
}

bool asking_post(const struct module_services *services, struct service *service, struct slice path,
                 struct slice question, struct value *value, const char **problem)
{
    uint64_t ticket = 0;
    *problem = "no service can be asked here";
    if (service)
        ticket = services->post(service, path, question, problem);
    if (ticket)
        *value = (struct value){.kind = VALUE_PENDING, .ticket = ticket};
    return ticket != 0;
}

void asking_complain(const struct module_services *services, struct service *service, const char *problem)
{
    if (service)
        services->unusable(service, problem);
}

json_t *asking_read(const struct module_services *services, struct service *service,
                    const struct service_answer *answer, struct arena *arena, const char **problem)
{
    if (!answer->arrived) {
        *problem = arena_copy(arena, answer->error).data;
        return NULL;
    }
    json_t *json = NULL;
    json_error_t error;
    if (answer->status < 200 || answer->status > 299)
        *problem = arena_format(arena, "the service answered with status %d", answer->status).data;
    else if (!(json = json_loadb(answer->body.data, answer->body.length, JSON_DECODE_ANY, &error)))
        *problem = arena_format(arena, "the service's answer is no JSON: %s", error.text).data;
    if (!json)
        asking_complain(services, service, *problem);
    return json;
}
