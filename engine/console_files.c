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
EMBED(api_module, "console/api.js");
EMBED(chain_module, "console/chain.js");
EMBED(charts_module, "console/charts.js");
EMBED(dom_module, "console/dom.js");
EMBED(engine_module, "console/engine.js");
EMBED(explanation_module, "console/explanation.js");
EMBED(format_module, "console/format.js");
EMBED(list_module, "console/list.js");
EMBED(verdict_module, "console/verdict.js");
EMBED(verdicts_module, "console/verdicts.js");

#define JAVASCRIPT "text/javascript; charset=utf-8"

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
        FILE_OF("/console/console.js", JAVASCRIPT, script),
        FILE_OF("/console/icon.svg", "image/svg+xml", icon),
        FILE_OF("/console/api.js", JAVASCRIPT, api_module),
        FILE_OF("/console/chain.js", JAVASCRIPT, chain_module),
        FILE_OF("/console/charts.js", JAVASCRIPT, charts_module),
        FILE_OF("/console/dom.js", JAVASCRIPT, dom_module),
        FILE_OF("/console/engine.js", JAVASCRIPT, engine_module),
        FILE_OF("/console/explanation.js", JAVASCRIPT, explanation_module),
        FILE_OF("/console/format.js", JAVASCRIPT, format_module),
        FILE_OF("/console/list.js", JAVASCRIPT, list_module),
        FILE_OF("/console/verdict.js", JAVASCRIPT, verdict_module),
        FILE_OF("/console/verdicts.js", JAVASCRIPT, verdicts_module),
    };
#undef FILE_OF
    return (struct console_file){files[index].path, files[index].content_type,
                                 slice_of(files[index].begin, (size_t)(files[index].end - files[index].begin))};
}
