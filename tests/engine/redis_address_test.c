#include <criterion/criterion.h>
#include <stdlib.h>

#include "engine/redis_address.h"

static const struct {
    const char *url;
    const char *described; /* NULL: refused */
    const char *username;
    const char *password;
} cases[] = {
    {"redis://localhost", "localhost:6379/0", NULL, NULL},
    {"redis://", "127.0.0.1:6379/0", NULL, NULL},
    {"redis://:7000", "127.0.0.1:7000/0", NULL, NULL},
    {"redis://h:7000/12", "h:7000/12", NULL, NULL},
    {"redis://h/", "h:6379/0", NULL, NULL},
    {"redis://h?db=2", "h:6379/2", NULL, NULL},
    {"redis://[::1]:7000/1", "[::1]:7000/1", NULL, NULL},
    {"redis://[fe80::1]", "[fe80::1]:6379/0", NULL, NULL},
    {"redis://:secret@h", "h:6379/0", NULL, "secret"},
    {"redis://me:p%40s%2Fs%25:x@h:1/2", "h:1/2", "me", "p@s/s%:x"},
    {"redis://me:a@b@h", "h:6379/0", "me", "a@b"},
    {"redis://:@h", "h:6379/0", NULL, NULL},
    {"unix:///run/redis.sock", "/run/redis.sock", NULL, NULL},
    {"unix:///run/a%20b.sock?db=3", "/run/a b.sock?db=3", NULL, NULL},
    {"unix://me:secret@/run/redis.sock", "/run/redis.sock", "me", "secret"},
    {"/run/odd%name?x", "/run/odd%name?x", NULL, NULL},
    {"", NULL, NULL, NULL},
    {"localhost:6379", NULL, NULL, NULL},
    {"rediss://h", "h:6379/0", NULL, NULL},
    {"rediss://me:p@h:1/2?ca_file=/a%20b&verify=false&certificate_file=c&private_key_file=k", "h:1/2", "me", "p"},
    {"rediss://h?db=3&ca_path=/x&verify=true", "h:6379/3", NULL, NULL},
    {"rediss://h?verify=no", NULL, NULL, NULL},
    {"rediss://h?ca_file=", NULL, NULL, NULL},
    {"rediss://h?ca_file=%0", NULL, NULL, NULL},
    {"rediss://h?certificate_file=c", NULL, NULL, NULL},
    {"rediss://h?private_key_file=c", NULL, NULL, NULL},
    {"rediss://h?secret", NULL, NULL, NULL},
    {"rediss://h?&", NULL, NULL, NULL},
    {"redis://h?ca_file=/a", NULL, NULL, NULL},
    {"unix:///a?verify=false", NULL, NULL, NULL},
    {"http://h", NULL, NULL, NULL},
    {"redis://h:0", NULL, NULL, NULL},
    {"redis://h:65536", NULL, NULL, NULL},
    {"redis://h:secret", NULL, NULL, NULL},
    {"redis://h/x", NULL, NULL, NULL},
    {"redis://h/-1", NULL, NULL, NULL},
    {"redis://h/99999999999", NULL, NULL, NULL},
    {"redis://h?secret=2", NULL, NULL, NULL},
    {"redis://secret@h", NULL, NULL, NULL},
    {"redis://:secret%@h", NULL, NULL, NULL},
    {"redis://:secret%4@h", NULL, NULL, NULL},
    {"redis://:secret%zz@h", NULL, NULL, NULL},
    {"redis://:secret%00@h", NULL, NULL, NULL},
    {"redis://[::1", NULL, NULL, NULL},
    {"redis://[]:1", NULL, NULL, NULL},
    {"redis://[::1]x", NULL, NULL, NULL},
    {"unix://", NULL, NULL, NULL},
    {"unix://relative/path", NULL, NULL, NULL},
    {"unix:///a%", NULL, NULL, NULL},
};

static bool same(const char *left, const char *right)
{
    return left && right ? strcmp(left, right) == 0 : left == right;
}

Test(redis_address, urls)
{
    struct buffer text = {0};
    struct buffer error = {0};
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct redis_address address;
        buffer_clear(&text);
        buffer_clear(&error);
        bool parsed = redis_address_parse(cases[index].url, &address, &error);
        cr_expect_eq(parsed, cases[index].described != NULL, "%s", cases[index].url);
        if (!parsed) {
            cr_expect_gt(error.length, 10u, "%s", cases[index].url);
            cr_expect_null(strstr(buffer_string(&error), "secret"), "%s", cases[index].url);
            continue;
        }
        redis_address_describe(&address, &text);
        cr_expect_str_eq(buffer_string(&text), cases[index].described);
        cr_expect(same(address.username, cases[index].username), "%s", cases[index].url);
        cr_expect(same(address.password, cases[index].password), "%s", cases[index].url);
        redis_address_free(&address);
    }
    buffer_free(&text);
    buffer_free(&error);
}

Test(redis_address, tls_of_a_url)
{
    struct redis_address address;
    struct buffer error = {0};
    cr_assert(redis_address_parse(
        "rediss://h?ca_file=/a%20b&verify=false&certificate_file=c&private_key_file=k&ca_path=p", &address, &error));
    cr_expect(redis_address_uses_tls(&address));
    cr_expect(address.tls.unverified);
    cr_expect_str_eq(address.tls.ca_file, "/a b");
    cr_expect_str_eq(address.tls.ca_path, "p");
    cr_expect_str_eq(address.tls.certificate_file, "c");
    cr_expect_str_eq(address.tls.private_key_file, "k");
    redis_address_free(&address);
    cr_assert(redis_address_parse("rediss://h", &address, &error));
    cr_expect_not(address.tls.unverified, "certificates are checked unless told not to");
    redis_address_free(&address);
    cr_assert(redis_address_parse("redis://h", &address, &error));
    cr_expect_not(redis_address_uses_tls(&address));
    redis_address_free(&address);
    buffer_free(&error);
}

Test(redis_address, endpoints)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        uint16_t port;
    } endpoints[] = {
        {"h", "h", 26379},
        {"h:1", "h", 1},
        {"[::1]:2", "::1", 2},
        {"[::1]", "::1", 26379},
        {"10.0.0.1:3", "10.0.0.1", 3},
        {"", NULL, 0},
        {":5", NULL, 0},
        {"h:", NULL, 0},
        {"h:0", NULL, 0},
        {"h:65536", NULL, 0},
        {"a:b@h:1", NULL, 0},
        {"h/1", NULL, 0},
        {"h?x", NULL, 0},
        {"[::1", NULL, 0},
        {"h%41", NULL, 0},
    };
    for (size_t index = 0; index < sizeof endpoints / sizeof *endpoints; index++) {
        struct redis_endpoint endpoint = {NULL, 0};
        bool parsed = redis_endpoint_parse(endpoints[index].text, 26379, &endpoint);
        cr_expect_eq(parsed, endpoints[index].host != NULL, "%s", endpoints[index].text);
        if (parsed && endpoints[index].host) {
            cr_expect_str_eq(endpoint.host, endpoints[index].host);
            cr_expect_eq(endpoint.port, endpoints[index].port);
        }
        free(endpoint.host);
    }
}
