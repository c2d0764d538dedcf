/* Subcommands and their options by table: parsing, `--help`, the manual page and completion come
 * from it. */
#ifndef WEIR_ENGINE_OPTION_H
#define WEIR_ENGINE_OPTION_H

#include <stdbool.h>
#include <stddef.h>

/* What `weir` ends with. */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,        /* it could not do what it was asked: a file, a server, the network */
    EXIT_CODE_USAGE = 2,         /* the command line is wrong */
    EXIT_CODE_CONFIGURATION = 3, /* the configuration is wrong */
    EXIT_CODE_CHANGED = 4,       /* what was to be compared is not the same, and the caller asked for that to fail */
    EXIT_CODE_NOT_READY = 5,     /* the engine was asked and lacks something */
};

enum option_type {
    OPTION_FLAG,  /* bool */
    OPTION_TEXT,  /* const char * */
    OPTION_TEXTS, /* struct option_texts: all arguments up to the next that begins with `-`; it may be there again */
    OPTION_CONFIGURATION, /* const char *: the configuration; OPTION_CONFIGURATION_DEFAULT unless it is given */
};

/* Where the package puts it, and the sample's page says it may stand. */
#define OPTION_CONFIGURATION_DEFAULT "/etc/weir/weir.yaml"

#define OPTION_TEXTS_MAXIMUM 256u

struct option_texts {
    const char *items[OPTION_TEXTS_MAXIMUM];
    size_t count;
};

struct option_definition {
    const char *name; /* without the dashes */
    char letter;      /* short form, or 0 */
    enum option_type type;
    size_t offset;        /* of the member in the options struct */
    const char *argument; /* how the value is called in the help, of engine/option_value.h: "FILE"; NULL for flags */
    bool required;
    const char *text; /* what it does, for the help */
};

struct subcommand {
    const char *name;
    const char *summary;     /* one line */
    const char *synopsis;    /* "weir replay -c FILE RECORDING --events BODIES [--output FILE|-] [--all]" */
    const char *description; /* paragraphs */
    const char *exit_status; /* what its exit codes mean, beyond the common table; may be NULL */
    const char *examples;    /* may be NULL */
    const struct option_definition *options; /* ends with a NULL name; --help is everywhere */
    size_t options_size;                     /* of the options struct, zeroed before parsing */
    const char *operand;                     /* what operands are, as `argument` of options; NULL without any */
    size_t minimum_operands;
    size_t maximum_operands;
    /* `options` is the filled struct. Returns an exit_code. */
    int (*run)(const void *options, char **operands, size_t operand_count);
};

extern const struct subcommand *const subcommands[]; /* NULL-terminated */

/* Parses argv (after the program's name) and runs the subcommand; prints help or a usage error where asked or needed.
 */
int subcommand_main(int argc, char **argv);

#endif
