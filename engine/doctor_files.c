/* What lies on this machine: the configuration, the files that it names, and who may read them. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/configuration_reader.h"
#include "engine/doctor_parts.h"
#include "engine/redis_probe.h"

#define SPACE_PROBLEM ((uint64_t)10 << 20)
#define SPACE_NOTE ((uint64_t)200 << 20)
#define CERTIFICATE_NOTE_DAYS 14
/* Beside the connections of the listener: Redis, PostgreSQL, services, files. */
#define DESCRIPTORS_BESIDE 128

/* Lines of `text`, each a finding without its line break. */
static void say_lines(struct doctor *doctor, enum doctor_state state, struct buffer *text)
{
    for (const char *line = buffer_string(text); *line;) {
        size_t length = strcspn(line, "\n");
        doctor_say(doctor, state, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static void check_configuration(struct doctor *doctor)
{
    struct buffer errors = {0}, warnings = {0};
    doctor->configuration =
        configuration_load(doctor->settings.configuration, CONFIGURATION_FOR_RUN, NULL, &errors, &warnings);
    say_lines(doctor, DOCTOR_PROBLEM, &errors);
    if (errors.length)
        doctor_fix(doctor, "weir check -c %s", doctor->settings.configuration);
    say_lines(doctor, DOCTOR_NOTE, &warnings);
    if (!doctor->configuration)
        doctor->configuration =
            configuration_load(doctor->settings.configuration, CONFIGURATION_FOR_CLIENT, NULL, &errors, NULL);
    else
        doctor_say(doctor, DOCTOR_OK, "%s is good: %u modules", doctor->settings.configuration,
                   (unsigned)doctor->configuration->module_count);
    buffer_free(&errors);
    buffer_free(&warnings);
}

/* The user who looks is the one who will run the engine, or the findings about files mean little. */
static void check_user(struct doctor *doctor)
{
    const struct passwd *entry = getpwuid(geteuid());
    struct stat status;
    const char *state_dir = doctor->configuration->state_dir;
    if (state_dir && stat(state_dir, &status) == 0 && status.st_uid != geteuid()) {
        const struct passwd *owner = getpwuid(status.st_uid);
        doctor_say(doctor, DOCTOR_NOTE,
                   "this is run by another user than the one to whom %s belongs, so that what is said of files may not "
                   "hold for the engine",
                   state_dir);
        doctor_fix(doctor, "sudo -u %s weir doctor -c %s", owner ? owner->pw_name : "USER",
                   doctor->settings.configuration);
        return;
    }
    doctor_say(doctor, DOCTOR_OK, "run by %s%s", entry ? entry->pw_name : "a user without a name",
               state_dir ? ", to whom the state directory belongs" : "");
}

/* Secrets. */

static const char *const inline_keys[] = {"password", "secret", "authorization", "worker_replication_secret", NULL};
static const char *const file_keys[] = {
    "password_path",    "secret_path", "authorization_path", "worker_replication_secret_path", "signing_key_path",
    "private_key_file", NULL};

struct secrets {
    struct doctor *doctor;
    const struct configuration_source *source;
    unsigned files;
    unsigned bad;
    bool inside; /* the YAML file itself holds one */
};

static bool is_one_of(const char *key, const char *const *keys)
{
    while (*keys && strcmp(*keys, key) != 0)
        keys++;
    return *keys != NULL;
}

static void check_secret_file(struct secrets *secrets, const char *path)
{
    struct stat status;
    secrets->files++;
    if (stat(path, &status) != 0 || access(path, R_OK) != 0) {
        secrets->bad++;
        doctor_say(secrets->doctor, DOCTOR_PROBLEM, "%s, which holds a secret, cannot be read: %s", path,
                   strerror(errno));
        if (errno == EACCES)
            doctor_fix(secrets->doctor, "chown weir: %s && chmod 600 %s", path, path);
    } else if (status.st_mode & S_IRWXO) {
        secrets->bad++;
        doctor_say(secrets->doctor, DOCTOR_PROBLEM, "every user of this machine can read %s, which holds a secret",
                   path);
        doctor_fix(secrets->doctor, "chmod 600 %s", path);
    }
}

/* A document is at most YAML_DEPTH_MAXIMUM deep. */
static void find_secrets(struct secrets *secrets, const struct yaml_node *node)
{
    for (size_t index = 0; node->kind == YAML_KIND_LIST && index < node->count; index++)
        find_secrets(secrets, node->items[index]);
    for (size_t index = 0; node->kind == YAML_KIND_MAP && index < node->count; index++) {
        const struct yaml_pair *pair = &node->pairs[index];
        bool text = pair->value->kind == YAML_KIND_TEXT && *pair->value->text;
        if (text && is_one_of(pair->key, file_keys)) {
            char *path = configuration_resolve_path(secrets->source->path, pair->value->text);
            check_secret_file(secrets, path);
            free(path);
        } else if (text && is_one_of(pair->key, inline_keys)) {
            secrets->inside = true;
        }
        find_secrets(secrets, pair->value);
    }
}

static void ignore_problem(void *context, struct yaml_mark mark, const char *sentence)
{
    (void)context, (void)mark, (void)sentence;
}

static void find_secrets_of_source(struct secrets *secrets)
{
    struct buffer text = {0}, problem = {0};
    struct stat status;
    const char *path = secrets->source->path;
    struct yaml_document *document = configuration_read_file(path, YAML_SIZE_MAXIMUM, &text, &problem)
                                         ? yaml_document_read(buffer_slice(&text), ignore_problem, NULL)
                                         : NULL;
    secrets->inside = false;
    if (document)
        find_secrets(secrets, yaml_document_root(document));
    if (secrets->inside && stat(path, &status) == 0 && (status.st_mode & S_IRWXO)) {
        secrets->bad++;
        doctor_say(secrets->doctor, DOCTOR_PROBLEM, "every user of this machine can read %s, in which a secret stands",
                   path);
        doctor_fix(secrets->doctor, "chmod 640 %s", path);
    }
    yaml_document_destroy(document);
    buffer_free(&text);
    buffer_free(&problem);
}

/* Of Synapse's own files only what is taken from them concerns Weir, and Synapse sees to them. */
static void check_secrets(struct doctor *doctor)
{
    struct secrets secrets = {.doctor = doctor};
    for (size_t index = 0; index < doctor->configuration->source_count; index++) {
        secrets.source = &doctor->configuration->sources[index];
        if (secrets.source->kind != SOURCE_SYNAPSE)
            find_secrets_of_source(&secrets);
    }
    if (secrets.bad == 0)
        doctor_say(doctor, DOCTOR_OK, "%u files with secrets can be read, and not by everybody", secrets.files);
}

static void check_state(struct doctor *doctor)
{
    const char *path = doctor->configuration->state_dir;
    struct statvfs disk;
    struct stat status;
    if (!path) {
        doctor_say(doctor, DOCTOR_NOTE,
                   "no state directory: positions are kept on Redis alone, what modules remember is lost by a restart, "
                   "patterns are compiled at each start, and there is no socket for `weir status`");
        doctor_fix(doctor, "state_dir: /var/lib/weir");
        return;
    }
    if (stat(path, &status) != 0 || access(path, W_OK | X_OK) != 0) {
        doctor_say(doctor, DOCTOR_PROBLEM, "the state directory %s cannot be written to: %s", path, strerror(errno));
        doctor_fix(doctor, "install -d -o weir -g weir -m 700 %s", path);
        return;
    }
    if (statvfs(path, &disk) != 0) {
        doctor_say(doctor, DOCTOR_NOTE, "the space on the disk of %s is not told: %s", path, strerror(errno));
        return;
    }
    uint64_t space = (uint64_t)disk.f_bavail * disk.f_frsize;
    enum doctor_state state = space < SPACE_PROBLEM ? DOCTOR_PROBLEM : space < SPACE_NOTE ? DOCTOR_NOTE : DOCTOR_OK;
    doctor_say(doctor, state, "%s can be written to, and its disk has %llu MiB left", path,
               (unsigned long long)(space >> 20));
    if (state != DOCTOR_OK)
        doctor_fix(doctor, "df -h %s", path);
}

/* The engine raises its limit as far as it may. */
static void check_descriptors(struct doctor *doctor)
{
    struct rlimit limit;
    int64_t needed = doctor->configuration->http_connections + DESCRIPTORS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    bool enough = limit.rlim_max == RLIM_INFINITY || (int64_t)limit.rlim_max >= needed;
    doctor_say(doctor, enough ? DOCTOR_OK : DOCTOR_NOTE,
               "at most %lld files may be open here (a service has a limit of its own); the listener alone may have "
               "%lld connections",
               (long long)limit.rlim_max, (long long)doctor->configuration->http_connections);
    if (!enough)
        doctor_fix(doctor, "LimitNOFILE=%lld in weir.service, or a lower http.connections", (long long)needed);
}

/* Certificates. */

static void check_certificate(struct doctor *doctor, const char *key, const char *path)
{
    FILE *file = fopen(path, "r");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    int days = 0, seconds = 0;
    if (file)
        fclose(file);
    if (!certificate || ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1) {
        doctor_say(doctor, DOCTOR_PROBLEM, "%s: no certificate can be read from %s", key, path);
    } else {
        bool over = days < 0 || seconds < 0;
        enum doctor_state state = over ? DOCTOR_PROBLEM : days < CERTIFICATE_NOTE_DAYS ? DOCTOR_NOTE : DOCTOR_OK;
        doctor_say(doctor, state,
                   over ? "%s: the certificate in %s ended %d days ago"
                        : "%s: the certificate in %s is good for %d days",
                   key, path, abs(days));
        if (state != DOCTOR_OK)
            doctor_fix(doctor, "renew %s; the next connection, or a reload, takes it", path);
    }
    X509_free(certificate);
}

static void check_certificates(struct doctor *doctor)
{
    const struct configuration *configuration = doctor->configuration;
    const struct {
        const char *key;
        const char *path;
    } all[] = {{"http.tls.certificate_file", configuration->http_certificate_file},
               {"redis.certificate_file", configuration->redis.tls.certificate_file},
               {"redis.ca_file", configuration->redis.tls.ca_file},
               {"catch_up.ca_file", configuration->catch_up_ca_file}};
    size_t count = 0;
    for (size_t index = 0; index < sizeof all / sizeof *all; index++) {
        count += all[index].path != NULL;
        if (all[index].path)
            check_certificate(doctor, all[index].key, all[index].path);
    }
    if (count == 0)
        doctor_say(doctor, DOCTOR_OK, "none is configured");
}

const struct doctor_check doctor_files_checks[] = {
    {"configuration", NULL, check_configuration, "The configuration loads, with everything that it names."},
    {"files.user", "configuration", check_user, "Who looks, and whether that is the user of the engine."},
    {"files.secrets", "configuration", check_secrets, "Files with secrets can be read, and not by everybody."},
    {"files.state", "configuration", check_state, "The state directory can be written to; its disk has space."},
    {"files.limits", "configuration", check_descriptors, "How many files may be open."},
    {"files.certificates", "configuration", check_certificates, "Until when certificates are good."},
    {NULL, NULL, NULL, NULL},
};
