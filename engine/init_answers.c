/* What is taken is checked at once, so that a person is asked again for what is wrong, and not for everything at the
 * end; the whole is checked once more before it is written, since some of it comes from Synapse's files. */
#include <ctype.h>
#include <dirent.h>
#include <libpq-fe.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/configuration_reader.h"
#include "engine/init.h"
#include "engine/profile_folder.h"
#include "filters/server_name.h"

#define REDIS_PORT 6379
#define DATABASE_MAXIMUM 1000000
#define TEXT_MAXIMUM 4096u
#define SECRET_MAXIMUM (64u << 10)
#define PROFILES_MAXIMUM 100u

static char *copy(const char *text)
{
    return memory_copy_text(text, strlen(text));
}

static void replace(char **member, char *text)
{
    free(*member);
    *member = text;
}

static void free_postgres(struct postgres_settings *postgres)
{
    free(postgres->host);
    free(postgres->port);
    free(postgres->dbname);
    free(postgres->user);
    free(postgres->password);
    *postgres = (struct postgres_settings){0};
}

void init_answers_free(struct init_answers *answers)
{
    free(answers->server_name);
    redis_address_free(&answers->redis);
    free_postgres(&answers->postgres);
    free(answers->profile);
    for (size_t index = 0; index < answers->instance_count; index++) {
        free(answers->instances[index].name);
        free(answers->instances[index].host);
        free(answers->instances[index].unix_path);
    }
    free(answers->instances);
    for (size_t index = 0; index < answers->event_writer_count; index++)
        free(answers->event_writers[index]);
    free(answers->event_writers);
    free(answers->replication_secret);
    free(answers->state_dir);
    *answers = (struct init_answers){0};
}

bool init_take_server_name(struct init_answers *answers, const char *text, struct buffer *problem)
{
    if (!server_name_valid(slice_from_string(text))) {
        buffer_append_string(problem, "a server name is a host name or an address, with a port if Synapse's has one: "
                                      "what stands behind the `:` of user ids, such as example.org");
        return false;
    }
    replace(&answers->server_name, copy(text));
    return true;
}

bool init_take_redis(struct init_answers *answers, const char *text, struct buffer *problem)
{
    struct redis_address address = {0};
    struct redis_endpoint endpoint = {0};
    if (*text == '/' || strstr(text, "://")) {
        if (!redis_address_parse(text, &address, problem))
            return false;
    } else if (!strpbrk(text, " \t") && redis_endpoint_parse(text, REDIS_PORT, &endpoint)) {
        address.host = endpoint.host;
        address.port = endpoint.port;
    } else {
        buffer_append_string(problem, "Redis is named as host:port, as the path of a unix socket, or as a URL such as "
                                      "redis://127.0.0.1:6379 or rediss://weir@redis.example.org");
        return false;
    }
    if (!address.password)
        memory_exchange(&address.password, &answers->redis.password, sizeof address.password);
    if (!address.username)
        memory_exchange(&address.username, &answers->redis.username, sizeof address.username);
    redis_address_free(&answers->redis);
    answers->redis = address;
    answers->redis_given = true;
    return true;
}

/* PostgreSQL. */

/* Where a keyword of libpq goes; NULL if the configuration has no place for it. */
static char **place_of(struct postgres_settings *postgres, const char *keyword)
{
    const struct {
        const char *keyword;
        char **place;
    } places[] = {{"host", &postgres->host},
                  {"port", &postgres->port},
                  {"dbname", &postgres->dbname},
                  {"user", &postgres->user},
                  {"password", &postgres->password}};
    for (size_t index = 0; index < sizeof places / sizeof *places; index++)
        if (strcmp(places[index].keyword, keyword) == 0)
            return places[index].place;
    return NULL;
}

