/* Answers of `weir init`: what is taken and refused, and that what is written of them is read again as the same. Any
 * answers whatever are tests/fuzz/init_fuzz.c's. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"
#include "engine/init.h"

static struct buffer problem, note, text, errors, warnings;
static struct init_answers answers;

static void clear(void)
{
    init_answers_free(&answers);
    buffer_free(&problem);
    buffer_free(&note);
    buffer_free(&text);
    buffer_free(&errors);
    buffer_free(&warnings);
}

TestSuite(init, .fini = clear);

static bool no_text(void *context, const char *path, struct buffer *content)
{
    (void)context, (void)path, (void)content;
    return false;
}

static struct configuration *load(void)
{
    struct init_secret_files inside = {0};
    cr_assert(init_answers_check(&answers, &problem), "%s", buffer_string(&problem));
    buffer_clear(&text);
    init_file_append(&answers, &inside, &text);
    struct configuration *configuration = configuration_load_texts(
        "/etc/weir/weir.yaml", buffer_slice(&text), CONFIGURATION_FOR_CLIENT, no_text, NULL, &errors, &warnings);
    cr_assert_not_null(configuration, "%s\n%s", buffer_string(&text), buffer_string(&errors));
    cr_expect_eq(warnings.length, 0, "%s", buffer_string(&warnings));
    return configuration;
}

static void take_name(const char *name)
{
    cr_assert(init_take_server_name(&answers, name, &problem), "%s", buffer_string(&problem));
}

Test(init, a_text_is_quoted_so_that_yaml_reads_it_back)
{
    init_append_text("a\"b\\c\n\t# ~: é\xf0\x9d\x84\x9e\x7f", &text);
    cr_expect_str_eq(buffer_string(&text), "\"a\\\"b\\\\c\\u000a\\u0009# ~: \\u00e9\\U0001d11e\\u007f\"");
}

Test(init, redis_is_a_host_a_path_or_a_url)
{
    static const struct {
        const char *text;
        const char *host;
        unsigned port;
        const char *path;
        const char *user;
        bool tls;
    } good[] = {{"10.0.0.1", "10.0.0.1", 6379, NULL, NULL, false},
                {"redis:7000", "redis", 7000, NULL, NULL, false},
                {"[::1]:7000", "::1", 7000, NULL, NULL, false},
                {"/run/redis.sock", NULL, 0, "/run/redis.sock", NULL, false},
                {"rediss://weir:p%40@redis.example.org/2", "redis.example.org", 6379, NULL, "weir", true}};
    take_name("example.org");
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        init_answers_free(&answers);
        take_name("example.org");
        cr_assert(init_take_redis(&answers, good[index].text, &problem), "%s", buffer_string(&problem));
        struct configuration *configuration = load();
        const struct redis_address *redis = &configuration->redis;
        if (good[index].host) {
            cr_expect_str_eq(redis->host, good[index].host);
            cr_expect_eq(redis->port, good[index].port);
        } else {
            cr_expect_str_eq(redis->unix_path, good[index].path);
        }
        cr_expect_eq(redis->tls.enabled, good[index].tls);
        if (good[index].user)
            cr_expect(strcmp(redis->username, "weir") == 0 && strcmp(redis->password, "p@") == 0 &&
                      redis->database == 2);
        configuration_destroy(configuration);
    }
    static const char *const bad[] = {"", "a b", "host:99999", "redis://weir@host", "http://x"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        cr_expect_not(init_take_redis(&answers, bad[index], &problem), "%s", bad[index]);
}

Test(init, another_answer_keeps_user_and_password)
{
    take_name("example.org");
    cr_assert(init_take_redis(&answers, "redis://weir:secret@wrong", &problem));
    cr_assert(init_take_redis(&answers, "right:6379", &problem));
    cr_expect_str_eq(answers.redis.username, "weir");
    cr_expect_str_eq(answers.redis.password, "secret");
    cr_assert(init_take_postgres(&answers, "user=weir password=one", &note, &problem));
    cr_assert(init_take_postgres(&answers, "user=weir host=/run", &note, &problem));
    cr_expect_str_eq(answers.postgres.password, "one");
    cr_assert(init_take_postgres(&answers, "user=weir password=two", &note, &problem));
    cr_expect_str_eq(answers.postgres.password, "two");
}

Test(init, postgres_is_what_libpq_takes)
{
    take_name("example.org");
    cr_assert(init_take_redis(&answers, "127.0.0.1", &problem));
    cr_assert(init_take_postgres(&answers, "postgresql://weir:p%20w@db.example.org:5433/synapse?sslmode=require", &note,
                                 &problem));
    cr_expect_str_eq(buffer_string(&note), "sslmode is not kept: set PGSSLMODE in the environment of weir\n");
    struct configuration *configuration = load();
    cr_expect_eq(configuration->body_source, BODY_SOURCE_POSTGRES);
    cr_expect_str_eq(configuration->postgres.host, "db.example.org");
    cr_expect_str_eq(configuration->postgres.port, "5433");
    cr_expect_str_eq(configuration->postgres.dbname, "synapse");
    cr_expect_str_eq(configuration->postgres.user, "weir");
    cr_expect_str_eq(configuration->postgres.password, "p w");
    cr_expect(configuration->observe);
    configuration_destroy(configuration);
    cr_assert(init_take_postgres(&answers, "none", &note, &problem));
    configuration = load();
    cr_expect_eq(configuration->body_source, BODY_SOURCE_NONE);
    cr_expect_not(configuration->observe);
    configuration_destroy(configuration);
    cr_expect_not(init_take_postgres(&answers, "synapse", &note, &problem));
}

Test(init, nasty_answers_stay_texts)
{
    static const char *const nasty[] = {"yes", "~", "5",  "a: b",   "- x", "#", "\"",
                                        "\\",  "'", "*a", "{a: b}", "%",   "é", "line\nmodules: []"};
    take_name("example.org");
    cr_assert(init_take_redis(&answers, "127.0.0.1", &problem));
    for (size_t index = 0; index < sizeof nasty / sizeof *nasty; index++) {
        free(answers.redis.password);
        answers.redis.password = memory_copy_text(nasty[index], strlen(nasty[index]));
        struct configuration *configuration = load();
        cr_expect_str_eq(configuration->redis.password, nasty[index]);
        configuration_destroy(configuration);
    }
}

Test(init, what_cannot_be_written_is_refused)
{
    cr_expect_not(init_take_server_name(&answers, "not a name", &problem));
    cr_expect_not(init_take_profile(&answers, "no-such-profile", &problem));
    cr_expect(init_take_profile(&answers, "public-homeserver", &problem));
    cr_expect_not(init_answers_check(&answers, &problem), "no server name");
    take_name("example.org:8448");
    cr_assert(init_take_redis(&answers, "/run/redis.sock", &problem));
    cr_expect(init_answers_check(&answers, &problem));
    answers.redis.username = memory_copy_text("weir", 4);
    cr_expect_not(init_answers_check(&answers, &problem), "a user without a password");
    answers.redis.password = memory_copy_text(" x", 2);
    cr_expect_not(init_answers_check(&answers, &problem), "white space that a file loses");
    answers.redis.password[0] = '\xff';
    cr_expect_not(init_answers_check(&answers, &problem), "not UTF-8");
    answers.redis.password[0] = 'x';
    answers.replication_secret = memory_copy_text("two\nlines", 9);
    cr_expect_not(init_answers_check(&answers, &problem), "no header can hold it");
    answers.replication_secret[3] = ' ';
    cr_expect(init_answers_check(&answers, &problem));
    answers.state_dir = memory_copy_text("relative", 8);
    cr_expect_not(init_answers_check(&answers, &problem), "a relative path");
}
