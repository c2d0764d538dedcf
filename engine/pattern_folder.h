/* The folder `cache_dir`, in which compiled pattern sets (filters/kept_set.h) are kept from one load of the
 * configuration to the next: one file for each set, NAME.patterns.
 *
 * A file is put there whole (a temporary file takes its name), and is used only if its checksum fits, so that the
 * folder may be emptied at any time. Only a folder that belongs to the engine's user or to root, and that nobody else
 * may write to, is read; only one of the engine's user is written to. What cannot be read or written is said, and the
 * set is compiled: a cache never fails anything. Blocks on the disk. */
#ifndef WEIR_ENGINE_PATTERN_FOLDER_H
#define WEIR_ENGINE_PATTERN_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filters/pattern_set.h"

/* All files together; what was used least recently goes first. */
#define PATTERN_FOLDER_BYTES_MAXIMUM ((uint64_t)256 << 20)
/* What was not used for so long goes, too. */
#define PATTERN_FOLDER_DAYS_MAXIMUM 90

struct pattern_folder {
    char *path;
    struct pattern_store store;
    uint64_t bytes_maximum; /* PATTERN_FOLDER_BYTES_MAXIMUM */
    bool readable;
    bool told;        /* that it cannot be written to */
    uint32_t found;   /* sets that did not have to be compiled */
    uint32_t written; /* sets that were put there */
};

/* `path` is copied; the folder is made with the first set, if the one above it is there. `folder` must not move until
 * it is closed. */
void pattern_folder_open(struct pattern_folder *folder, const char *path);
void pattern_folder_close(struct pattern_folder *folder);

#endif
