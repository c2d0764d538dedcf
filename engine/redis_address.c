/* A URL is how people hand a Redis to `weir play` and `weir tail`; the parts are percent-encoded there because
 * passwords hold every character. No error quotes the URL: what fails to parse as a port may be half of a password. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/redis_address.h"

#define REDIS_DEFAULT_PORT 6379

static bool fail(struct buffer *error, const char *sentence)
{
    buffer_clear(error);
    buffer_append_string(error, sentence);
    return false;
}

static int hexadecimal_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    int lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A NUL-terminated copy with percent-escapes decoded; NULL if an escape is broken or stands for NUL. */
static char *decode(struct slice text)
{
    char *copy = memory_allocate(text.length + 1);
    size_t length = 0;
    for (size_t index = 0; index < text.length; index++) {
        char byte = text.data[index];
        if (byte == '%') {
            bool whole = text.length - index > 2;
            int high = whole ? hexadecimal_digit(text.data[index + 1]) : -1;
            int low = whole ? hexadecimal_digit(text.data[index + 2]) : -1;
            byte = high < 0 || low < 0 ? '\0' : (char)(high * 16 + low);
            index += 2;
        }
        if (byte == '\0') {
            free(copy);
            return NULL;
        }
        copy[length++] = byte;
    }
    copy[length] = '\0';
    return copy;
}

/* Takes what stands before the first of `separators` off the front of `text`; the separator stays. */
static struct slice take_until(struct slice *text, const char *separators)
{
    size_t length = 0;
    while (length < text->length && !strchr(separators, text->data[length]))
        length++;
    struct slice part = slice_of(text->data, length);
    *text = slice_of(text->data + length, text->length - length);
    return part;
}

static bool parse_number(struct slice text, long minimum, long maximum, long *value)
{
    if (text.length == 0 || text.length > 10)
        return false;
    *value = 0;
    for (size_t index = 0; index < text.length; index++) {
        if (text.data[index] < '0' || text.data[index] > '9')
            return false;
        *value = *value * 10 + (text.data[index] - '0');
    }
    return *value >= minimum && *value <= maximum;
}

static bool parse_database(struct slice text, struct redis_address *address, struct buffer *error)
{
    long database;
    if (!parse_number(text, 0, INT_MAX, &database))
        return fail(error, "the database of a Redis URL must be a number from 0 on, as in redis://host:6379/0");
    address->database = (int)database;
    return true;
}

static bool take_text(struct slice value, char **target, struct buffer *error)
{
    free(*target);
    *target = value.length > 0 ? decode(value) : NULL;
    return *target || fail(error, "a file in the query of the Redis URL is empty or has a broken percent-escape");
}

static bool parse_verify(struct slice text, struct redis_address *address, struct buffer *error)
{
    address->tls.unverified = slice_equal(text, SLICE("false"));
    return address->tls.unverified || slice_equal(text, SLICE("true")) ||
           fail(error, "`verify` in the query of a Redis URL is true or false");
}

static bool parse_parameter(struct slice name, struct slice value, struct redis_address *address, struct buffer *error)
{
    struct redis_tls *tls = &address->tls;
    const struct {
        struct slice name;
        char **file;
        bool (*parse)(struct slice text, struct redis_address *address, struct buffer *error);
        bool for_tls;
    } parameters[] = {
        {SLICE("db"), NULL, parse_database, false},
        {SLICE("verify"), NULL, parse_verify, true},
        {SLICE("ca_file"), &tls->ca_file, NULL, true},
        {SLICE("ca_path"), &tls->ca_path, NULL, true},
        {SLICE("certificate_file"), &tls->certificate_file, NULL, true},
        {SLICE("private_key_file"), &tls->private_key_file, NULL, true},
    };
    for (size_t index = 0; index < sizeof parameters / sizeof *parameters; index++)
        if (slice_equal(name, parameters[index].name) && (tls->enabled || !parameters[index].for_tls))
            return parameters[index].parse ? parameters[index].parse(value, address, error)
                                           : take_text(value, parameters[index].file, error);
    return fail(error, "the query of a Redis URL may hold db=N and, of a rediss:// one, ca_file, ca_path, "
                       "certificate_file, private_key_file and verify=false");
}

/* `?name=value&…` */
static bool parse_query(struct slice query, struct redis_address *address, struct buffer *error)
{
    while (query.length > 0) {
        query = slice_of(query.data + 1, query.length - 1);
        struct slice value = take_until(&query, "&");
        struct slice name = take_until(&value, "=");
        if (value.length > 0)
            value = slice_of(value.data + 1, value.length - 1);
        if (!parse_parameter(name, value, address, error))
            return false;
    }
    if (!address->tls.certificate_file != !address->tls.private_key_file)
        return fail(error, "certificate_file and private_key_file in a Redis URL need each other");
    return true;
}

/* Takes `[user]:password@` off the front of `authority`, if it is there. */
static bool parse_credentials(struct slice *authority, struct redis_address *address, struct buffer *error)
{
    size_t at = authority->length;
    while (at > 0 && authority->data[at - 1] != '@')
        at--;
    if (at == 0)
        return true;
    struct slice password = slice_of(authority->data, at - 1);
    *authority = slice_of(authority->data + at, authority->length - at);
    struct slice username = take_until(&password, ":");
    if (password.length > 0)
        password = slice_of(password.data + 1, password.length - 1);
    if (password.length == 0 && username.length > 0)
        return fail(error, "a user name in a Redis URL needs a password: redis://user:password@host");
    if (password.length > 0 && !(address->password = decode(password)))
        return fail(error, "the password of the Redis URL has a broken percent-escape (write % as %25)");
    if (username.length > 0 && !(address->username = decode(username)))
        return fail(error, "the user name of the Redis URL has a broken percent-escape (write % as %25)");
    return true;
}

