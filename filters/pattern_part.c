/* What can be written out as a few short sequences of byte sets is multiplied with what comes before it, so that
 * "8(?:00|33)" becomes "800" and "833"; where that grows too large, or a part may repeat, the sequences so far are
 * weighed and new ones begin. Of all that was weighed, the rarest is kept: in a text that matches, each of the weighed
 * lists has a sequence that occurs.
 *
 * A character outside ASCII has several bytes, all of them above 0x7f. A part that may be such a character ("wide") has
 * all those bytes in its set; behind it only further wide parts are at a known distance. */
#include "filters/pattern_part.h"

#include <stdlib.h>

#include "base/memory.h"

static void best_none(struct factor_list *best)
{
    best->count = 0;
    best->probability = 1;
}

/* The part of a sequence that begins with the rarest four in a row; a shorter one is followed by anything. */
static double rarest_window(const struct sequence *sequence, struct factor *factor)
{
    double least = 2;
    uint32_t rarest = 0;
    uint32_t last = sequence->length > FACTOR_RAREST ? sequence->length - FACTOR_RAREST : 0;
    for (uint32_t begin = 0; begin <= last; begin++) {
        double probability = 1;
        for (uint32_t place = begin; place < begin + FACTOR_RAREST && place < sequence->length; place++)
            probability *= byte_set_probability(&sequence->sets[place]);
        if (probability < least) {
            least = probability;
            rarest = begin;
        }
    }
    for (uint32_t place = 0; place < FACTOR_LENGTH; place++)
        factor->sets[place] = rarest + place < sequence->length ? sequence->sets[rarest + place] : byte_set_every;
    return least;
}

static void weigh_list(struct factor_list *best, const struct factor_list *list)
{
    if (list->probability < best->probability)
        *best = *list;
}

/* Each match of the part has one of the language's sequences. */
static void weigh(struct factor_list *best, const struct language *language)
{
    struct factor_list list = {.count = language->count};
    for (uint32_t number = 0; number < language->count; number++) {
        if (language->sequences[number].length == 0)
            return;
        list.probability += rarest_window(&language->sequences[number], &list.factors[number]);
    }
    if (list.count)
        weigh_list(best, &list);
}

static void language_empty(struct language *language)
{
    language->count = 1;
    language->sequences[0] = (struct sequence){.length = 0};
}

/* Most languages use few of their sequences. */
static void language_copy(struct language *to, const struct language *from)
{
    memcpy(to->sequences, from->sequences, from->count * sizeof *from->sequences);
    to->count = from->count;
}

static bool may_follow(const struct sequence *left, const struct sequence *right)
{
    return !left->wide || right->length == 0 || byte_set_is_wide(&right->sets[0]);
}

/* `run` times `language`; false if that is too much, or where a wide part comes before one that is not. */
static bool multiply(struct language *run, const struct language *language)
{
    if (run->count * language->count > SEQUENCES_MAXIMUM)
        return false;
    struct language *product = memory_allocate(sizeof *product);
    product->count = 0;
    bool good = true;
    for (uint32_t left = 0; left < run->count && good; left++) {
        for (uint32_t right = 0; right < language->count && good; right++) {
            struct sequence *joined = &product->sequences[product->count++];
            const struct sequence *tail = &language->sequences[right];
            *joined = run->sequences[left];
            good = joined->length + tail->length <= SEQUENCE_MAXIMUM && may_follow(joined, tail);
            if (!good)
                break;
            memcpy(joined->sets + joined->length, tail->sets, tail->length * sizeof *tail->sets);
            joined->length += tail->length;
            joined->wide = tail->length ? tail->wide : joined->wide;
        }
    }
    if (good)
        language_copy(run, product);
    free(product);
    return good;
}

/* Behind a wide part the only thing at a known distance is that part's last byte. */
static void keep_last_byte(struct language *run)
{
    for (uint32_t number = 0; number < run->count; number++) {
        struct sequence *sequence = &run->sequences[number];
        if (sequence->length == 0)
            continue;
        sequence->sets[0] = sequence->sets[sequence->length - 1];
        sequence->length = 1;
        sequence->wide = false; /* it is a byte now, not a character */
    }
}

static void append_language(struct concatenation *whole, const struct language *language)
{
    if (multiply(&whole->run, language))
        return;
    weigh(&whole->best, &whole->run);
    whole->whole = false;
    keep_last_byte(&whole->run);
    if (!multiply(&whole->run, language))
        language_copy(&whole->run, language);
}

void concatenation_append(struct concatenation *whole, const struct part *part, uint32_t least, bool more)
{
    if (!part->exact || least == 0) {
        weigh(&whole->best, &whole->run);
        whole->whole = false;
        language_empty(&whole->run);
        if (least && part->best.count)
            weigh_list(&whole->best, &part->best);
        return;
    }
    uint32_t times = least < FACTOR_LENGTH ? least : FACTOR_LENGTH;
    for (uint32_t time = 0; time < times; time++)
        append_language(whole, &part->language);
    if (!more && times == least)
        return;
    weigh(&whole->best, &whole->run);
    whole->whole = false;
    language_empty(&whole->run);
    for (uint32_t time = 0; time < times; time++)
        append_language(whole, &part->language);
}

void part_of_set(struct part *part, const struct byte_set *set)
{
    part->exact = true;
    part->language.count = 1;
    part->language.sequences[0] = (struct sequence){.sets = {*set}, .length = 1, .wide = byte_set_is_wide(set)};
    best_none(&part->best);
}

void part_of_nothing_known(struct part *part)
{
    part->exact = false;
    best_none(&part->best);
}

void part_of_empty(struct part *part)
{
    part->exact = true;
    language_empty(&part->language);
    best_none(&part->best);
}

void part_make_optional(struct part *part)
{
    if (!part->exact || part->language.count == SEQUENCES_MAXIMUM) {
        part_of_nothing_known(part);
        return;
    }
    part->language.sequences[part->language.count++] = (struct sequence){.length = 0};
}

void part_unite(struct part *part, const struct part *other)
{
    if (part->exact && other->exact && part->language.count + other->language.count <= SEQUENCES_MAXIMUM) {
        memcpy(part->language.sequences + part->language.count, other->language.sequences,
               other->language.count * sizeof *other->language.sequences);
        part->language.count += other->language.count;
        return;
    }
    struct factor_list right = other->best;
    if (part->exact)
        weigh(&part->best, &part->language);
    if (other->exact)
        weigh(&right, &other->language);
    part->exact = false;
    if (part->best.count == 0 || right.count == 0 || part->best.count + right.count > FACTORS_MAXIMUM) {
        best_none(&part->best);
        return;
    }
    memcpy(part->best.factors + part->best.count, right.factors, right.count * sizeof *right.factors);
    part->best.count += right.count;
    part->best.probability += right.probability;
}

void concatenation_begin(struct concatenation *whole)
{
    language_empty(&whole->run);
    whole->whole = true;
    best_none(&whole->best);
}

void concatenation_end(struct concatenation *whole, struct part *part)
{
    part->exact = whole->whole;
    if (whole->whole) {
        language_copy(&part->language, &whole->run);
        best_none(&part->best);
    } else {
        weigh(&whole->best, &whole->run);
        part->best = whole->best;
    }
}

bool part_factors(struct part *part, struct factor_list *list)
{
    if (part->exact)
        weigh(&part->best, &part->language);
    if (part->best.count)
        *list = part->best;
    return part->best.count > 0;
}
