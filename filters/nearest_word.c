/* "Did you mean": the edit distance between a word and each that would have been right. */
#include <string.h>

#include "filters/parameter.h"

/* Edits (insert, delete, replace, swap of neighbours) between two words of at most 63 letters. */
static unsigned edit_distance(const char *left, const char *right)
{
    size_t width = strlen(right);
    unsigned rows[3][64];
    for (size_t column = 0; column <= width; column++)
        rows[1][column] = (unsigned)column;
    for (size_t line = 1; left[line - 1]; line++) {
        unsigned *row = rows[(line + 1) % 3];
        const unsigned *above = rows[line % 3];
        const unsigned *two_above = rows[(line + 2) % 3];
        row[0] = (unsigned)line;
        for (size_t column = 1; column <= width; column++) {
            unsigned best = above[column - 1] + (left[line - 1] != right[column - 1]);
            if (above[column] + 1 < best)
                best = above[column] + 1;
            if (row[column - 1] + 1 < best)
                best = row[column - 1] + 1;
            bool swapped =
                line > 1 && column > 1 && left[line - 1] == right[column - 2] && left[line - 2] == right[column - 1];
            if (swapped && two_above[column - 2] + 1 < best)
                best = two_above[column - 2] + 1;
            row[column] = best;
        }
    }
    return rows[(strlen(left) + 1) % 3][width];
}

const char *nearest_word(const char *word, const char *const *candidates)
{
    const char *nearest = NULL;
    if (strlen(word) > 63)
        return NULL;
    unsigned allowed = strlen(word) / 3 > 2 ? (unsigned)strlen(word) / 3 : 2;
    for (; *candidates; candidates++) {
        if (strlen(*candidates) > 63)
            continue;
        unsigned distance = edit_distance(word, *candidates);
        if (distance <= allowed && distance < strlen(word)) {
            nearest = *candidates;
            allowed = distance ? distance - 1 : 0;
            if (distance == 0)
                break;
        }
    }
    return nearest;
}
