/* `include:` in the configuration: files whose modules stand in the place of an entry of `modules:`, and files whose
 * keys stand behind the configuration's own. For engine/configuration*.c and their tests only. */
#ifndef WEIR_ENGINE_CONFIGURATION_INCLUDE_H
#define WEIR_ENGINE_CONFIGURATION_INCLUDE_H

#include "engine/configuration_reader.h"

/* The files that are being read, from the innermost to ours. */
struct include_step {
    const struct include_step *outer;
    const char *path;
};

/* An entry `- include: FILE` whose file is being read. */
struct module_inclusion {
    struct include_step step;             /* of the file that is included */
    const struct module_inclusion *outer; /* by which the file came in that has the entry; NULL: it is ours */
    uint32_t file;                        /* that has the entry */
    const struct yaml_node *item;
    const char *key; /* "modules[2]" */
    struct label_list *labels;
};

/* The labels of the modules that came in by an entry. */
struct label_list {
    const char **items; /* in the trees of the files */
    size_t count;
};

/* Reads what `include:` at the top of our file names, and what those files name in turn. */
void configuration_read_includes(struct configuration_reader *reader);
/* Takes from these files the keys that ours does not have. */
void configuration_take_included(struct configuration_reader *reader);

/* A list of modules: `inclusion` is by what the file came in. Its pair is "modules" of the file's root. */
void configuration_take_list(struct configuration_reader *reader, const struct module_inclusion *inclusion,
                             uint32_t file, const struct yaml_pair *pair);
/* Takes the modules of the file that an entry with `include` names. `reading` has no more than its item. */
void configuration_include_modules(const struct module_reading *reading);
/* Whether an entry by which the module of `reading` came in leaves it out. */
bool configuration_module_left_out(const struct module_reading *reading);

/* Reports what is wrong with `dry_run`, `except`, `with` and `without` of an entry (configuration_change.c). */
void configuration_check_inclusion(struct configuration_reader *reader, const struct module_inclusion *inclusion);
/* Reports labels that no module of the file has. */
void configuration_check_labels(struct configuration_reader *reader, const struct module_inclusion *inclusion);

#endif