static void take_options(struct postgres_settings *postgres, const PQconninfoOption *options, struct buffer *note)
{
    for (; options->keyword; options++) {
        if (!options->val || !*options->val)
            continue;
        char **place = place_of(postgres, options->keyword);
        if (place)
            *place = copy(options->val);
        else if (options->envvar)
            buffer_append_format(note, "%s is not kept: set %s in the environment of weir\n", options->keyword,
                                 options->envvar);
        else
            buffer_append_format(note, "%s is not kept\n", options->keyword);
    }
}

bool init_take_postgres(struct init_answers *answers, const char *text, struct buffer *note, struct buffer *problem)
{
    char *error = NULL;
    PQconninfoOption *options = NULL;
    if (strcmp(text, "none") != 0 && !(options = PQconninfoParse(text, &error))) {
        buffer_append_format(problem,
                             "PostgreSQL is named as libpq takes it, \"host=/run/postgresql dbname=synapse user=weir\" "
                             "or postgresql://weir@/synapse, or it is `none`: %s",
                             error ? error : "out of memory");
        while (problem->length && problem->data[problem->length - 1] == '\n')
            problem->length--;
        PQfreemem(error);
        return false;
    }
    char *password = answers->postgres.password;
    answers->postgres.password = NULL;
    free_postgres(&answers->postgres);
    answers->bodies_given = true;
    answers->bodies = options != NULL;
    if (options)
        take_options(&answers->postgres, options, note);
    if (answers->postgres.password)
        free(password);
    else
        answers->postgres.password = password;
    PQconninfoFree(options);
    return true;
}

