/* `weir init`: from a few answers to a configuration that works.
 *
 * Answers come from options, from Synapse's own files, or from a person at a terminal, and are outside input all the
 * same: what is written from them is valid YAML with the same values, or they are refused before. */
#ifndef WEIR_ENGINE_INIT_H
#define WEIR_ENGINE_INIT_H

#include "engine/configuration.h"

/* A zeroed struct has none. It owns everything in it. */
struct init_answers {
    char *server_name;
    struct redis_address redis; /* without sentinels */
    bool redis_given;
    bool bodies_given;
    bool bodies; /* true: `postgres` is where they come from */
    struct postgres_settings postgres;
    char *profile; /* a file of the folder of profiles, without .yaml; "none": no modules to begin with */
    /* Of Synapse's files: */
    struct instance_address *instances;
    size_t instance_count;
    char **event_writers;
    size_t event_writer_count;
    char *replication_secret;
    /* Where things go: */
    char *state_dir; /* absolute */
};

void init_answers_free(struct init_answers *answers);

/* Each takes an answer in the place of an earlier one; false with a sentence in `problem`, and nothing is taken. A
 * `note` may be given to what was taken only in part. */
bool init_take_server_name(struct init_answers *answers, const char *text, struct buffer *problem);
/* A URL, the path of a unix socket, or "host", "host:port", "[::1]:port". User and password stay where it has none; so
 * does the password below. */
bool init_take_redis(struct init_answers *answers, const char *text, struct buffer *problem);
/* What libpq takes: "host=/run/postgresql dbname=synapse user=weir" or postgresql://…; or "none". */
bool init_take_postgres(struct init_answers *answers, const char *text, struct buffer *note, struct buffer *problem);
bool init_take_profile(struct init_answers *answers, const char *text, struct buffer *problem);
/* The content of a file without the white space at its ends. */
bool init_take_password_file(char **password, const char *path, struct buffer *problem);
/* server_name, redis, database, instance_map, stream_writers and the workers' secret, as the configuration's
 * `synapse_config` takes them; what was answered before stays. `problem` gets all errors of the files, a line each. */
bool init_take_synapse(struct init_answers *answers, const char *const *paths, size_t count, struct buffer *warnings,
                       struct buffer *problem);

/* Whether the whole can be written so that it is read again as the same; false with a sentence in `problem`. */
bool init_answers_check(const struct init_answers *answers, struct buffer *problem);

/* The profiles that there are, "public-homeserver, small-community, …"; false if the folder is not found. */
bool init_append_profiles(struct buffer *output);

/* Names of files beside the configuration that hold its secrets; NULL: the secret stands in the configuration. */
struct init_secret_files {
    const char *redis_password;
    const char *postgres_password;
    const char *http_secret;
    const char *replication_secret;
};

/* Appends the whole configuration with its comments (engine/init_file.c). */
void init_file_append(const struct init_answers *answers, const struct init_secret_files *files, struct buffer *output);
/* A text in quotes as YAML reads it back. It must be UTF-8. */
void init_append_text(const char *text, struct buffer *output);

/* How a test went (engine/init_connections.c). What was found is printed, with lines to copy. */
enum init_result {
    INIT_GOOD,
    INIT_NOTED,          /* it works; something is to be done, or to be known */
    INIT_NEEDS_PASSWORD, /* there is none, or it is another */
    INIT_FAILED,         /* it cannot be used as it is */
};
enum init_result init_test_redis(const struct init_answers *answers);
enum init_result init_test_postgres(const struct init_answers *answers);
/* Asks for what is missing at a terminal, and tests each answer at once (engine/init_questions.c). False if the person
 * gave up. */
bool init_ask(struct init_answers *answers, bool test);
/* Test what an option or Synapse's files gave, and ask at a terminal for its password as long as that is what is
 * missing; INIT_FAILED also if the person gave up. */
enum init_result init_try_redis(struct init_answers *answers);
enum init_result init_try_postgres(struct init_answers *answers);

/* Writes the configuration and its secrets (engine/init_store.c). False, printed, if a file is there already and
 * `force` is not set, or cannot be written; nothing was written then, or what was is named. */
bool init_store(const struct init_answers *answers, const char *path, bool force);

#endif