static bool parse_host(struct slice authority, struct redis_address *address, struct buffer *error)
{
    struct slice host;
    if (authority.length > 0 && authority.data[0] == '[') {
        authority = slice_of(authority.data + 1, authority.length - 1);
        host = take_until(&authority, "]");
        if (authority.length == 0 || host.length == 0)
            return fail(error, "an IPv6 address in a Redis URL stands in brackets: redis://[::1]:6379");
        authority = slice_of(authority.data + 1, authority.length - 1);
    } else {
        host = take_until(&authority, ":");
    }
    if (host.length > 255)
        return fail(error, "the host name of the Redis URL is too long");
    if (host.length > 0 && !(address->host = decode(host)))
        return fail(error, "the host of the Redis URL has a broken percent-escape");
    if (authority.length == 0)
        return true;
    long port;
    if (authority.data[0] != ':' ||
        !parse_number(slice_of(authority.data + 1, authority.length - 1), 1, UINT16_MAX, &port))
        return fail(error, "the port of the Redis URL must be a number from 1 to 65535 (write / in a password as %2F)");
    address->port = (uint16_t)port;
    return true;
}

static bool parse_tcp(struct slice rest, struct redis_address *address, struct buffer *error)
{
    struct slice authority = take_until(&rest, "/?");
    if (!parse_credentials(&authority, address, error) || !parse_host(authority, address, error))
        return false;
    if (rest.length > 0 && rest.data[0] == '/') {
        rest = slice_of(rest.data + 1, rest.length - 1);
        struct slice database = take_until(&rest, "?");
        if (database.length > 0 && !parse_database(database, address, error))
            return false;
    }
    return parse_query(rest, address, error);
}

static bool parse_unix(struct slice rest, struct redis_address *address, struct buffer *error)
{
    struct slice authority = take_until(&rest, "/?");
    if (!parse_credentials(&authority, address, error))
        return false;
    struct slice path = take_until(&rest, "?");
    if (authority.length > 0 || path.length == 0)
        return fail(error, "a unix URL needs an absolute path: unix:///run/redis/redis.sock");
    if (!(address->unix_path = decode(path)))
        return fail(error, "the path of the Redis URL has a broken percent-escape (write % as %25)");
    return parse_query(rest, address, error);
}

static bool parse_path(struct slice path, struct redis_address *address, struct buffer *error)
{
    (void)error;
    address->unix_path = memory_copy_text(path.data, path.length);
    return true;
}

static bool parse_tls(struct slice rest, struct redis_address *address, struct buffer *error)
{
    address->tls.enabled = true;
    return parse_tcp(rest, address, error);
}

bool redis_address_parse(const char *url, struct redis_address *address, struct buffer *error)
{
    static const struct {
        struct slice prefix;
        bool keep_prefix;
        bool (*parse)(struct slice rest, struct redis_address *address, struct buffer *error);
    } forms[] = {
        {{"redis://", 8}, false, parse_tcp},
        {{"unix://", 7}, false, parse_unix},
        {{"rediss://", 9}, false, parse_tls},
        {{"/", 1}, true, parse_path},
    };
    *address = (struct redis_address){.port = REDIS_DEFAULT_PORT};
    struct slice text = slice_from_string(url);
    for (size_t index = 0; index < sizeof forms / sizeof forms[0]; index++) {
        if (!slice_starts_with(text, forms[index].prefix))
            continue;
        size_t skipped = forms[index].keep_prefix ? 0 : forms[index].prefix.length;
        if (forms[index].parse(slice_of(text.data + skipped, text.length - skipped), address, error))
            return true;
        redis_address_free(address);
        return false;
    }
    return fail(
        error,
        "a Redis URL is redis://[[user]:password@]host[:port][/db] (rediss:// with TLS), unix:///path/to.sock or "
        "/path/to.sock");
}

bool redis_endpoint_parse(const char *text, uint16_t port, struct redis_endpoint *endpoint)
{
    struct redis_address address = {.port = port};
    struct buffer unused = {0};
    bool parsed = !strpbrk(text, "@/?%") && parse_host(slice_from_string(text), &address, &unused) && address.host;
    buffer_free(&unused);
    *endpoint = (struct redis_endpoint){parsed ? address.host : NULL, address.port};
    if (!parsed)
        free(address.host);
    return parsed;
}

static void free_sentinels(struct redis_sentinels *sentinels)
{
    for (size_t index = 0; index < sentinels->count; index++)
        free(sentinels->endpoints[index].host);
    free(sentinels->endpoints);
    free(sentinels->master_name);
    free(sentinels->username);
    free(sentinels->password);
}

void redis_address_free(struct redis_address *address)
{
    free(address->host);
    free(address->unix_path);
    free(address->username);
    free(address->password);
    free(address->tls.ca_file);
    free(address->tls.ca_path);
    free(address->tls.certificate_file);
    free(address->tls.private_key_file);
    free_sentinels(&address->sentinels);
    *address = (struct redis_address){0};
}

void redis_address_describe(const struct redis_address *address, struct buffer *output)
{
    if (address->unix_path) {
        buffer_append_string(output, address->unix_path);
        if (address->database)
            buffer_append_format(output, "?db=%d", address->database);
        return;
    }
    if (!address->host && address->sentinels.master_name) {
        buffer_append_format(output, "the master %s", address->sentinels.master_name);
        return;
    }
    const char *host = address->host ? address->host : "127.0.0.1";
    bool brackets = strchr(host, ':') != NULL;
    buffer_append_format(output, "%s%s%s:%u/%d", brackets ? "[" : "", host, brackets ? "]" : "",
                         address->port ? address->port : REDIS_DEFAULT_PORT, address->database);
}
