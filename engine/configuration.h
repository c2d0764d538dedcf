/* The administrator's configuration: one YAML file, and what `synapse_config:` takes from Synapse's own.
 *
 * Loading reports every error at once, each with file:line:column, the key, what is wrong and the nearest known key. It
 * also builds the chain, since a module's parameters are part of the file. Paths are relative to the file that holds
 * them. The configuration owns everything in it. */
#ifndef WEIR_ENGINE_CONFIGURATION_H
#define WEIR_ENGINE_CONFIGURATION_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buffer.h"
#include "engine/files_read.h"
#include "engine/log.h"
#include "engine/redis_link.h"
#include "engine/signing_key.h"
#include "filters/chain.h"

enum body_source_kind { BODY_SOURCE_NONE, BODY_SOURCE_FILE, BODY_SOURCE_POSTGRES };

/* Parameters of libpq by their own names; NULL = libpq's default. */
struct postgres_settings {
    char *host;
    char *port;
    char *dbname;
    char *user;
    char *password;
};

/* `policy_server:`, see engine/policy_server.h. */
struct policy_settings {
    bool enabled;
    char *signing_key_path;
    struct signing_key *key; /* what that file holds; NULL if files are not read */
    char *server_name;       /* NULL: the homeserver's */
    bool authenticate;       /* default true */
    char *key_server;        /* without a slash at its end */
    char *key_server_ca_file;
    char **rooms; /* none: all */
    size_t room_count;
    char *default_room_version;
    int64_t cache;        /* events whose result is remembered; default 100000 */
    int64_t cache_for_ms; /* default a day */
    int64_t timeout_ms;   /* of one request; default 20 s: Synapse waits 30 s */
    int64_t waiting;      /* requests at once; default 800: fewer than http.connections */
};

/* Where the replication listener of a Synapse process is (instance_map). */
struct instance_address {
    char *name; /* on the wire: `master` for the map's `main` */
    char *host; /* NULL with a path */
    uint16_t port;
    bool tls;
    char *unix_path; /* NULL with a host */
};

/* Whether another engine may do this one's job. */
enum engine_role { ROLE_ALONE, ROLE_ACTIVE, ROLE_STANDBY };

#define CONFIGURATION_MODULE_KEY 48

/* A YAML file that was read. */
enum configuration_source_kind { SOURCE_OWN, SOURCE_INCLUDED, SOURCE_SYNAPSE };
struct configuration_source {
    char *path;
    enum configuration_source_kind kind;
};

/* Where a module of the chain is written. */
struct configuration_module {
    uint32_t file; /* its place in `sources` */
    uint32_t line;
    uint32_t column;
    char key[CONFIGURATION_MODULE_KEY]; /* "modules[2]", "spam_checker" */
    char *label;                        /* its `name`, or else its `module`; NULL for those of Synapse's */
};

