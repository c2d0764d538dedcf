/* `weir init`: from nothing to a configuration that works, in dry run. */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/init.h"
#include "engine/option.h"

#define SYSTEM_FOLDER "/etc/weir"
#define SYSTEM_STATE "/var/lib/weir"
#define SYNAPSE_FILE "/etc/matrix-synapse/homeserver.yaml"

struct init_options {
    struct option_texts synapse;
    const char *server_name;
    const char *redis;
    const char *redis_user;
    const char *redis_password_file;
    const char *postgres;
    const char *postgres_password_file;
    const char *profile;
    const char *output;
    const char *state_dir;
    bool yes;
    bool untested;
    bool force;
};

#define INTO(member) .offset = offsetof(struct init_options, member)

static const struct option_definition options[] = {
    {.name = "synapse-config",
     .type = OPTION_TEXTS,
     INTO(synapse),
     .argument = "FILE…",
     .text =
         "Synapse's homeserver.yaml, and what stands beside it (conf.d, a worker's file), in Synapse's order: "
         "server_name, redis, database, instance_map, stream_writers and worker_replication_secret come from there."},
    {.name = "server-name",
     .type = OPTION_TEXT,
     INTO(server_name),
     .argument = "NAME",
     .text = "The homeserver's name."},
    {.name = "redis",
     .type = OPTION_TEXT,
     INTO(redis),
     .argument = "URL",
     .text = "Synapse's Redis: host:port, the path of a socket, or a URL as of `weir tail`."},
    {.name = "redis-user",
     .type = OPTION_TEXT,
     INTO(redis_user),
     .argument = "NAME",
     .text = "The ACL user on Redis; without it the default user."},
    {.name = "redis-password-file",
     .type = OPTION_TEXT,
     INTO(redis_password_file),
     .argument = "FILE",
     .text = "A file that holds its password."},
    {.name = "postgres",
     .type = OPTION_TEXT,
     INTO(postgres),
     .argument = "DSN|none",
     .text = "Synapse's database as libpq takes it, \"host=/run/postgresql dbname=synapse user=weir\" or "
             "postgresql://…; `none`: Weir only answers what Synapse's module asks."},
    {.name = "postgres-password-file",
     .type = OPTION_TEXT,
     INTO(postgres_password_file),
     .argument = "FILE",
     .text = "A file that holds the role's password."},
    {.name = "profile",
     .type = OPTION_TEXT,
     INTO(profile),
     .argument = "NAME",
     .text = "The rules to begin with: small-community, public-homeserver, under-attack; `none` for no rules."},
    {.name = "output",
     .type = OPTION_TEXT,
     INTO(output),
     .argument = "FILE",
     .text = "The configuration that is written; " SYSTEM_FOLDER "/weir.yaml by itself, or ./weir.yaml if that folder "
             "cannot be written to."},
    {.name = "state-dir",
     .type = OPTION_TEXT,
     INTO(state_dir),
     .argument = "FILE",
     .text = "The folder for what Weir keeps; " SYSTEM_STATE " by itself if it is there and can be written to, or else "
             "weir-state beside the configuration."},
    {.name = "yes",
     .type = OPTION_FLAG,
     INTO(yes),
     .text = "Asks nothing: what is not given is taken from Synapse's files, or is as the questions propose it."},
    {.name = "untested",
     .type = OPTION_FLAG,
     INTO(untested),
     .text = "Connects to nothing: for a configuration that is made on another machine."},
    {.name = "force",
     .type = OPTION_FLAG,
     INTO(force),
     .text = "Writes over files that are there; a configuration is kept as FILE.old."},
    {.name = NULL},
};

static int refuse(const char *what, struct buffer *problem)
{
    fprintf(stderr, "weir init: %s%s%s\n", what, *what ? ": " : "", buffer_string(problem));
    return EXIT_CODE_USAGE;
}

static bool take_password(const char *option, const char *path, char **password, struct buffer *problem, int *code)
{
    if (!path || init_take_password_file(password, path, problem))
        return true;
    *code = refuse(option, problem);
    return false;
}

static bool take_synapse(struct init_answers *answers, const struct option_texts *files, struct buffer *problem,
                         int *code)
{
    struct buffer warnings = {0};
    if (files->count == 0)
        return true;
    bool taken = init_take_synapse(answers, files->items, files->count, &warnings, problem);
    fputs(buffer_string(&warnings), stderr);
    if (!taken) {
        fputs(buffer_string(problem), stderr);
        *code = EXIT_CODE_CONFIGURATION;
    }
    buffer_free(&warnings);
    return taken;
}

