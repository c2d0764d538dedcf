/* "a.b.example", "b.example", "example": a name below a listed one is always meant too. */
#include "filters/domains.h"

#include "filters/links.h"

struct slice domain_without_dots(struct slice domain)
{
    if (domain.length && domain.data[0] == '.')
        domain = slice_of(domain.data + 1, domain.length - 1);
    if (domain.length && domain.data[domain.length - 1] == '.')
        domain.length--;
    return domain;
}

const char *domain_fault(struct slice domain)
{
    if (domain.length == 0)
        return "an empty domain would match no link";
    if (domain.length > DOMAIN_MAXIMUM)
        return "a domain has at most 253 bytes";
    if (memchr(domain.data, '*', domain.length))
        return "a domain has no `*`: names below it are always meant too";
    if (!links_host_possible(domain))
        return "not a domain: write the host alone, without scheme, port or path";
    return NULL;
}

void domain_lower_case(char *output, struct slice text)
{
    for (size_t index = 0; index < text.length; index++) {
        char byte = text.data[index];
        output[index] = byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
    }
}

uint32_t domains_find(const struct string_table *domains, struct slice host, struct slice *name)
{
    char lower[DOMAIN_MAXIMUM + 1]; /* the end of the host, where a listed domain and the dot before it have room */
    bool whole = host.length <= DOMAIN_MAXIMUM;
    if (host.length > sizeof lower)
        host = slice_of(host.data + host.length - sizeof lower, sizeof lower);
    domain_lower_case(lower, host);
    struct slice rest = slice_of(lower, host.length);
    while (rest.length) {
        uint32_t number = whole ? string_table_find(domains, rest) : STRING_TABLE_NONE;
        const char *dot = memchr(rest.data, '.', rest.length);
        if (number != STRING_TABLE_NONE) {
            *name = string_table_stored(domains, rest);
            return number;
        }
        if (!dot)
            break;
        rest = slice_of(dot + 1, rest.length - (size_t)(dot + 1 - rest.data));
        whole = true;
    }
    return STRING_TABLE_NONE;
}
