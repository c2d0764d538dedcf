/* What modules that ask a web service have in common: their parameters, the opening of the service, and the first look
 * at its answers. */
#ifndef WEIR_FILTERS_ASKING_H
#define WEIR_FILTERS_ASKING_H

#include "filters/module.h"

/* A member of a module's configuration, filled by ASKING_PARAMETERS. */
struct asking_configuration {
    char *url;
    int64_t timeout_ms;
    int64_t in_flight;
    int64_t connections;
    int64_t attempts;
    int64_t breaker_failures;
    int64_t breaker_pause_ms;
    bool verify;
    char *ca_file;
    char *authorization;
    char *authorization_path;
};

#define ASKING_INTEGER(struct_, member_, name_, fallback_, minimum_, maximum_, text_)                                  \
    {                                                                                                                  \
        .name = #name_, .type = PARAMETER_INTEGER, .offset = offsetof(struct_, member_.name_),                         \
        .fallback = (fallback_), .minimum = (minimum_), .maximum = (maximum_), .text = (text_)                         \
    }
#define ASKING_TEXT(struct_, member_, name_, text_)                                                                    \
    {                                                                                                                  \
        .name = #name_, .type = PARAMETER_TEXT, .offset = offsetof(struct_, member_.name_), .text = (text_)            \
    }
#define ASKING_BOOLEAN(struct_, member_, name_, fallback_, text_)                                                      \
    {                                                                                                                  \
        .name = #name_, .type = PARAMETER_BOOLEAN, .offset = offsetof(struct_, member_.name_),                         \
        .fallback = (fallback_), .text = (text_)                                                                       \
    }

/* The rows of a parameter table for `member_`, a struct asking_configuration, of the configuration `struct_`. The URL's
 * parameter is the module's to name. */
/* clang-format off */
#define ASKING_PARAMETERS(struct_, member_)                                                                            \
    ASKING_INTEGER(struct_, member_, timeout_ms, "2000", 1, 60000,                                                     \
                   "How long a question may take, all attempts together."),                                            \
    ASKING_INTEGER(struct_, member_, in_flight, "256", 1, 65536,                                                       \
                   "How many questions may wait for their answer; more fail at once."),                                \
    ASKING_INTEGER(struct_, member_, connections, "8", 1, 256,                                                         \
                   "How many connections are opened, and kept."),                                                      \
    ASKING_INTEGER(struct_, member_, attempts, "3", 1, 100,                                                            \
                   "How often a question is tried that could not be sent; one that was sent is never repeated."),      \
    ASKING_INTEGER(struct_, member_, breaker_failures, "10", 0, 1000000,                                               \
                   "After so many failures in a row the service is left alone for a while; 0: never."),                \
    ASKING_INTEGER(struct_, member_, breaker_pause_ms, "5000", 1, 3600000,                                             \
                   "How long it is left alone; then one question is let through."),                                    \
    ASKING_BOOLEAN(struct_, member_, verify, "true",                                                                   \
                   "Whether its certificate must prove who it is. Turn this off in a laboratory only."),               \
    ASKING_TEXT(struct_, member_, ca_file,                                                                             \
                "A file with the certificates that are trusted (PEM), instead of the system's."),                      \
    ASKING_TEXT(struct_, member_, authorization,                                                                       \
                "The value of the Authorization header, for example `Bearer TOKEN`."),                                 \
    ASKING_TEXT(struct_, member_, authorization_path,                                                                  \
                "A file with that value, instead: one line. It is read again at each reload.")
/* clang-format on */

/* Opens the service into `*service`. False if the configuration is bad, which has been reported; `url_name` is the name
 * of the URL's parameter. Where nobody can be asked (`weir check`), true with NULL. */
bool asking_open(const struct module_setup *setup, const char *url_name,
                 const struct asking_configuration *configuration, struct service **service);
void asking_close(const struct module_services *services, struct service *service);

/* Posts `question` to the URL with `path` behind it: VALUE_PENDING in `*value`, or false with a sentence in `*problem`.
 * `service` may be NULL. */
bool asking_post(const struct module_services *services, struct service *service, struct slice path,
                 struct slice question, struct value *value, const char **problem);

/* The answer as JSON, a new reference; NULL with a sentence in `*problem`, in `arena` or constant, if there is none, if
 * its status is not 2xx, or if it is no JSON. The service is told what its answer was no good for. */
json_t *asking_read(const struct module_services *services, struct service *service,
                    const struct service_answer *answer, struct arena *arena, const char **problem);
/* Tells the service that its answer is of no use. */
void asking_complain(const struct module_services *services, struct service *service, const char *problem);

#endif