/* Everything that options and files say. False with the exit code. */
static bool take_options(struct init_answers *answers, const struct init_options *chosen, int *code)
{
    struct buffer problem = {0}, note = {0};
    bool taken = true;
    if (chosen->server_name && !init_take_server_name(answers, chosen->server_name, &problem))
        taken = (*code = refuse("--server-name", &problem), false);
    if (taken && chosen->redis && !init_take_redis(answers, chosen->redis, &problem))
        taken = (*code = refuse("--redis", &problem), false);
    if (taken && chosen->postgres && !init_take_postgres(answers, chosen->postgres, &note, &problem))
        taken = (*code = refuse("--postgres", &problem), false);
    if (taken && chosen->profile && !init_take_profile(answers, chosen->profile, &problem))
        taken = (*code = refuse("--profile", &problem), false);
    taken =
        taken && take_synapse(answers, &chosen->synapse, &problem, code) &&
        take_password("--redis-password-file", chosen->redis_password_file, &answers->redis.password, &problem, code) &&
        take_password("--postgres-password-file", chosen->postgres_password_file, &answers->postgres.password, &problem,
                      code);
    if (taken && chosen->redis_user) {
        free(answers->redis.username);
        answers->redis.username = memory_copy_text(chosen->redis_user, strlen(chosen->redis_user));
    }
    fputs(buffer_string(&note), stderr);
    buffer_free(&note);
    buffer_free(&problem);
    return taken;
}

/* Without a terminal nobody can be asked. */
static bool can_go_on(const struct init_answers *answers, const struct init_options *chosen)
{
    if (!chosen->yes && !isatty(STDIN_FILENO)) {
        fputs("weir init: standard input is no terminal, so that nothing can be asked. Give --yes, and\n"
              "  --synapse-config FILE, which has most answers, or\n"
              "  --server-name NAME, --redis URL (127.0.0.1:6379), --postgres DSN|none (none), --profile NAME "
              "(small-community);\n"
              "  what stands in brackets is taken without the option. Users and passwords: --redis-user, "
              "--redis-password-file, --postgres-password-file.\n",
              stderr);
        return false;
    }
    if (chosen->yes && !answers->server_name) {
        fputs("weir init: --yes needs --server-name NAME, or --synapse-config FILE that has it\n", stderr);
        return false;
    }
    return true;
}

static void take_defaults(struct init_answers *answers)
{
    struct buffer ignored = {0};
    if (!answers->redis_given)
        init_take_redis(answers, "127.0.0.1:6379", &ignored);
    if (!answers->bodies_given)
        init_take_postgres(answers, "none", &ignored, &ignored);
    if (!answers->profile)
        init_take_profile(answers, "small-community", &ignored);
    buffer_free(&ignored);
}

/* Tests what nobody was asked for; of answers to questions it was done at once. With `ask` a password that is missing
 * is asked for. */
static bool test_given(struct init_answers *answers, bool ask, bool redis, bool postgres)
{
    enum init_result worst = INIT_GOOD, result;
    printf("%s", redis || postgres ? "Testing the connections.\n" : "");
    fflush(stdout);
    if (redis && (result = ask ? init_try_redis(answers) : init_test_redis(answers)) > worst)
        worst = result;
    if (postgres && answers->bodies &&
        (result = ask ? init_try_postgres(answers) : init_test_postgres(answers)) > worst)
        worst = result;
    if (worst < INIT_NEEDS_PASSWORD)
        return true;
    fflush(stdout);
    fputs("weir init: nothing was written. Change the answers, or say --untested to write them all the same\n", stderr);
    return false;
}

/* Where things go. */

static char *absolute(const char *path)
{
    char folder[PATH_MAX];
    struct buffer text = {0};
    if (*path != '/' && getcwd(folder, sizeof folder))
        buffer_append_format(&text, "%s/", folder);
    buffer_append_string(&text, path);
    char *copy = memory_copy_text(text.data, text.length);
    buffer_free(&text);
    return copy;
}

static char *choose_output(const struct init_options *chosen)
{
    if (chosen->output)
        return absolute(chosen->output);
    return absolute(access(SYSTEM_FOLDER, W_OK | X_OK) == 0 ? SYSTEM_FOLDER "/weir.yaml" : "weir.yaml");
}

static char *choose_state_dir(const struct init_options *chosen, const char *output)
{
    if (chosen->state_dir)
        return absolute(chosen->state_dir);
    if (access(SYSTEM_STATE, W_OK | X_OK) == 0)
        return absolute(SYSTEM_STATE);
    struct buffer text = {0};
    buffer_append_format(&text, "%.*s/weir-state", (int)(strrchr(output, '/') - output), output);
    char *copy = memory_copy_text(text.data, text.length);
    buffer_free(&text);
    return copy;
}

