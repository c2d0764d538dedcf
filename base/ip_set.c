/* Two ranges either lie apart or one within the other, so a sorted array without the inner ones needs one binary search
 * for the last range that begins at the address or before it. Families are kept apart: a range of one never holds an
 * address of the other. */
#include "base/ip_set.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

typedef unsigned __int128 address_bits;

struct family {
    address_bits *firsts;
    uint8_t *prefixes; /* beside them, so that the search touches firsts only */
    size_t count;
    size_t capacity;
};

struct ip_set {
    struct family families[2]; /* by is_ipv4 */
};

static address_bits bits_of(const struct ip_address *address)
{
    return (address_bits)address->high << 64 | address->low;
}

static struct ip_address address_of(address_bits bits, bool is_ipv4)
{
    return (struct ip_address){(uint64_t)(bits >> 64), (uint64_t)bits, is_ipv4};
}

/* The first `prefix` bits set. */
static address_bits mask_of(unsigned prefix)
{
    return prefix ? ~(address_bits)0 << (128 - prefix) : 0;
}

static address_bits bits_from_bytes(const unsigned char *bytes, size_t count)
{
    address_bits bits = 0;
    for (size_t index = 0; index < count; index++)
        bits |= (address_bits)bytes[index] << (120 - 8 * index);
    return bits;
}

#define MAPPED_PREFIX 96u

/* ::ffff:0:0/96 */
static bool is_mapped(address_bits bits)
{
    return bits >> 32 == 0xffff;
}

/* The text as written: a mapped address stays IPv6. */
static bool read_literal(struct slice text, struct ip_address *address)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (text.length == 0 || text.length >= sizeof copy || memchr(text.data, '\0', text.length))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    bool is_ipv4 = !memchr(copy, ':', text.length);
    if (inet_pton(is_ipv4 ? AF_INET : AF_INET6, copy, bytes) != 1)
        return false;
    *address = address_of(bits_from_bytes(bytes, is_ipv4 ? 4 : 16), is_ipv4);
    return true;
}

static void unmap(struct ip_address *address)
{
    if (!address->is_ipv4 && is_mapped(bits_of(address)))
        *address = address_of(bits_of(address) << MAPPED_PREFIX, true);
}

bool ip_address_read(struct slice text, struct ip_address *address)
{
    if (!text.data || !read_literal(text, address))
        return false;
    unmap(address);
    return true;
}

/* A length of at most `maximum`; above it if `text` is none. */
static unsigned read_prefix(struct slice text, unsigned maximum)
{
    unsigned prefix = 0;
    if (text.length == 0 || text.length > 3 || (text.length > 1 && text.data[0] == '0'))
        return maximum + 1;
    for (size_t index = 0; index < text.length; index++) {
        if (text.data[index] < '0' || text.data[index] > '9')
            return maximum + 1;
        prefix = prefix * 10 + (unsigned)(text.data[index] - '0');
    }
    return prefix;
}

const char *ip_range_read(struct slice text, struct ip_range *range)
{
    const char *stroke = text.length ? memchr(text.data, '/', text.length) : NULL;
    size_t length = stroke ? (size_t)(stroke - text.data) : text.length;
    if (!text.data || !read_literal(slice_of(text.data, length), &range->first))
        return "is no IP address, nor a range such as 10.0.0.0/8 or 2001:db8::/32";
    unsigned whole = range->first.is_ipv4 ? 32 : 128;
    range->prefix = stroke ? read_prefix(slice_of(stroke + 1, text.length - length - 1), whole) : whole;
    if (range->prefix > whole)
        return range->first.is_ipv4 ? "the length behind the `/` must be a number from 0 to 32"
                                    : "the length behind the `/` must be a number from 0 to 128";
    if (bits_of(&range->first) & ~mask_of(range->prefix))
        return "the address goes on behind the prefix: it must be the first of its range, as in 10.0.0.0/8";
    if (!range->first.is_ipv4 && range->prefix >= MAPPED_PREFIX && is_mapped(bits_of(&range->first))) {
        unmap(&range->first);
        range->prefix -= MAPPED_PREFIX;
    }
    return NULL;
}

