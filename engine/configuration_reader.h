/* What the files of the configuration share while one is being read: the problems found, the documents, and the table
 * of keys. For engine/configuration*.c and their tests only; everyone else sees engine/configuration.h. */
#ifndef WEIR_ENGINE_CONFIGURATION_READER_H
#define WEIR_ENGINE_CONFIGURATION_READER_H

#include "engine/configuration.h"
#include "engine/yaml_document.h"

/* A YAML file that takes part: ours, one that ours includes, or one of Synapse's. */
struct configuration_file {
    char *path; /* as people know it, for messages */
    struct yaml_document *document;
    bool lenient;  /* Synapse's: unknown keys are none of our business */
    bool included; /* by `include` at the top: its keys stand behind ours */
};

/* False: there is no such file. */
typedef bool configuration_text_function(void *context, const char *path, struct buffer *text);

struct configuration_problem {
    uint32_t file; /* index of its file; problems are told in the order of files, then of lines */
    struct yaml_mark mark;
    size_t number; /* in the order of finding */
    bool warning;
    char *line;
};

struct configuration_reader {
    struct configuration *configuration;
    enum configuration_purpose purpose;
    const struct module_services *services; /* for the modules; or NULL */
    const struct pattern_store *patterns;   /* likewise */
    struct files_read *files_read;          /* what is watched; or NULL */
    const atomic_bool *given_up;            /* or NULL */
    bool read_files; /* false: every file named in the configuration counts as unreadable (for fuzzing) */
    /* Gives the text of a YAML file that the configuration names, instead of the disk; NULL: the disk does. */
    configuration_text_function *text_of;
    void *text_context;
    /* [0] is ours. Those that it includes at its top follow, of which an earlier one's key wins; then Synapse's, in
     * their order; then those that lists of modules include. */
    struct configuration_file *files;
    uint32_t file_count;
    struct configuration_problem *problems;
    size_t problem_count;
    size_t error_count;
};

/* A place in a file: for a value its node, for a missing key the map that lacks it. */
struct configuration_place {
    uint32_t file;
    struct yaml_mark mark;
    const char *key; /* dotted path, "" for the file as a whole */
};

#define CONFIGURATION_PROBLEMS_MAXIMUM 1000u
#define CONFIGURATION_MODULES_MAXIMUM 1000u /* in one list */

/* Adds an error or a warning, "file:line:column: key: sentence"; a mark of line 0 leaves out line and column. At most
 * CONFIGURATION_PROBLEMS_MAXIMUM are kept. */
void configuration_error(struct configuration_reader *reader, const struct configuration_place *place,
                         const char *format, ...) __attribute__((format(printf, 3, 4)));