/* As `weir check`, in a sentence. */
static bool check_written(const char *path)
{
    struct buffer errors = {0}, warnings = {0};
    struct configuration *configuration = configuration_load(path, CONFIGURATION_FOR_RUN, NULL, &errors, &warnings);
    fputs(buffer_string(&warnings), stderr);
    fputs(buffer_string(&errors), stderr);
    if (configuration)
        printf("  checked: it is good, with %zu modules (weir check -c %s shows the chain)\n",
               configuration->module_count, path);
    bool good = configuration != NULL;
    configuration_destroy(configuration);
    buffer_free(&errors);
    buffer_free(&warnings);
    return good;
}

static void tell_next_steps(const char *path)
{
    int folder = (int)(strrchr(path, '/') - path);
    printf("\nWhat next:\n"
           "  1. Start it:        weir run -c %s     (with the package: systemctl enable --now weir)\n"
           "  2. See what it says: http://127.0.0.1:9180/ in a browser, with the secret in %.*s/http-secret; or weir "
           "tail -c %s\n"
           "  3. Nothing is denied yet. When you like what it says, take `dry_run: true` out of %s; then weir reload "
           "-c %s\n"
           "So that Synapse asks before it acts, in homeserver.yaml (deploy/synapse/README.md):\n"
           "  modules: [{module: weir_module.WeirModule, config: {callbacks: all, timeout: 2s, on_timeout: pass}}]\n"
           "If something does not work: weir doctor -c %s\n",
           path, folder, path, path, path, path, path);
}

static int write_and_tell(struct init_answers *answers, const struct init_options *chosen)
{
    struct buffer problem = {0};
    char *output = choose_output(chosen);
    int code = EXIT_CODE_OK;
    answers->state_dir = choose_state_dir(chosen, output);
    if (!init_answers_check(answers, &problem)) {
        code = refuse("", &problem);
    } else {
        printf("\n");
        fflush(stdout);
        if (!init_store(answers, output, chosen->force))
            code = EXIT_CODE_FAILED;
        else if (!check_written(output))
            code = EXIT_CODE_CONFIGURATION;
        else
            tell_next_steps(output);
    }
    free(output);
    buffer_free(&problem);
    return code;
}

static int go_on(struct init_answers *answers, const struct init_options *chosen)
{
    bool redis = answers->redis_given, bodies = answers->bodies_given;
    if (!can_go_on(answers, chosen))
        return EXIT_CODE_USAGE;
    if (chosen->yes) {
        take_defaults(answers);
        redis = bodies = true;
    } else {
        if (chosen->synapse.count == 0 && access(SYNAPSE_FILE, R_OK) == 0)
            printf("(weir init --synapse-config " SYNAPSE_FILE " takes most answers from there.)\n");
        if (!init_ask(answers, !chosen->untested)) {
            fputs("weir init: given up; nothing was written\n", stderr);
            return EXIT_CODE_FAILED;
        }
    }
    if (!chosen->untested && !test_given(answers, !chosen->yes, redis, bodies))
        return EXIT_CODE_FAILED;
    return write_and_tell(answers, chosen);
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct init_options *chosen = filled;
    struct init_answers answers = {0};
    int code = EXIT_CODE_OK;
    if (take_options(&answers, chosen, &code))
        code = go_on(&answers, chosen);
    init_answers_free(&answers);
    return code;
}

const struct subcommand subcommand_init = {
    .name = "init",
    .summary = "make a first configuration from a few answers, and test its connections",
    .synopsis = "weir init [--synapse-config FILE…] [--server-name NAME] [--redis URL] [--postgres DSN|none]\n"
                "          [--profile NAME] [--output FILE] [--yes]",
    .description =
        "Asks four questions: the homeserver's name, Synapse's Redis, Synapse's database, and the rules to begin with. "
        "What options or Synapse's own files say is not asked. Each answer is tested at once: Redis with its password "
        "and the rights of its user, and whether Synapse answers on its channel; PostgreSQL with the rights of its "
        "role, and whether an event can be read. What is missing is told with the lines that give it.\n\n"
        "Then it writes a configuration with comments, in which the rules are in dry run: they are asked and recorded, "
        "and deny nothing. Passwords, and a secret for the console that is made here, go into files of their own "
        "beside it, which only their owner can read; made by root they belong to the user `weir`, if there is one. No "
        "file is written over without --force, which keeps the configuration that was there as FILE.old.\n\n"
        "Passwords are asked for without an echo, or come from files or from Synapse's.",
    .exit_status = "1 if a server cannot be used or a file cannot be written (nothing was written, or it is said what "
                   "was), 3 if Synapse's files, or what was written, cannot be used.",
    .examples = "weir init\n"
                "weir init --synapse-config /etc/matrix-synapse/homeserver.yaml --yes\n"
                "weir init --yes --server-name example.org --redis /run/redis/redis.sock --postgres none",
    .options = options,
    .options_size = sizeof(struct init_options),
    .run = run,
};
