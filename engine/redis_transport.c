/* getaddrinfo blocks, so it is asked for literal addresses only; every other name goes to libevent's resolver, which
 * knows /etc/hosts and the name servers of /etc/resolv.conf. `localhost` is 127.0.0.1 without asking anybody: Redis
 * listens there by default, and containers often lack the name. */
#include "engine/redis_transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>

#define REDIS_DEFAULT_PORT 6379

static bool fail(struct buffer *error, const char *words)
{
    buffer_clear(error);
    buffer_append_string(error, "cannot connect to Redis: ");
    buffer_append_string(error, words);
    return false;
}

static int port_of(const struct redis_address *address)
{
    return address->port ? address->port : REDIS_DEFAULT_PORT;
}

/* False for a host name, which must be looked up. */
static bool literal_address(const struct redis_address *address, struct sockaddr_storage *result, socklen_t *length)
{
    char port[8];
    snprintf(port, sizeof port, "%d", port_of(address));
    const char *host = address->host && strcmp(address->host, "localhost") != 0 ? address->host : "127.0.0.1";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    memcpy(result, found->ai_addr, found->ai_addrlen);
    *length = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool connect_to_name(struct bufferevent *transport, struct evdns_base **resolver,
                            const struct redis_address *address, struct buffer *error)
{
    struct event_base *base = bufferevent_get_base(transport);
    if (!*resolver)
        *resolver = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!*resolver) { /* no name servers: the hosts file may still know the name */
        *resolver = evdns_base_new(base, 0);
        if (*resolver)
            evdns_base_load_hosts(*resolver, "/etc/hosts");
    }
    if (!*resolver ||
        bufferevent_socket_connect_hostname(transport, *resolver, AF_UNSPEC, address->host, port_of(address)) != 0)
        return fail(error, "its host name cannot be looked up");
    return true;
}

bool redis_transport_connect(struct bufferevent *transport, struct evdns_base **resolver,
                             const struct redis_address *address, struct buffer *error)
{
    struct sockaddr_storage target = {0};
    socklen_t length = sizeof(struct sockaddr_un);
    if (address->unix_path) {
        struct sockaddr_un *local = (struct sockaddr_un *)&target;
        size_t path_length = strlen(address->unix_path);
        if (path_length >= sizeof local->sun_path)
            return fail(error, "the path of its socket is too long");
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, address->unix_path, path_length + 1);
    } else if (!literal_address(address, &target, &length)) {
        return connect_to_name(transport, resolver, address, error);
    }
    if (bufferevent_socket_connect(transport, (struct sockaddr *)&target, (int)length) != 0)
        return fail(error, strerror(errno));
    return true;
}

void redis_transport_connected(struct bufferevent *transport, const struct redis_address *address)
{
    static const struct {
        int level;
        int option;
        int value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 30},
        {IPPROTO_TCP, TCP_KEEPINTVL, 10}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };
    if (address->unix_path)
        return;
    for (size_t index = 0; index < sizeof options / sizeof options[0]; index++)
        setsockopt(bufferevent_getfd(transport), options[index].level, options[index].option, &options[index].value,
                   sizeof(int));
}
