/* Broken configurations with the exact lines that an administrator reads, and what good ones come to. */
#include "engine/configuration.h"
#include "filters/action.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/configuration_reader.h"

#define HEAD "server_name: lab.test\nredis: {}\nmodules: []\n"
#define ENDPOINT "must be a host and a port, such as \"10.0.0.1:26379\" or \"[::1]:26379\" (without a port: 26379)\n"
#define NO_MODULES "weir.yaml:3:10: modules: there are no modules: every event passes\n"

static struct configuration *load_text(const char *text, enum configuration_purpose purpose, struct buffer *errors,
                                       struct buffer *warnings)
{
    return configuration_load_text("weir.yaml", slice_from_string(text), purpose, NULL, true, errors, warnings);
}

static void expect_errors(const char *text, enum configuration_purpose purpose, const char *expected)
{
    struct buffer errors = {0};
    struct configuration *configuration = load_text(text, purpose, &errors, NULL);
    cr_expect_str_eq(buffer_string(&errors), expected, "--- of:\n%s\n--- got:\n%s", text, errors.data);
    cr_expect_eq(configuration == NULL, *expected != '\0', "%s", text);
    configuration_destroy(configuration);
    buffer_free(&errors);
}

/* `text` stands from the fourth line on. */
static void expect_run_error(const char *text, const char *expected)
{
    struct buffer whole = {0};
    buffer_append_format(&whole, "%s%s", HEAD, text);
    expect_errors(buffer_string(&whole), CONFIGURATION_FOR_RUN, expected);
    buffer_free(&whole);
}