/* Profiles. */

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* The names in the folder, sorted; the caller frees them. */
static size_t list_profiles(char **names)
{
    char *path = profile_folder_find();
    DIR *folder = path ? opendir(path) : NULL;
    size_t count = 0;
    for (struct dirent *entry; folder && count < PROFILES_MAXIMUM && (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        if (length > 5 && *entry->d_name != '.' && strcmp(entry->d_name + length - 5, ".yaml") == 0)
            names[count++] = memory_copy_text(entry->d_name, length - 5);
    }
    if (folder)
        closedir(folder);
    free(path);
    qsort(names, count, sizeof *names, by_name);
    return count;
}

bool init_append_profiles(struct buffer *output)
{
    char *names[PROFILES_MAXIMUM];
    size_t count = list_profiles(names);
    for (size_t index = 0; index < count; index++) {
        buffer_append_format(output, "%s%s", index ? ", " : "", names[index]);
        free(names[index]);
    }
    return count > 0;
}

bool init_take_profile(struct init_answers *answers, const char *text, struct buffer *problem)
{
    char *names[PROFILES_MAXIMUM];
    size_t count = list_profiles(names);
    bool found = strcmp(text, "none") == 0;
    for (size_t index = 0; index < count; index++) {
        found = found || strcmp(names[index], text) == 0;
        free(names[index]);
    }
    if (found) {
        replace(&answers->profile, copy(text));
        return true;
    }
    buffer_append_string(problem, "there is no such profile; there are: ");
    init_append_profiles(problem);
    buffer_append_string(problem, ", none");
    return false;
}

bool init_take_password_file(char **password, const char *path, struct buffer *problem)
{
    struct buffer content = {0}, reason = {0};
    bool read = configuration_read_file(path, SECRET_MAXIMUM, &content, &reason);
    struct slice text = buffer_slice(&content);
    while (text.length && isspace((unsigned char)*text.data))
        text = slice_of(text.data + 1, text.length - 1);
    while (text.length && isspace((unsigned char)text.data[text.length - 1]))
        text.length--;
    bool good = read && text.length && !memchr(text.data, '\0', text.length);
    if (good)
        replace(password, memory_copy_text(text.data, text.length));
    else
        buffer_append_format(problem, "%s: %s", path, read ? "holds no password" : buffer_string(&reason));
    if (content.data)
        explicit_bzero(content.data, content.capacity);
    buffer_free(&content);
    buffer_free(&reason);
    return good;
}

/* Synapse's files. */

/* What is known already, so that nobody misses it there. */
static void append_known(const struct init_answers *answers, struct buffer *text)
{
    if (answers->server_name) {
        buffer_append_string(text, "server_name: ");
        init_append_text(answers->server_name, text);
        buffer_append_char(text, '\n');
    }
    if (answers->redis_given)
        buffer_append_string(text, "redis: {host: localhost}\n");
}

static void move_from(struct init_answers *answers, struct configuration *from)
{
    if (!answers->server_name)
        memory_exchange(&answers->server_name, &from->server_name, sizeof from->server_name);
    if (!answers->redis_given)
        memory_exchange(&answers->redis, &from->redis, sizeof from->redis);
    answers->redis_given = true;
    if (!answers->bodies_given && from->body_source == BODY_SOURCE_POSTGRES) {
        memory_exchange(&answers->postgres, &from->postgres, sizeof from->postgres);
        answers->bodies = answers->bodies_given = true;
    }
    memory_exchange(&answers->instances, &from->instances, sizeof from->instances);
    memory_exchange(&answers->instance_count, &from->instance_count, sizeof from->instance_count);
    memory_exchange(&answers->event_writers, &from->event_writers, sizeof from->event_writers);
    memory_exchange(&answers->event_writer_count, &from->event_writer_count, sizeof from->event_writer_count);
    memory_exchange(&answers->replication_secret, &from->replication_secret, sizeof from->replication_secret);
}

bool init_take_synapse(struct init_answers *answers, const char *const *paths, size_t count, struct buffer *warnings,
                       struct buffer *problem)
{
    struct buffer text = {0};
    append_known(answers, &text);
    buffer_append_string(&text, "synapse_config: [");
    for (size_t index = 0; index < count; index++) {
        char absolute[PATH_MAX];
        buffer_append_string(&text, index ? ", " : "");
        init_append_text(realpath(paths[index], absolute) ? absolute : paths[index], &text);
    }
    buffer_append_string(&text, "]\n");
    struct configuration *configuration = configuration_load_text(
        "--synapse-config", buffer_slice(&text), CONFIGURATION_FOR_CLIENT, NULL, true, problem, warnings);
    if (configuration)
        move_from(answers, configuration);
    configuration_destroy(configuration);
    buffer_free(&text);
    return configuration != NULL;
}

/* The whole. */

struct answer_check {
    const char *name;
    const char *text;
    bool path;   /* must be absolute, since it is read from another folder */
    bool secret; /* is kept in a file, whose ends are white space */
};

static const char *what_is_wrong(const struct answer_check *check)
{
    struct slice text = slice_from_string(check->text);
    if (text.length == 0)
        return "is empty";
    if (text.length > TEXT_MAXIMUM)
        return "has more than 4096 bytes";
    if (!utf8_valid(text))
        return "is not UTF-8";
    if (check->path && *text.data != '/')
        return "must be an absolute path";
    if (check->secret && (isspace((unsigned char)*text.data) || isspace((unsigned char)text.data[text.length - 1])))
        return "begins or ends with white space, which a file cannot keep";
    return NULL;
}

static bool check_texts(const struct answer_check *checks, size_t count, struct buffer *problem)
{
    for (size_t index = 0; index < count; index++) {
        const char *wrong = checks[index].text ? what_is_wrong(&checks[index]) : NULL;
        if (!wrong)
            continue;
        buffer_append_format(problem, "%s %s", checks[index].name, wrong);
        return false;
    }
    return true;
}

static bool say(struct buffer *problem, const char *sentence)
{
    buffer_append_string(problem, sentence);
    return false;
}

static bool check_redis(const struct redis_address *redis, struct buffer *problem)
{
    const struct answer_check checks[] = {{"the host of Redis", redis->host, false, false},
                                          {"the socket of Redis", redis->unix_path, true, false},
                                          {"the user of Redis", redis->username, false, false},
                                          {"the password of Redis", redis->password, false, true},
                                          {"ca_file", redis->tls.ca_file, true, false},
                                          {"ca_path", redis->tls.ca_path, true, false},
                                          {"certificate_file", redis->tls.certificate_file, true, false},
                                          {"private_key_file", redis->tls.private_key_file, true, false}};
    if (!check_texts(checks, sizeof checks / sizeof *checks, problem))
        return false;
    if (redis->sentinels.master_name)
        return say(problem, "Redis behind sentinels is not asked for here: write `redis.sentinel` yourself");
    if (redis->username && !redis->password)
        return say(problem, "an ACL user of Redis needs a password");
    if (!redis->tls.certificate_file != !redis->tls.private_key_file)
        return say(problem, "certificate_file and private_key_file of Redis need each other");
    if (!redis->unix_path && redis->port == 0)
        return say(problem, "the port of Redis is a number from 1 to 65535");
    if (redis->database < 0 || redis->database > DATABASE_MAXIMUM)
        return say(problem, "the database of Redis is a number from 0 to 1000000");
    return true;
}

static bool check_port(const char *port)
{
    size_t length = strspn(port, "0123456789");
    long number = length <= 5 && !port[length] ? strtol(port, NULL, 10) : 0;
    return number >= 1 && number <= 65535;
}

static bool check_postgres(const struct postgres_settings *postgres, struct buffer *problem)
{
    const struct answer_check checks[] = {{"the host of PostgreSQL", postgres->host, false, false},
                                          {"the database", postgres->dbname, false, false},
                                          {"the role", postgres->user, false, false},
                                          {"the role's password", postgres->password, false, true}};
    if (!check_texts(checks, sizeof checks / sizeof *checks, problem))
        return false;
    return !postgres->port || check_port(postgres->port) ||
           say(problem, "the port of PostgreSQL is a number from 1 to 65535");
}

/* A name on the wire, as configuration_check_name has it. */
static bool is_name(const char *text)
{
    size_t length = strlen(text);
    for (size_t index = 0; index < length; index++)
        if (text[index] <= ' ' || text[index] >= 0x7f)
            return false;
    return length > 0 && length <= 255;
}

static bool check_instances(const struct init_answers *answers, struct buffer *problem)
{
    for (size_t index = 0; index < answers->instance_count; index++) {
        const struct instance_address *instance = &answers->instances[index];
        const struct answer_check checks[] = {{"a host of instance_map", instance->host, false, false},
                                              {"a socket of instance_map", instance->unix_path, true, false}};
        if (!is_name(instance->name) || (!instance->unix_path && (!instance->host || instance->port == 0)))
            return say(problem, "instance_map holds what is no name with an address");
        if (!check_texts(checks, 2, problem))
            return false;
        for (size_t other = 0; other < index; other++)
            if (strcmp(answers->instances[other].name, instance->name) == 0)
                return say(problem, "instance_map holds a name twice");
    }
    for (size_t index = 0; index < answers->event_writer_count; index++)
        if (!is_name(answers->event_writers[index]))
            return say(problem, "stream_writers.events holds what is no name");
    return true;
}

bool init_answers_check(const struct init_answers *answers, struct buffer *problem)
{
    const struct answer_check checks[] = {{"the profile", answers->profile, false, false},
                                          {"the state directory", answers->state_dir, true, false},
                                          {"worker_replication_secret", answers->replication_secret, false, true}};
    if (answers->replication_secret && strpbrk(answers->replication_secret, "\r\n"))
        return say(problem, "worker_replication_secret must be one line, since it goes into a header");
    if (!answers->server_name || !server_name_valid(slice_from_string(answers->server_name)))
        return say(problem, "the server name is missing");
    if (answers->profile && strpbrk(answers->profile, "/."))
        return say(problem, "a profile has no `/` and no `.` in its name");
    return check_texts(checks, sizeof checks / sizeof *checks, problem) && check_redis(&answers->redis, problem) &&
           (!answers->bodies || check_postgres(&answers->postgres, problem)) && check_instances(answers, problem);
}
