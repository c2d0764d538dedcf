/* The assembler puts the files into the program as they are. They are found from the folder that the compiler is
 * started in, which is the repository's; the Makefile knows that this file depends on them, and builds it without
 * link-time optimisation, which does not see what the assembler defines. */
#include "engine/console_files.h"

#define EMBED(name, path)                                                                                              \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".global weir_console_" #name "\n"                                                                         \
            ".global weir_console_" #name "_end\n"                                                                     \
            "weir_console_" #name ":\n"                                                                                \
            ".incbin \"" path "\"\n"                                                                                   \
            "weir_console_" #name "_end:\n"                                                                            \
            ".byte 0\n"                                                                                                \
            ".popsection\n");                                                                                          \
    extern const char weir_console_##name[], weir_console_##name##_end[]

EMBED(page, "console/index.html");
EMBED(style, "console/console.css");
EMBED(script, "console/console.js");
EMBED(icon, "console/icon.svg");

struct console_file console_file_at(size_t index)
{
#define FILE_OF(path, type, name)                                                                                      \
    {                                                                                                                  \
        path, type, weir_console_##name, weir_console_##name##_end                                                     \
    }
    static const struct {
        const char *path;
        const char *content_type;
        const char *begin;
        const char *end;
    } files[CONSOLE_FILES] = {
        FILE_OF("/", "text/html; charset=utf-8", page),
        FILE_OF("/console/console.css", "text/css; charset=utf-8", style),
        FILE_OF("/console/console.js", "text/javascript; charset=utf-8", script),
        FILE_OF("/console/icon.svg", "image/svg+xml", icon),
    };
#undef FILE_OF
    return (struct console_file){files[index].path, files[index].content_type,
                                 slice_of(files[index].begin, (size_t)(files[index].end - files[index].begin))};
}
