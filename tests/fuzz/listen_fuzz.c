/* Addresses to listen on. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/http_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *listen = memory_copy_text((const char *)data, size);
    char *host = memory_allocate(64);
    uint16_t port;
    if (http_listen_parse(listen, host, 64, &port) && strlen(host) >= 64)
        abort();
    free(host);
    free(listen);
    return 0;
}
