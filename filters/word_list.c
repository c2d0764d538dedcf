/* A word is known by its first bytes (four, or all it has) and its length: the table of beginnings says which lengths
 * there are, the table of words whether it is one. Before both, a bit for each pair of bytes that a word begins with
 * passes over most of a text. */
#include "filters/word_list.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "base/utf8.h"
#include "filters/characters.h"
#include "filters/pattern_list.h"

#define BEGINNING_BYTES 4u
#define NONE UINT32_MAX

/* A length of words with one beginning; the next one is shorter. */
struct length {
    uint32_t bytes;
    uint32_t next;
};

struct word_list {
    enum text_folding folding;
    bool whole;
    struct string_table *words;
    struct string_table *beginnings; /* value: the first of its lengths */
    struct length *lengths;
    uint32_t length_count;
    uint32_t short_beginnings; /* bit n: there are words of n bytes, for n below BEGINNING_BYTES */
    uint64_t pairs[65536 / 64];
};

struct word_list *word_list_create(enum text_folding folding, bool whole)
{
    struct word_list *words = memory_allocate_zeroed(1, sizeof *words);
    words->folding = folding;
    words->whole = whole;
    words->words = string_table_create();
    words->beginnings = string_table_create();
    return words;
}

void word_list_destroy(struct word_list *words)
{
    if (!words)
        return;
    string_table_destroy(words->words);
    string_table_destroy(words->beginnings);
    free(words->lengths);
    free(words);
}

bool word_list_read(struct word_list **words, const char *parameter, const struct text_list *list,
                    const struct module_host *host)
{
    const char *problem = NULL;
    bool good = true;
    *words = NULL;
    if (list->count == 0)
        return true;
    if (!text_fold_open(TEXT_FOLD_UNICODE, &problem)) {
        module_host_report(host, parameter, "cannot be looked for: folding %s", problem);
        return false;
    }
    *words = word_list_create(TEXT_FOLD_UNICODE, true);
    for (size_t item = 0; item < list->count; item++) {
        problem = word_list_add(*words, slice_from_string(list->items[item]), (uint32_t)item);
        if (problem)
            text_list_report(host, parameter, list, item, problem);
        good &= !problem;
    }
    return good;
}

size_t word_list_count(const struct word_list *words)
{
    return string_table_count(words->words);
}

struct slice word_list_fold(const struct word_list *words, struct slice text, struct arena *arena)
{
    if (!text.data || text.length == 0)
        return text;
    char *output = arena_allocate(arena, text_fold_room(words->folding, text));
    size_t length = text_fold(words->folding, text, output);
    size_t kept = 0;
    for (size_t index = 0; index < length; index++) {
        bool blank = output[index] == ' ' || (output[index] >= '\t' && output[index] <= '\r');
        if (!blank)
            output[kept++] = output[index];
        else if (kept == 0 || output[kept - 1] != ' ')
            output[kept++] = ' ';
    }
    return slice_of(output, kept);
}

static struct slice beginning_of(struct slice word)
{
    return slice_of(word.data, word.length < BEGINNING_BYTES ? word.length : BEGINNING_BYTES);
}

static unsigned pair_of(const char *at)
{
    return (unsigned char)at[0] | (unsigned)(unsigned char)at[1] << 8;
}

static void mark_pairs(struct word_list *words, struct slice word)
{
    for (unsigned second = 0; second < 256; second++) {
        const char bytes[2] = {word.data[0], (char)(word.length == 1 ? second : (unsigned char)word.data[1])};
        unsigned pair = pair_of(bytes);
        words->pairs[pair / 64] |= (uint64_t)1 << pair % 64;
    }
}

/* Puts a length into its place among those of its beginning, the longest first. The first one keeps its number, since
 * the table of beginnings does not change a value. */
static void add_length(struct word_list *words, uint32_t first, uint32_t bytes)
{
    uint32_t at = first;
    while (words->lengths[at].bytes != bytes) {
        if (words->lengths[at].bytes < bytes) {
            uint32_t shorter = words->lengths[at].bytes;
            words->lengths[at].bytes = bytes;
            bytes = shorter;
        }
        if (words->lengths[at].next == NONE) {
            words->lengths = memory_reallocate(words->lengths, (words->length_count + 1) * sizeof *words->lengths);
            words->lengths[words->length_count] = (struct length){bytes, NONE};
            words->lengths[at].next = words->length_count++;
            return;
        }
        at = words->lengths[at].next;
    }
}

