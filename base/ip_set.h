/* Sets of IP addresses, given as single ones and as ranges ("10.0.0.0/8", "2001:db8::/32"), looked up by address.
 *
 * An IPv4 address that is mapped into IPv6 ("::ffff:10.0.0.1") is that IPv4 address, and a range of mapped ones ("…/96"
 * or longer) that IPv4 range; a shorter IPv6 range, "::/0" too, holds no IPv4 address. A set is filled, sealed, and
 * then only read, by any number of threads. */
#ifndef WEIR_BASE_IP_SET_H
#define WEIR_BASE_IP_SET_H

#include <stdint.h>

#include "base/slice.h"

/* The bits stand at the top: those of IPv4 in the upper half of `high`. */
struct ip_address {
    uint64_t high;
    uint64_t low;
    bool is_ipv4;
};

struct ip_range {
    struct ip_address first; /* no bit set behind the prefix */
    unsigned prefix;         /* up to 32 or 128 */
};

/* Reads "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1": no brackets, ports, zones, spaces. False for anything else. */
bool ip_address_read(struct slice text, struct ip_address *address);

/* Reads an address, or one with a prefix length behind a `/`. NULL, or a sentence that says what is wrong. Bits behind
 * the prefix are refused: "10.1.2.3/8" is more often a slip than meant. */
const char *ip_range_read(struct slice text, struct ip_range *range);

/* Writes the range as ip_range_read reads it, a single address without its prefix, NUL-terminated; returns its length.
 */
#define IP_RANGE_TEXT_MAXIMUM 52
size_t ip_range_write(const struct ip_range *range, char text[IP_RANGE_TEXT_MAXIMUM]);

bool ip_range_holds(const struct ip_range *range, const struct ip_address *address);

struct ip_set;

struct ip_set *ip_set_create(void);
void ip_set_destroy(struct ip_set *set);
void ip_set_add(struct ip_set *set, const struct ip_range *range);
/* Ends the filling: sorts, and drops ranges that lie within others. */
void ip_set_seal(struct ip_set *set);

/* The widest range of the set that holds `address`; false if none does. The set must be sealed. */
bool ip_set_find(const struct ip_set *set, const struct ip_address *address, struct ip_range *range);

/* How many ranges it holds; fewer than were added once it is sealed. */
size_t ip_set_count(const struct ip_set *set);
/* Bytes allocated: 17 for each range. */
size_t ip_set_memory(const struct ip_set *set);

#endif