Test(configuration, broken_values_are_named_with_their_place)
{
    static const struct {
        const char *text;
        const char *errors;
    } cases[] = {
        {"", ""},
        {"instance_nmae: x\n", "weir.yaml:4:1: instance_nmae: unknown key; did you mean `instance_name`?\n"},
        {"xylophone: x\n", "weir.yaml:4:1: xylophone: unknown key\n"},
        {"server_name: y\n", "weir.yaml:4:1: the key \"server_name\" is here a second time; it is already in line 1\n"},
        {"instance_name: a b\n",
         "weir.yaml:4:16: instance_name: must have no spaces and only printable ASCII characters\n"},
        {"instance_name: 5\n",
         "weir.yaml:4:16: instance_name: must be a text, but is an integer as YAML reads it: put it in quotes\n"},
        {"instance_name: \"\"\n", "weir.yaml:4:16: instance_name: must not be empty\n"},
        {"instance_name:\n", "weir.yaml:4:1: instance_name: has no value\n"},
        {"instance_name: ~\n", ""},
        {"log: {level: inof}\n",
         "weir.yaml:4:14: log.level: must be one of: debug, info, warning, error; did you mean `info`?\n"},
        {"log: loud\n", "weir.yaml:4:6: log: must be a map, but is a text\n"},
        {"publish:\n  verdicts: some\n  keep: 0\n",
         "weir.yaml:5:13: publish.verdicts: must be one of: denied, all\n"
         "weir.yaml:6:9: publish.keep: must be from 1 to 1000000000, but is 0\n"},
        {"publish: {keep: 1.5}\n", "weir.yaml:4:17: publish.keep: must be an integer, but is a number\n"},
        {"observe: {rejected: \"yes\", outliers: yes}\n",
         "weir.yaml:4:21: observe.rejected: must be true or false, but is a text\n"},
        {"bodies: {retry_for: 2 seconds}\n", "weir.yaml:4:21: bodies.retry_for: must be a duration such as \"2s\" or "
                                             "\"500ms\", or an integer of milliseconds\n"},
        {"bodies: {retry_for: 2h}\n", "weir.yaml:4:21: bodies.retry_for: must be from 0 to 3600000 ms\n"},
        {"bodies: {file: /nowhere/x}\n",
         "weir.yaml:4:16: bodies.file: \"/nowhere/x\" cannot be read: No such file or directory\n"},
        {"bodies: {file: /dev/null, postgres: {}}\n",
         "weir.yaml:4:16: bodies.file: \"/dev/null\" is no regular file\n"
         "weir.yaml:4:27: bodies.postgres: stands beside `file` (line 4): only one of them can be used\n"},
        {"bodies: {postgres: {port: 70000}}\n",
         "weir.yaml:4:27: bodies.postgres.port: must be a port, an integer from 1 to 65535\n"},
        {"bodies: {postgres: {usre: x}}\n",
         "weir.yaml:4:21: bodies.postgres.usre: unknown key; did you mean `user`?\n"},
        {"http: true\n",
         "weir.yaml:4:7: http: must be a map with `listen`, or false for no listener, but is a boolean\n"},
        {"http: {listen: nowhere}\n", "weir.yaml:4:16: http.listen: must be an address and a port, such as "
                                      "\"127.0.0.1:9180\" or \"[::1]:9180\"\n"},
        {"database: {name: mysql}\n",
         "weir.yaml:4:11: database: must have `name: psycopg2` and `args`, as in Synapse\n"},
        {"synapse_config: /nowhere/homeserver.yaml\n",
         "weir.yaml:4:17: synapse_config: \"/nowhere/homeserver.yaml\" cannot be read: No such file or directory\n"},
        {"synapse_config: [/, 5]\n",
         "weir.yaml:4:18: synapse_config[0]: \"/\" cannot be read: Is a directory\n"
         "weir.yaml:4:21: synapse_config[1]: must be the path of Synapse's homeserver.yaml, or a list of paths, but is "
         "an integer\n"},
        {"log: {level: [\n", "weir.yaml:5:1: YAML syntax: did not find expected node content while parsing a flow node "
                             "(begun in line 5)\n"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        expect_run_error(cases[index].text, cases[index].errors);
}

Test(configuration, broken_http_sections_are_named)
{
    static const struct {
        const char *text;
        const char *errors;
    } cases[] = {
        {"http: {secret: a, secret_path: /nowhere/s}\n",
         "weir.yaml:4:19: http.secret_path: stands beside `secret` (line 4): only one of them can be used\n"
         "weir.yaml:4:32: http.secret_path: \"/nowhere/s\" cannot be read: No such file or directory\n"},
        {"http: {secret: \"a\\tb\"}\n",
         "weir.yaml:4:16: http.secret: must have only printable ASCII characters, and no blanks around them, to travel "
         "in the header Authorization\n"},
        {"http: {secret: \"open sesame\", connections: 0}\n",
         "weir.yaml:4:44: http.connections: must be from 1 to 1000000, but is 0\n"},
        {"http: {tls: {certificate_file: /etc/passwd}}\n",
         "weir.yaml:4:32: http.tls.certificate_file: needs `private_key_file` beside it\n"},
        {"http: {tls: {private_key_file: /etc/passwd}}\n",
         "weir.yaml:4:32: http.tls.private_key_file: needs `certificate_file` beside it\n"},
        {"http: {tls: {certificate_file: /etc/passwd, private_key_file: /nowhere/k}}\n",
         "weir.yaml:4:32: http.tls.certificate_file: \"/etc/passwd\" holds no certificate in PEM form, or a broken "
         "one\n"
         "weir.yaml:4:63: http.tls.private_key_file: \"/nowhere/k\" cannot be read: No such file or directory\n"},
        {"http: {listen: \":80\"}\nrequests: {http: true}\n",
         "weir.yaml:4:16: http.listen: with `requests.http` everyone who reaches this address could ask whether a "
         "message would pass, and find one that does: set `http.secret` or `http.secret_path`, or listen on 127.0.0.1 "
         "or [::1] only\n"},
        {"http: {listen: \":80\", secret: x}\nrequests: {http: true}\n", ""},
        {"http: {listen: \":80\"}\nrequests: {http: false}\n", ""},
        {"http: {listen: \"[::1]:80\"}\nrequests: {http: true}\n", ""},
        {"http: {listen: \"localhost:80\"}\nrequests: {http: true}\n", ""},
        {"http: {listen: \"127.1.2.3:80\"}\nrequests: {http: true}\n", ""},
        {"http: false\nrequests: {http: true}\n", ""},
        {"requests: {http: true}\n", ""},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        expect_run_error(cases[index].text, cases[index].errors);
}

Test(configuration, a_secret_that_everybody_can_read_is_warned_of)
{
    char path[] = "/tmp/weir-secret.XXXXXX", text[256], warning[256];
    int file = mkstemp(path);
    cr_assert_eq(write(file, " s3cret\n", 8), 8);
    snprintf(text, sizeof text, HEAD "http: {secret_path: %s}\n", path);
    snprintf(warning, sizeof warning,
             NO_MODULES "weir.yaml:4:21: http.secret_path: every user of this machine can read \"%s\": chmod o-r\n",
             path);
    for (int readable = 0; readable < 2; readable++) {
        struct buffer errors = {0}, warnings = {0};
        fchmod(file, readable ? 0644 : 0640);
        struct configuration *configuration = load_text(text, CONFIGURATION_FOR_RUN, &errors, &warnings);
        cr_assert_not_null(configuration, "%s", buffer_string(&errors));
        cr_expect_str_eq(configuration->http_secret, "s3cret");
        cr_expect_str_eq(buffer_string(&warnings), readable ? warning : NO_MODULES);
        configuration_destroy(configuration);
        buffer_free(&warnings);
    }
    close(file);
    unlink(path);
}

Test(configuration, broken_redis_sections_are_named)
{
    static const struct {
        const char *redis;
        const char *errors;
    } cases[] = {
        {"{port: 0}", "weir.yaml:2:15: redis.port: must be from 1 to 65535, but is 0\n"},
        {"{prot: 1}", "weir.yaml:2:9: redis.prot: unknown key; did you mean `port`?\n"},
        {"{dbid: -1}", "weir.yaml:2:15: redis.dbid: must be from 0 to 1000000, but is -1\n"},
        {"{password: 123}",
         "weir.yaml:2:19: redis.password: must be a text, but is an integer as YAML reads it: put it "
         "in quotes\n"},
        {"{password: a, password_path: /nowhere/p}",
         "weir.yaml:2:22: redis.password_path: stands beside `password` (line 2): only one of them can be used\n"
         "weir.yaml:2:37: redis.password_path: \"/nowhere/p\" cannot be read: No such file or directory\n"},
        {"{username: weir}", "weir.yaml:2:8: redis: has a username, but neither `password` nor `password_path`\n"},
        {"{use_tls: true, ca_file: /nowhere/ca}",
         "weir.yaml:2:33: redis.ca_file: \"/nowhere/ca\" cannot be read: No such file or directory\n"},
        {"{use_tls: true, ca_file: /nowhere/ca, verify: no}", ""},
        {"{use_tls: true, ca_path: /nowhere/ca}",
         "weir.yaml:2:33: redis.ca_path: \"/nowhere/ca\" cannot be read: No such file or directory\n"},
        {"{use_tls: true, ca_file: /etc/passwd}",
         "weir.yaml:2:33: redis.ca_file: \"/etc/passwd\" holds no certificate in PEM form, or a broken one\n"},
        {"{use_tls: true, certificate_file: /etc/passwd}",
         "weir.yaml:2:42: redis.certificate_file: needs `private_key_file` beside it\n"
         "weir.yaml:2:42: redis.certificate_file: \"/etc/passwd\" holds no certificate in PEM form, or a broken one\n"},
        {"{use_tls: true, private_key_file: /etc/passwd}",
         "weir.yaml:2:42: redis.private_key_file: needs `certificate_file` beside it\n"
         "weir.yaml:2:42: redis.private_key_file: \"/etc/passwd\" holds no private key in PEM form, or one with a pass "
         "phrase\n"},
        {"{use_tls: true, path: /run/x, ca_file: /nowhere/ca}", ""},
        {"{use_tls: 1}", "weir.yaml:2:18: redis.use_tls: must be true or false, but is an integer\n"},
        {"{sentinel: {master_name: m, sentinels: [a, \"[::1]:1\", \"b:2\"]}}", ""},
        {"{sentinel: {}}",
         "weir.yaml:2:19: redis.sentinel: needs `master_name`, the name after `sentinel monitor` in sentinel.conf\n"
         "weir.yaml:2:19: redis.sentinel: needs `sentinels`, a list of addresses such as [\"10.0.0.1:26379\"]\n"},
        {"{host: h, path: p, port: 1, sentinel: {master_name: m, sentinels: [a]}}",
         "weir.yaml:2:9: redis.host: stands beside `sentinel` (line 2): only one of them can be used\n"
         "weir.yaml:2:18: redis.path: stands beside `sentinel` (line 2): only one of them can be used\n"
         "weir.yaml:2:27: redis.port: stands beside `sentinel` (line 2): only one of them can be used\n"},
        {"{sentinel: {master_name: m, sentinels: [5, \"a:0\", \"a b@c\", \"\", \"a:99999\"]}}",
         "weir.yaml:2:48: redis.sentinel.sentinels[0]: must be a host and a port, such as \"10.0.0.1:26379\", but is "
         "an "
         "integer\n"
         "weir.yaml:2:51: redis.sentinel.sentinels[1]: " ENDPOINT
         "weir.yaml:2:58: redis.sentinel.sentinels[2]: " ENDPOINT
         "weir.yaml:2:67: redis.sentinel.sentinels[3]: " ENDPOINT
         "weir.yaml:2:71: redis.sentinel.sentinels[4]: " ENDPOINT},
        {"{sentinel: {master_name: m, sentinels: a, username: u, master: x}}",
         "weir.yaml:2:19: redis.sentinel: has a username, but neither `password` nor `password_path`\n"
         "weir.yaml:2:47: redis.sentinel.sentinels: must be a list of the sentinels' addresses, such as "
         "[\"10.0.0.1:26379\"]\n"
         "weir.yaml:2:63: redis.sentinel.master: unknown key\n"},
        {"{use_tls: no, enabled: yes, ca_path: /etc}", ""},
        {"5", "weir.yaml:2:8: redis: must be a map, but is an integer\n"},
    };
    struct buffer text = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        buffer_clear(&text);
        buffer_append_format(&text, "server_name: lab.test\nredis: %s\nmodules: []\n", cases[index].redis);
        expect_errors(buffer_string(&text), CONFIGURATION_FOR_RUN, cases[index].errors);
    }
    buffer_free(&text);
}

Test(configuration, broken_modules_are_named)
{
    static const struct {
        const char *modules;
        const char *errors;
    } cases[] = {
        {"{}", "weir.yaml:3:10: modules: must be a list of modules, but is a map\n"},
        {"[keywords]", "weir.yaml:3:11: modules[0]: must be a map with `module` and `config`, but is a text\n"},
        {"[{config: {}}]", "weir.yaml:3:11: modules[0]: has no `module: NAME`\n"},
        {"[{module: keyword}]", "weir.yaml:3:20: modules[0].module: unknown module; did you mean `keywords`?\n"},
        {"[{module: nothing_like_it}]", "weir.yaml:3:20: modules[0].module: unknown module\n"},
        {"[{module: [x]}]", "weir.yaml:3:20: modules[0].module: must be a text, but is a list\n"},
        {"[{module: sender_list, config: 5}]",
         "weir.yaml:3:41: modules[0].config: must be a map of parameters, but is an integer\n"},
        {"[{module: sender_list, confg: {}}]",
         "weir.yaml:3:33: modules[0].confg: unknown key; did you mean `config`?\n"},
        {"[{module: sender_list, config: {userss: []}}]",
         "weir.yaml:3:50: modules[0].config.userss: unknown parameter; did you mean `users`?\n"},
        {"\n - module: sender_list\n   config:\n    users:\n     - a\n     - 5\n",
         "weir.yaml:8:8: modules[0].config.users[1]: must be a text (in quotes, if YAML reads it as something else)\n"},
        {"[{module: sender_list, error: 5, reason: ''}]",
         "weir.yaml:3:40: modules[0].error: must be a text that is not empty\n"
         "weir.yaml:3:51: modules[0].reason: must be a text that is not empty\n"},
        {"[{module: sender_list, actions: redact}]",
         "weir.yaml:3:42: modules[0].actions: must be a list of actions: [redact, notify]\n"},
        {"[{module: sender_list, actions: [notify, redat]}]",
         "weir.yaml:3:51: modules[0].actions[1]: is no action; did you mean `redact`?\n"},
        {"[{module: sender_list, actions: [5]}]",
         "weir.yaml:3:43: modules[0].actions[0]: is no action; there are: redact, report, kick, ban, quarantine_media, "
         "notify\n"},
        {"[{module: sender_list, config: {users_file: /}}]",
         "weir.yaml:3:54: modules[0].config.users_file: \"/\" cannot be read: Is a directory\n"},
    };
    struct buffer text = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        buffer_clear(&text);
        buffer_append_format(&text, "server_name: lab.test\n\nmodules: %s\n", cases[index].modules);
        expect_errors(buffer_string(&text), CONFIGURATION_FOR_REPLAY, cases[index].errors);
    }
    buffer_free(&text);
}

Test(configuration, modules_have_words_of_the_administrators)
{
    struct buffer errors = {0};
    struct configuration *configuration = load_text("server_name: lab.test\nmodules:\n- {module: sender_list, error: "
                                                    "'Ask us.', reason: listed, actions: [ban, redact, ban]}\n"
                                                    "- {module: sender_list, error: ~}\n",
                                                    CONFIGURATION_FOR_REPLAY, &errors, NULL);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    const struct module_options *options = chain_module_options(configuration->chain, 0);
    cr_expect_str_eq(options->reason, "listed");
    cr_expect_str_eq(json_string_value(json_object_get(options->error_fields, "error")), "Ask us.");
    cr_expect_eq(options->actions, ACTION_BIT(ACTION_redact) | ACTION_BIT(ACTION_ban));
    cr_expect_eq(chain_module_options(configuration->chain, 1)->actions, 0u);
    cr_expect_null(chain_module_options(configuration->chain, 1)->error_fields);
    cr_expect_null(chain_module_options(configuration->chain, 1)->reason);
    configuration_destroy(configuration);
    buffer_free(&errors);
}

Test(configuration, what_is_required_depends_on_the_purpose)
{
    static const char server[] =
        "weir.yaml:1:1: server_name: is missing: add it, or `synapse_config` with the path of homeserver.yaml\n";
    static const char redis[] =
        "weir.yaml:1:1: redis: is missing: add Synapse's `redis` section, such as {host: 127.0.0.1, port: 6379}\n";
    static const char modules[] =
        "weir.yaml:1:1: modules: is missing: add a list of modules (`weir modules` shows them)\n";
    struct buffer expected = {0};
    buffer_append_format(&expected, "%s%s%s", server, redis, modules);
    expect_errors("log: {}\n", CONFIGURATION_FOR_RUN, buffer_string(&expected));
    buffer_clear(&expected);
    buffer_append_format(&expected, "%s%s", server, modules);
    expect_errors("log: {}\n", CONFIGURATION_FOR_REPLAY, buffer_string(&expected));
    buffer_clear(&expected);
    buffer_append_format(&expected, "%s%s", server, redis);
    expect_errors("log: {}\n", CONFIGURATION_FOR_CLIENT, buffer_string(&expected));
    buffer_free(&expected);
    expect_errors("server_name: a\nredis: {}\nmodules: [{module: nowhere}]\n", CONFIGURATION_FOR_CLIENT, "");
    expect_errors("", CONFIGURATION_FOR_RUN, "weir.yaml:1:1: the file is empty\n");
    expect_errors("- a\n", CONFIGURATION_FOR_RUN, "weir.yaml:1:1: the file must be a map of keys, but is a list\n");
}

Test(configuration, a_module_that_needs_bodies_needs_their_source)
{
    static const char text[] =
        "server_name: a\nredis: {}\nmodules:\n  - module: sender_list\n    config: {users: [b]}\n";
    expect_errors(text, CONFIGURATION_FOR_REPLAY, "");
    expect_errors(
        text, CONFIGURATION_FOR_RUN,
        "weir.yaml:4:5: modules[0]: sender_list judges by the event's body, and there is no source of bodies: "
        "add `bodies: {postgres: {...}}` or `bodies: {file: PATH}`; or, for an engine that only answers questions, "
        "`observe: false`\n");
    struct buffer with = {0};
    buffer_append_format(&with, "%sbodies: {postgres: {}}\n", text);
    expect_errors(buffer_string(&with), CONFIGURATION_FOR_RUN, "");
    buffer_clear(&with);
    buffer_append_format(&with, "%sobserve: false\n", text);
    expect_errors(buffer_string(&with), CONFIGURATION_FOR_RUN, "");
    buffer_clear(&with);
    buffer_append_format(&with, "%sbodies: {postgres: {}}\nobserve: yes\n", text);
    expect_errors(buffer_string(&with), CONFIGURATION_FOR_RUN,
                  "weir.yaml:7:10: observe: must be a map, or false for an engine that only answers questions, but is "
                  "a boolean\n");
    buffer_free(&with);
}

Test(configuration, errors_come_in_the_order_of_the_file)
{
    expect_errors("modules: [{module: x}]\nredis: {port: a}\nlgo: {}\nserver_name: a b\n", CONFIGURATION_FOR_RUN,
                  "weir.yaml:1:20: modules[0].module: unknown module\n"
                  "weir.yaml:2:15: redis.port: must be an integer, but is a text\n"
                  "weir.yaml:3:1: lgo: unknown key; did you mean `log`?\n"
                  "weir.yaml:4:14: server_name: must have no spaces and only printable ASCII characters\n");
}

Test(configuration, a_minimal_file_has_the_defaults)
{
    struct buffer errors = {0}, warnings = {0};
    struct configuration *configuration = load_text(HEAD, CONFIGURATION_FOR_RUN, &errors, &warnings);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(buffer_string(&warnings), NO_MODULES);
    cr_expect_str_eq(configuration->server_name, "lab.test");
    cr_expect_str_eq(configuration->instance_name, "weir1");
    cr_expect_str_eq(configuration->http_listen, "127.0.0.1:9180");
    cr_expect(configuration->redis_configured);
    cr_expect_null(configuration->redis.host);
    cr_expect_eq(configuration->redis.port, 6379);
    cr_expect_eq(configuration->redis.database, 0);
    cr_expect_eq(configuration->body_source, BODY_SOURCE_NONE);
    cr_expect_eq(configuration->bodies_retry_ms, 2000);
    cr_expect_eq(configuration->bodies_queue, 10000);
    cr_expect_eq(configuration->publish_keep, 1000000);
    cr_expect(configuration->requests_redis);
    cr_expect_eq(configuration->requests_batch, 500);
    cr_expect_eq(configuration->requests_queue, 10000);
    cr_expect_eq(configuration->requests_claim_after_ms, 1000);
    cr_expect_eq(configuration->presence_cache, 10000);
    cr_expect_eq(configuration->presence_cache_for_ms, 60000);
    cr_expect_not(configuration->publish_all);
    cr_expect_not(configuration->observe_rejected);
    cr_expect_eq(configuration->log_level, LOG_INFO);
    cr_expect_eq(chain_module_count(configuration->chain), 0);
    configuration_destroy(configuration);
    buffer_free(&warnings);
}

Test(configuration, every_key_reaches_its_place)
{
    static const char text[] =
        "server_name: lab.test\ninstance_name: weir2\nmodules: []\n"
        "redis: {host: redis.lab, port: 6380, path: run/r.sock, dbid: 3, username: u, password: p}\n"
        "bodies: {postgres: {host: /run/pg, port: 5433, database: synapse, user: w, password: s}, retry_for: 500ms, "
        "queue: 7}\n"
        "http: {listen: \"0.0.0.0:80\"}\npublish: {verdicts: all, keep: 5}\nobserve: {rejected: yes, outliers: on}\n"
        "log: {level: warning}\nworker_replication_secret: s3cret\n"
        "instance_map: {main: {host: localhost, port: 9093}, p1: {host: h, port: 1, tls: true}, p2: {path: run/p}}\n"
        "stream_writers: {typing: t, events: [main, p2]}\nstate_dir: /tmp\nstate_interval: 90s\nrole: standby\nlease: "
        "2s\naudit: 10m\n"
        "catch_up: {page: 5, timeout: 3s, ca_file: ca, ca_path: cas, verify: no}\nshutdown_timeout: 1s\n"
        "requests: {redis: no, batch: 3, claim_after: 2s}\npresence: {cache: 0, cache_for: 5s}\n";
    struct buffer errors = {0}, warnings = {0};
    struct configuration *configuration = load_text(text, CONFIGURATION_FOR_RUN, &errors, &warnings);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(buffer_string(&warnings),
                     NO_MODULES "weir.yaml:6:16: http.listen: the metrics can be read by everyone who reaches this "
                                "address: there is no password\n");
    cr_assert_eq(configuration->instance_count, 3);
    cr_expect_str_eq(configuration->instances[0].name, "master", "the wire's name of the main process");
    cr_expect_str_eq(configuration->instances[0].host, "localhost");
    cr_expect_eq(configuration->instances[0].port, 9093);
    cr_expect_not(configuration->instances[0].tls);
    cr_expect(configuration->instances[1].tls);
    cr_expect_str_eq(configuration->instances[2].unix_path, "run/p");
    cr_assert_eq(configuration->event_writer_count, 2);
    cr_expect_str_eq(configuration->event_writers[0], "master");
    cr_expect_str_eq(configuration->event_writers[1], "p2");
    cr_expect_str_eq(configuration->replication_secret, "s3cret");
    cr_expect_str_eq(configuration->state_dir, "/tmp");
    cr_expect_eq(configuration->state_interval_ms, 90000);
    cr_expect_eq(configuration->role, ROLE_STANDBY);
    cr_expect_eq(configuration->lease_ms, 2000);
    cr_expect_eq(configuration->audit_ms, 600000);
    cr_expect_eq(configuration->catch_up_page, 5);
    cr_expect_eq(configuration->catch_up_timeout_ms, 3000);
    cr_expect_str_eq(configuration->catch_up_ca_file, "ca");
    cr_expect_str_eq(configuration->catch_up_ca_path, "cas");
    cr_expect_not(configuration->catch_up_verify);
    cr_expect_eq(configuration->shutdown_timeout_ms, 1000);
    cr_expect_str_eq(configuration->instance_name, "weir2");
    cr_expect_str_eq(configuration->redis.host, "redis.lab");
    cr_expect_eq(configuration->redis.port, 6380);
    cr_expect_str_eq(configuration->redis.unix_path, "run/r.sock");
    cr_expect_eq(configuration->redis.database, 3);
    cr_expect_str_eq(configuration->redis.username, "u");
    cr_expect_str_eq(configuration->redis.password, "p");
    cr_expect_eq(configuration->body_source, BODY_SOURCE_POSTGRES);
    cr_expect_str_eq(configuration->postgres.host, "/run/pg");
    cr_expect_str_eq(configuration->postgres.port, "5433");
    cr_expect_str_eq(configuration->postgres.dbname, "synapse");
    cr_expect_str_eq(configuration->postgres.user, "w");
    cr_expect_str_eq(configuration->postgres.password, "s");
    cr_expect_eq(configuration->bodies_retry_ms, 500);
    cr_expect_eq(configuration->bodies_queue, 7);
    cr_expect_str_eq(configuration->http_listen, "0.0.0.0:80");
    cr_expect(configuration->publish_all);
    cr_expect_eq(configuration->publish_keep, 5);
    cr_expect(configuration->observe_rejected);
    cr_expect(configuration->observe_outliers);
    cr_expect_eq(configuration->log_level, LOG_WARNING);
    cr_expect_not(configuration->requests_redis);
    cr_expect_eq(configuration->requests_batch, 3);
    cr_expect_eq(configuration->requests_claim_after_ms, 2000);
    cr_expect_eq(configuration->presence_cache, 0);
    cr_expect_eq(configuration->presence_cache_for_ms, 5000);
    configuration_destroy(configuration);
    buffer_free(&warnings);
}

/* A folder that is gone when the test ends. */
static char folder[] = "/tmp/weir-configuration-XXXXXX";

static char *in_folder(const char *name)
{
    static char path[2][100];
    static unsigned turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static struct configuration *load_files(struct buffer *errors, struct buffer *warnings)
{
    return configuration_load(in_folder("weir.yaml"), CONFIGURATION_FOR_RUN, NULL, errors, warnings);
}

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

Test(configuration, writers_that_cannot_be_asked)
{
    struct buffer errors = {0}, warnings = {0};
    cr_expect_null(
        load_text("server_name: s\nredis: {}\nmodules: []\naudit: 10m\ninstance_map:\n  a: {port: 1}\n"
                  "  b: {host: h, port: 0}\n  c: {host: h, prot: 1, port: 1, tls: 1}\n  d: 5\n  e f: {path: x}\n"
                  "  g: {path: [1]}\n  h: {host: h, port: 1, prot: 2}\n"
                  "stream_writers: {events: [1]}\nworker_replication_secret: \"a\\nb\"\n"
                  "worker_replication_secret_path: /dev/null\n",
                  CONFIGURATION_FOR_RUN, &errors, &warnings));
    cr_expect_str_eq(
        buffer_string(&errors),
        "weir.yaml:6:3: instance_map.a: needs `host` (a text) and `port`, or `path`\n"
        "weir.yaml:7:22: instance_map.b: needs a `port`, an integer from 1 to 65535\n"
        "weir.yaml:8:39: instance_map.c: must be true or false for `tls`, but is an integer\n"
        "weir.yaml:9:3: instance_map.d: must be a map with `host` and `port`, or with `path`, but is an integer\n"
        "weir.yaml:10:3: instance_map.e f: must have no spaces and only printable ASCII characters\n"
        "weir.yaml:11:13: instance_map.g: must be the path of a unix socket, but is a list\n"
        "weir.yaml:12:25: instance_map.h: unknown key; did you mean `port`?\n"
        "weir.yaml:13:26: stream_writers.events: must be the name of a worker, but is an integer\n"
        "weir.yaml:14:28: worker_replication_secret: must be one line\n"
        "weir.yaml:15:1: worker_replication_secret_path: stands beside `worker_replication_secret` (line 14): only one "
        "of them can be used\n"
        "weir.yaml:15:33: worker_replication_secret_path: \"/dev/null\" cannot be read: Not a regular file\n");
    buffer_clear(&errors);
    buffer_clear(&warnings);
    struct configuration *configuration =
        load_text("server_name: s\nredis: {}\nmodules: []\nstream_writers: {events: p1}\n"
                  "instance_map: {main: {host: h, port: 1}}\n",
                  CONFIGURATION_FOR_RUN, &errors, &warnings);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(buffer_string(&warnings),
                     "weir.yaml:1:1: instance_map: has no address of p1, which writes events: what it publishes while "
                     "Weir does not listen is not judged\n" NO_MODULES);
    configuration_destroy(configuration);
    buffer_free(&errors);
    buffer_free(&warnings);
}

static void remove_folder(void)
{
    static const char *const names[] = {"weir.yaml", "homeserver.yaml", "second.yaml", "secret", "users.txt", "bodies"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        unlink(in_folder(names[index]));
    rmdir(folder);
}

Test(configuration, synapse_files_fill_what_ours_leaves_open, .init = make_folder, .fini = remove_folder)
{
    write_file("homeserver.yaml", "server_name: from.synapse\nlisteners: [1]\nworker_replication_secret: x\n"
                                  "redis: {enabled: true, host: one, later_key: 1}\n"
                                  "database: {name: psycopg2, txn_limit: 5, args: {user: synapse_user, password: q, "
                                  "dbname: synapse, host: localhost, cp_min: 5, sslmode: require}}\n");
    write_file("second.yaml", "redis: {password_path: secret, dbid: 2}\n");
    write_file("secret", " \n  s3cret \n\n");
    write_file("weir.yaml", "synapse_config: [homeserver.yaml, second.yaml]\nmodules: []\n");
    struct buffer errors = {0}, warnings = {0};
    struct configuration *configuration = load_files(&errors, &warnings);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(configuration->server_name, "from.synapse");
    cr_expect_null(configuration->redis.host, "a later file replaces the section as a whole");
    cr_expect_eq(configuration->redis.database, 2);
    cr_expect_str_eq(configuration->redis.password, "s3cret");
    cr_expect_str_eq(configuration->replication_secret, "x");
    cr_expect_eq(configuration->body_source, BODY_SOURCE_POSTGRES);
    cr_expect_str_eq(configuration->postgres.user, "synapse_user");
    cr_expect_str_eq(configuration->postgres.dbname, "synapse");
    cr_expect_str_eq(configuration->postgres.host, "localhost");
    cr_expect_not_null(strstr(buffer_string(&warnings), "homeserver.yaml:5:127: database.args.sslmode: is not taken "));
    configuration_destroy(configuration);

    write_file("bodies", "");
    write_file("weir.yaml", "server_name: ours\nsynapse_config: homeserver.yaml\nmodules: []\nredis: {port: 5}\n"
                            "bodies: {file: bodies}\n");
    configuration = load_files(&errors, NULL);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(configuration->server_name, "ours");
    cr_expect_null(configuration->redis.host, "our section replaces Synapse's as a whole");
    cr_expect_eq(configuration->redis.port, 5);
    cr_expect_eq(configuration->body_source, BODY_SOURCE_FILE);
    cr_expect_str_eq(configuration->bodies_file, in_folder("bodies"));
    cr_expect_null(configuration->postgres.user);
    configuration_destroy(configuration);
    buffer_free(&warnings);
}

Test(configuration, errors_in_synapse_files_name_them, .init = make_folder, .fini = remove_folder)
{
    write_file("homeserver.yaml", "server_name: a\nredis: {port: x, unknown_here: 1}\n");
    write_file("second.yaml", "a: [\n");
    write_file("weir.yaml", "synapse_config: [homeserver.yaml, second.yaml]\nmodules: []\n");
    struct buffer errors = {0}, expected = {0};
    cr_assert_null(load_files(&errors, NULL));
    buffer_append_format(
        &expected,
        "%s/homeserver.yaml:2:15: redis.port: must be an integer, but is a text\n"
        "%s/second.yaml:2:1: YAML syntax: did not find expected node content while parsing a flow node "
        "(begun in line 2)\n",
        folder, folder);
    cr_expect_str_eq(buffer_string(&errors), buffer_string(&expected));
    buffer_free(&errors);
    buffer_free(&expected);
}

Test(configuration, module_files_are_beside_the_configuration, .init = make_folder, .fini = remove_folder)
{
    write_file("users.txt", "# nobody\n@a:b\n");
    write_file("weir.yaml", "server_name: a\nredis: {}\nbodies: {postgres: {}}\n"
                            "modules: [{module: sender_list, config: {users_file: users.txt}}]\n");
    struct buffer errors = {0};
    struct configuration *configuration = load_files(&errors, NULL);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_eq(chain_module_count(configuration->chain), 1);
    configuration_destroy(configuration);
}

/* `make test` runs in the repository's root. */
Test(configuration, the_sample_is_good)
{
    struct buffer errors = {0}, warnings = {0};
    struct configuration *configuration =
        configuration_load("deploy/sample/weir.yaml", CONFIGURATION_FOR_REPLAY, NULL, &errors, &warnings);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(buffer_string(&warnings), "");
    cr_expect_eq(chain_module_count(configuration->chain), 7);
    cr_expect(chain_needs_body(configuration->chain));
    cr_expect_str_eq(configuration->bodies_file, "deploy/sample/recording.events.jsonl.zst");
    configuration_destroy(configuration);
    buffer_free(&warnings);
}

/* More problems than anybody reads are counted, not told, and cost no time. */
Test(configuration, a_flood_of_problems_is_cut, .timeout = 60)
{
    struct buffer text = {0}, errors = {0};
    for (int index = 0; index < 300000; index++)
        buffer_append_format(&text, "unknown_key_%d: x\n", index);
    cr_assert_null(load_text(buffer_string(&text), CONFIGURATION_FOR_RUN, &errors, NULL));
    size_t lines = 0;
    for (const char *cursor = buffer_string(&errors); (cursor = strchr(cursor, '\n')); cursor++)
        lines++;
    cr_expect_eq(lines, 1001);
    cr_expect_not_null(strstr(errors.data, "weir.yaml: there are more problems than the 1000 told here\n"));
    buffer_free(&text);
    buffer_free(&errors);
}

Test(configuration, unreadable_files_are_errors, .init = make_folder, .fini = remove_folder)
{
    struct buffer errors = {0};
    cr_assert_null(configuration_load("/nowhere/weir.yaml", CONFIGURATION_FOR_RUN, NULL, &errors, NULL));
    cr_assert_null(configuration_load(folder, CONFIGURATION_FOR_RUN, NULL, &errors, NULL));
    cr_assert_eq(mkfifo(in_folder("secret"), 0600), 0);
    cr_assert_null(configuration_load(in_folder("secret"), CONFIGURATION_FOR_RUN, NULL, &errors, NULL));
    struct buffer expected = {0};
    buffer_append_format(&expected,
                         "/nowhere/weir.yaml: cannot be read: No such file or directory\n"
                         "%s: cannot be read: Is a directory\n%s: cannot be read: Not a regular file\n",
                         folder, in_folder("secret"));
    cr_expect_str_eq(buffer_string(&errors), buffer_string(&expected));
    buffer_free(&errors);
    buffer_free(&expected);
}

Test(configuration, redis_behind_sentinels_with_tls)
{
    struct buffer errors = {0};
    struct configuration *configuration =
        load_text("server_name: s\nmodules: []\nredis:\n  use_tls: yes\n  verify: no\n  dbid: 2\n  password: p\n"
                  "  sentinel: {master_name: m, sentinels: [a, \"[::1]:7\"], username: u, password: q}\n",
                  CONFIGURATION_FOR_RUN, &errors, NULL);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    const struct redis_address *redis = &configuration->redis;
    cr_expect(redis->tls.enabled);
    cr_expect(redis->tls.unverified);
    cr_expect_str_eq(redis->password, "p");
    cr_expect_str_eq(redis->sentinels.master_name, "m");
    cr_assert_eq(redis->sentinels.count, 2u);
    cr_expect_str_eq(redis->sentinels.endpoints[0].host, "a");
    cr_expect_eq(redis->sentinels.endpoints[0].port, 26379);
    cr_expect_str_eq(redis->sentinels.endpoints[1].host, "::1");
    cr_expect_eq(redis->sentinels.endpoints[1].port, 7);
    cr_expect_str_eq(redis->sentinels.username, "u");
    cr_expect_str_eq(redis->sentinels.password, "q");
    cr_expect(redis->sentinels.tls, "as with Redis, unless it is said");
    configuration_destroy(configuration);
    configuration =
        load_text("server_name: s\nmodules: []\nredis:\n  use_tls: yes\n  ca_file: /dev/null\n  verify: no\n"
                  "  sentinel: {master_name: m, sentinels: [a], use_tls: no}\n",
                  CONFIGURATION_FOR_RUN, &errors, NULL);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_not(configuration->redis.sentinels.tls);
    cr_expect_str_eq(configuration->redis.tls.ca_file, "/dev/null");
    configuration_destroy(configuration);
    buffer_free(&errors);
}

Test(configuration, certificates_that_nothing_uses)
{
    struct buffer errors = {0}, warnings = {0};
    struct configuration *configuration = load_text("server_name: s\nredis: {path: /x, use_tls: yes, ca_file: /y}\n"
                                                    "modules: []\n",
                                                    CONFIGURATION_FOR_RUN, &errors, &warnings);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(
        buffer_string(&warnings),
        "weir.yaml:2:42: redis.ca_file: is not used: there is no TLS on a unix socket (`path`)\n" NO_MODULES);
    configuration_destroy(configuration);
    buffer_clear(&warnings);
    configuration =
        load_text("server_name: s\nredis: {ca_path: /y}\nmodules: []\n", CONFIGURATION_FOR_RUN, &errors, &warnings);
    cr_assert_not_null(configuration, "%s", buffer_string(&errors));
    cr_expect_str_eq(buffer_string(&warnings),
                     "weir.yaml:2:18: redis.ca_path: is not used: `use_tls` is not set\n" NO_MODULES);
    configuration_destroy(configuration);
    buffer_free(&errors);
    buffer_free(&warnings);
}
