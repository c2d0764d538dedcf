/* Whether the implementation of vectorscan that was chosen misses matches. */
#include <criterion/criterion.h>
#include <string.h>

#include "filters/pattern_set.h"

/* Matches planted at every place of texts of many lengths, in sets of one and of several patterns: what an
 * implementation of the library for one kind of processor gets wrong lies at the borders of its vectors and at the ends
 * of texts. */
static const struct planted {
    const char *pattern;
    const char *hit;
    bool at_end;
} planted[] = {{"k", "k", false},
               {"@", "@", false},
               {"ab", "ab", false},
               {"(?:e|f)g", "fg", false},
               {"q{3}", "qqq", false},
               {"[xyz]", "y", false},
               {"(?:m|n)*c", "c", false},
               {"spam", "spam", false},
               {"\\d{4}", "1234", false},
               {"h\\s+i", "h  i", false},
               {"foo.*bar", "foo-bar", false},
               {"!{5,}", "!!!!!!", false},
               {"u[0-9]+v", "u12v", false},
               {"(w|W)", "W", false},
               {"J$", "J", true},
               {"lo$", "lo", true},
               {"\xc3\xa9$", "\xc3\xa9", true},
               {"\xd1\x8d+", "\xd1\x8d\xd1\x8d", false},
               {"U.{3,6}V", "U----V", false},
               {"P[a-f0-9]{4}Q?$", "P0f12", true}};
enum { PLANTED = sizeof planted / sizeof *planted };

/* How many matches of `planted[which]` the set does not find; `index` is that pattern's place in the set. */
static unsigned count_misses(struct pattern_set *set, uint32_t index, unsigned which)
{
    struct slice hit = slice_from_string(planted[which].hit);
    unsigned missed = 0;
    for (size_t length = hit.length; length < 300; length += 1 + length / 30) {
        for (size_t place = planted[which].at_end ? length - hit.length : 0; place + hit.length <= length; place += 3) {
            char text[300];
            memset(text, '.', length);
            memcpy(text + place, hit.data, hit.length);
            missed += pattern_set_scan(set, slice_of(text, length)) != index;
        }
    }
    return missed;
}

Test(vectorscan, finds_a_match_wherever_it_stands)
{
    for (unsigned first = 0; first < PLANTED; first++) {
        for (unsigned count = 1; count <= 5; count += 2) {
            struct pattern patterns[5];
            for (unsigned place = 0; place < count; place++)
                patterns[place] = (struct pattern){slice_from_string(planted[(first + place * 7) % PLANTED].pattern),
                                                   PATTERN_REGEX, first % 2};
            struct pattern_set *set = pattern_set_compile(patterns, count, NULL, NULL);
            for (unsigned place = 0; place < count; place++) {
                unsigned missed = count_misses(set, place, (first + place * 7) % PLANTED);
                cr_expect_eq(missed, 0u, "`%s` in a set of %u that begins with `%s`: %u misses",
                             planted[(first + place * 7) % PLANTED].pattern, count, planted[first].pattern, missed);
            }
            pattern_set_destroy(set);
        }
    }
}