static void add_beginning(struct word_list *words, struct slice word)
{
    struct slice beginning = beginning_of(word);
    uint32_t first = string_table_find(words->beginnings, beginning);
    if (first == STRING_TABLE_NONE) {
        first = words->length_count;
        string_table_add(words->beginnings, beginning, first);
        words->lengths = memory_reallocate(words->lengths, (words->length_count + 1) * sizeof *words->lengths);
        words->lengths[words->length_count++] = (struct length){(uint32_t)word.length, NONE};
    } else {
        add_length(words, first, (uint32_t)word.length);
    }
    if (word.length < BEGINNING_BYTES)
        words->short_beginnings |= 1u << word.length;
    mark_pairs(words, word);
}

const char *word_list_add(struct word_list *words, struct slice word, uint32_t number)
{
    struct arena arena = {0};
    const char *problem = NULL;
    struct slice folded = word_list_fold(words, word, &arena);
    while (folded.length && *folded.data == ' ')
        folded = slice_of(folded.data + 1, folded.length - 1);
    while (folded.length && folded.data[folded.length - 1] == ' ')
        folded.length--;
    if (folded.length == 0)
        problem = "nothing is left of it to look for";
    else if (folded.length > WORD_LENGTH_MAXIMUM)
        problem = "a word has at most 1024 bytes";
    else if (string_table_add(words->words, folded, number))
        add_beginning(words, folded);
    arena_free(&arena);
    return problem;
}

/* Whether a word may end between these two. */
static bool is_boundary(uint32_t left, uint32_t right)
{
    return !character_is_word(left) || !character_is_word(right) || character_is_unspaced(left) ||
           character_is_unspaced(right);
}

/* Whether a word may end at `place`, which is within the text or its end. */
static bool ends_word(struct slice text, size_t place)
{
    if (place == text.length)
        return true;
    const unsigned char *bytes = (const unsigned char *)text.data;
    const unsigned char *end = bytes + text.length;
    const unsigned char *right = bytes + place;
    const unsigned char *left = right - 1;
    while (left > bytes && (*left & 0xc0) == 0x80)
        left--;
    uint32_t left_point = utf8_decode(&left, end);
    return is_boundary(left_point, utf8_decode(&right, end));
}

/* The longest word that begins at `place`: its length, 0: none. */
static size_t word_at(const struct word_list *words, struct slice text, size_t place, uint32_t *number)
{
    struct slice rest = slice_of(text.data + place, text.length - place);
    for (size_t bytes = BEGINNING_BYTES; bytes > 0; bytes--) {
        if (bytes > rest.length || (bytes < BEGINNING_BYTES && !(words->short_beginnings >> bytes & 1)))
            continue;
        uint32_t at = string_table_find(words->beginnings, slice_of(rest.data, bytes));
        for (; at != STRING_TABLE_NONE; at = words->lengths[at].next) {
            size_t length = words->lengths[at].bytes;
            if (length > rest.length || (words->whole && !ends_word(text, place + length)))
                continue;
            *number = string_table_find(words->words, slice_of(rest.data, length));
            if (*number != STRING_TABLE_NONE)
                return length;
        }
    }
    return 0;
}

bool word_list_find(const struct word_list *words, struct slice folded, size_t *position, struct slice *found,
                    uint32_t *number)
{
    for (size_t place = *position; place < folded.length; place++) {
        if (((unsigned char)folded.data[place] & 0xc0) == 0x80)
            continue;
        if (place + 1 < folded.length) {
            unsigned pair = pair_of(folded.data + place);
            if (!(words->pairs[pair / 64] >> pair % 64 & 1))
                continue;
        }
        if (words->whole && place && !ends_word(folded, place))
            continue;
        size_t length = word_at(words, folded, place, number);
        if (length) {
            *found = slice_of(folded.data + place, length);
            *position = place + length;
            return true;
        }
    }
    *position = folded.length;
    return false;
}

bool word_list_next(const struct word_list *words, struct slice folded, size_t *position, uint32_t *number)
{
    struct slice found;
    return word_list_find(words, folded, position, &found, number);
}
