/* Lists of ranges and addresses, a line each: the sorted set against a look through all ranges, and what is written
 * against what is read. */
#include <stdint.h>
#include <stdlib.h>

#include "base/ip_set.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_text(const struct ip_range *range)
{
    char text[IP_RANGE_TEXT_MAXIMUM];
    struct ip_range again;
    size_t length = ip_range_write(range, text);
    check(!ip_range_read(slice_of(text, length), &again));
    check(again.prefix == range->prefix && ip_range_holds(&again, &range->first) &&
          ip_range_holds(range, &again.first));
}

static void check_address(const struct ip_set *set, const struct ip_range *ranges, size_t count,
                          const struct ip_address *address)
{
    const struct ip_range *widest = NULL;
    struct ip_range found;
    for (size_t index = 0; index < count; index++)
        if (ip_range_holds(&ranges[index], address) && (!widest || ranges[index].prefix < widest->prefix))
            widest = &ranges[index];
    check(ip_set_find(set, address, &found) == (widest != NULL));
    check(!widest || (found.prefix == widest->prefix && ip_range_holds(&found, address)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    struct ip_range *ranges = memory_allocate_zeroed(size + 1, sizeof *ranges);
    struct ip_address *addresses = memory_allocate_zeroed(size + 1, sizeof *addresses);
    struct ip_set *set = ip_set_create();
    size_t range_count = 0, address_count = 0;
    const char *line = (const char *)data, *end = line + size;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        struct slice text = slice_of(line, (size_t)((stop ? stop : end) - line));
        if (!ip_range_read(text, &ranges[range_count])) {
            check_text(&ranges[range_count]);
            ip_set_add(set, &ranges[range_count]);
            addresses[address_count++] = ranges[range_count++].first;
        } else if (text.length && text.data[0] == '?' &&
                   ip_address_read(slice_of(text.data + 1, text.length - 1), &addresses[address_count])) {
            address_count++;
        }
        line = stop ? stop + 1 : end;
    }
    ip_set_seal(set);
    check(ip_set_count(set) <= range_count);
    for (size_t index = 0; index < address_count; index++)
        check_address(set, ranges, range_count, &addresses[index]);
    ip_set_destroy(set);
    free(ranges);
    free(addresses);
    return 0;
}