size_t ip_range_write(const struct ip_range *range, char text[IP_RANGE_TEXT_MAXIMUM])
{
    unsigned char bytes[16];
    unsigned whole = range->first.is_ipv4 ? 32 : 128;
    for (size_t index = 0; index < sizeof bytes; index++)
        bytes[index] = (unsigned char)(bits_of(&range->first) >> (120 - 8 * index));
    if (!inet_ntop(range->first.is_ipv4 ? AF_INET : AF_INET6, bytes, text, IP_RANGE_TEXT_MAXIMUM))
        text[0] = '\0';
    size_t length = strlen(text);
    if (range->prefix < whole)
        length += (size_t)snprintf(text + length, IP_RANGE_TEXT_MAXIMUM - length, "/%u", range->prefix);
    return length;
}

bool ip_range_holds(const struct ip_range *range, const struct ip_address *address)
{
    return range->first.is_ipv4 == address->is_ipv4 &&
           ((bits_of(address) ^ bits_of(&range->first)) & mask_of(range->prefix)) == 0;
}

struct ip_set *ip_set_create(void)
{
    return memory_allocate_zeroed(1, sizeof(struct ip_set));
}

void ip_set_destroy(struct ip_set *set)
{
    if (!set)
        return;
    for (size_t index = 0; index < 2; index++) {
        free(set->families[index].firsts);
        free(set->families[index].prefixes);
    }
    free(set);
}

static void resize(struct family *family, size_t capacity)
{
    family->capacity = capacity;
    family->firsts = memory_reallocate(family->firsts, capacity * sizeof *family->firsts);
    family->prefixes = memory_reallocate(family->prefixes, capacity * sizeof *family->prefixes);
}

void ip_set_add(struct ip_set *set, const struct ip_range *range)
{
    struct family *family = &set->families[range->first.is_ipv4];
    if (family->count == family->capacity)
        resize(family, family->capacity ? family->capacity * 2 : 16);
    family->firsts[family->count] = bits_of(&range->first);
    family->prefixes[family->count++] = (uint8_t)range->prefix;
}

struct sorted_range {
    address_bits first;
    uint8_t prefix;
};

/* A range before those within it. */
static int compare(const void *left_pointer, const void *right_pointer)
{
    const struct sorted_range *left = left_pointer, *right = right_pointer;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return (int)left->prefix - (int)right->prefix;
}

static void seal_family(struct family *family)
{
    if (family->count == 0)
        return;
    struct sorted_range *sorted = memory_allocate_zeroed(family->count, sizeof *sorted);
    for (size_t index = 0; index < family->count; index++)
        sorted[index] = (struct sorted_range){family->firsts[index], family->prefixes[index]};
    qsort(sorted, family->count, sizeof *sorted, compare);
    size_t kept = 0;
    for (size_t index = 0; index < family->count; index++) {
        if (kept && ((sorted[index].first ^ family->firsts[kept - 1]) & mask_of(family->prefixes[kept - 1])) == 0)
            continue;
        family->firsts[kept] = sorted[index].first;
        family->prefixes[kept++] = sorted[index].prefix;
    }
    free(sorted);
    family->count = kept;
    resize(family, kept);
}

void ip_set_seal(struct ip_set *set)
{
    seal_family(&set->families[0]);
    seal_family(&set->families[1]);
}

bool ip_set_find(const struct ip_set *set, const struct ip_address *address, struct ip_range *range)
{
    const struct family *family = &set->families[address->is_ipv4];
    address_bits bits = bits_of(address);
    size_t low = 0;
    size_t high = family->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (family->firsts[middle] <= bits)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || ((family->firsts[low - 1] ^ bits) & mask_of(family->prefixes[low - 1])) != 0)
        return false;
    *range = (struct ip_range){address_of(family->firsts[low - 1], address->is_ipv4), family->prefixes[low - 1]};
    return true;
}

size_t ip_set_count(const struct ip_set *set)
{
    return set->families[0].count + set->families[1].count;
}

size_t ip_set_memory(const struct ip_set *set)
{
    size_t ranges = set->families[0].capacity + set->families[1].capacity;
    return sizeof *set + ranges * (sizeof *set->families[0].firsts + sizeof *set->families[0].prefixes);
}
