/* The files of the console's page, from console/, which are part of the program. */
#ifndef WEIR_ENGINE_CONSOLE_FILES_H
#define WEIR_ENGINE_CONSOLE_FILES_H

#include "base/slice.h"

struct console_file {
    const char *path; /* that it is served under, "/" or "/console/console.css" */
    const char *content_type;
    struct slice content;
};

#define CONSOLE_FILES 14u
/* `index` from 0 to CONSOLE_FILES - 1; the page itself is the first. */
struct console_file console_file_at(size_t index);

#endif
