/* Looked for from the program's own place rather than compiled in: what was installed under one prefix, unpacked under
 * another or built in a source tree finds its own profiles. */
#include "engine/profile_folder.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

/* From build/debug/tests/ up to the tree. */
#define LEVELS 4

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

char *profile_folder_find(void)
{
    static const char *const names[] = {"share/weir/profiles", "deploy/profiles"};
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    struct buffer path = {0};
    char *found = NULL;
    program[length > 0 ? length : 0] = '\0';
    for (int level = 0; level < LEVELS && !found && strrchr(program, '/'); level++) {
        *strrchr(program, '/') = '\0';
        for (size_t name = 0; name < sizeof names / sizeof *names && !found; name++) {
            buffer_clear(&path);
            buffer_append_format(&path, "%s/%s", program, names[name]);
            if (is_folder(buffer_string(&path)))
                found = memory_copy_text(path.data, path.length);
        }
    }
    buffer_free(&path);
    return found;
}