struct configuration {
    char *path;
    char *server_name;
    char *instance_name; /* our name on the wire; default "weir1" */
    struct redis_address redis;
    bool redis_configured;
    enum body_source_kind body_source;
    char *bodies_file; /* resolved path */
    struct postgres_settings postgres;
    int64_t bodies_retry_ms; /* bodies.retry_for: how long a body that is not found is asked for again; default 2 s */
    int64_t bodies_queue;    /* bodies.queue: events that may wait for their body; default 10000 */
    char *http_listen;       /* NULL: no listener; default "127.0.0.1:9180" */
    char *http_secret;       /* http.secret(_path): bearer of the HTTP API; NULL: none, loopback only */
    char *http_certificate_file; /* http.tls: with both of them the listener speaks TLS */
    char *http_private_key_file;
    int64_t http_connections;           /* http.connections: at once; default 1000 */
    char *admin_socket;                 /* for `weir status` and its like; default state_dir/instance_name.sock; NULL:
                                           none */
    bool admin_socket_written;          /* whether the file names it */
    bool console;                       /* console.enabled: the page for browsers; default: on loopback only */
    char *console_backtest;             /* console.backtest: a page of `weir backtest`; default state_dir/backtest.html;
                                           NULL: none. It need not be there */
    int64_t console_session_ms;         /* console.session: after what time one has to log in again; default 12 h */
    bool publish_all;                   /* publish.verdicts: all (else `denied`, the default) */
    int64_t publish_keep;               /* publish.keep: MAXLEN ~ of the durable stream; default 1000000 */
    bool requests_redis;                /* requests.redis: whether requests are taken from Redis; default true */
    bool requests_http;                 /* requests.http: whether any callback may be asked over HTTP; default false */
    int64_t requests_batch;             /* requests.batch: how many are read at once; default 500 */
    int64_t requests_queue;             /* requests.queue: read and not asked yet, at most; default 10000 */
    int64_t requests_claim_after_ms;    /* requests.claim_after: default 1 s */
    int64_t requests_stream;            /* requests.stream: MAXLEN ~ of the stream of requests; default 100000 */
    int64_t requests_tries;             /* requests.tries: deliveries after which one is set aside; default 3 */
    int64_t requests_waiting;           /* requests.waiting: that wait for a service at once; default 1000 */
    int64_t requests_waiting_per_asker; /* requests.waiting_per_asker: of one worker or address; default 500 */
    int64_t requests_waiting_per_room;  /* requests.waiting_per_room; default 100 */
    int64_t requests_timeout_ms;        /* requests.timeout: of a question over HTTP; default 10 s */
    bool requests_publish;              /* requests.publish: whether refused requests get verdict rows; default true */
    struct policy_settings policy;
    int64_t presence_cache;             /* presence.cache: answers about whose presence a user gets; default 10000 */
    int64_t presence_cache_for_ms;      /* presence.cache_for: default 60 s */
    struct instance_address *instances; /* instance_map: whom to ask for rows that were missed */
    size_t instance_count;
    char **event_writers; /* stream_writers.events, as on the wire; empty: the main process alone */
    size_t event_writer_count;
    char *replication_secret;    /* worker_replication_secret; NULL: none */
    int64_t catch_up_page;       /* catch_up.page: rows in one answer of the database; default 1000 */
    int64_t catch_up_timeout_ms; /* catch_up.timeout: of one answer; default 30 s */
    char *catch_up_ca_file;      /* catch_up.ca_file, ca_path: who is trusted where the map says `tls: true` */
    char *catch_up_ca_path;
    bool catch_up_verify;      /* catch_up.verify; default true */
    int64_t audit_ms;          /* audit: how often what was judged is compared with the source; 0: never, the default */
    char *state_dir;           /* where a copy of the positions is kept; NULL: nowhere */
    int64_t state_interval_ms; /* how often what modules remember is written there; default 5 min, 0: at a stop only */
    char *cache_dir;           /* where compiled patterns are kept; default state_dir/patterns; NULL: nowhere */
    int64_t shutdown_timeout_ms; /* how long a stop waits for what is in hand; default 5 s */
    enum engine_role role;       /* role: active, standby; default alone */
    bool watch;                  /* watch: whether changed files are loaded by themselves; default false */
    int64_t lease_ms;            /* lease: how long a holder that is not heard of keeps the job; default 1.5 s */
    bool observe; /* false with `observe: false`: nothing is subscribed to, only questions are answered */
    bool observe_rejected;
    bool observe_outliers;
    bool observe_as_synapse;              /* observe.ask: as_synapse (else `both`, the default) */
    enum log_level log_level;             /* log.level; default info */
    enum semantics semantics;             /* whose rules the chain follows; default latest */
    bool strict;                          /* refuse what Synapse documents as refused but lets through */
    bool take_modules;                    /* map the modules of Synapse's own files; default true */
    uint32_t patterns_found;              /* compiled sets that came from cache_dir */
    uint32_t patterns_written;            /* and that were put there */
    struct chain *chain;                  /* sealed */
    struct configuration_module *modules; /* where each module of the chain stands, by its index */
    size_t module_count;                  /* of those: a reload gives the chain away, and these stay */
    struct configuration_source *sources; /* [0] is the configuration itself */
    size_t source_count;
};

/* What the file is needed for decides what must be in it. */
enum configuration_purpose {
    CONFIGURATION_FOR_RUN,      /* everything; a module that needs bodies without a body source is an error */
    CONFIGURATION_FOR_REPLAY,   /* server_name and modules; the rest may be there and is checked */
    CONFIGURATION_FOR_BACKTEST, /* likewise; modules that ask services are left out, with a warning */
    CONFIGURATION_FOR_CLIENT,   /* play, tail: server_name and redis; modules are not built */
};

/* `services` is how the modules ask somebody outside, and must outlive the configuration; NULL: they can ask nobody.
 * NULL if anything is wrong; `errors` then holds one line for each error, "file:line:column: key: sentence". `warnings`
 * (may be NULL) gets the same sort of lines for what is legal but probably not meant. */
struct configuration *configuration_load(const char *path, enum configuration_purpose purpose,
                                         const struct module_services *services, struct buffer *errors,
                                         struct buffer *warnings);

/* The same with more said, for a configuration that is loaded again and again. */
struct configuration_loading {
    const char *path;
    enum configuration_purpose purpose;
    const struct module_services *services;
    struct files_read *files;    /* gets every file that was read or looked for, also if anything is wrong; or NULL */
    const atomic_bool *given_up; /* once it is true, nobody wants the result any more: loading ends soon; or NULL */
};
struct configuration *configuration_load_with(const struct configuration_loading *loading, struct buffer *errors,
                                              struct buffer *warnings);
/* `to` gets the chain of `from`, and where its modules stand; its own chain, which it returns, is the caller's. `from`
 * can only be destroyed afterwards. */
struct chain *configuration_take_chain(struct configuration *to, struct configuration *from);
void configuration_destroy(struct configuration *configuration);

#endif
