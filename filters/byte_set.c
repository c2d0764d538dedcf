/* The guess decides which bytes of a pattern are looked for, so it need not be exact: rare has to be told from common.
 */
#include "filters/byte_set.h"

const struct byte_set byte_set_every = {{~0ull, ~0ull, ~0ull, ~0ull}};

void byte_set_add_range(struct byte_set *set, unsigned first, unsigned last)
{
    for (unsigned byte = first; byte <= last; byte++)
        byte_set_add(set, (unsigned char)byte);
}

void byte_set_add_cases(struct byte_set *set)
{
    for (unsigned letter = 'a'; letter <= 'z'; letter++) {
        unsigned capital = letter - 0x20;
        if (byte_set_has(set, (unsigned char)letter) || byte_set_has(set, (unsigned char)capital)) {
            byte_set_add(set, (unsigned char)letter);
            byte_set_add(set, (unsigned char)capital);
        }
    }
}

double byte_set_probability(const struct byte_set *set)
{
    /* In English chat, in thousandths; capitals a tenth of the letter. */
    static const unsigned char letters[26] = {65, 12, 22, 34, 100, 18, 16, 48, 56, 2,  6, 32, 20,
                                              56, 60, 15, 2,  48,  51, 73, 22, 8,  19, 2, 16, 2};
    /* From the space on; links make slashes and colons common. */
    static const unsigned char others[96] = {[0] = 160,
                                             ['!' - ' '] = 4,
                                             ['"' - ' '] = 4,
                                             ['\'' - ' '] = 6,
                                             ['(' - ' '] = 3,
                                             [')' - ' '] = 3,
                                             [',' - ' '] = 10,
                                             ['-' - ' '] = 5,
                                             ['.' - ' '] = 15,
                                             ['/' - ' '] = 60,
                                             ['0' - ' '] = 8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             8,
                                             [':' - ' '] = 60,
                                             2,
                                             3,
                                             3,
                                             3,
                                             5,
                                             3,
                                             ['[' - ' '] = 2,
                                             1,
                                             2,
                                             1,
                                             3,
                                             1,
                                             ['{' - ' '] = 1,
                                             1,
                                             1,
                                             1,
                                             1,
                                             ['#' - ' '] = 2,
                                             2,
                                             2,
                                             2,
                                             ['*' - ' '] = 2,
                                             2};
    double sum = 0;
    for (unsigned byte = 0; byte < 128; byte++) {
        if (!byte_set_has(set, (unsigned char)byte))
            continue;
        unsigned lower = byte | 0x20;
        if (lower >= 'a' && lower <= 'z' && byte >= 'A')
            sum += letters[lower - 'a'] * (byte < 'a' ? 0.0001 : 0.001);
        else
            sum += byte < ' ' ? 0.0005 : others[byte - ' '] * 0.001;
    }
    return sum + 0.001 * (__builtin_popcountll(set->bits[2]) + __builtin_popcountll(set->bits[3]));
}
