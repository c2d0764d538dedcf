/* By its name on every system that has this version of its interface; nothing is unloaded, since its own libraries
 * leave threads' and processes' things behind. */
#include "replication/curl_library.h"

#include <dlfcn.h>

#define LIBRARY "libcurl.so.4"

struct curl_library curl;

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define CURL_FUNCTION(name) {"curl_" #name, offsetof(struct curl_library, name)},
#include "replication/curl_functions.def"
#undef CURL_FUNCTION
};

bool curl_library_load(struct buffer *error)
{
    if (curl.global_init)
        return true;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        buffer_append_format(error, "libcurl cannot be loaded (%s): install it (Debian: libcurl4)", dlerror());
        return false;
    }
    struct curl_library found = {0};
    for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
        void *symbol = dlsym(library, functions[index].name);
        if (!symbol) {
            buffer_append_format(error, LIBRARY " has no %s: install a newer one", functions[index].name);
            dlclose(library);
            return false;
        }
        memcpy((char *)&found + functions[index].offset, &symbol, sizeof symbol);
    }
    if (found.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        buffer_append_string(error, "libcurl cannot be made ready");
        return false;
    }
    curl = found;
    return true;
}