void configuration_warning(struct configuration_reader *reader, const struct configuration_place *place,
                           const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Writes the lines out in order and forgets them. Either buffer may be NULL. */
void configuration_report_finish(struct configuration_reader *reader, struct buffer *errors, struct buffer *warnings);

enum setting_type {
    SETTING_MAP,      /* `children` */
    SETTING_BOOLEAN,  /* bool */
    SETTING_INTEGER,  /* int64_t in [minimum, maximum] */
    SETTING_DURATION, /* int64_t of milliseconds, written as an integer of them or as "2s", "500ms", "1m", "1h" */
    SETTING_TEXT,     /* char *, not empty */
    SETTING_PORT,     /* char *, written as an integer or a text */
    SETTING_CHOICE,   /* int: index in `choices` */
    SETTING_PATH,     /* char *, relative to the file that holds it */
    SETTING_SECRET,   /* char *: the content of the file named, white space stripped from its ends */
    SETTING_KNOWN,    /* taken by `check`, or by nobody */
};

struct setting;
typedef void setting_check(struct configuration_reader *reader, const struct configuration_place *place,
                           const struct yaml_node *node);

/* A key of the file. */
struct setting {
    const char *name;
    enum setting_type type;
    size_t offset; /* in struct configuration */
    size_t size;   /* of the member */
    int64_t minimum;
    int64_t maximum;
    const char *const *choices;     /* NULL-terminated */
    const struct setting *children; /* ends with a NULL name; of SETTING_KNOWN: the keys if it is a map */
    setting_check *check;           /* called after the value was taken well; may be NULL */
    const char *shape;              /* SETTING_KNOWN: what it takes, for people: "list of modules" */
    const char *fallback;           /* the default as people write it; NULL: none, or as `text` says */
    const char *text;               /* one sentence for people */
};

/* What a value may be, for people: "whole number from 1 to 65535". */
void configuration_describe_type(const struct setting *setting, struct buffer *output);

/* Where the value of a key goes. */
#define SETTING_INTO(member)                                                                                           \
    .offset = offsetof(struct configuration, member), .size = sizeof(((struct configuration *)NULL)->member)

/* The keys of a whole file, and of some of its sections. */
extern const struct setting configuration_settings[];
extern const struct setting configuration_redis_settings[];
extern const struct setting configuration_bodies_settings[];
extern const struct setting configuration_http_settings[];
extern const struct setting configuration_console_settings[];
extern const struct setting configuration_observe_settings[];
/* A top-level key; it must be there. */
const struct setting *configuration_setting_find(const char *name);

/* Takes every key of `map` by the table; `place` is the map's own. Reports unknown keys unless `free_keys` is set or
 * the file is Synapse's. */
void configuration_take_map(struct configuration_reader *reader, const struct setting *settings, bool free_keys,
                            const struct configuration_place *place, const struct yaml_node *map);
/* Takes one value. */
void configuration_take_value(struct configuration_reader *reader, const struct setting *setting,
                              const struct configuration_place *place, const struct yaml_node *node);

/* Reports an unknown key with the nearest of `names` (NULL-terminated); `what` is "key" or "module". */
void configuration_unknown(struct configuration_reader *reader, const struct configuration_place *place,
                           const char *what, const char *word, const char *const *names);
/* Reports that `node` is not `wanted` ("a text", "a list of modules"), with what it is. */
void configuration_wrong_kind(struct configuration_reader *reader, const struct configuration_place *place,
                              const char *wanted, const struct yaml_node *node);

/* A key at the top of our file, or of the first that it includes and that has it; NULL without one. `file`, whose, may
 * be NULL. */
const struct yaml_pair *configuration_find(const struct configuration_reader *reader, const char *key, uint32_t *file);

/* Reads the files that `synapse_config:` names and takes from them what ours leaves open (configuration_synapse.c). */
void configuration_take_synapse(struct configuration_reader *reader, const struct yaml_node *root);
/* `database:` in Synapse's shape, for bodies.postgres. */
setting_check configuration_take_database;
/* The keys of bodies.postgres, which are also those of psycopg2's that are known. */
extern const struct setting configuration_postgres_settings[];

/* `instance_map:`, `stream_writers:` and `worker_replication_secret:` in Synapse's shape (configuration_instances.c).
 */
setting_check configuration_check_instances, configuration_check_stream_writers, configuration_check_secret;
/* Warns of writers of events that nobody could be asked about. */
void configuration_check_catch_up(struct configuration_reader *reader, const struct yaml_node *root);

/* Builds the chain from `modules:` (configuration_modules.c). */
void configuration_take_modules(struct configuration_reader *reader);

#define INCLUDE_DEPTH_MAXIMUM 8u

struct module_inclusion;

/* A map in which keys of a module stand: its item, or what an entry says of it by which it came in. */
struct module_layer {
    uint32_t file;
    const struct yaml_node *map;              /* NULL: the entry says nothing of it */
    const struct module_inclusion *inclusion; /* NULL: it is the item */
};

/* One module while its configuration is read. */
struct module_reading {
    struct configuration_reader *reader;
    uint32_t file;
    const struct yaml_node *item;             /* the list's item */
    char key[CONFIGURATION_MODULE_KEY];       /* "modules[2]" */
    const struct module_inclusion *inclusion; /* by which its file came in; NULL: it is in ours, or in Synapse's */
    const char *label;                        /* its `name`, or else its `module`; NULL without either */
    /* What is said of it, by configuration_open_item: the item first, and of each key the last counts. */
    struct module_layer layers[INCLUDE_DEPTH_MAXIMUM + 1];
    size_t layer_count;
};
/* Finds the layers, and reports keys of the item that a module has not, in our file; false, reported, if `config` is no
 * map. */
bool configuration_open_item(struct module_reading *reading);

/* What the layers come to (configuration_change.c). */
/* The value of a key that stands beside `config`; NULL without one. */
const struct yaml_node *configuration_item_find(const struct module_reading *reading, const char *key);
/* `config`, each key from the last layer that has it; a new reference, or NULL without any. */
json_t *configuration_item_config(const struct module_reading *reading);
/* `except`: the module's own and that of all entries by which it came in; a new reference, or NULL. */
json_t *configuration_item_except(const struct module_reading *reading);
/* The place of `path` ("config.words[1]", "only.rooms") in the layer that it comes from; `key` holds its text. */
struct configuration_place configuration_item_place(const struct module_reading *reading, const char *path,
                                                    struct buffer *key);
/* The file in which a text of `config` is written: what paths are relative to. */
uint32_t configuration_item_file(const struct module_reading *reading, const char *text);
/* Appends it to the chain, with the options that stand beside its `config`. What is wrong is reported. */
void configuration_append_module(struct module_reading *reading, const struct module_definition *definition);

/* Modules of Synapse's own configuration (configuration_legacy.c): its list `modules:`, where ours has none; and the
 * sections from before v1.37, of our file or of Synapse's, behind all others. What Weir has a module for is mapped,
 * with a warning if it stands in Synapse's file, since Synapse runs it too; for the rest the administrator is told what
 * to write, as an error in our file and as a warning in Synapse's. With `take_modules: false` Synapse's files are left
 * out. */
void configuration_take_synapse_modules(struct configuration_reader *reader);
void configuration_take_legacy_modules(struct configuration_reader *reader);
/* Reports that `module:` of our own list names a Python class, with what to write instead. */
void configuration_refuse_class(struct configuration_reader *reader, const struct configuration_place *place,
                                const char *class);

/* Checks of single keys that need more than the table says (configuration_checks.c). */
setting_check configuration_check_server_name, configuration_check_instance_name, configuration_check_bodies,
    configuration_check_semantics, configuration_check_presence_enabled, configuration_check_postgres,
    configuration_check_observe, configuration_check_state_dir;
/* The section of the HTTP listener (configuration_http.c). */
setting_check configuration_check_http, configuration_check_listen, configuration_check_http_secret,
    configuration_check_http_secret_path, configuration_check_http_tls;
/* Refuses an API that answers everybody. */
void configuration_check_http_api(struct configuration_reader *reader);
setting_check configuration_check_console, configuration_check_admin_socket;
/* The console and the socket for administration; when the whole file has been read, what they have without a key. */
void configuration_check_admin(struct configuration_reader *reader);
/* The section `policy_server` (configuration_policy.c). */
setting_check configuration_check_policy, configuration_check_policy_name, configuration_check_policy_rooms,
    configuration_check_policy_version, configuration_check_key_server;
/* What of it depends on other sections. */
void configuration_check_policy_whole(struct configuration_reader *reader);
/* The section of Redis and what it names (configuration_redis.c). */
setting_check configuration_check_redis, configuration_check_redis_enabled, configuration_check_redis_verify,
    configuration_check_sentinel, configuration_check_sentinel_list;
/* What can be judged only when all keys are known: required ones, and what the modules need. */
void configuration_check_whole(struct configuration_reader *reader, const struct yaml_node *root);

/* Reports the second of two keys of `map` that say the same thing twice. */
void configuration_check_exclusive(struct configuration_reader *reader, const struct configuration_place *place,
                                   const struct yaml_node *map, const char *first, const char *second);
/* A name that stands in channel names and between spaces on the wire: reports one that cannot. */
bool configuration_check_name(struct configuration_reader *reader, const struct configuration_place *place,
                              const char *name);

/* Reads `path` as YAML into the next place of `files`; an error is reported at `place`. This is the one place where
 * files of the configuration are read. */
bool configuration_add_file(struct configuration_reader *reader, const char *path, bool lenient,
                            const struct configuration_place *place);

/* The same with its text at hand: for files that are no configuration and are read in the same way. */
bool configuration_add_text(struct configuration_reader *reader, const char *path, struct slice text);

/* `name` beside the file `base`, unless it is absolute; the caller frees it. */
char *configuration_resolve_path(const char *base, const char *name);
/* Puts a regular file of at most `maximum` bytes into `content`; false with the reason, e.g. "No such file or
 * directory", in `error`. */
bool configuration_read_file(const char *path, size_t maximum, struct buffer *content, struct buffer *error);
/* The same for a file that the configuration depends on. */
bool configuration_read_watched(struct configuration_reader *reader, const char *path, size_t maximum,
                                struct buffer *content, struct buffer *error);

/* As configuration_load, with the text of the file at hand. */
struct configuration *configuration_load_text(const char *path, struct slice text, enum configuration_purpose purpose,
                                              const struct module_services *services, bool read_files,
                                              struct buffer *errors, struct buffer *warnings);
/* The same with the YAML files that it names at hand, too; no other file is read. */
struct configuration *configuration_load_texts(const char *path, struct slice text, enum configuration_purpose purpose,
                                               configuration_text_function *text_of, void *context,
                                               struct buffer *errors, struct buffer *warnings);

#endif
