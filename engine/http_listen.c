/* Splitting what people write into `http.listen`: an address that resolves here is bound literally, and an IPv6 address
 * needs its brackets, since nobody can tell its last group from a port. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/slice.h"
#include "engine/http_server.h"

#define HOST_SIZE 256

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned value = 0;
    size_t length = strlen(text);
    if (length == 0 || length > 5)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

bool http_listen_parse(const char *listen, char *host, size_t host_size, uint16_t *port)
{
    const char *colon = strrchr(listen, ':');
    if (!colon || !parse_port(colon + 1, port))
        return false;
    size_t length = (size_t)(colon - listen);
    bool bracketed = length > 0 && listen[0] == '[';
    if (bracketed) {
        if (length < 3 || listen[length - 1] != ']')
            return false;
        listen++;
        length -= 2;
    }
    static const char unwanted[] = "[]/@ \t\r\n";
    if (length >= host_size || strcspn(listen, unwanted) < length)
        return false;
    if ((memchr(listen, ':', length) != NULL) != bracketed)
        return false;
    memcpy(host, listen, length);
    host[length] = '\0';
    return true;
}

bool http_listen_is_loopback(const char *listen)
{
    char host[HOST_SIZE];
    uint16_t port;
    struct in_addr address;
    struct in6_addr long_address;
    if (!http_listen_parse(listen, host, sizeof host, &port))
        return false;
    if (inet_pton(AF_INET, host, &address) == 1)
        return ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, host, &long_address) == 1)
        return IN6_IS_ADDR_LOOPBACK(&long_address);
    return strcmp(host, "localhost") == 0;
}
